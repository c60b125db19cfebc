from __future__ import annotations

import pickle
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from voltgym.envs.charging.objective import Limits, ProtocolObjective
from voltgym.envs.charging.protocol_twin import ProtocolTwin
from voltgym.envs.charging.viewer import EpisodeViewer, ProtocolViewer
from voltgym.envs.plotting import Panel, line_chart, margin_text

LIMITS = Limits(voltage_limit=4.2)


def charge(steps: int = 20, **peaks: float) -> list[dict[str, Any]]:
    """A made-up charge at 1C that keeps every limit, unless a peak is put into one of its quantities."""
    soc = 0.1 + np.arange(steps + 1) / 120
    columns = {
        "Time [s]": 30.0 * np.arange(steps + 1),
        "SOC": soc,
        "C-rate": np.r_[0.0, np.ones(steps)],
        "Voltage [V]": 3.5 + 0.5 * soc,
        "Maximum voltage [V]": 3.51 + 0.5 * soc,
        "Temperature [K]": 298.15 + 5 * soc,
        "Maximum temperature [K]": 298.2 + 5 * soc,
        "Anode potential [V]": 0.1 - 0.05 * soc,
        "Minimum anode potential [V]": 0.09 - 0.05 * soc,
    }
    for name, peak in peaks.items():
        columns[name] = columns[name].copy()
        columns[name][5] = peak
    return [{name: values[i] for name, values in columns.items()} for i in range(steps + 1)]


