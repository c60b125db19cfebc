"""Mean voltages of measured curves."""

from __future__ import annotations

import pytest

from voltgym.envs.charging.open_circuit import mean_voltage


@pytest.mark.parametrize(("name", "volts"), [("Chen2020", 3.86), ("Mohtat2020", 3.79), ("Marquis2019", 4.0)])
def test_layered_oxides_lie_where_they_should(name: str, volts: float) -> None:
    assert mean_voltage(name, 0.4, 0.9) == pytest.approx(volts, abs=0.1)


def test_windows_average_to_the_whole_and_fall_with_lithium() -> None:
    one, other = mean_voltage("Chen2020", 0.3, 0.6), mean_voltage("Chen2020", 0.6, 0.9)
    assert one > other
    assert (one + other) / 2 == pytest.approx(mean_voltage("Chen2020", 0.3, 0.9), abs=1e-3)
