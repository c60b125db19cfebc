"""Designs of numbers drawn uniformly within their bounds: what any search of numbers must beat at equal cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from voltgym.agents.base import Policy, Progress
from voltgym.agents.points import Point
from voltgym.agents.search import DesignSearch, Propose
from voltgym.envs.ledger import Ledger
from voltgym.envs.problem import Design, DesignProblem


class RandomPointsAgent:
    """Evaluates uniform draws and hands in the best; a batch comes of the generator of (seed, designs so far).

    Args:
        design, split, episodes, margins: as of `DesignSearch`.
        batch_size: designs drawn together.
        default_budget: evaluations, where none is asked for.
    """

    unit = "evaluations"

    def __init__(
        self,
        design: Design | None = None,
        *,
        split: str | None = None,
        episodes: int = 1,
        margins: Mapping[str, float] | None = None,
        batch_size: int = 10,
        default_budget: int = 200,
    ) -> None:
        about = {"agent": type(self).__name__, "batch_size": batch_size}
        self.search = DesignSearch(design, split=split, episodes=episodes, margins=margins, about=about)
        self.batch_size, self.default_budget = batch_size, default_budget

    @property
    def ledger(self) -> Ledger:
        """What the last search spent."""
        return self.search.ledger

    def train(
        self, env_id: str, env_kwargs: Mapping[str, Any], *, budget: int, seed: int, out: Path, progress: Progress
    ) -> Policy:
        """Search. See the class."""
        how: dict[str, Any] = {"budget": budget, "seed": seed, "out": out, "progress": progress}
        return self.search.run(_proposer, self.batch_size, env_id, env_kwargs, **how)


def _proposer(seed: int) -> Propose:
    def propose(problem: DesignProblem, points: Sequence[Point], count: int, budget: int) -> np.ndarray:
        low, high = problem.bounds
        return np.random.default_rng([seed, len(points)]).uniform(low, high, (count, len(low)))

    return propose
