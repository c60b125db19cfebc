"""Designs of numbers drawn uniformly within their bounds: what any search of numbers must beat at equal cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from voltgym.agents.points import Point
from voltgym.agents.search import Propose, SearchAgent
from voltgym.envs.problem import Design, DesignProblem


class RandomPointsAgent(SearchAgent):
    """Evaluates uniform draws and hands in the best; a batch comes of the generator of (seed, designs so far).

    Args:
        design, split, episodes, margins, unit: as of `DesignSearch`.
        batch_size: designs drawn together.
        default_budget: of ``unit``, where none is asked for.
    """

    def __init__(
        self, design: Design | None = None, *, batch_size: int = 10, default_budget: int = 200, **judged: Any
    ) -> None:
        about = {"agent": type(self).__name__, "batch_size": batch_size}
        super().__init__(design, about=about, at_once=batch_size, default_budget=default_budget, **judged)

    def _proposer(self, seed: int) -> Propose:
        def propose(problem: DesignProblem, points: Sequence[Point], count: int, budget: int) -> np.ndarray:
            low, high = problem.bounds
            return np.random.default_rng([seed, len(points)]).uniform(low, high, (count, len(low)))

        return propose
