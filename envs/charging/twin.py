"""The charging twin: PyBaMM's model of a cell, stepped at constant current, many cells at once.

Everything an episode knows lies in the state, so that taking and putting rows is all that a reset, a roll-back or a
look-ahead needs.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np

from voltgym.envs.charging.cells import Cell, load_cell
from voltgym.envs.charging.integrator import ROOT_FOUND, Integrator, Step
from voltgym.envs.charging.model import build_model, input_vector
from voltgym.surrogates.base import Failure, State

DEFAULTS = {
    "Initial SOC error": 0.0,
    "Negative exchange-current factor": 1.0,
    "Negative diffusivity factor": 1.0,
    "Cooling factor": 1.0,
    "Capacity factor": 1.0,
    "Contact resistance [Ohm]": 0.0,
}
"""What a scenario may leave out, and what it is then."""

REQUIRED = ("Ambient temperature [K]", "Initial SOC")
"""What a scenario must say."""

EXTREMES = {
    "Maximum voltage [V]": ("Voltage [V]", np.fmax),
    "Maximum temperature [K]": ("Temperature [K]", np.fmax),
    "Minimum anode potential [V]": ("Anode potential [V]", np.fmin),
}
"""The extremes over a step -> the output they are of, and how they are taken."""

CURRENT = "Current function [A]"
STATES = "y"


class PyBaMMTwin:
    """A batch of cells, each with its own scenario, stepped by IDA. Rows never influence each other.

    ``measure`` gives (N,) arrays: "Time [s]", "SOC" (of the cell's own capacity), "Counted SOC" (of the nominal
    capacity, from a start that is off by "Initial SOC error"), "Voltage [V]", "Temperature [K]", "Anode potential [V]",
    the extremes of these three over the last step (its start, with the new current, included), "C-rate" (positive on
    charge) and "Current [A]" (PyBaMM's sign: negative on charge) of the last step, "Capacity [A.h]" (own), surface and
    average stoichiometries, electrolyte concentrations, and the scenario.

    Args:
        cell: a name, a cell file, a BPX file, or a :class:`Cell`.
        fidelity: "SPM", "SPMe" or "DFN".
        dt: the length of a step [s], unless ``advance`` is told otherwise.
        rtol: IDA's relative tolerance. 1e-5 keeps outputs within 0.02 mV and 0.1 mK of 1e-8.
        atol: IDA's absolute tolerance, of states that are scaled to order one.
        compile: to machine code; ``None`` does so where it pays (SPM and SPMe).
        threads: over which the rows of a batch are spread. Results do not depend on it.
    """

    def __init__(
        self,
        cell: str | Path | Cell = "LGM50",
        fidelity: str = "SPMe",
        dt: float = 30.0,
        *,
        rtol: float = 1e-5,
        atol: float = 1e-6,
        compile: bool | None = None,
        threads: int = 1,
    ) -> None:
        self.cell = cell if isinstance(cell, Cell) else load_cell(cell)
        self.fidelity, self.dt = fidelity, float(dt)
        self.built = build_model(self.cell, fidelity)
        self._options = {"rtol": rtol, "atol": atol, "compile": compile, "threads": threads}
        self._local = threading.local()

    def __reduce__(self) -> Any:
        """Rebuilt in another process: solvers and compiled code don't travel."""
        return _rebuild, (self.cell.key, self.fidelity, self.dt, self._options)

    @property
    def integrator(self) -> Integrator:
        """The solver of the calling thread, made when first needed."""
        if not hasattr(self._local, "integrator"):
            self._local.integrator = Integrator(self.built, **self._options)
        return self._local.integrator

    def initial(self, scenarios: State) -> State:
        """Cells at rest at ambient temperature.

        Args:
            scenarios: (N,) arrays by name: :data:`REQUIRED`, optionally those of :data:`DEFAULTS`, and any others,
                which are passed through to ``measure``.
        """
        n = len(np.atleast_1d(scenarios[REQUIRED[0]]))
        scenario = {name: np.full(n, value) for name, value in DEFAULTS.items()}
        scenario |= {name: np.array(values, dtype=float).reshape(n) for name, values in scenarios.items()}
        u = input_vector(self.built, scenario | {CURRENT: np.zeros(n)}, n)
        y = np.stack([self.built.initial(row).full().ravel() for row in u])
        outputs = np.stack([self.built.observe(a, b).full().ravel() for a, b in zip(y, u, strict=True)])
        state = scenario | {STATES: y, "Time [s]": np.zeros(n), "C-rate": np.zeros(n)}
        return state | self._named(scenario, outputs[:, None, :])

    def advance(self, state: State, c_rate: np.ndarray, duration: np.ndarray | None = None) -> tuple[State, np.ndarray]:
        """Hold a current for a while.

        Args:
            state: of N cells.
            c_rate: (N,), current over nominal capacity, positive on charge.
            duration: (N,) [s], default ``dt``. A row with 0 does not move.

        Returns:
            The new state, and (N,) int8 of ``Failure``. A failed row comes back as it went in.
        """
        c_rate = np.asarray(c_rate, dtype=float)
        n = len(c_rate)
        seconds = np.full(n, self.dt) if duration is None else np.asarray(duration, dtype=float)
        usable = np.isfinite(c_rate) & np.isfinite(seconds) & (seconds >= 0)
        failure = np.where(usable, Failure.NONE, Failure.ACTION).astype(np.int8)
        new = {name: values.copy() for name, values in state.items()}
        for length in np.unique(seconds[usable & (seconds > 0)]):
            rows = np.flatnonzero(usable & (seconds == length))
            failure[rows] = self._advance_rows(new, state, rows, c_rate[rows], float(length))
        return new, failure

    def measure(self, state: State) -> dict[str, np.ndarray]:
        """The physical quantities of N cells by name, each (N,)."""
        out = {name: values for name, values in state.items() if name not in _HIDDEN and values.ndim == 1}
        current = -state["C-rate"] * self.cell.nominal_capacity
        return out | {"Current [A]": current, "Capacity [A.h]": self.cell.capacity * state["Capacity factor"]}

    def _advance_rows(
        self, new: State, state: State, rows: np.ndarray, c_rate: np.ndarray, seconds: float
    ) -> np.ndarray:
        """Advance ``rows`` by the same time, writing those that succeed into ``new``. Returns their failures."""
        scenario = {name: state[name][rows] for name in (*REQUIRED, *DEFAULTS)}
        u = input_vector(self.built, scenario | {CURRENT: -c_rate * self.cell.nominal_capacity}, len(rows))
        step = self.integrator.step(state[STATES][rows], u, seconds)
        failure = _failures(step)
        good = failure == Failure.NONE
        named = self._named(scenario, step.outputs)
        named |= {STATES: step.y, "Time [s]": state["Time [s]"][rows] + seconds, "C-rate": c_rate}
        for name, values in named.items():
            new[name][rows[good]] = values[good]
        return failure

    def _named(self, scenario: State, outputs: np.ndarray) -> State:
        """Names for outputs (N, k, n_outputs) over a step: the last sample, and the extremes over all."""
        out = {name: outputs[:, -1, i].copy() for i, name in enumerate(self.built.outputs)}
        for name, (of, worst) in EXTREMES.items():
            out[name] = worst.reduce(outputs[:, :, self.built.outputs.index(of)], axis=1)
        charge = -out["Discharge capacity [A.h]"]
        out["SOC"] = scenario["Initial SOC"] + charge / (self.cell.capacity * scenario["Capacity factor"])
        counted = scenario["Initial SOC"] + scenario["Initial SOC error"]
        out["Counted SOC"] = counted + charge / self.cell.nominal_capacity
        return out


_HIDDEN = {STATES, "Discharge capacity [A.h]"}


def _rebuild(cell: str, fidelity: str, dt: float, options: dict[str, Any]) -> PyBaMMTwin:
    return PyBaMMTwin(cell, fidelity, dt, **options)


def _failures(step: Step) -> np.ndarray:
    """(N,) int8 of ``Failure``. Leaving the domain explains a solver's error, and so comes first."""
    finite = np.isfinite(step.outputs).all((1, 2)) & np.isfinite(step.y).all(1)
    left = (step.flag == ROOT_FOUND) | (step.inside < 0).any((1, 2))  # NaN compares as inside
    causes = [left, step.flag < 0, ~finite]
    return np.select(causes, [Failure.DOMAIN, Failure.SOLVER, Failure.NONFINITE], Failure.NONE).astype(np.int8)
