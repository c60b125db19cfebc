"""``CrossEntropy``: a linear policy by the cross-entropy method (Rubinstein and Kroese, 2004)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import gymnasium as gym
import numpy as np

from voltgym.agents.base import Memory, Policy, Progress
from voltgym.envs.core import Episodes, make_episodes
from voltgym.envs.errors import VoltGymError
from voltgym.envs.ledger import Ledger


class Linear:
    """Actions ``low + (high - low) (1 + tanh(w . (observation, 1))) / 2``."""

    information = "full"

    def __init__(self, weights: np.ndarray, low: np.ndarray, high: np.ndarray) -> None:
        self.weights, self.low, self.high = weights, low, high

    def __call__(
        self,
        observation: np.ndarray,
        memory: Memory = None,
        first: np.ndarray | None = None,
        mask: np.ndarray | None = None,
    ) -> tuple[np.ndarray, Memory]:
        """(N, k) observations to (N, m) actions. Weights are (m, k + 1), or (N, m, k + 1): each row its own."""
        seen = np.concatenate([observation, np.ones((len(observation), 1))], axis=1)[:, None]
        share = (1 + np.tanh(np.sum(self.weights * seen, axis=-1))) / 2
        return np.clip(self.low + (self.high - self.low) * share, self.low, self.high).astype(np.float32), memory

    def save(self, path: Path) -> None:
        """Write ``linear.npz`` into the folder ``path``."""
        np.savez(path / "linear.npz", weights=self.weights, low=self.low, high=self.high)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what :meth:`save` wrote."""
        with np.load(path / "linear.npz", allow_pickle=False) as arrays:
            return cls(arrays["weights"], arrays["low"], arrays["high"])


class CrossEntropy:
    """Draws policies around a mean, all tried in the same episode, and moves the mean to the best of them.

    Args:
        population: policies drawn together.
        keep: how many of them are drawn around next.
        spread: first standard deviation of the weights.
        default_budget: episodes, where none is asked for.
    """

    unit = "evaluations"

    def __init__(self, population: int = 16, keep: int = 4, spread: float = 1.0, default_budget: int = 800) -> None:
        self.population, self.keep, self.spread, self.default_budget = population, keep, spread, default_budget
        self.ledger = Ledger()

    def train(
        self, env_id: str, env_kwargs: Mapping[str, Any], *, budget: int, seed: int, out: Path, progress: Progress
    ) -> Policy:
        """Search; what was reached is on the disk, so that an interrupted search goes on."""
        core = make_episodes(env_id, 1, **env_kwargs)
        space, file = core.task.action_space, out / "checkpoint.npz"
        if not isinstance(space, gym.spaces.Box) or len(space.shape) != 1 or not space.is_bounded():
            raise VoltGymError(
                f"CrossEntropy acts in a Box of one axis, with bounds; {env_id} has {space}. Use ppo_masked"
            )
        shape = (*space.shape, core.task.observation_space.shape[0] + 1)
        state = {"mean": np.zeros(shape), "std": np.full(shape, self.spread), "spent": np.array(0)}
        if file.exists():
            with np.load(file, allow_pickle=False) as arrays:
                state = dict(arrays)
        self.ledger = Ledger().limit(evaluations=budget)
        self.ledger.charge("evaluations", int(state["spent"]))
        while left := int(self.ledger.left("evaluations")):
            n = min(self.population, left)
            self.ledger.charge("evaluations", n)  # before the work
            rng = np.random.default_rng([seed, int(state["spent"])])
            drawn = state["mean"] + state["std"] * rng.normal(size=(n, *shape))
            found = returns(core.resized(n), Linear(drawn, space.low, space.high), rng)
            best = drawn[np.argsort(-found, kind="stable")[: self.keep]]
            state = {"mean": best.mean(axis=0), "std": best.std(axis=0) + 0.02, "spent": state["spent"] + n}
            np.savez(file, **state)
            progress.update(int(state["spent"]), budget, reward=float(found.mean()))
        return Linear(state["mean"], space.low, space.high)


def returns(core: Episodes, policy: Linear, rng: np.random.Generator) -> np.ndarray:
    """(N,) the returns of N policies, one a row, all in the same episode."""
    episode, rows, total = int(rng.integers(2**31)), np.arange(core.n), np.zeros(core.n)
    observation, _ = core.reset(rows, [np.random.default_rng(episode) for _ in rows])
    while rows.size:
        action, _ = Linear(policy.weights[rows], policy.low, policy.high)(observation)
        observation, reward, terminated, truncated, _ = core.step(rows, action)
        total[rows] += reward
        rows, observation = (x[~(terminated | truncated)] for x in (rows, observation))
    return total
