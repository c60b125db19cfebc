"""What a learner is measured against: CC-CV, staged constant current, and the two greedy controllers.

``BASELINE`` (score 0) and ``REFERENCE`` (score 1) name the agents (``conf/agent/``) that suites score against. Every
class here is a policy in the sense of ``agents/base.py``; they live with the physics because they define the task.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from voltgym.envs.charging.objective import ANODE, TEMPERATURE, VOLTAGE, Limits
from voltgym.envs.charging.scenario import NOMINAL
from voltgym.envs.episodes import Episodes
from voltgym.envs.errors import UnknownName, VoltGymError, number
from voltgym.envs.lookahead import largest_feasible
from voltgym.surrogates.base import State, put

BASELINE = "five_stage_cc"
REFERENCE = "greedy"

ELECTROLYTE = "Electrolyte concentration in negative electrode [mol.m-3]"

_FILE = "reference.json"
Memory = dict[str, np.ndarray] | None


class _Kept:
    """Saving and loading of what is fully described by its constructor's arguments."""

    arguments: dict[str, Any]

    def save(self, path: Path) -> None:
        """Write the arguments as JSON into the folder ``path``."""
        (Path(path) / _FILE).write_text(json.dumps(self.arguments, indent=2))

    @classmethod
    def load(cls, path: Path) -> Self:
        """Make it again from the arguments."""
        return cls(**json.loads((Path(path) / _FILE).read_text()))


class Greedy(_Kept):
    """Each step, the largest C-rate whose next state keeps the limits, found by asking the environment's own twin.

    With all limits this is the full-information greedy controller. With the voltage limit alone and a ``max_rate`` it
    is CC-CV: the look-ahead then only stands in for the voltage loop that a charger closes much faster than every 30 s.

    Args:
        limits: names of the slacks to keep; all by default.
        max_rate: the largest C-rate; that of the action space by default.
        margins: how far inside a slack to stay, in its unit.
    """

    def __init__(
        self,
        limits: Sequence[str] | None = None,
        max_rate: float | None = None,
        margins: Mapping[str, float] | None = None,
    ) -> None:
        self.arguments = {
            "limits": None if limits is None else list(limits),
            "max_rate": max_rate,
            "margins": dict(margins or {}),
        }
        if max_rate is not None:
            number("max_rate", max_rate, "a C-rate > 0", low=1e-6)
        self.limits, self.max_rate, self.margins = limits, max_rate, dict(margins or {})
        self.information = "bms" if list(limits or ()) == [VOLTAGE] else "lookahead"  # a charger does measure voltage
        self.episodes: Episodes | None = None

    def bind(self, episodes: Episodes) -> None:
        """Look ahead in these episodes."""
        known = episodes.objective.scales
        for name in [*(self.limits or ()), *self.margins]:
            if name not in known:
                raise UnknownName("limit", name, known)
        self.episodes = episodes

    def __call__(
        self,
        observation: np.ndarray,
        memory: Memory = None,
        first: np.ndarray | None = None,
        mask: np.ndarray | None = None,
    ) -> tuple[np.ndarray, Memory]:
        """(N, 1) C-rates. The memory holds which rows of the episodes the observations belong to."""
        if self.episodes is None:
            raise VoltGymError("a look-ahead controller must be bound to its episodes first: policy.bind(episodes)")
        episodes, objective = self.episodes, self.episodes.objective
        memory = memory or {"row": np.arange(len(observation))}
        rows = memory["row"]
        space = episodes.task.action_space
        low, high = float(space.low[0]), float(space.high[0])  # type: ignore[attr-defined]
        names = list(objective.scales) if self.limits is None else list(self.limits)

        def margin(which: np.ndarray, rates: np.ndarray) -> np.ndarray:
            _, slacks, failure = episodes.peek(rows[which], rates[:, None])
            return _worst(slacks, failure, names, objective.scales, self.margins)

        rate = largest_feasible(margin, len(rows), low, min(high, self.max_rate or high))
        return rate[:, None].astype(np.float32), memory


