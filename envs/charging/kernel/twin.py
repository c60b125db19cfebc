"""The charging twin on the compiled kernel: the contract of ``PyBaMMTwin``, hundreds of times faster in batches."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np

from voltgym.envs.charging.cells import Cell, load_cell
from voltgym.envs.charging.kernel.lower import lower
from voltgym.envs.charging.kernel.run import DONE, EVENT, GAVE_UP, NONFINITE, UNUSABLE, Kernel
from voltgym.envs.charging.kernel.source import Source, write_source
from voltgym.envs.charging.model import OUTPUTS, BuiltModel, build_model
from voltgym.surrogates.base import Failure, State

WATCHED = ("Voltage [V]", "Temperature [K]", "Anode potential [V]")
"""Outputs whose extremes within a step are kept."""

DEFAULTS = {
    "Initial SOC error": 0.0,
    "Negative exchange-current factor": 1.0,
    "Negative diffusivity factor": 1.0,
    "Cooling factor": 1.0,
    "Capacity factor": 1.0,
    "Contact resistance [Ohm]": 0.0,
}
"""Scenario keys that may be left out."""

CURRENT = "Current function [A]"

_FAILURES = np.zeros(5, np.int8)
_FAILURES[[DONE, EVENT, GAVE_UP, NONFINITE, UNUSABLE]] = [
    Failure.NONE,
    Failure.DOMAIN,
    Failure.SOLVER,
    Failure.NONFINITE,
    Failure.NONFINITE,
]


class KernelTwin:
    """N cells stepped together by generated C.

    The voltage error against a solution at rtol 1e-8 is below 0.1 mV at the default tolerances. A row's result depends
    on that row alone, bit for bit: not on its neighbours, the size of the batch, or the number of threads.

    Args:
        cell: a name, a BPX file or a cell file.
        fidelity: "SPM" or "SPMe".
        dt: length of a step [s], where ``advance`` is not told otherwise.
        rtol: relative tolerance of the integrator, for states that are scaled to order one.
        atol: absolute tolerance.
        threads: how many threads share a batch.

    Raises:
        Unsupported: the model cannot be lowered.
        NoCompiler: no C compiler works here.
    """

    def __init__(
        self,
        cell: str | Path | Cell = "LGM50",
        fidelity: str = "SPMe",
        dt: float = 30.0,
        rtol: float = 1e-3,
        atol: float = 1e-5,
        otol: float = 5e-5,
        threads: int = 1,
    ) -> None:
        self.cell = cell if isinstance(cell, Cell) else load_cell(cell)
        self.fidelity, self.dt = fidelity, float(dt)
        self.rtol, self.atol, self.otol = rtol, atol, otol
        self.model = build_model(self.cell, fidelity)
        self.kernel = Kernel(_source(self.model), threads)
        self._watched = [self.model.outputs.index(name) for name in WATCHED]

    def initial(self, scenarios: State) -> State:
        """Cells at rest at ambient temperature. ``scenarios``: (N,) arrays, see :data:`DEFAULTS` for what is optional."""
        n = len(np.asarray(scenarios["Initial SOC"]))
        values = {k: np.full(n, v) for k, v in DEFAULTS.items()} | {
            k: np.array(v, dtype=float) for k, v in scenarios.items()
        }
        u = self._inputs(values, np.zeros(n))
        y = self.kernel.initial(u)
        outputs = self.kernel.observe(y, u)
        rest = outputs[:, self._watched]
        return values | {
            "y": y,
            "step": np.full(n, 0.1),
            "outputs": outputs,
            "low": rest,
            "high": rest.copy(),
            "time": np.zeros(n),
            "c_rate": np.zeros(n),
        }

    def advance(
        self, state: State, c_rate: np.ndarray, duration: np.ndarray | None = None
    ) -> tuple[State, np.ndarray]:
        """Hold ``c_rate`` (N,) for ``duration`` (N,) [s], default ``dt``. Positive charges."""
        c_rate = np.asarray(c_rate, dtype=float)
        n = len(c_rate)
        length = np.full(n, self.dt) if duration is None else np.asarray(duration, dtype=float)
        u = self._inputs(state, -c_rate * self.cell.nominal_capacity)
        done = self.kernel.advance(state["y"], u, length, state["step"], rtol=self.rtol, atol=self.atol, otol=self.otol)
        failure = _FAILURES[done.status]
        failure[~np.isfinite(c_rate)] = Failure.ACTION
        after = state | {
            "y": done.y,
            "step": done.h,
            "outputs": done.outputs,
            "low": done.low,
            "high": done.high,
            "time": state["time"] + done.time,
            "c_rate": c_rate.copy(),
        }
        return after, failure

    def measure(self, state: State) -> dict[str, np.ndarray]:
        """(N,) physical quantities; "Maximum" and "Minimum" are over the last step, its start included."""
        out = dict(zip(self.model.outputs, state["outputs"].T.copy(), strict=True))
        charged = -out.pop("Discharge capacity [A.h]")
        low, high = state["low"], state["high"]
        capacity = self.cell.capacity * state["Capacity factor"]
        scenario = {k: v for k, v in state.items() if k not in _OWN_KEYS}
        return scenario | out | {
            "Time [s]": state["time"],
            "SOC": state["Initial SOC"] + charged / capacity,
            "Counted SOC": state["Initial SOC"] + state["Initial SOC error"] + charged / self.cell.nominal_capacity,
            "Maximum voltage [V]": high[:, 0].copy(),
            "Maximum temperature [K]": high[:, 1].copy(),
            "Minimum anode potential [V]": low[:, 2].copy(),
            "C-rate": state["c_rate"],
            "Current [A]": -state["c_rate"] * self.cell.nominal_capacity,
            "Capacity [A.h]": capacity,
        }

    def _inputs(self, values: State, current: np.ndarray) -> np.ndarray:
        return np.stack([current if name == CURRENT else values[name] for name in self.model.inputs], axis=1)


_OWN_KEYS = {"y", "step", "outputs", "low", "high", "time", "c_rate"}


def _source(built: BuiltModel) -> Source:
    return _source_of(built.digest, built)


@lru_cache(maxsize=16)
def _source_of(digest: str, built: BuiltModel) -> Source:
    model = built.model
    outputs = [model.get_processed_variable(name) for name in OUTPUTS.values()]
    groups = {
        "outputs": outputs,
        "extremes": [outputs[built.outputs.index(name)] for name in WATCHED],
        "events": [event.expression for event in model.events],
        "initial": [model.concatenated_initial_conditions],
    }
    algebraic = model.concatenated_algebraic if model.len_alg else None
    return write_source(
        lower(model.concatenated_rhs, algebraic, model.len_rhs, model.len_alg, groups, built.inputs)
    )
