"""Episodes of a policy, or of a log of actions: the part of a record that the physics decides."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import gymnasium as gym
import numpy as np

from voltgym.agents.base import Memory, Policy, Progress
from voltgym.envs.core import Episodes, Failure
from voltgym.envs.episodes import counted, reached
from voltgym.envs.scenario import generator
from voltgym.surrogates.base import take

Outcome = dict[str, Any]
"""The fields of a record from ``feasible`` to ``ledger``, of one episode."""


class Actor(Protocol):
    """Anything that acts for the rows of a batch that are still going."""

    def __call__(self, observation: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """(n, ...) observations of ``rows`` (n,) of the batch to (n, ...) actions; rows only ever drop out."""
        ...


class Acting:
    """A policy with its memory, from the first step on."""

    def __init__(self, policy: Policy, core: Episodes | None = None) -> None:
        self.policy, self.core = policy, core
        self.memory: Memory = None
        self.rows: np.ndarray | None = None
        bind = getattr(policy, "bind", None)
        if bind is not None and core is not None:
            bind(core)

    def __call__(self, observation: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """The policy's actions (n, ...); its memory loses the rows that dropped out."""
        first = np.full(len(rows), self.rows is None)
        if self.memory is not None and self.rows is not None and len(rows) < len(self.rows):
            self.memory = take(self.memory, np.searchsorted(self.rows, rows))
        self.rows = rows
        masked = self.core is not None and hasattr(self.core.task, "mask")
        mask = self.core.masks(rows) if masked and self.core is not None else None
        action, self.memory = self.policy(observation, self.memory, first, mask)
        return np.asarray(action)


