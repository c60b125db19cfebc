"""Steps to learn a slack model from: taken in many episodes at once, near the limits and away from them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from voltgym.agents.slack_model import SlackGreedy, SlackModel, squash
from voltgym.envs.core import Episodes
from voltgym.surrogates.base import Failure

FAILED = -10.0
"""The slack, in scales, of a step that the twin could not take: as bad as a limit broken tenfold."""


class Steps(NamedTuple):
    """n steps."""

    inputs: np.ndarray
    """(n, d + 1) what the network sees."""
    targets: np.ndarray
    """(n, slacks), squashed."""


def gather(core: Episodes, model: SlackModel | None, count: int, rng: np.random.Generator) -> Steps:
    """``count`` steps of new episodes, all rows side by side; episodes that end begin anew.

    With a ``model`` each row follows greedy on it with a margin of its own between -0.5 and 1.5 scales, and for a third
    of its steps a share of that; without one, noise around a constant action of its own.
    """
    n, names = core.n, list(core.objective.scales)
    about = SlackModel([], *_bounds(core)) if model is None else model
    rows = np.arange(n)
    observation, _ = core.reset(rows, [np.random.default_rng(rng.integers(2**63)) for _ in rows])
    observation = observation.copy()
    level, margin = rng.uniform(0.05, 0.7, n), rng.uniform(-0.5, 1.5, n)
    inputs, targets = [], []
    for _ in range(count // n):
        if model is None:
            action = about.low + (about.high - about.low) * np.clip(level * rng.uniform(0.5, 1.3, n), 0, 1)
        else:
            action = SlackGreedy(model, 0.0, "").act(observation, margin)[:, 0].astype(float)
            less = rng.uniform(size=n) < 1 / 3
            action = np.where(less, action * rng.uniform(0.3, 1.15, n), action * rng.normal(1.0, 0.02, n))
            action = np.clip(action, about.low, about.high)
        action = action.astype(np.float32)
        inputs.append(about.inputs(observation, action))
        observation, _, terminated, truncated, info = core.step(rows, action[:, None])
        observation = observation.copy()
        slack = np.column_stack([info["slacks"][name] / core.objective.scales[name] for name in names])
        lost = (info["failure"] != Failure.NONE) & (info["failure"] != Failure.LIMIT)
        targets.append(squash(np.where(lost[:, None], FAILED, slack)))
        done = np.flatnonzero(terminated | truncated)
        if done.size:
            fresh, _ = core.reset(done, [np.random.default_rng(rng.integers(2**63)) for _ in done])
            observation[done] = fresh
            level[done], margin[done] = rng.uniform(0.05, 0.7, done.size), rng.uniform(-0.5, 1.5, done.size)
    return Steps(np.concatenate(inputs), np.concatenate(targets).astype(np.float32))


def _bounds(core: Episodes) -> tuple[float, float]:
    space = core.task.action_space
    return float(space.low[0]), float(space.high[0])  # type: ignore[attr-defined]
