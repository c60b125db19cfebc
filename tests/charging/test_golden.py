import json
from pathlib import Path

import numpy as np
import pytest
from golden_runs import CELLS, EXTREMES, FOLDER, PROFILE, RUNS, WATCHED, run

from voltgym.envs.charging.cells import load_cell
from voltgym.envs.charging.twins import COMPILED, ENGINES

TOLERANCES = {name: 1e-3 if "[K]" in name else 1e-4 for name in (*WATCHED, *EXTREMES)}
"""0.1 mV and 1 mK."""


def golden(name: str) -> dict:
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def test_every_run_has_its_file():
    assert {path.stem for path in Path(FOLDER).glob("*.json")} == set(RUNS)


COMPILED_RUNS = [name for name, (_, fidelity, _) in RUNS.items() if fidelity in COMPILED]
KERNEL_TOLERANCES = {"Temperature [K]": 1e-2, "Maximum temperature [K]": 1e-2}


@pytest.mark.parametrize(("engine", "name"), [("pybamm", n) for n in RUNS] + [("kernel", n) for n in COMPILED_RUNS])
def test_twin_follows_the_golden_trajectory(engine, name):
    kept = golden(name)
    assert kept["C-rate"] == PROFILE
    twin = ENGINES[engine](cell=CELLS[kept["cell"]], fidelity=kept["fidelity"])
    assert twin.cell.digest == kept["digest"], "the cell's parameters have changed: make the golden files anew"
    state = twin.initial({key: np.array([value]) for key, value in kept["scenario"].items()})
    seen: dict[str, list[float]] = {key: [] for key in TOLERANCES}
    for rate in kept["C-rate"]:
        state, failure = twin.advance(state, np.array([rate]))
        assert failure[0] == 0
        measured = twin.measure(state)
        for key in seen:
            seen[key].append(measured[key][0])
    tolerances = TOLERANCES | (KERNEL_TOLERANCES if engine == "kernel" else {})
    for key, tolerance in tolerances.items():
        assert np.abs(np.array(seen[key]) - kept["trajectory"][key]).max() <= tolerance, key


@pytest.mark.slow
@pytest.mark.parametrize("name", RUNS)
def test_golden_trajectories_can_be_made_again(name):
    cell, fidelity, scenario = RUNS[name]
    again = run(load_cell(CELLS[cell]), fidelity, scenario)
    for key, values in golden(name)["trajectory"].items():
        np.testing.assert_allclose(again[key], values, rtol=0, atol=TOLERANCES[key] / 20)