class Replaying:
    """Logged actions, step by step."""

    def __init__(self, logs: Sequence[Sequence[Any]], core: Episodes) -> None:
        self.logs = [np.asarray(log, dtype=core.task.action_space.dtype) for log in logs]  # None becomes NaN again
        self.core = core

    def __call__(self, observation: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """The logged actions (n, ...) of this step."""
        return np.stack([self.logs[i][self.core.steps[i]] for i in rows])


def play(
    core: Episodes,
    actor_of: Callable[[Episodes], Actor],
    episodes: Sequence[int],
    *,
    tolerances: Mapping[str, float] | None = None,
    lengths: Sequence[int] | None = None,
    traces: list[list[dict[str, Any]]] | None = None,
    progress: Progress | None = None,
) -> list[Outcome]:
    """Play ``core.n`` episodes to their end; finished rows are not advanced any more.

    ``actor_of(core)`` is called after the reset. ``tolerances`` replace those of the objective, by slack name;
    ``lengths`` end a row after so many steps; ``traces`` receives, an episode, what was measured at every step.
    """
    rows = np.arange(core.n)
    spent = dict(core.ledger.spent)
    observation, info = core.reset(rows, [None] * core.n, list(episodes))
    start = counted(core.objective, info["slacks"], np.zeros(core.n, dtype=bool))
    tally = Tally(core.n, {**core.objective.tolerances, **(tolerances or {})}, start)
    _trace(traces, rows, core)
    actor = actor_of(core)
    most = np.full(core.n, np.iinfo(np.int64).max) if lengths is None else np.asarray(lengths)
    while rows.size:
        action = np.asarray(actor(observation, rows), dtype=core.task.action_space.dtype)  # as a replay will have it
        observation, reward, terminated, truncated, info = core.step(rows, action)
        info["slacks"] = counted(core.objective, info["slacks"], terminated | truncated)
        goal = reached(core.objective, terminated, truncated, info["failure"])
        tally.add(rows, action, reward, goal, info)
        _trace(traces, rows, core)
        going = ~(terminated | truncated) & (core.steps[rows] < most[rows])
        rows, observation = rows[going], observation[going]
        if progress is not None and not going.all():
            progress.update(core.n - rows.size, core.n, feasible=tally.feasible_share(rows))
    values = core.objective.value(core.measured)
    ledger = {kind: (count - spent.get(kind, 0)) / core.n for kind, count in core.ledger.spent.items()}
    if not core.priced:
        ledger.pop("solver_ms", None)  # what this machine took just now: the same episode would not repeat it
    scenarios = [{name: column[i] for name, column in core.scenarios.items()} for i in range(core.n)]
    better = {"directions": dict(core.objective.directions)}
    designs = core.twin.keys(core.state) if hasattr(core.twin, "keys") else [None] * core.n
    return [
        tally.outcome(i, {name: v[i] for name, v in values.items()}, scenarios[i], ledger, int(core.steps[i]))
        | better
        | ({} if designs[i] is None else {"design": str(designs[i])})
        for i in range(core.n)
    ]


def _trace(traces: list[list[dict[str, Any]]] | None, rows: np.ndarray, core: Episodes) -> None:
    if traces is None:
        return
    traces.extend([] for _ in range(core.n - len(traces)))
    for i in rows:
        traces[i].append({name: column[i] for name, column in core.measured.items()})


class Tally:
    """Running sums and extremes of ``n`` episodes."""

    def __init__(self, n: int, tolerances: Mapping[str, float], slacks: Mapping[str, np.ndarray]) -> None:
        self.tolerances = tolerances
        self.worst = {name: slack.astype(float) for name, slack in slacks.items()}
        self.reward, self.cost = np.zeros(n), np.zeros(n)
        self.violated = np.zeros(n, dtype=np.int64)
        self.failure = np.zeros(n, dtype=np.int8)
        self.goal = np.zeros(n, dtype=bool)
        self.actions: list[list[Any]] = [[] for _ in range(n)]

    def add(
        self, rows: np.ndarray, action: np.ndarray, reward: np.ndarray, goal: np.ndarray, info: dict[str, Any]
    ) -> None:
        """One step of ``rows``."""
        self.reward[rows] += reward
        self.cost[rows] += info["cost"]
        self.failure[rows] = info["failure"]
        self.goal[rows] = goal
        bad = np.zeros(len(rows), dtype=bool)
        for name, slack in info["slacks"].items():
            self.worst[name][rows] = np.minimum(self.worst[name][rows], slack)
            bad |= slack < -self.tolerances.get(name, 0.0)
        self.violated[rows] += bad
        for i, row in zip(rows, action.tolist(), strict=True):
            self.actions[i].append(row)

    def feasible_share(self, going: np.ndarray) -> float:
        """Of the episodes that have ended, the share that are feasible."""
        ended = np.setdiff1d(np.arange(len(self.goal)), going)
        return float(np.mean(self.goal[ended] & (self.violated[ended] == 0)))

    def outcome(self, i: int, values: dict[str, Any], scenario: dict[str, Any], ledger: Any, steps: int) -> Outcome:
        """What became of episode ``i``. Feasible: no step violates and the goal is reached."""
        return {
            "feasible": bool(self.goal[i] and self.violated[i] == 0),
            "goal_reached": bool(self.goal[i]),
            "failure": Failure(int(self.failure[i])).name,
            "steps": steps,
            "return": float(self.reward[i]),
            "cost": float(self.cost[i]),
            "violated_steps": int(self.violated[i]),
            "worst_slacks": {name: float(worst[i]) for name, worst in self.worst.items()},
            "values": values,
            "actions": self.actions[i],
            "scenario": scenario,
            "ledger": {**ledger, "env_steps": steps},
        }


def play_plain(env: gym.Env, policy: Policy, env_id: str, split: str, episode: int) -> Outcome:
    """Episode ``episode`` in a Gymnasium environment that has no slacks: plain reset and step.

    Its seed derives from (suite version, id, split, episode), so that the episode is the same for everybody.
    """
    seed = int(generator(env_id, split, episode).integers(2**31))
    observation, info = env.reset(seed=seed)
    acting, actions, total, cost = Acting(policy), [], 0.0, 0.0
    over = False
    while not over:
        action = acting(np.asarray(observation)[None], np.zeros(1, dtype=np.int64))[0]
        actions.append(action)
        observation, reward, terminated, truncated, info = env.step(action)
        total, cost = total + float(reward), cost + float(info.get("cost", 0.0))
        over = terminated or truncated
    success = info.get("is_success")
    return {
        "feasible": None,
        "goal_reached": None if success is None else bool(success),
        "failure": None,
        "steps": len(actions),
        "return": total,
        "cost": cost,
        "violated_steps": None,
        "worst_slacks": {},
        "values": {"Return": total},
        "directions": {"Return": "max"},
        "actions": actions,
        "scenario": {"Seed": seed},
        "ledger": {"env_steps": len(actions)},
    }
