"""A genetic algorithm over designs: the graph GA where the designs are molecules.

Jensen 2019, Chem. Sci. 10, 3567 (doi 10.1039/C8SC05372C), as the benchmarks GuacaMol and PMO run it: parents are drawn
in proportion to their fitness, crossed, mutated, and the best of parents and offspring live on. What crossover and
mutation are is the design space's matter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from voltgym.agents.base import Policy, Progress
from voltgym.agents.designs import begin, finish, starts
from voltgym.agents.oracle import UNIT, Oracle, Verdict, fitness
from voltgym.envs.edit_problem import EditProblem
from voltgym.envs.errors import VoltGymError, number, whole_number
from voltgym.envs.ledger import BudgetExhausted, Ledger


class Breeder:
    """New designs from old ones, by the moves that the space has.

    ``space.crossover(a, b, rng) -> str | None`` and ``space.mutate(a, rng) -> str | None`` where it has them. Without,
    a mutation is a neighbour at random, and a child of two designs is a mutation of one of them.
    """

    def __init__(self, problem: EditProblem, mutation_rate: float) -> None:
        self.problem, self.mutation_rate = problem, mutation_rate
        self._cross = getattr(problem.space, "crossover", None)
        self._mutate = getattr(problem.space, "mutate", None) or self._neighbour

    def child(self, a: str, b: str, rng: np.random.Generator) -> str | None:
        """The key of a child of ``a`` and ``b``, or None where these two, this time, have none in the space."""
        if self._cross is None:
            return self._checked(self._mutate(a if rng.random() < 0.5 else b, rng))
        found = self._cross(a, b, rng)
        if found is not None and rng.random() < self.mutation_rate:
            found = self._mutate(found, rng)
        return self._checked(found)

    def children(self, parents: Sequence[str], count: int, known: Any, rng: np.random.Generator) -> list[str]:
        """Up to ``count`` different children that are not in ``known``; fewer if 5 ``count`` tries make no more."""
        found: dict[str, None] = {}
        for _ in range(5 * count):
            if len(found) == count:
                break
            a, b = rng.integers(len(parents), size=2)
            child = self.child(parents[a], parents[b], rng)
            if child is not None and child not in known:
                found[child] = None
        return list(found)

    def _neighbour(self, design: str, rng: np.random.Generator) -> str | None:
        found = self.problem.neighbours(design)
        return found[rng.integers(len(found))] if found else None

    def _checked(self, design: str | None) -> str | None:
        """The key of ``design``, None if the space refuses what its own moves made."""
        try:
            return None if design is None else self.problem.key(design)
        except VoltGymError:
            return None


class GeneticAgent:
    """A genetic algorithm on designs within a budget of different ones.

    The first population are the start designs and samples of the space. Every generation draws a mating pool from the
    population, with replacement and in proportion to the fitness above the worst; pairs of the pool have ``offspring``
    children that were not priced before, each mutated with ``mutation_rate``; the best ``population`` of all live on
    (elitism). A design is fit by its value if it is feasible; any other loses ``penalty`` for every violated scale. The
    same seed prices the same designs; a search that was stopped goes on where it was.

    Args:
        population, offspring: designs that live, and children of a generation; of a small budget a fifth and a
            twentieth, but at least ten.
        mutation_rate: the share of children that are mutated.
        penalty: fitness that a violation of one scale costs.
        starts: how many episodes of the split are looked at for their start designs.
        hand_in: how many of the best designs are handed in.
        patience: generations without a new design, after which the space is taken to be exhausted.
        default_budget: designs, where no budget is asked for.
    """

    unit = UNIT

    def __init__(
        self,
        *,
        population: int = 100,
        offspring: int = 50,
        mutation_rate: float = 0.5,
        penalty: float = 1.0,
        starts: int = 64,
        hand_in: int = 20,
        patience: int = 50,
        default_budget: int = 1000,
    ) -> None:
        given = {"population": population, "offspring": offspring, "starts": starts, "hand_in": hand_in}
        whole = {name: whole_number(name, value) for name, value in {**given, "patience": patience}.items()}
        self.population, self.offspring, self.starts, self.hand_in, self.patience = whole.values()
        self.mutation_rate = number("mutation_rate", mutation_rate, "a share in [0, 1]", high=1.0)
        self.penalty = number("penalty", penalty, "a number >= 0")
        self.default_budget = default_budget
        self.ledger = Ledger()

    def train(
        self, env_id: str, env_kwargs: Mapping[str, Any], *, budget: int, seed: int, out: Path, progress: Progress
    ) -> Policy:
        """Breed until ``budget`` designs are priced. ``self.ledger`` is what was spent."""
        oracle = begin(env_id, env_kwargs, budget=budget, seed=seed, out=out, agent=self._about())
        self.ledger = oracle.ledger
        sizes = min(self.population, max(10, budget // 5)), min(self.offspring, max(10, budget // 20))
        with suppress(BudgetExhausted):
            self._evolve(oracle, starts(env_id, env_kwargs, self.starts), np.random.default_rng(seed), progress, *sizes)
        oracle.tell(progress)
        return finish(oracle, out, self.hand_in)

    def _about(self) -> dict[str, Any]:
        names = ("population", "offspring", "mutation_rate", "penalty", "starts")
        return {"class": "GeneticAgent", **{name: getattr(self, name) for name in names}}

    def _evolve(
        self,
        oracle: Oracle,
        first: Sequence[str],
        rng: np.random.Generator,
        progress: Progress,
        population: int,
        offspring: int,
    ) -> None:
        breeder = Breeder(oracle.problem, self.mutation_rate)
        alive = unique(oracle.ask(first_population(oracle.problem, first[:population], population, rng)))
        while oracle.idle < self.patience:
            pool = mating_pool([v.key for v in alive], self._fitness(alive, oracle), offspring, rng)
            children = breeder.children(pool, offspring, oracle.asked, rng)
            born = oracle.ask(children)
            alive = self._fittest(unique([*alive, *born]), oracle, population)
            oracle.tell(progress)

    def _fitness(self, found: Sequence[Verdict], oracle: Oracle) -> np.ndarray:
        return fitness(found, oracle.sign, self.penalty)

    def _fittest(self, found: Sequence[Verdict], oracle: Oracle, population: int) -> list[Verdict]:
        order = np.argsort(-self._fitness(found, oracle), kind="stable")
        return [found[i] for i in order[:population]]


def first_population(problem: EditProblem, starts: Sequence[str], count: int, rng: np.random.Generator) -> list[str]:
    """The start designs, and samples of the space to make ``count`` of them."""
    return [*starts, *problem.sample(rng, max(0, count - len(starts)))]


def unique(found: Sequence[Verdict]) -> list[Verdict]:
    """Each design once, in order."""
    return list({verdict.key: verdict for verdict in found}.values())


def mating_pool(designs: Sequence[str], fit: np.ndarray, count: int, rng: np.random.Generator) -> list[str]:
    """``count`` of ``designs``, drawn with replacement in proportion to how fit (n,) they are above the worst.

    Jensen draws in proportion to the fitness itself, which may be negative here. Where all are alike, so are their
    chances.
    """
    above = fit - fit.min()
    weights = above / above.sum() if above.sum() > 0 else np.full(len(fit), 1 / len(fit))
    return [designs[i] for i in rng.choice(len(fit), size=count, p=weights)]
