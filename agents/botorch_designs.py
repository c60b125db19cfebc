"""Bayesian optimisation over designs with BoTorch: a Gaussian process on fingerprints, its acquisition bred by a GA.

The kernel is Tanimoto's on counts, in its min-max form (Ralaivola et al. 2005; GAUCHE, Griffiths et al. 2023,
arXiv:2212.04450; both from memory). The acquisition is log expected improvement (Ament et al. 2023, arXiv:2310.20708).
Breeding the candidates with a graph GA is what the benchmark PMO calls GP BO (Gao et al. 2022, arXiv:2206.12411).
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from voltgym.agents.base import Policy, Progress
from voltgym.agents.designs import begin, fingerprints, finish, starts
from voltgym.agents.genetic import Breeder, first_population
from voltgym.agents.oracle import UNIT, Oracle, fitness
from voltgym.envs.errors import number, whole_number
from voltgym.envs.ledger import BudgetExhausted, Ledger

if TYPE_CHECKING:
    from voltgym.agents.botorch_gp import TanimotoGP


class TanimotoAgent:
    """Bayesian optimisation of a design within a budget of different ones.

    Prices the start designs and samples of the space first (``initial``), then ``batch_size`` designs at a time. The
    Gaussian process learns the penalised fitness. Candidates are bred from the best designs so far by crossover and
    mutation, and again from the candidates with the largest log expected improvement, ``generations`` times; the batch
    is those of them that improve most together. It learns from at most ``2 * memory`` designs, the best and others at
    random, and its hyper-parameters are fitted every ``refit`` batches on a part of them. The same seed prices the same
    designs; a search that was stopped goes on where it was. A batch that cannot be modelled is bred from the best. Of a
    space that lists its ``designs`` all are candidates, and none are bred.

    Args:
        initial: designs priced before the first model; of a small budget a fifth.
        batch_size: designs proposed together; of a small budget a fifteenth.
        parents, children, generations: how candidates are bred.
        neighbours: of how many of the best designs all neighbours are candidates.
        memory: the best designs, and as many others, that the model learns from.
        refit: batches between fits of the hyper-parameters.
        mutation_rate: the share of candidates that are mutated.
        penalty: fitness that a violation of one scale costs.
        starts, hand_in, patience, default_budget: as for the genetic algorithm.
        threads: of PyTorch.
    """

    unit = UNIT

    def __init__(
        self,
        *,
        initial: int = 60,
        batch_size: int = 20,
        parents: int = 60,
        children: int = 150,
        generations: int = 3,
        neighbours: int = 2,
        memory: int = 500,
        refit: int = 5,
        mutation_rate: float = 0.5,
        penalty: float = 1.0,
        starts: int = 64,
        hand_in: int = 20,
        patience: int = 20,
        threads: int = 1,
        default_budget: int = 1000,
    ) -> None:
        whole: dict[str, int] = {}
        for name, value in {"initial": initial, "parents": parents, "children": children, "memory": memory}.items():
            whole[name] = whole_number(name, value, least=2)
        for name, value in {"batch_size": batch_size, "generations": generations, "refit": refit}.items():
            whole[name] = whole_number(name, value)
        self.about = {**whole, "neighbours": whole_number("neighbours", neighbours, least=0)}
        self.mutation_rate = number("mutation_rate", mutation_rate, "a share in [0, 1]", high=1.0)
        self.penalty = number("penalty", penalty, "a number >= 0")
        self.starts, self.hand_in = whole_number("starts", starts), whole_number("hand_in", hand_in)
        self.patience, self.threads = whole_number("patience", patience), whole_number("threads", threads)
        self.default_budget = default_budget
        self.ledger = Ledger()

    def train(
        self, env_id: str, env_kwargs: Mapping[str, Any], *, budget: int, seed: int, out: Path, progress: Progress
    ) -> Policy:
        """Search until ``budget`` designs are priced. ``self.ledger`` is what was spent."""
        import torch

        torch.set_num_threads(self.threads)
        rest = {"mutation_rate": self.mutation_rate, "penalty": self.penalty, "starts": self.starts}
        about = {"class": "TanimotoAgent", **self.about, **rest}
        oracle = begin(env_id, env_kwargs, budget=budget, seed=seed, out=out, agent=about)
        self.ledger = oracle.ledger
        initial = min(self.about["initial"], max(2, budget // 5))
        batch = min(self.about["batch_size"], max(1, budget // 15))
        with suppress(BudgetExhausted):
            self._search(oracle, starts(env_id, env_kwargs, self.starts), seed, progress, initial, batch)
        oracle.tell(progress)
        return finish(oracle, out, self.hand_in)

    def _search(
        self, oracle: Oracle, first: Sequence[str], seed: int, progress: Progress, initial: int, size: int
    ) -> None:
        from voltgym.agents.botorch_gp import FAILURES, TanimotoGP

        rng = np.random.default_rng(seed)
        breeder = Breeder(oracle.problem, self.mutation_rate)
        model = TanimotoGP(fingerprints(oracle.problem.space))
        oracle.ask(first_population(oracle.problem, first[:initial], initial, rng))
        batch = 0
        while oracle.idle < self.patience:
            oracle.tell(progress)
            known = list(oracle.asked)
            fit = fitness([oracle.log[key] for key in known], oracle.sign, self.penalty)
            order = np.argsort(-fit, kind="stable")
            best, chosen = [known[i] for i in order], self._learnt_from(order, rng)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # numerical advice; what counts is what is priced
                try:
                    model.learn([known[i] for i in chosen], fit[chosen], refit=batch % self.about["refit"] == 0)
                    proposed = self._propose(model, breeder, best, float(fit.max()), oracle, rng, size)
                except FAILURES:
                    parents = best[: self.about["parents"]]
                    proposed = breeder.children(parents, size, oracle.asked, rng)
            oracle.ask(proposed)
            batch += 1

    def _learnt_from(self, order: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Which designs the model learns from: the best, and others at random."""
        memory = self.about["memory"]
        return np.concatenate([order[:memory], rng.permutation(order[memory:])[:memory]])

    def _propose(
        self,
        model: TanimotoGP,
        breeder: Breeder,
        best: Sequence[str],
        record: float,
        oracle: Oracle,
        rng: np.random.Generator,
        size: int,
    ) -> list[str]:
        """``size`` designs for the next batch: candidates are bred, and bred again from the most promising of them."""
        parents, count, known = self.about["parents"], self.about["children"], oracle.asked
        every = [key for key in getattr(oracle.problem.space, "designs", ()) if key not in known]
        if every:  # a space that lists its designs: no need to breed any
            promise = dict(zip(every, model.log_improvement(every, record).tolist(), strict=True))
            return model.batch(_largest(promise, 10 * size), record, size, rng)
        near = [other for design in best[: self.about["neighbours"]] for other in oracle.problem.neighbours(design)]
        fresh = [*near, *oracle.problem.sample(rng, count // 5), *breeder.children(best[:parents], count, known, rng)]
        pool: dict[str, float] = {}
        for generation in range(self.about["generations"]):
            if generation:
                leaders = _largest(pool, parents)
                fresh = breeder.children([*leaders, *best[:5]], count, {**pool, **known}, rng)
            new = [key for key in dict.fromkeys(fresh) if key not in known and key not in pool]
            if new:
                pool |= dict(zip(new, model.log_improvement(new, record).tolist(), strict=True))
        return model.batch(_largest(pool, 10 * size), record, size, rng)


def _largest(pool: Mapping[str, float], count: int) -> list[str]:
    """The ``count`` keys with the largest values, the largest first."""
    return sorted(pool, key=pool.__getitem__, reverse=True)[:count]
