"""Which policy is the best: the deterministic policy on fixed episodes, feasible first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from voltgym.agents.base import Memory, Policy
from voltgym.envs.core import Episodes, make_episodes
from voltgym.envs.episodes import counted, reached
from voltgym.envs.ledger import Ledger
from voltgym.surrogates.base import take


def kept(
    slacks: Mapping[str, np.ndarray],
    tolerances: Mapping[str, float],
    scales: Mapping[str, float] = {},
    margin: float = 0.0,
) -> np.ndarray:
    """(N,) every slack is at least ``margin`` scales, less its tolerance. Gymnasium's ``_key`` masks are skipped."""
    least = {name: margin * scales.get(name, 0.0) - tolerances.get(name, 0.0) for name in slacks if name[0] != "_"}
    return np.all([slacks[name] >= bound for name, bound in least.items()], axis=0)


def validation_split(env_id: str, env_kwargs: Mapping[str, Any], asked: str | None = None) -> str:
    """The split to judge on: ``asked``, else ``validation`` if the environment trains on ``train``, else its own."""
    if asked is not None:
        return asked
    own = env_kwargs.get("split") or make_episodes(env_id, 1, **env_kwargs).split
    return {"train": "validation"}.get(own, own)


class Score(NamedTuple):
    """How good a policy is on the validation episodes; compares as feasible first, then value, then return."""

    feasible: float
    """The share of feasible episodes."""
    merit: float
    """The mean of the first value over the feasible episodes, larger is better (its sign is turned if need be)."""
    reward: float
    """The mean return of an episode."""


class Validation:
    """The deterministic policy on fixed episodes, all at once.

    ``margin`` (in scales of the slacks) is how far inside the limits an episode must stay to count as feasible here:
    episodes that were not seen in training come out worse than those that chose the policy.
    """

    def __init__(self, core: Episodes, margin: float) -> None:
        self.core, self.margin = core, margin
        self.core.ledger = Ledger()
        self.name, direction = next(iter(core.objective.directions.items()))
        self.sign = {"max": 1.0, "min": -1.0}[direction]

    def spent(self) -> int:
        """Steps since this was last asked."""
        return int(self.core.ledger.spent.pop("env_steps", 0))

    def __call__(self, policy: Policy) -> Score:
        """Play every episode to its end."""
        core, rows = self.core, np.arange(self.core.n)
        observation, _ = core.reset(rows, [None] * core.n, list(range(core.n)))
        good, reward = np.ones(core.n, dtype=bool), np.zeros(core.n)
        limits = (core.objective.tolerances, core.objective.scales, self.margin)
        memory: Memory = None
        first = np.ones(core.n, dtype=bool)
        while rows.size:
            mask = core.masks(rows) if hasattr(core.task, "mask") else None
            action, memory = policy(observation, memory, first, mask)
            observation, gained, terminated, truncated, info = core.step(rows, action)
            reward[rows] += gained
            going = ~(terminated | truncated)
            goal = reached(core.objective, terminated, truncated, info["failure"])
            good[rows] &= kept(counted(core.objective, info["slacks"], ~going), *limits) & (goal | going)
            rows, observation, first = rows[going], observation[going], np.zeros(going.sum(), dtype=bool)
            memory = memory and take(memory, going)
        value = self.sign * core.objective.value(core.measured)[self.name]
        return Score(float(good.mean()), float(value[good].mean()) if good.any() else -np.inf, float(reward.mean()))