class ObserverGreedy(_Kept):
    """Greedy on a nominal model that runs open-loop on the measured current: what a good engineer would ship.

    It sees what a BMS sees: the start temperature (taken as ambient), the SOC as counted at the start, and the measured
    current. The model's state is never corrected, but where a predicted quantity is also measured (voltage,
    temperature) the prediction is shifted by what the model is off now. Margins stand in for what it does not know.

    Args:
        margins: how far inside each slack to stay on the nominal model [V], [K], [V].
        electrolyte: the least mean concentration in the negative electrode [mol.m-3] to plan for. No limit guards it
            and no measurement shows it, but where a fast charge empties the electrolyte, the twin's equations end.
        cell, fidelity: the nominal model; by default those of the environment it is bound to.
    """

    information = "bms"

    def __init__(
        self,
        margins: Mapping[str, float] | None = None,
        electrolyte: float = 400.0,
        cell: str | None = None,
        fidelity: str | None = None,
    ) -> None:
        self.arguments = {"margins": dict(margins or {}), "electrolyte": electrolyte}
        self.arguments |= {"cell": cell, "fidelity": fidelity}
        self.electrolyte = electrolyte
        self.margins, self.cell, self.fidelity = dict(margins or {}), cell, fidelity
        unknown = [name for name in self.margins if name not in (VOLTAGE, TEMPERATURE, ANODE)]
        if unknown:
            raise UnknownName("limit", unknown[0], (VOLTAGE, TEMPERATURE, ANODE))
        self.task: Any = None

    def bind(self, episodes: Episodes) -> None:
        """Read the layout of the observation and make the nominal model. The episodes' own state is never looked at."""
        from voltgym.envs.charging.twins import make_twin

        if "Counted SOC" not in getattr(episodes.task, "names", ()):
            raise VoltGymError('the observer needs what a BMS measures: make the environment with observation="bms"')
        theirs: Any = episodes.twin
        self.task = episodes.task
        self.twin = make_twin(cell=self.cell or theirs.cell, fidelity=self.fidelity or theirs.fidelity)
        self.limits = Limits(voltage_limit=self.twin.cell.upper_voltage)

    def __call__(
        self,
        observation: np.ndarray,
        memory: Memory = None,
        first: np.ndarray | None = None,
        mask: np.ndarray | None = None,
    ) -> tuple[np.ndarray, Memory]:
        """(N, 1) C-rates. The memory is the state of the nominal model, one row an episode."""
        if self.task is None:
            raise VoltGymError("the observer must be bound to its episodes first: policy.bind(episodes)")
        state = self._follow(observation, memory, first)
        now = self.twin.measure(state)
        off = {name: self.task.read(observation, name) - now[name] for name in (VOLTAGE, TEMPERATURE)}
        high = float(self.task.action_space.high[0])

        def margin(which: np.ndarray, rates: np.ndarray) -> np.ndarray:
            ahead, failure = self.twin.advance({k: v[which] for k, v in state.items()}, rates)
            measured = self.twin.measure(ahead)
            # The step begins at a temperature that no current can change; planning on it would chatter at the limit.
            measured["Maximum temperature [K]"] = measured["Temperature [K]"]
            slacks = self.limits.slacks(measured) | {ELECTROLYTE: measured[ELECTROLYTE] - self.electrolyte}
            slacks |= {name: slacks[name] - offset[which] for name, offset in off.items()}
            return _worst(slacks, failure, list(slacks), {**self.limits.scales, ELECTROLYTE: 10.0}, self.margins)

        rate = largest_feasible(margin, len(observation), 0.0, high)
        return rate[:, None].astype(np.float32), state

    def _follow(self, observation: np.ndarray, memory: Memory, first: np.ndarray | None) -> State:
        """The nominal model after the last measured current; at the start, at rest as counted and measured."""
        if memory is None:
            return self._start(observation)
        state, failure = self.twin.advance(memory, self.task.read(observation, "C-rate"))
        lost = np.flatnonzero(failure)
        if lost.size:
            state = put(state, lost, {name: values[lost] for name, values in memory.items()})
        fresh = np.flatnonzero(first) if first is not None else np.array([], dtype=int)
        return put(state, fresh, self._start(observation[fresh])) if fresh.size else state

    def _start(self, observation: np.ndarray) -> State:
        n = len(observation)
        scenario = {name: np.full(n, value) for name, value in NOMINAL.items()}
        scenario["Ambient temperature [K]"] = self.task.read(observation, "Start temperature [K]")
        scenario["Initial SOC"] = np.clip(self.task.read(observation, "Counted SOC"), 0.0, 1.0)
        return self.twin.initial(scenario)


def _worst(
    slacks: Mapping[str, np.ndarray],
    failure: np.ndarray,
    names: Sequence[str],
    scales: Mapping[str, float],
    margins: Mapping[str, float],
) -> np.ndarray:
    """(N,) the smallest slack beyond its margin, in units of its scale; NaN where the model failed."""
    worst = np.min([(slacks[name] - margins.get(name, 0.0)) / scales[name] for name in names], axis=0)
    return np.where(failure != 0, np.nan, worst)
