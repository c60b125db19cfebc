"""The charging twin on the compiled kernel: what ``PyBaMMTwin`` does, hundreds of times faster in batches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from voltgym.envs.charging.cells import Cell, load_cell
from voltgym.envs.charging.kernel.compile import Compiler
from voltgym.envs.charging.kernel.lower import lower
from voltgym.envs.charging.kernel.run import ATOL, EVENT, GAVE_UP, NONFINITE, OTOL, RTOL, UNUSABLE, Kernel
from voltgym.envs.charging.kernel.source import Source, write_source
from voltgym.envs.charging.model import OUTPUTS, BuiltModel, build_model, input_vector
from voltgym.envs.charging.twin import CURRENT, EXTREMES, accounting, complete, to_current
from voltgym.surrogates.base import Failure, State

WATCHED = tuple(of for of, _ in EXTREMES.values())
"""Outputs whose extremes within a step are kept, and whose error is controlled."""

_FAILURES = np.zeros(5, np.int8)
for _status, _failure in (
    (EVENT, Failure.DOMAIN),
    (GAVE_UP, Failure.SOLVER),
    (NONFINITE, Failure.NONFINITE),
    (UNUSABLE, Failure.NONFINITE),
):
    _FAILURES[_status] = _failure

_sources: dict[str, Source] = {}


class KernelTwin:
    """N cells stepped together by generated C: the contract of ``PyBaMMTwin``, in SPM and SPMe.

    With the default tolerances a whole episode stays within 0.1 mV and 10 mK of a solution at rtol 1e-8. A row's result
    depends on that row alone, bit for bit: not on its neighbours, the size of the batch, or the number of threads.
    Extremes within a step are taken over the integrator's own steps, its start (with the new current) included.

    Args:
        cell: a name, a cell file, a BPX file, or a ``Cell``.
        fidelity: "SPM" or "SPMe".
        dt: the length of a step [s], unless ``advance`` is told otherwise.
        rtol: relative error of the states in an internal step.
        atol: absolute error of the states, which are scaled to order one.
        otol: error of the watched outputs in an internal step, in their units (in effect of voltage and anode
            potential [V])
        threads: over which the rows of a batch are spread.

    Raises:
        Unsupported: the model cannot be lowered.
        NoCompiler: no C compiler works here.
    """

    def __init__(
        self,
        cell: str | Path | Cell = "LGM50",
        fidelity: str = "SPMe",
        dt: float = 30.0,
        *,
        rtol: float = RTOL,
        atol: float = ATOL,
        otol: float = OTOL,
        threads: int = 1,
    ) -> None:
        self.cell = cell if isinstance(cell, Cell) else load_cell(cell)
        self.fidelity, self.dt = fidelity, float(dt)
        self.tolerances: dict[str, Any] = {"rtol": rtol, "atol": atol, "otol": otol}
        self.built = build_model(self.cell, fidelity)
        self.kernel = Kernel(source_of(self.built), threads)
        self._current = self.built.inputs.index(CURRENT)
        self._watched = [self.built.outputs.index(name) for name in WATCHED]
        self._extremes = [
            (name, "high" if name.startswith("Maximum") else "low", WATCHED.index(of))
            for name, (of, _) in EXTREMES.items()
        ]

    def __reduce__(self) -> Any:
        """Rebuilt in another process, from the cache of compiled kernels."""
        return _rebuild, (self.cell.key, self.fidelity, self.dt, self.tolerances | {"threads": self.kernel.threads})

    @property
    def engine(self) -> Compiler:
        """The compiler that made the kernel."""
        return self.kernel.compiler

    @property
    def fingerprint(self) -> dict[str, str]:
        """Which cell and which equations: part of every record."""
        return {"cell": self.cell.digest[:16], "model": self.built.digest[:16]}

    def initial(self, scenarios: State) -> State:
        """Cells at rest at ambient temperature.

        Args:
            scenarios: (N,) arrays by name: "Ambient temperature [K]" and "Initial SOC", optionally those of
                ``DEFAULTS``, and any others, which are passed through to ``measure``.

        Raises:
            VoltGymError: a required quantity is missing.
        """
        n, scenario = complete(scenarios)
        u = input_vector(self.built, scenario | {CURRENT: np.zeros(n)}, n)
        y = self.kernel.initial(u)
        outputs = self.kernel.observe(y, u)
        low, high = outputs[:, self._watched], outputs[:, self._watched]
        state = scenario | {"Time [s]": np.zeros(n), "C-rate": np.zeros(n), "first step [s]": np.zeros(n)}
        return state | {"y": y, "u": u, "outputs": outputs, "low": low, "high": high}

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
        u = state["u"].copy()
        u[:, self._current] = to_current(c_rate, self.cell)
        done = self.kernel.advance(state["y"], u, seconds, state["first step [s]"], **self.tolerances)
        new = {
            "Time [s]": state["Time [s]"] + done.time,
            "C-rate": c_rate,
            "first step [s]": done.h,
            "y": done.y,
            "u": u,
            "outputs": done.outputs,
            "low": done.low,
            "high": done.high,
        }
        failure = _FAILURES[done.status]
        if done.status.any():
            failure[~(np.isfinite(c_rate) & np.isfinite(seconds) & (seconds >= 0))] = Failure.ACTION
        if done.status.any() or duration is not None:
            stay = np.flatnonzero((failure != Failure.NONE) | (seconds == 0))
            for name, values in new.items():
                values[stay] = state[name][stay]
        return state | new, failure

    def measure(self, state: State) -> dict[str, np.ndarray]:
        """The physical quantities of N cells by name, each (N,): those of ``PyBaMMTwin.measure``."""
        out = {name: values for name, values in state.items() if name not in _HIDDEN and values.ndim == 1}
        columns = state["outputs"].T.copy()
        out |= dict(zip(self.built.outputs, columns, strict=True))
        out |= {name: state[side][:, i].copy() for name, side, i in self._extremes}
        return out | accounting(out.pop("Discharge capacity [A.h]"), state, self.cell)


_HIDDEN = {"first step [s]"}


def _rebuild(cell: str, fidelity: str, dt: float, options: dict[str, Any]) -> KernelTwin:
    return KernelTwin(cell, fidelity, dt, **options)


def source_of(built: BuiltModel) -> Source:
    """The C source of a built model, written once a process."""
    if built.digest not in _sources:
        model = built.model
        outputs = [model.get_processed_variable(name) for name in OUTPUTS.values()]
        groups = {
            "outputs": outputs,
            "extremes": [outputs[built.outputs.index(name)] for name in WATCHED],
            "events": [event.expression for event in model.events],
            "initial": [model.concatenated_initial_conditions],
        }
        _sources[built.digest] = write_source(lower(model, groups, built.inputs))
    return _sources[built.digest]
