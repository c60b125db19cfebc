"""Which sets and models run in the kernel, and how far from PyBaMM's solver: measured, kept in ``support.csv``.

``python -m voltgym.envs.charging.kernel.support`` measures the table anew and writes it. Sets that cannot charge in any
engine are in ``envs/charging/data/support.csv``, with the reason; they are left out here.
"""

from __future__ import annotations

import csv
import warnings
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pybamm

from voltgym.envs.charging import support as engines
from voltgym.envs.charging.ageing import CELL as AGEING_CELL
from voltgym.envs.charging.ageing import OPTIONS as AGEING_OPTIONS
from voltgym.envs.charging.cells import load_cell
from voltgym.envs.charging.kernel.lower import Unsupported, lower
from voltgym.envs.charging.kernel.run import DONE, Kernel
from voltgym.envs.charging.kernel.source import write_source
from voltgym.envs.charging.kernel.twin import KernelTwin
from voltgym.envs.charging.model import FIDELITIES, OPTIONS
from voltgym.envs.charging.objective import ANODE, VOLTAGE, Limits
from voltgym.envs.charging.scenario import SPREAD
from voltgym.envs.charging.twin import PyBaMMTwin
from voltgym.surrogates.base import State

TABLE = Path(__file__).with_name("support.csv")

CELLS, STEPS, DT = 64, 80, 30.0
"""The test: ``CELLS`` scenarios, each charged for ``STEPS`` steps of ``DT`` s, at a new random current every step."""

MOST_C = (1.6, 0.8, 0.4, 0.2)
"""Largest C-rates to draw from: the first is taken at which nine of ten cells stay within the environments' limits."""

NAMES = ("Voltage [V]", "Temperature [K]", "Anode potential [V]")
VARIABLES = (
    "Voltage [V]",
    "Volume-averaged cell temperature [K]",
    "Negative electrode surface potential difference at separator interface [V]",
)


class Support(NamedTuple):
    """One line of the table. Errors are the largest over all cells and steps, against IDAKLU at rtol 1e-8."""

    cell: str
    model: str
    kernel: str
    """"yes", or why PyBaMM's solver runs it instead."""
    states: int
    most_C: float
    """The largest current of the test."""
    voltage_error_mV: float
    temperature_error_mK: float
    anode_error_mV: float


def scenarios(n: int, seed: int = 0) -> State:
    """``n`` scenarios of the training spread at 10-35 C."""
    rng = np.random.default_rng(seed)
    drawn = {"Ambient temperature [K]": rng.uniform(283.15, 308.15, n)}
    return drawn | {name: rng.uniform(*bounds, n) for name, bounds in SPREAD.items()}


def currents(n: int, steps: int, most: float = MOST_C[0], seed: int = 1) -> np.ndarray:
    """(steps, n) C-rates, uniform up to ``most``."""
    return np.random.default_rng(seed).uniform(0.0, most, (steps, n))


def inside(twin: KernelTwin | PyBaMMTwin, measured: dict[str, np.ndarray]) -> np.ndarray:
    """(N,) whether a cell still counts.

    It does up to 0.3 V beyond the upper cut-off or the limit of plating, where episodes end, and while no surface is
    within half a per cent of full or empty, where the voltage has a singularity.
    """
    high = measured["Maximum voltage [V]"] <= twin.cell.upper_voltage + Limits.hard[VOLTAGE]
    surfaces = np.stack([measured["Negative surface stoichiometry"], measured["Positive surface stoichiometry"]])
    regular = (np.abs(surfaces - 0.5) <= 0.495).all(axis=0)
    return high & regular & (measured["Minimum anode potential [V]"] >= -Limits.hard[ANODE])


def endurable(twin: KernelTwin, n: int = CELLS, steps: int = STEPS) -> float:
    """The largest of ``MOST_C`` that nine of ten cells take to the end, else the smallest."""
    for most in MOST_C:
        state, alive = twin.initial(scenarios(n)), np.ones(n, bool)
        for rate in currents(n, steps, most):
            state, failed = twin.advance(state, rate)
            alive &= (failed == 0) & inside(twin, twin.measure(state))
        if alive.mean() >= 0.9:
            return most
    return MOST_C[-1]


