"""A whole multi-stage protocol as one action: constant currents in windows of counted SOC, on one cell or several."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from voltgym.envs.charging.objective import TIME_TO_TARGET
from voltgym.envs.contracts import Measured
from voltgym.surrogates.base import State, put, take
from voltgym.surrogates.protocol import of_stage

_LONGEST_STRIDE = 60.0  # [s] a stage is cut into pieces no longer than this, so that extremes are seen

_CELL = "cell/"

EXTREMES = {
    "Maximum voltage [V]": np.maximum,
    "Maximum temperature [K]": np.maximum,
    "Minimum anode potential [V]": np.minimum,
}
"""What is kept of every stage of a protocol, and how two pieces of it combine."""


class ProtocolTwin:
    """Runs an action (N, stages) of C-rates on ``cells`` cells each with a cell twin, to the target SOC or ``longest``.

    Stage i lasts while the SOC counted on nominal capacity is in window i; the target is the cell's own SOC. The state
    of the cells is stored as (N, cells, ...). What is measured is the worst over the cells, of each stage and of all of
    them, and the time is that of the slowest.
    """

    def __init__(
        self, twin: Any, *, stages: int, first_soc: float = 0.1, target_soc: float = 0.8, longest: float = 90.0
    ) -> None:
        self.twin, self.stages, self.target_soc, self.longest = twin, stages, target_soc, longest
        self.edges = np.linspace(first_soc, target_soc, stages + 1)
        self.edges[-1] = np.inf

    @property
    def learned(self) -> bool:
        """Whether the cell twin is no physics."""
        return bool(getattr(self.twin, "learned", False))

    @property
    def fingerprint(self) -> dict[str, str]:
        """The cell twin's, and its engine."""
        return {**self.twin.fingerprint, "cell engine": type(self.twin).__name__}

    def initial(self, scenarios: State) -> State:
        """Scenarios of (N, cells) values each."""
        n = len(scenarios["Initial SOC"])
        flat = self.twin.initial({name: values.reshape(-1) for name, values in scenarios.items()})
        return self._finish(flat, n, {}) | {"rates": np.zeros((n, self.stages))}

    def advance(self, state: State, action: np.ndarray) -> tuple[State, np.ndarray]:
        """The whole protocol. A row fails with the first failure among its cells."""
        n, cells = state["Reached"].shape
        flat = self.cells(state)
        extremes = {name: state[name].reshape(n * cells, -1).copy() for name in EXTREMES}
        failure = np.zeros(n * cells, dtype=np.int8)
        for piece in self.pieces(flat, np.repeat(action, cells, axis=0)):
            stage, flat, failure, rows, measured = piece
            for name, worse in EXTREMES.items():
                extremes[name][rows, stage] = worse(extremes[name][rows, stage], measured[name])
        by_row = failure.reshape(n, cells)
        first = by_row[np.arange(n), np.argmax(by_row != 0, axis=1)]
        return self._finish(flat, n, extremes) | {"rates": action.copy()}, first

    def pieces(self, flat: State, rates: np.ndarray) -> Iterator[tuple[int, State, np.ndarray, np.ndarray, Measured]]:
        """Run rates (M, stages) on M cells; yields stage, state, failure (M,), rows that moved, what they measured."""
        failure = np.zeros(len(rates), dtype=np.int8)
        for stage in range(self.stages):
            while True:
                seconds = self._seconds(self.twin.measure(flat), rates[:, stage], self.edges[stage + 1])
                rows = np.flatnonzero((seconds > 1e-6) & (failure == 0))
                if not rows.size:
                    break
                stride = np.minimum(seconds[rows], _LONGEST_STRIDE)
                new, failure[rows] = self.twin.advance(take(flat, rows), rates[rows, stage], stride)
                moved = failure[rows] == 0
                flat = put(flat, rows[moved], take(new, moved))
                yield stage, flat, failure.copy(), rows[moved], take(self.twin.measure(take(flat, rows)), moved)

    def _seconds(self, m: Measured, rate: np.ndarray, edge: float) -> np.ndarray:
        """How long a stage goes on: to the end of its window, to the target, or to the end of the time."""
        rate = np.maximum(rate, 1e-9)
        to_edge = (edge - m["Counted SOC"]) / rate * 3600
        nominal = self.twin.cell.nominal_capacity
        to_target = (self.target_soc - m["SOC"]) * m["Capacity [A.h]"] / (rate * nominal) * 3600
        return np.minimum(np.minimum(to_edge, to_target), 60 * self.longest - m["Time [s]"])

    def measure(self, state: State) -> Measured:
        """The worst over the cells; ``"Reached"`` is 1 where all of them are full."""
        each = {name: worse.reduce(state[name], axis=1) for name, worse in EXTREMES.items()}
        worst = {name: worse.reduce(each[name], axis=1) for name, worse in EXTREMES.items()}
        worst |= {of_stage(name, i + 1): each[name][:, i] for name in EXTREMES for i in range(self.stages)}
        rates = {f"C-rate of stage {i + 1}": state["rates"][:, i] for i in range(self.stages)}
        cells = {
            "Ambient temperature [K]": state["Ambient"].mean(axis=1),
            "SOC": state["End SOC"].min(axis=1),
            "Counted SOC at start": state["Counted at start"].mean(axis=1),
            "Reached": state["Reached"].min(axis=1),
            TIME_TO_TARGET: state["Minutes"].max(axis=1),
        }
        return worst | cells | rates

    def cells(self, state: State) -> State:
        """The state of the cells as the cell twin has it, (N * cells, ...)."""
        return {n.removeprefix(_CELL): v.reshape(-1, *v.shape[2:]) for n, v in state.items() if n.startswith(_CELL)}

    def _finish(self, flat: State, n: int, extremes: State) -> State:
        """The state of the cells and what is kept of a run, all (N, cells, ...)."""
        m = self.twin.measure(flat)
        reached = m["SOC"] >= self.target_soc - 1e-9
        late = self.longest * (1 + self.target_soc - m["SOC"]) * (m["Time [s]"] > 0)  # nothing is late before it began
        kept = {_CELL + name: values for name, values in flat.items()} | {
            **{name: np.tile(m[name][:, None], self.stages) for name in EXTREMES},
            **extremes,
            "Ambient": m["Ambient temperature [K]"],
            "End SOC": m["SOC"],
            "Counted at start": m["Initial SOC"] + m["Initial SOC error"],
            "Reached": reached.astype(float),
            "Minutes": np.where(reached, m["Time [s]"] / 60, late),
        }
        return {name: values.reshape(n, -1, *values.shape[1:]) for name, values in kept.items()}
