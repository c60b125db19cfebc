"""The correction of voltages: its arithmetic, where the shipped lines come from, and what it does to a design."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from voltgym.envs.cathode.correction import FILE, Corrected, Line, corrections, of_tier
from voltgym.envs.cathode.properties import make_properties
from voltgym.envs.edit_problem import EditProblem
from voltgym.envs.errors import VoltGymError
from voltgym.envs.ledger import Ledger
from voltgym.experiments import cathode_agreement
from voltgym.surrogates.cathode_features import capacity, numbers
from voltgym.surrogates.cathode_names import ENERGY, NAMES, VOLTAGE, VOLUME

KEY = "LiNi0.8Mn0.1Co0.1O2@0.6"


def test_the_mean_of_a_line_is_its_integral() -> None:
    line = Line(-0.5, 1.0)
    lithium = np.linspace(0.4, 1.0, 10_001)
    assert line.mean(np.array([0.6]))[0] == pytest.approx(np.mean(line.offset + line.slope * lithium))


def test_the_shipped_lines_are_the_fitted_ones(tmp_path: Path) -> None:
    cathode_agreement.keep(tmp_path / FILE)
    with (tmp_path / FILE).open(encoding="utf-8") as stream:
        again = list(csv.DictReader(stream))
    assert [row["tier"] for row in again] == list(corrections())
    for row in again:
        shipped = corrections()[row["tier"]]
        assert (shipped.offset, shipped.slope) == pytest.approx((float(row["offset"]), float(row["slope"])), abs=2e-3)
        assert float(row["error left out"]) < float(row["error"])
    assert of_tier("F3") == of_tier("F2")
    with pytest.raises(VoltGymError, match="no correction of the voltage is shipped for F9, only for F1, F2"):
        of_tier("F9")


def test_a_material_is_scored_by_a_line_that_never_saw_it() -> None:
    found = [
        cathode_agreement.Window(name, high, low, 3.5, 3.5 + shift)
        for name, shift in (("a", 0.1), ("b", 0.3), ("c", 5.0))
        for high, low in ((1.0, 0.8), (0.8, 0.6))
    ]
    assert cathode_agreement.left_out(found)[-1] == pytest.approx(3.5 + 0.2)


def test_voltage_and_energy_follow_and_the_volume_does_not() -> None:
    plain = make_properties("surrogate", Ledger())
    line = Line(0.3, -0.2)
    a, b = plain.predict([KEY]), Corrected(plain, line).predict([KEY])
    volts = 0.3 - 0.2 * (1 - 0.3)
    at = {name: NAMES.index(name) for name in NAMES}
    assert (b.mean - a.mean)[0, at[VOLTAGE]] == pytest.approx(volts)
    assert (b.mean - a.mean)[0, at[ENERGY]] == pytest.approx(volts * capacity(numbers([KEY])[0])[0])
    assert b.mean[0, at[VOLUME]] == a.mean[0, at[VOLUME]]
    np.testing.assert_array_equal(a.std, b.std)
    np.testing.assert_array_equal(a.mean, plain.predict([KEY]).mean)  # the model's own array was left alone


def test_an_environment_can_be_corrected() -> None:
    plain, corrected = EditProblem("VoltGym/Cathode-v0"), EditProblem("VoltGym/Cathode-v0", corrected=True)
    shift = corrected.evaluate([KEY]).values[VOLTAGE] - plain.evaluate([KEY]).values[VOLTAGE]
    assert shift[0] == pytest.approx(of_tier("F1").offset)
    assert "correction" in corrected.twin.fingerprint
    assert corrected.twin.model.ladder == plain.twin.model.ladder  # type: ignore[attr-defined]
