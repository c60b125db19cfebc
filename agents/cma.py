"""CMA-ES over designs: the evolution strategy of `cma` (Hansen, Akimoto and Baudis, doi 10.5281/zenodo.2559634)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from voltgym.agents.points import Point, fitness
from voltgym.agents.search import Propose, SearchAgent
from voltgym.envs.errors import number, whole_number
from voltgym.envs.problem import Design, DesignProblem


class CmaAgent(SearchAgent):
    """CMA-ES in the cube that the bounds of a design are mapped to, from its middle.

    A feasible design is ranked by its value; any other comes after all that are feasible, ranked by how far it violates
    its slacks. What is evaluated, kept and handed in: see ``DesignSearch``.

    Args:
        design, split, episodes, margins, unit: of ``DesignSearch``.
        population: of a generation; None for the 4 + 3 log(d) of the strategy.
        step: the first standard deviation, in sides of the cube.
        default_budget: of ``unit``, where none is asked for.
    """

    def __init__(
        self,
        design: Design | None = None,
        *,
        population: int | None = None,
        step: float = 0.3,
        default_budget: int = 200,
        **judged: Any,
    ) -> None:
        self.population = None if population is None else whole_number("population", population, least=2)
        self.step = number("step", step, "a share of the bounds > 0", low=1e-6, high=10.0)
        about = {"class": "CmaAgent", "population": self.population, "step": self.step}
        super().__init__(design, about=about, at_once=10_000, default_budget=default_budget, **judged)

    def _proposer(self, seed: int) -> Propose:
        """A generation at a time. What the points hold already is told again, in order: nothing is drawn otherwise."""
        strategy: Any = None
        asked: list[np.ndarray] = []
        told = 0

        def propose(problem: DesignProblem, points: Sequence[Point], count: int, budget: int) -> np.ndarray:
            nonlocal strategy, asked, told
            low, high = problem.bounds
            strategy = strategy or self._strategy(len(low), seed)
            asked = asked or strategy.ask()
            while len(points) - told >= len(asked):
                strategy.tell(asked, (-fitness(points[told : told + len(asked)], problem)).tolist())
                told += len(asked)
                asked = strategy.ask()
            left = asked[len(points) - told :][:count]
            return low + np.clip(np.array(left)[:, : len(low)], 0, 1) * (high - low)

        return propose

    def _strategy(self, d: int, seed: int) -> Any:
        import cma

        rng = np.random.default_rng(seed)
        options: dict[str, Any] = {
            "bounds": [0.0, 1.0],
            "randn": lambda *shape: rng.standard_normal(shape),
            "seed": np.nan,  # numpy's global generator is left alone
            "verbose": -9,
        }
        if self.population is not None:
            options["popsize"] = self.population
        return cma.CMAEvolutionStrategy(max(d, 2) * [0.5], self.step, options)  # it takes two numbers or more
