"""Uniformly random actions: what anything must beat."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import gymnasium as gym
import numpy as np

from voltgym.agents.base import Memory, Policy, Progress
from voltgym.agents.mlp import describe_space


class RandomPolicy:
    """Actions drawn uniformly from a bounded Box, or from the valid actions of a Discrete space.

    Call k of a policy with seed s draws from the generator of (s, k), so a saved policy, loaded, acts from the start
    again. The draws do not depend on what is observed.
    """

    information = "bms"  # it looks at nothing

    def __init__(self, space: Mapping[str, Any], seed: int) -> None:
        self.space, self.seed = dict(space), int(seed)
        self.calls = 0

    def __call__(
        self,
        observation: np.ndarray,
        memory: Memory = None,
        first: np.ndarray | None = None,
        mask: np.ndarray | None = None,
    ) -> tuple[np.ndarray, Memory]:
        """(N, ...) observations to (N, ...) actions."""
        rng = np.random.default_rng([self.seed, self.calls])
        self.calls += 1
        return DRAWS[self.space["kind"]](rng, self.space, len(observation), mask), memory

    def save(self, path: Path) -> None:
        """Write ``random.json`` into the folder ``path``."""
        path.mkdir(parents=True, exist_ok=True)
        (path / "random.json").write_text(json.dumps({"space": self.space, "seed": self.seed}, indent=2))

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what :meth:`save` wrote; the count of calls starts again."""
        about = json.loads((path / "random.json").read_text())
        return cls(about["space"], about["seed"])


def _box(rng: np.random.Generator, space: Mapping[str, Any], n: int, mask: np.ndarray | None) -> np.ndarray:
    low, high = np.array(space["low"]), np.array(space["high"])
    return rng.uniform(low, high, (n, *low.shape)).astype(np.float32)


def _discrete(rng: np.random.Generator, space: Mapping[str, Any], n: int, mask: np.ndarray | None) -> np.ndarray:
    draws = rng.uniform(size=(n, space["n"]))
    return np.where(True if mask is None else mask, draws, -1.0).argmax(axis=1) + space["start"]


DRAWS = {"box": _box, "discrete": _discrete}
"""How to draw (N, ...) actions, by kind of action space."""


class RandomAgent:
    """Nothing to learn: it looks up the action space and spends nothing."""

    unit = "env_steps"
    default_budget = 0

    def train(
        self, env_id: str, env_kwargs: Mapping[str, Any], *, budget: int, seed: int, out: Path, progress: Progress
    ) -> Policy:
        """A random policy with this seed. Raises `VoltGymError` for action spaces without bounds."""
        env = gym.make(env_id, **env_kwargs)
        space = env.action_space
        env.close()
        return RandomPolicy(describe_space(space), seed)
