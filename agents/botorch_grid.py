"""Bayesian optimisation with BoTorch over a space that lists its designs: all of them are candidates, none is bred.

One objective: noisy log expected improvement; several: noisy log expected hypervolume improvement (Daulton, Balandat
and Bakshy 2021, arXiv:2105.08195; in logarithms Ament et al. 2023, arXiv:2310.20708; from memory), both weighted by the
probability that the slacks are kept.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from voltgym.agents.base import Policy, Progress
from voltgym.agents.botorch_parts import first_outcome, numerical_errors, squash
from voltgym.agents.designs import HandIn, begin, finish
from voltgym.agents.oracle import UNIT, Oracle, Verdict
from voltgym.agents.pareto import Goals, front
from voltgym.envs.errors import VoltGymError, whole_number
from voltgym.envs.ledger import BudgetExhausted, Ledger

FIT_STEPS = 50
"""Of the search for hyper-parameters: it is anew with every design, and later steps change little."""


class GridAgent:
    """Bayesian optimisation among all designs of a space, within a budget of different ones.

    Prices samples of the space first (``initial``), then ``batch_size`` designs at a time. Gaussian processes of the
    values and of every slack that varies learn from the features that the environment shows of a design. Where no model
    can be fitted the next designs are samples. The same seed prices the same designs; a search that was stopped goes on
    where it was.

    Args:
        pareto: search the front of the values that the objective's ``reference_point`` names, and hand in what is not
            dominated; else its first value.
        initial: designs priced before the first model; at most half the budget.
        batch_size: designs proposed together.
        mc_samples: of the acquisition.
        hand_in: how many designs are handed in.
        threads: of PyTorch.
        default_budget: designs, where no budget is asked for.
    """

    unit = UNIT

    def __init__(
        self,
        *,
        pareto: bool = False,
        initial: int = 6,
        batch_size: int = 1,
        mc_samples: int = 64,
        hand_in: int = 20,
        threads: int = 1,
        default_budget: int = 60,
    ) -> None:
        given = {"initial": initial, "batch_size": batch_size, "mc_samples": mc_samples}
        self.about = {name: whole_number(name, value) for name, value in given.items()}
        self.pareto = bool(pareto)
        self.hand_in, self.threads = whole_number("hand_in", hand_in), whole_number("threads", threads)
        self.default_budget = default_budget
        self.ledger = Ledger()

    def train(
        self, env_id: str, env_kwargs: Mapping[str, Any], *, budget: int, seed: int, out: Path, progress: Progress
    ) -> Policy:
        """Search until ``budget`` designs are priced. ``self.ledger`` is what was spent."""
        import torch

        torch.set_num_threads(self.threads)
        about = {"class": type(self).__name__, "pareto": self.pareto, **self.about}
        oracle = begin(env_id, env_kwargs, budget=budget, seed=seed, out=out, agent=about)
        designs = list(getattr(oracle.problem.space, "designs", ()))
        if not designs:
            raise VoltGymError(
                f"the space of {env_id} lists no `designs`: use an agent that breeds its candidates, agent=graph_ga or "
                "agent=botorch_tanimoto"
            )
        self.ledger = oracle.ledger
        goals = Goals.of(oracle.problem.objective, self.pareto)
        with suppress(BudgetExhausted):
            self._search(oracle, Candidates(oracle, designs), goals, budget, seed, progress)
        oracle.tell(progress)
        handed = finish(oracle, out, self.hand_in)
        best = front(oracle.log.all, goals) if self.pareto else []
        return HandIn([verdict.key for verdict in best]) if best else handed

    def _search(
        self, oracle: Oracle, grid: Candidates, goals: Goals, budget: int, seed: int, progress: Progress
    ) -> None:
        rng = np.random.default_rng(seed)
        first = min(self.about["initial"], max(1, budget // 2))
        oracle.ask(grid.sample(rng, first))
        while left := grid.left():
            oracle.tell(progress)
            count, turn = min(self.about["batch_size"], len(left)), len(oracle.asked)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # numerical advice; what counts is what is priced
                try:
                    proposed = self._propose(oracle, grid, left, goals, count, [seed, turn])
                except numerical_errors():
                    proposed = grid.sample(rng, count)
            oracle.ask(proposed)

    def _propose(
        self, oracle: Oracle, grid: Candidates, left: Sequence[str], goals: Goals, count: int, seed: Sequence[int]
    ) -> list[str]:
        """``count`` of the designs that are ``left``: one after the other, each knowing those before it."""
        import torch
        from botorch.optim import optimize_acqf_discrete

        number = int(np.random.SeedSequence(seed).generate_state(1)[0] % 2**31)
        torch.manual_seed(number)
        known = [oracle.log[key] for key in oracle.asked if oracle.log[key].value is not None]
        choices = torch.from_numpy(grid.features(left))
        acquisition = self._acquisition(grid.features([v.key for v in known]), known, goals, number)
        chosen, _ = optimize_acqf_discrete(acquisition, count, choices, unique=True)
        place = (chosen[:, None, :] == choices[None, :, :]).all(dim=-1).int().argmax(dim=1)
        return [left[int(i)] for i in place]

    def _acquisition(self, features: np.ndarray, known: Sequence[Verdict], goals: Goals, seed: int) -> Any:
        import torch
        from botorch.acquisition.logei import qLogNoisyExpectedImprovement
        from botorch.acquisition.multi_objective.logei import qLogNoisyExpectedHypervolumeImprovement
        from botorch.acquisition.multi_objective.objective import IdentityMCMultiOutputObjective
        from botorch.acquisition.objective import GenericMCObjective
        from botorch.exceptions.errors import ModelFittingError
        from botorch.fit import fit_gpytorch_mll
        from botorch.models import SingleTaskGP
        from botorch.sampling.normal import SobolQMCNormalSampler
        from gpytorch.mlls import ExactMarginalLogLikelihood

        if len(known) < 2:
            raise ModelFittingError("fewer than two designs have a value")
        x, merit, limits = torch.from_numpy(features), goals.merits(known), slacks(known)
        model = SingleTaskGP(x, torch.from_numpy(np.column_stack([merit, limits])))
        likelihood = ExactMarginalLogLikelihood(model.likelihood, model)
        fit_gpytorch_mll(likelihood, optimizer_kwargs={"options": {"maxiter": FIT_STEPS}})
        m, n = merit.shape[1], limits.shape[1]
        kept: list[Any] = [lambda samples, j=j: -samples[..., m + j] for j in range(n)]  # BoTorch's "<= 0" is kept
        how: dict[str, Any] = {
            "sampler": SobolQMCNormalSampler(torch.Size([self.about["mc_samples"]]), seed=seed),
            "constraints": kept or None,
            "prune_baseline": True,
        }
        if m == 1:
            return qLogNoisyExpectedImprovement(model, x, objective=GenericMCObjective(first_outcome), **how)
        several = IdentityMCMultiOutputObjective(outcomes=list(range(m)))
        return qLogNoisyExpectedHypervolumeImprovement(model, goals.reference, x, objective=several, **how)


class Candidates:
    """All designs of a space, with features in [0, 1]; what was not asked yet is left."""

    def __init__(self, oracle: Oracle, designs: Sequence[str]) -> None:
        self.oracle, self.designs = oracle, list(designs)
        raw = np.asarray(oracle.problem.embed(self.designs), dtype=float)
        low, width = raw.min(axis=0), np.ptp(raw, axis=0)
        self._rows = dict(zip(self.designs, (raw - low) / np.where(width > 0, width, 1.0), strict=True))

    def features(self, keys: Sequence[str]) -> np.ndarray:
        """(n, f) in [0, 1]."""
        return np.stack([self._rows[key] for key in keys])

    def left(self) -> list[str]:
        """The keys that were not asked for, in order."""
        return [key for key in self.designs if key not in self.oracle.asked]

    def sample(self, rng: np.random.Generator, count: int) -> list[str]:
        """``count`` different ones of those that are left."""
        left = self.left()
        return [left[i] for i in rng.permutation(len(left))[:count]]


def slacks(known: Sequence[Verdict]) -> np.ndarray:
    """(n, k) squashed slacks that vary over the designs."""
    table = squash(np.array([list(verdict.slacks.values()) for verdict in known], dtype=float).reshape(len(known), -1))
    return table[:, np.ptp(table, axis=0) > 1e-9]
