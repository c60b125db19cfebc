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
from voltgym.envs.errors import VoltGymError
from voltgym.surrogates.base import Failure, State, put, take

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
    "Maximum voltage [V]": ("Voltage [V]", np.maximum),
    "Maximum temperature [K]": ("Temperature [K]", np.maximum),
    "Minimum anode potential [V]": ("Anode potential [V]", np.minimum),
}
"""The extremes over a step -> the output they are of, and how they are taken."""

CURRENT = "Current function [A]"

HIDDEN = ("y", "inputs", "outputs", "extremes")
"""Parts of the state that are the twin's own, (N, ...): solver states, the inputs of the model, its outputs at the end
of the last step, and their extremes over it."""


def complete(scenarios: State) -> tuple[int, State]:
    """How many cells ``scenarios`` are of, and the same (N,) arrays with :data:`DEFAULTS` where they say nothing.

    Raises:
        VoltGymError: a required quantity is missing.
    """
    missing = [name for name in REQUIRED if name not in scenarios]
    if missing:
        raise VoltGymError(
            f"the scenario lacks {' and '.join(map(repr, missing))}; it has {sorted(scenarios)}. A cell's scenario "
            f"needs {' and '.join(map(repr, REQUIRED))}; {', '.join(map(repr, DEFAULTS))} may be left out."
        )
    n = len(np.atleast_1d(scenarios[REQUIRED[0]]))
    scenario = {name: np.full(n, value) for name, value in DEFAULTS.items()}
    return n, scenario | {name: np.array(values, dtype=float).reshape(n) for name, values in scenarios.items()}


def to_current(c_rate: np.ndarray, cell: Cell) -> np.ndarray:
    """C-rates, positive on charge, to [A] in PyBaMM's sign. The one place where the sign changes."""
    return -c_rate * cell.nominal_capacity


def accounting(discharged: np.ndarray, state: State, cell: Cell) -> dict[str, np.ndarray]:
    """What follows from the charge [A.h] that left N cells: SOC of the own capacity, and counted on the nominal one."""
    own, start = cell.capacity * state["Capacity factor"], state["Initial SOC"]
    return {
        "SOC": start - discharged / own,
        "Counted SOC": start + state["Initial SOC error"] - discharged / cell.nominal_capacity,
        "Current [A]": to_current(state["C-rate"], cell),
        "Capacity [A.h]": own,
    }


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
        rtol: IDA's relative tolerance. 1e-5 keeps outputs within 0.02 mV and 0.3 mK of 1e-8.
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
        self._options: dict[str, Any] = {"rtol": rtol, "atol": atol, "compile": compile, "threads": threads}
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

    @property
    def fingerprint(self) -> dict[str, str]:
        """Which cell and which equations: part of every record."""
        return {"cell": self.cell.digest[:16], "model": self.built.digest[:16]}

    def initial(self, scenarios: State) -> State:
        """Cells at rest at ambient temperature.

        Args:
            scenarios: (N,) arrays by name: :data:`REQUIRED`, optionally those of :data:`DEFAULTS`, and any others,
                which are passed through to ``measure``.

        Raises:
            VoltGymError: a required quantity is missing.
        """
        n, scenario = complete(scenarios)
        u = input_vector(self.built, scenario | {CURRENT: np.zeros(n)}, n)
        y = np.stack([self.built.initial(row).full().ravel() for row in u])
        outputs = np.stack([self.built.observe(a, b).full().ravel() for a, b in zip(y, u, strict=True)])
        own = {"y": y, "inputs": u, "outputs": outputs, "extremes": self._extremes(outputs[:, None, :])}
        return scenario | own | {"Time [s]": np.zeros(n), "C-rate": np.zeros(n)}

    def advance(self, state: State, c_rate: np.ndarray, duration: np.ndarray | None = None) -> tuple[State, np.ndarray]:
        """Hold a current for a while.

        Args:
            state: of N cells.
            c_rate: (N,), current over nominal capacity, positive on charge.
            duration: (N,) [s], default ``dt``. A row with 0 does not move.

        Returns:
            The new state, and (N,) int8 of ``Failure``. A failed row comes back as it went in.
        """
        c_rate = np.array(c_rate, dtype=float)
        seconds = np.full(len(c_rate), self.dt) if duration is None else np.asarray(duration, dtype=float)
        failure = np.zeros(len(c_rate), dtype=np.int8)
        failure[~(np.isfinite(c_rate) & np.isfinite(seconds) & (seconds >= 0))] = Failure.ACTION
        new = dict(state)
        for length in set(seconds[(failure == Failure.NONE) & (seconds > 0)].tolist()):
            rows = np.flatnonzero((failure == Failure.NONE) & (seconds == length))
            part, failure[rows] = self._advance_rows(state, rows, c_rate[rows], length)
            if len(rows) == len(c_rate) and not failure.any():
                return new | part, failure
            good = failure[rows] == Failure.NONE
            new |= put({name: new[name] for name in part}, rows[good], take(part, good))
        return new, failure

    def measure(self, state: State) -> dict[str, np.ndarray]:
        """The physical quantities of N cells by name, each (N,)."""
        out = {name: values for name, values in state.items() if name not in HIDDEN and values.ndim == 1}
        out |= dict(zip(self.built.outputs, state["outputs"].T.copy(), strict=True))
        out |= dict(zip(EXTREMES, state["extremes"].T.copy(), strict=True))
        return out | accounting(out.pop("Discharge capacity [A.h]"), state, self.cell)

    def _advance_rows(
        self, state: State, rows: np.ndarray, c_rate: np.ndarray, seconds: float
    ) -> tuple[State, np.ndarray]:
        """What changes in ``rows`` when all advance by the same time, and their failures."""
        u = state["inputs"][rows]
        u[:, self.built.inputs.index(CURRENT)] = to_current(c_rate, self.cell)
        step = self.integrator.step(state["y"][rows], u, seconds)
        part = {
            "y": step.y,
            "inputs": u,
            "outputs": step.outputs[:, -1],
            "extremes": self._extremes(step.outputs),
            "Time [s]": state["Time [s]"][rows] + seconds,
            "C-rate": c_rate,
        }
        return part, _failures(step)

    def _extremes(self, outputs: np.ndarray) -> np.ndarray:
        """(N, len(EXTREMES)) over the samples of outputs (N, k, n_outputs)."""
        worst = [of.reduce(outputs[:, :, self.built.outputs.index(name)], axis=1) for name, of in EXTREMES.values()]
        return np.stack(worst, axis=1)


def _rebuild(cell: str, fidelity: str, dt: float, options: dict[str, Any]) -> PyBaMMTwin:
    return PyBaMMTwin(cell, fidelity, dt, **options)


def _failures(step: Step) -> np.ndarray:
    """(N,) int8 of ``Failure``. Leaving the domain explains a solver's error, and so is said in its place."""
    failure = np.zeros(len(step.y), dtype=np.int8)
    failure[~(np.isfinite(step.outputs).all((1, 2)) & np.isfinite(step.y).all(1))] = Failure.NONFINITE
    failure[step.flag < 0] = Failure.SOLVER
    failure[(step.flag == ROOT_FOUND) | (step.inside < 0).any((1, 2))] = Failure.DOMAIN  # NaN compares as inside
    return failure