def errors(
    cell: str, fidelity: str, n: int = CELLS, steps: int = STEPS, most: float = MOST_C[0]
) -> tuple[np.ndarray, int]:
    """Largest (3,) errors [mV], [mK], [mV] of the kernel over ``n`` charges, and how many cells stayed to the end."""
    kernel, exact = KernelTwin(cell, fidelity), PyBaMMTwin(cell, fidelity, rtol=1e-8, atol=1e-10)
    drawn, rates = scenarios(n), currents(n, steps, most)
    a, b = kernel.initial(drawn), exact.initial(drawn)
    worst, alive = np.zeros(3), np.ones(n, bool)
    for rate in rates:
        (a, failed), (b, lost) = kernel.advance(a, rate), exact.advance(b, rate)
        ma, mb = kernel.measure(a), exact.measure(b)
        alive &= (failed == 0) & (lost == 0) & inside(exact, mb)
        worst = np.maximum(worst, [np.abs(ma[k] - mb[k])[alive].max(initial=0.0) for k in NAMES])
    return worst * 1e3, int(alive.sum())


def measure(cell: str, fidelity: str) -> Support:
    """One set in one model of the charging environments."""
    try:
        twin = KernelTwin(cell, fidelity)
    except Unsupported as error:
        return Support(cell, fidelity, str(error), 0, np.nan, np.nan, np.nan, np.nan)
    most = endurable(twin)
    worst, _ = errors(cell, fidelity, most=most)
    return Support(cell, fidelity, "yes", twin.kernel.source.n_states, most, *worst.round(4).tolist())


def measure_ageing(fidelity: str, steps: int = 40) -> Support:
    """The set with every ageing mechanism, from 20 %, one cell."""
    cell = load_cell(AGEING_CELL)
    model = _ageing_model(fidelity)
    outputs = [model.get_processed_variable(name) for name in VARIABLES]
    groups = {
        "outputs": outputs,
        "extremes": outputs[::2],
        "events": [],
        "initial": [model.concatenated_initial_conditions],
    }
    kernel = Kernel(write_source(lower(model, groups, ["Current function [A]"])))
    worst = _ageing_errors(kernel, model, -cell.nominal_capacity * currents(1, steps)[:, 0])
    model_name = f"{fidelity} with ageing"
    return Support(AGEING_CELL, model_name, "yes", kernel.source.n_states, MOST_C[0], *worst.round(4).tolist())


@lru_cache(maxsize=2)
def _ageing_model(fidelity: str) -> Any:
    model = FIDELITIES[fidelity]({**OPTIONS, **AGEING_OPTIONS})
    model.events = []
    parameters = load_cell(AGEING_CELL).parameters()
    parameters["Current function [A]"] = "[input]"
    parameters.set_initial_state(0.2)
    geometry = model.default_geometry
    parameters.process_model(model)
    parameters.process_geometry(geometry)
    mesh = pybamm.Mesh(geometry, model.default_submesh_types, model.default_var_pts)
    return pybamm.Discretisation(mesh, model.default_spatial_methods).process_model(model)


def _ageing_errors(kernel: Kernel, model: Any, current: np.ndarray) -> np.ndarray:
    pybamm.set_logging_level("ERROR")
    solver, solution = pybamm.IDAKLUSolver(rtol=1e-8, atol=1e-10), None
    y, h, worst = kernel.initial(np.zeros((1, 1))), np.zeros(1), np.zeros(3)
    for ampere in current:
        done = kernel.advance(y, np.array([[ampere]]), np.array([DT]), h)
        if done.status[0] != DONE:
            raise RuntimeError(f"the kernel ended with status {done.status[0]} at {ampere:.2f} A")
        solution = solver.step(solution, model, DT, inputs={"Current function [A]": float(ampere)}, save=False)
        exact = [float(np.ravel(solution[name].entries)[-1]) for name in VARIABLES]
        worst = np.maximum(worst, np.abs(done.outputs[0] - exact))
        y, h = done.y, done.h
    return worst * 1e3


def measure_all() -> Iterator[Support]:
    """Every set that charges, in SPM and SPMe, and the set with ageing."""
    for row in engines.read():
        if row.works and row.fidelity in ("SPM", "SPMe"):
            yield measure(row.cell, row.fidelity)
    for fidelity in ("SPM", "SPMe"):
        yield measure_ageing(fidelity)


def read(path: Path = TABLE) -> list[Support]:
    """The table as shipped."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [
        Support(r["cell"], r["model"], r["kernel"], int(r["states"]), *(float(r[k]) for k in Support._fields[4:]))
        for r in rows
    ]


def main() -> None:
    """Measure and write the table."""
    warnings.simplefilter("ignore")
    rows = []
    for row in measure_all():
        rows.append(row)
        print(*row, sep=", ", flush=True)
    with TABLE.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(Support._fields)
        writer.writerows(rows)


if __name__ == "__main__":
    main()