class Bucket:
    """A cell twin for the protocol: charge goes in, the voltage follows. Contract of the charging twins."""

    class cell:
        nominal_capacity = 5.0

    def initial(self, scenarios: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        n = len(scenarios["Initial SOC"])
        return {**scenarios, "SOC": scenarios["Initial SOC"].copy(), "Time [s]": np.zeros(n), "C-rate": np.zeros(n)}

    def advance(self, state: dict[str, np.ndarray], c_rate: np.ndarray, seconds: np.ndarray) -> Any:
        new = {"SOC": state["SOC"] + c_rate * seconds / 3600, "Time [s]": state["Time [s]"] + seconds, "C-rate": c_rate}
        return state | new, np.zeros(len(c_rate), dtype=np.int8)

    def measure(self, state: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        soc, zero = state["SOC"], np.zeros(len(state["SOC"]))
        voltage = 3.4 + soc + 0.05 * state["C-rate"]
        return {
            **{name: state[name] for name in ("SOC", "Time [s]", "C-rate", "Initial SOC")},
            **{"Counted SOC": soc, "Capacity [A.h]": zero + 5, "Initial SOC error": zero},
            **{"Voltage [V]": voltage, "Maximum voltage [V]": voltage},
            **{"Temperature [K]": zero + 298.15, "Maximum temperature [K]": zero + 298.15},
            **{"Anode potential [V]": zero + 0.1, "Minimum anode potential [V]": zero + 0.1},
            "Ambient temperature [K]": zero + 298.15,
        }


def protocol(rates: list[float], socs: tuple[float, ...] = (0.1,)) -> tuple[ProtocolViewer, Any, list[dict[str, Any]]]:
    twin = ProtocolTwin(Bucket(), stages=len(rates))
    start = twin.initial({"Initial SOC": np.array([socs]), "Initial SOC error": np.zeros((1, len(socs)))})
    end, failure = twin.advance(start, np.array([rates]))
    assert not failure.any()
    trace = [{name: values[0] for name, values in twin.measure(state).items()} for state in (start, end)]
    return ProtocolViewer(ProtocolObjective(voltage_limit=4.2), twin), start, trace


@pytest.mark.parametrize("steps", [0, 1, 60])
def test_an_episode_is_a_picture_of_one_size(steps: int) -> None:
    picture = EpisodeViewer(LIMITS)(charge(steps))
    assert picture.dtype == np.uint8
    assert picture.shape == (810, 640, 3)
    assert all(side % 2 == 0 for side in picture.shape[:2]), "video encoders want even sides"


@pytest.mark.parametrize(
    ("name", "peak", "panel"),
    [
        ("Maximum voltage [V]", 4.25, "Voltage [V]"),
        ("Maximum temperature [K]", 320.0, "Temperature [°C]"),
        ("Minimum anode potential [V]", -0.02, "Anode potential [mV]"),
    ],
)
def test_a_breach_within_a_step_is_marked(name: str, peak: float, panel: str) -> None:
    viewer = EpisodeViewer(LIMITS)
    kept, broken = charge(), charge(**{name: peak})
    marks = {p.name: p.breaches() for p in viewer.panels(broken)}
    assert marks.pop(panel) == [(2.0, 2.5)], "the step from 2.0 to 2.5 min"
    assert not any(marks.values())
    assert "a limit is broken" in viewer.title(broken)
    assert "within the limits" in viewer.title(kept)
    before, after = viewer(kept), viewer(broken)
    assert redness(after) > redness(before)


def redness(picture: np.ndarray) -> int:
    """Pixels of the colour of a limit, pale or not: dashes, the band of a breach, its margin."""
    red, green, blue = (picture[..., i].astype(int) for i in range(3))
    return int(np.sum((red - green > 20) & (red - blue > 20)))


def test_a_slack_within_the_tolerance_is_no_breach() -> None:
    panels = EpisodeViewer(LIMITS).panels(charge(**{"Maximum voltage [V]": 4.2009}))
    assert not any(panel.breaches() for panel in panels)


def test_panels_have_the_units_that_they_name() -> None:
    panels = {panel.name: panel for panel in EpisodeViewer(LIMITS).panels(charge())}
    assert panels["Temperature [°C]"].limit == pytest.approx(45)
    assert panels["Temperature [°C]"].y[0] == pytest.approx(25.5)
    assert panels["Anode potential [mV]"].y[0] == pytest.approx(95)
    assert panels["SOC [%]"].goal == pytest.approx(80)
    assert panels["Voltage [V]"].limit == 4.2


def test_the_time_axis_stands_still_for_ten_minutes() -> None:
    spans = [EpisodeViewer(LIMITS).panels(charge(steps))[0].x_span for steps in (0, 1, 20, 21)]
    assert spans == [(0, 10), (0, 10), (0, 10), (0, 20)]


def test_a_held_value_is_drawn_as_steps() -> None:
    x, y = Panel("C-rate", np.array([0.0, 1, 2]), np.array([0.0, 2, 1]), held=True).staircase()
    assert x.tolist() == [0, 1, 1, 2]
    assert y.tolist() == [2, 2, 1, 1]


def test_a_protocol_is_a_staircase_and_a_bar_for_each_limit() -> None:
    viewer, _, trace = protocol([2.0, 1.5, 1.0])
    panel = viewer.panels(trace)[0]
    assert panel.x == pytest.approx([10, 100 * (0.1 + 0.7 / 3), 100 * (0.1 + 1.4 / 3), 80])
    assert panel.staircase()[1].tolist() == [2.0, 2.0, 1.5, 1.5, 1.0, 1.0]
    picture = viewer(trace)
    assert picture.dtype == np.uint8
    assert picture.shape[1:] == (640, 3)
    assert viewer(trace[:1]).shape == picture.shape
    assert viewer.title(trace[:1]) == "no protocol yet"
    assert viewer.title(trace).endswith("min to 80 %")


def test_a_protocol_beyond_a_limit_looks_otherwise() -> None:
    viewer, _, kept = protocol([1.0, 1.0])
    broken = [kept[0], kept[1] | {"Minimum anode potential [V]": -0.02}]
    assert viewer.margins(broken)["Anode potential [V]"] == pytest.approx(-0.02)
    assert redness(viewer(broken)) > redness(viewer(kept))


def test_the_course_of_a_protocol_is_the_charge_behind_it() -> None:
    viewer, start, trace = protocol([2.0, 1.0], socs=(0.1,))
    panels = {panel.name: panel for panel in viewer.course(start, np.array([[2.0, 1.0]]))}
    assert panels["SOC [%]"].y[[0, -1]] == pytest.approx([10, 80])
    assert panels["C-rate"].y[1:].max() == 2
    assert (np.diff(panels["C-rate"].x) > 0).all()
    assert trace[1]["Maximum voltage [V]"] == pytest.approx(panels["Voltage [V]"].extreme.max())  # type: ignore[union-attr]


def test_viewers_travel_to_other_processes() -> None:
    viewer = pickle.loads(pickle.dumps(EpisodeViewer(LIMITS)))
    assert (viewer(charge(3)) == EpisodeViewer(LIMITS)(charge(3))).all()


def test_margins_read_like_a_person_writes_them() -> None:
    assert margin_text("Voltage [V]", -0.0123) == "-12.3 mV"
    assert margin_text("Temperature [K]", 1.0) == "+1.00 K"
    assert margin_text("Voltage [V]", -1e-9) == "+0.0 mV"
    assert margin_text("Completed", 1.0) == "+1.00"


def test_a_line_chart_draws_its_limit() -> None:
    panels = {"Voltage [V]": ([3.0, 4.0, 4.3], 4.2), "SOC": ([0.1, 0.4, 0.8], None)}
    picture = line_chart([0, 1, 2], panels, "Time [min]")
    without = line_chart([0, 1, 2], {**panels, "Voltage [V]": ([3.0, 4.0, 4.3], None)}, "Time [min]")
    assert picture.dtype == np.uint8
    assert redness(picture) > redness(without) == 0


def test_importing_environments_loads_no_matplotlib() -> None:
    code = "import sys, voltgym.envs.charging.viewer; assert not [m for m in sys.modules if m.startswith('matplotlib')]"
    subprocess.run([sys.executable, "-c", code], check=True)
