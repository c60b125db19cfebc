"""N episodes of a twin, a task and an objective: everything a step does, once, for one environment or a thousand."""

from __future__ import annotations

import functools
import time
from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np

from voltgym.envs.contracts import Measured, Objective, Scenario, Task, Twin
from voltgym.envs.errors import VoltGymError
from voltgym.envs.ledger import Ledger
from voltgym.envs.scenario import generator, stack
from voltgym.surrogates.base import Failure, State, put, take

STEPS_LEFT = "Steps left"
COMPLETED = "Completed"

Snapshot = tuple[State, State, State, Measured, np.ndarray]
Step = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]


class Episodes:
    """N episodes side by side. Every method takes the rows ``idx`` that it is about.

    ``step`` knows nothing of autoreset: it advances the rows it is given. Evaluation and design problems run on this
    class directly; ``DesignEnv`` and ``DesignVectorEnv`` are thin shells over it.
    """

    def __init__(
        self,
        twin: Twin,
        task: Task,
        objective: Objective,
        scenario: Scenario,
        *,
        n: int,
        max_steps: int,
        env_id: str,
        split: str = "train",
    ) -> None:
        self.twin, self.task, self.objective, self.scenario = twin, task, objective, scenario
        self.n, self.max_steps, self.env_id, self.split = n, max_steps, env_id, split
        self.priced = hasattr(twin, "ledger")  # such a twin says itself what its answers once took
        self.ledger: Ledger = getattr(twin, "ledger", None) or Ledger()
        self.steps = np.zeros(n, dtype=np.int64)
        self._all = np.arange(n)
        self.scenarios: State = {}
        self.state: State = {}
        self.memory: State = {}  # what the task remembers; the twin never sees it
        self.measured: Measured = {}

    def resized(self, n: int) -> Episodes:
        """``n`` episodes of the same parts on the same ledger, not started yet. Cheap: parts hold no episode."""
        parts = (self.twin, self.task, self.objective, self.scenario)
        other = Episodes(*parts, n=n, max_steps=self.max_steps, env_id=self.env_id, split=self.split)
        other.ledger = self.ledger
        return other

    # -- starting ------------------------------------------------------------------------------------------------

    def reset(
        self,
        idx: np.ndarray,
        rngs: Sequence[np.random.Generator | None],
        episodes: Sequence[int | None] | None = None,
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Start rows ``idx``: from ``episodes[j]`` of the split where it is a number, else from ``rngs[j]``."""
        drawn = [self._draw(rng, k) for rng, k in zip(rngs, episodes or [None] * len(idx), strict=True)]
        scenarios = stack(drawn)
        self.ledger.spent["redraws"] += int(np.sum(scenarios.get("Redraws", 0)))
        self.steps[idx] = 0
        state = self.twin.initial(scenarios)
        measured = self._measure(state, self.steps[idx])
        memory = self._remember(state, {}, measured)
        self.scenarios = self._store(self.scenarios, idx, scenarios)
        self.state = self._store(self.state, idx, state)
        self.memory = self._store(self.memory, idx, memory) if memory else {}
        self.measured = self._store(self.measured, idx, measured)
        none = np.zeros(len(idx), dtype=np.int8)
        observation = self.task.observe({**state, **memory}, measured)
        return observation, self._info({**state, **memory}, measured, none, none.astype(bool))

    def _draw(self, rng: np.random.Generator | None, episode: int | None) -> Any:
        if episode is not None:
            rng = generator(self.env_id, self.split, episode)
        if rng is None:
            raise VoltGymError("a row needs a generator or an episode number to start from")
        return self.scenario(rng)

    def _store(self, whole: State, idx: np.ndarray, part: State) -> State:
        """``whole`` with rows ``idx`` replaced; the first time, rows that never started are filled with the first."""
        if not whole:
            rows = np.zeros(self.n, dtype=np.int64)
            rows[idx] = np.arange(len(idx))
            return take(part, rows)
        return put(whole, idx, part)

    def _kept(self, whole: State, idx: np.ndarray, part: State) -> State:
        """``whole`` with rows ``idx`` replaced; where these are all rows, in order, nothing has to be copied."""
        if len(idx) == self.n and np.array_equal(idx, self._all):
            return {**whole, **part}
        return put(whole, idx, part)

    # -- stepping ------------------------------------------------------------------------------------------------

    def step(self, idx: np.ndarray, actions: np.ndarray) -> Step:
        """Advance rows ``idx``: (observation, reward, terminated, truncated, info), each with ``len(idx)`` rows."""
        action, bad = self._clean(actions, len(idx))
        self.ledger.charge("env_steps", len(idx))
        before = take(self.measured, idx)
        new, memory, after, failure, invalid = self._ahead(idx, action, bad)
        self.steps[idx] += 1
        goal = self.task.done({**new, **memory}, after) & (failure == 0)
        terminated = goal | (failure != 0)
        truncated = ~terminated & (self.steps[idx] >= self.max_steps)
        reward = self.objective.reward(before, after, goal, failure)
        self.state, self.measured = self._kept(self.state, idx, new), self._kept(self.measured, idx, after)
        self.memory = self._kept(self.memory, idx, memory)
        everything = {**new, **memory}
        observation = self.task.observe(everything, after)
        return observation, reward, terminated, truncated, self._info(everything, after, failure, invalid)

    def peek(self, idx: np.ndarray, actions: np.ndarray) -> tuple[Measured, dict[str, np.ndarray], np.ndarray]:
        """What :meth:`step` would measure, its slacks and its failures, without taking it. Rows may repeat.

        Charged as ``lookahead_steps``: a controller that asks the twin spends the twin.
        """
        action, bad = self._clean(actions, len(idx))
        self.ledger.charge("lookahead_steps", len(idx))
        _, _, measured, failure, _ = self._ahead(idx, action, bad)
        return measured, self.objective.slacks(measured), failure

    def snapshot(self) -> Snapshot:
        """Everything that a reset or a step changes; hand it to :meth:`restore`."""
        return dict(self.scenarios), dict(self.state), dict(self.memory), dict(self.measured), self.steps.copy()

    def restore(self, snapshot: Snapshot) -> None:
        """Go back to a snapshot. What was spent stays spent."""
        self.scenarios, self.state, self.memory, self.measured = (dict(part) for part in snapshot[:4])
        self.steps = snapshot[4].copy()

    def masks(self, idx: np.ndarray) -> np.ndarray:
        """(len(idx), n_actions) bool: the valid discrete actions. Only where the task has a mask."""
        return self.task.mask({**take(self.state, idx), **take(self.memory, idx)})  # type: ignore[attr-defined]

    # -- the pieces of a step ------------------------------------------------------------------------------------

    def _ahead(
        self, idx: np.ndarray, action: np.ndarray, bad: np.ndarray
    ) -> tuple[State, State, Measured, np.ndarray, np.ndarray]:
        """Where clean actions lead rows ``idx``: state, memory, measured, failure and which actions were masked out."""
        old, past = take(self.state, idx), take(self.memory, idx)
        invalid = self._masked_out({**old, **past}, action, bad)
        new, failure = self._advance(old, action, bad, invalid)
        after = self._measure(new, self.steps[idx] + 1)
        failure = np.where((failure == 0) & ~_finite(after), Failure.NONFINITE, failure)
        memory = self._remember(new, past, after)
        lost = np.flatnonzero(failure)
        if lost.size:  # the last good state stands; only the clock goes on
            clock = after[STEPS_LEFT]
            before = take(self.measured, idx[lost])
            new, after = put(new, lost, take(old, lost)), put(after, lost, before) | {STEPS_LEFT: clock}
            memory = put(memory, lost, take(past, lost))
        failure = np.where((failure == 0) & self.objective.broken(after), Failure.LIMIT, failure).astype(np.int8)
        return new, memory, after, failure, invalid

    def _clean(self, actions: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Actions that can be used, and which rows cannot: not finite, or outside a discrete space."""
        space = self.task.action_space
        action = np.asarray(actions)
        if action.shape != (n, *(space.shape or ())) or action.dtype.kind not in "fiub":
            raise VoltGymError(
                f"{self.env_id} got actions of shape {action.shape} and type {action.dtype} for {n} episode(s); "
                f"expected shape {(n, *(space.shape or ()))} of numbers: a sample of {space} an episode"
            )
        finite = np.isfinite(action.astype(float)).reshape(n, -1).all(axis=1)
        shape = (-1, *[1] * (action.ndim - 1))
        if isinstance(space, gym.spaces.Box):
            action = np.where(finite.reshape(shape), action, space.low)
            return np.clip(action, space.low, space.high), ~finite
        low, high = _bounds(space)
        inside = finite & ((action >= low) & (action <= high) & (action == np.floor(action))).reshape(n, -1).all(axis=1)
        return np.where(inside.reshape(shape), action, low).astype(np.int64), ~inside

    def _masked_out(self, state: State, action: np.ndarray, bad: np.ndarray) -> np.ndarray:
        if not hasattr(self.task, "mask"):
            return np.zeros(len(action), dtype=bool)
        start = getattr(self.task.action_space, "start", 0)
        return ~bad & ~self.task.mask(state)[np.arange(len(action)), action - start]

    def _advance(
        self, old: State, action: np.ndarray, bad: np.ndarray, invalid: np.ndarray
    ) -> tuple[State, np.ndarray]:
        """The twin's step for the rows that can take one. A masked-out action is a no-op that cost a step."""
        failure = np.where(bad, Failure.ACTION, Failure.NONE).astype(np.int8)
        go = np.flatnonzero(~bad & ~invalid)
        if not go.size:
            return old, failure
        everybody = go.size == len(action)
        start = old if everybody else take(old, go)
        decoded, begin = self.task.decode(action if everybody else action[go]), time.perf_counter()
        new, failed = self.twin.advance(start, decoded)
        if not self.priced:
            self.ledger.took(time.perf_counter() - begin)
        failure[go] = failed
        return (new if everybody else put(old, go, new)), failure

    def _measure(self, state: State, steps: np.ndarray) -> Measured:
        measured = {name: values.copy() for name, values in self.twin.measure(state).items()}  # whatever a twin reuses
        return measured | {STEPS_LEFT: (self.max_steps - steps).astype(float)}

    def _remember(self, state: State, past: State, measured: Measured) -> State:
        remember = getattr(self.task, "remember", None)
        return remember({**state, **past}, measured) if remember else {}

    def _info(self, state: State, measured: Measured, failure: np.ndarray, invalid: np.ndarray) -> dict[str, Any]:
        slacks = dict(self.objective.slacks(measured))
        slacks[COMPLETED] = np.where((failure == Failure.NONE) | (failure == Failure.LIMIT), 1.0, -1.0)
        info = {
            "cost": cost(slacks, self.objective).astype(np.float32),
            "slacks": slacks,
            "measured": {name: values.copy() for name, values in measured.items()},  # whoever gets it may change it
            "failure": failure.astype(np.int8),
        }
        if hasattr(self.task, "mask"):
            info["action_mask"] = self.task.mask(state)
            info["invalid_action"] = invalid
        if hasattr(self.twin, "keys"):
            info["design"] = self.twin.keys(state)
        if hasattr(self.twin, "reasons"):
            info["reasons"] = self.twin.reasons(state)
        return info


def counted(objective: Objective, slacks: Mapping[str, np.ndarray], over: np.ndarray) -> dict[str, np.ndarray]:
    """(N,) the slacks that an episode is judged by, by name: infinite on the way to a ``final`` objective's end.

    ``over`` (N,) bool: the episode has ended.
    """
    if not getattr(objective, "final", False):
        return dict(slacks)
    return {name: np.where(over, slack, np.inf) for name, slack in slacks.items()}


def reached(objective: Objective, terminated: np.ndarray, truncated: np.ndarray, failure: np.ndarray) -> np.ndarray:
    """(N,) bool: the episode ended with its goal; with a ``final`` objective the time limit hands in what is there."""
    ended = terminated | truncated if getattr(objective, "final", False) else terminated
    return ended & (failure == Failure.NONE)


def cost(slacks: dict[str, np.ndarray], objective: Objective) -> np.ndarray:
    """(N,) ``sum(max(-slack / scale, 0))`` over the slacks, each on the scale that makes it comparable."""
    scales = {COMPLETED: 1.0, **objective.scales}
    parts = (np.maximum(-slack / scales[name], 0.0) for name, slack in slacks.items())
    return functools.reduce(np.add, parts)  # in this order, however many rows there are


def _bounds(space: gym.Space) -> tuple[np.ndarray, np.ndarray]:
    """The lowest and the highest whole number of a discrete space, a component each."""
    if isinstance(space, gym.spaces.MultiBinary):
        return np.zeros(space.shape, dtype=np.int64), np.ones(space.shape, dtype=np.int64)
    if isinstance(space, gym.spaces.MultiDiscrete):
        return space.start, space.start + space.nvec - 1
    if isinstance(space, gym.spaces.Discrete):
        return np.asarray(space.start), np.asarray(space.start + space.n - 1)
    raise VoltGymError(f"actions of {space} are not supported; use Box, Discrete, MultiDiscrete or MultiBinary")


def _finite(measured: Measured) -> np.ndarray:
    """(N,) whether every number of a row is finite."""
    numbers = [v.reshape(len(v), -1) for v in measured.values() if v.dtype.kind == "f"]
    return np.isfinite(np.concatenate(numbers, axis=1)).all(axis=1)
