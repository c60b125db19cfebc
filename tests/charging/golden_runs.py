"""The golden trajectories: what is run, by which route, and where it is kept.

``python tests/charging/golden_runs.py`` computes them anew. The route shares nothing with the twin but the cell's
parameters: ``pybamm.Simulation`` steps a model whose parameters are plain numbers, at rtol 1e-8. Do so only for a
deliberate change of physics (a new version of a cell, a new PyBaMM) and say so in the changelog.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pybamm

from voltgym.envs.charging.cells import Cell, load_cell

HERE = Path(__file__).parent
FOLDER = HERE / "golden"
BPX = HERE / "data" / "nmc_pouch_cell_BPX.json"

DT = 30.0
PROFILE = [1.0, 1.4, 1.4, 1.2, 1.2, 1.0, 1.0, 0.5, 0.5, 0.0, 0.0, 0.0, 1.0, 1.0, 0.3, 0.3, -0.5, -0.5, 0.0, 1.0]
"""C-rates, positive on charge: rises, steps down, a rest, a discharge."""

NOMINAL = {"Ambient temperature [K]": 298.15, "Initial SOC": 0.2}
SPREAD = {
    "Ambient temperature [K]": 285.15,
    "Initial SOC": 0.12,
    "Negative exchange-current factor": 0.8,
    "Negative diffusivity factor": 0.9,
    "Cooling factor": 0.7,
    "Capacity factor": 0.95,
    "Contact resistance [Ohm]": 0.002,
}
"""A cell that differs in everything that can differ."""

CELLS = {"LGM50": "LGM50", "Chen2020": "Chen2020", "Mohtat2020": "Mohtat2020", "nmc_pouch_cell_BPX": BPX}
RUNS: dict[str, tuple[str, str, dict[str, float]]] = {
    **{f"{cell}-{f}": (cell, f, NOMINAL) for cell in CELLS for f in ("SPM", "SPMe", "DFN")},
    **{f"LGM50-{f}-spread": ("LGM50", f, SPREAD) for f in ("SPM", "SPMe", "DFN")},
}

MODELS = {"SPM": pybamm.lithium_ion.SPM, "SPMe": pybamm.lithium_ion.SPMe, "DFN": pybamm.lithium_ion.DFN}
WATCHED = {
    "Voltage [V]": "Voltage [V]",
    "Temperature [K]": "Volume-averaged cell temperature [K]",
    "Anode potential [V]": "Negative electrode surface potential difference at separator interface [V]",
}
EXTREMES = {
    "Maximum voltage [V]": ("Voltage [V]", np.max),
    "Maximum temperature [K]": ("Temperature [K]", np.max),
    "Minimum anode potential [V]": ("Anode potential [V]", np.min),
}


def plain_parameters(cell: Cell, scenario: dict[str, float]) -> pybamm.ParameterValues:
    """The parameters of the cell of a scenario as numbers, by PyBaMM's own means."""
    p = cell.parameters()
    p.set_initial_state(scenario["Initial SOC"])
    ambient = scenario["Ambient temperature [K]"]
    exchange = "Negative electrode exchange-current density [A.m-2]"
    diffusivity = "Negative particle diffusivity [m2.s-1]"
    p.update(
        {
            "Ambient temperature [K]": ambient,
            "Initial temperature [K]": ambient,
            exchange: _times(p[exchange], scenario.get("Negative exchange-current factor", 1.0)),
            diffusivity: _times(p[diffusivity], scenario.get("Negative diffusivity factor", 1.0)),
            "Electrode width [m]": p["Electrode width [m]"] * scenario.get("Capacity factor", 1.0),
            "Contact resistance [Ohm]": scenario.get("Contact resistance [Ohm]", 0.0),
            "Current function [A]": "[input]",
            "Upper voltage cut-off [V]": cell.upper_voltage + 1.0,
        }
    )
    cooling = "Total heat transfer coefficient [W.m-2.K-1]"
    p[cooling] = p[cooling] * scenario.get("Cooling factor", 1.0)
    return p


def _times(value: Any, factor: float) -> Any:
    return (lambda *args: factor * value(*args)) if callable(value) else factor * value


def run(cell: Cell, fidelity: str, scenario: dict[str, float], rtol: float = 1e-8) -> dict[str, list[float]]:
    """Watched quantities at the end of every step, and their extremes within it (every 10 s, both ends included)."""
    model = MODELS[fidelity]({"thermal": "lumped", "contact resistance": "true"})
    solver = pybamm.IDAKLUSolver(rtol=rtol, atol=rtol / 100)
    simulation = pybamm.Simulation(model, parameter_values=plain_parameters(cell, scenario), solver=solver)
    out: dict[str, list[float]] = {name: [] for name in (*WATCHED, *EXTREMES)}
    times = np.linspace(0.0, DT, 4)
    for rate in PROFILE:
        simulation.step(DT, t_interp=times, save=False, inputs={"Current function [A]": -rate * cell.nominal_capacity})
        solution = simulation.solution
        assert solution.termination == "final time", solution.termination
        samples = {name: np.asarray(solution[variable].entries)[-4:] for name, variable in WATCHED.items()}
        for name in WATCHED:
            out[name].append(float(samples[name][-1]))
        for name, (of, worst) in EXTREMES.items():
            out[name].append(float(worst(samples[of])))
    return out


def main() -> None:
    """Compute all runs and write them."""
    pybamm.set_logging_level("ERROR")
    FOLDER.mkdir(exist_ok=True)
    for name, (cell_name, fidelity, scenario) in RUNS.items():
        cell = load_cell(CELLS[cell_name])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            trajectory = run(cell, fidelity, scenario)
        content = {
            "cell": cell_name,
            "digest": cell.digest,
            "fidelity": fidelity,
            "scenario": scenario,
            "pybamm": pybamm.__version__,
            "rtol": 1e-8,
            "dt [s]": DT,
            "C-rate": PROFILE,
            "trajectory": trajectory,
        }
        (FOLDER / f"{name}.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        print(f"{name}: {trajectory['Voltage [V]'][-1]:.6f} V, {trajectory['Temperature [K]'][-1]:.4f} K")


if __name__ == "__main__":
    main()
