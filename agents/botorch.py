"""Bayesian optimisation with BoTorch: few evaluations of a design, constraints that are learned with the objective.

Log expected improvement (Ament et al. 2023, arXiv:2310.20708) on Gaussian processes of the value and of every slack,
weighted by the probability that all slacks hold (Gardner et al. 2014, "Bayesian Optimization with Inequality
Constraints", ICML; cited from memory).
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from voltgym.agents.botorch_parts import first_outcome, numerical_errors, outcomes, sobol
from voltgym.agents.points import Point
from voltgym.agents.search import Propose, SearchAgent
from voltgym.envs.errors import whole_number
from voltgym.envs.problem import Design, DesignProblem


class BoTorchAgent(SearchAgent):
    """Bayesian optimisation of a design over whole episodes, of a value under slacks.

    Begins with scrambled Sobol points, then proposes ``batch_size`` designs at a time: those most likely to be feasible
    while nothing is, then those with the largest expected feasible improvement. What is evaluated, kept and handed in:
    see ``DesignSearch``.

    A design that fails or does not reach its goal is infeasible; the models are told the worst value seen, and whether
    the goal was reached as one more slack (+1 or -1); of one that failed also the median violations of the others.
    Slacks enter the models in units of their scales, less their margins, as a logarithm where broken and squashed where
    kept, so that designs far outside, or far inside, do not rule the fit and still tell which is worse. Where a model
    cannot be fitted, the next Sobol points are taken.

    Args:
        design: how numbers become actions; None where they are the action. One that is to be saved has ``arguments``.
        initial: Sobol points; twice as many as the design has numbers if None (at least 8, at most half the budget).
        batch_size: designs proposed and evaluated together.
        split, episodes, margins, unit: of ``DesignSearch``.
        log_value: model the logarithm of the value: for times, whose ratios count. Only for positive values.
        restarts, iterations, raw_samples, mc_samples: of the search for the largest acquisition.
        threads: of PyTorch.
        default_budget: of ``unit``, where none is asked for.
    """

    def __init__(
        self,
        design: Design | None = None,
        *,
        initial: int | None = None,
        batch_size: int = 4,
        log_value: bool = False,
        restarts: int = 3,
        iterations: int = 20,
        raw_samples: int = 256,
        mc_samples: int = 32,
        threads: int = 1,
        default_budget: int = 60,
        **judged: Any,
    ) -> None:
        self.batch_size, self.threads = whole_number("batch_size", batch_size), whole_number("threads", threads)
        super().__init__(design, at_once=self.batch_size, default_budget=default_budget, **judged)
        self.initial = initial
        self.log_value = log_value
        self.restarts, self.iterations = restarts, iterations
        self.raw_samples, self.mc_samples = raw_samples, mc_samples

    def _proposer(self, seed: int) -> Propose:
        import torch

        torch.set_num_threads(self.threads)
        return lambda problem, points, count, budget: self._next(problem, points, count, budget, seed)

    # -- proposing what to try next --------------------------------------------------------------------------------

    def _next(self, problem: DesignProblem, points: Sequence[Point], n: int, budget: int, seed: int) -> np.ndarray:
        """(n, d) designs to evaluate, a function of the seed and the points so far only."""
        low, high = problem.bounds
        first = self.initial if self.initial is not None else max(8, 2 * len(low))
        first = max(2, min(first, budget // 2 if self.initial is None else budget))
        if len(points) < first:
            return low + sobol(len(low), len(points), min(n, first - len(points)), seed) * (high - low)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # BoTorch's numerical advice; what counts is the evaluation
                unit = self._propose(problem, points, n, seed)
        except numerical_errors():  # a model that cannot be fitted is no reason to lose the search: look elsewhere
            unit = sobol(len(low), len(points), n, seed)
        return low + np.clip(unit, 0, 1) * (high - low)

    def _propose(self, problem: DesignProblem, points: Sequence[Point], n: int, seed: int) -> np.ndarray:
        """(n, d) designs in the unit cube with the largest expected feasible improvement."""
        import torch
        from botorch.fit import fit_gpytorch_mll
        from botorch.models import SingleTaskGP
        from gpytorch.mlls import ExactMarginalLogLikelihood

        torch.manual_seed(int(np.random.SeedSequence([seed, len(points)]).generate_state(1)[0]))
        low, high = problem.bounds
        x = torch.tensor((np.array([point.x for point in points]) - low) / (high - low), dtype=torch.double)
        merit, slacks = outcomes(problem, points, self.search.margin, log_value=self.log_value)
        model = SingleTaskGP(x, torch.tensor(np.column_stack([merit, slacks]), dtype=torch.double))
        fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
        feasible = np.array([point.feasible for point in points])
        gain = np.where(feasible, merit, -np.inf) if feasible.any() else np.minimum(slacks, 0).sum(axis=1)
        acquisition = self._acquisition(model, slacks.shape[1], float(gain.max()) if feasible.any() else None, seed)
        chosen = torch.empty(0, len(low), dtype=torch.double)
        for _ in range(n):  # one after the other, each knowing those before it
            acquisition.set_X_pending(chosen if len(chosen) else None)
            chosen = torch.cat([chosen, self._climb(acquisition, x[int(gain.argmax())])])
        return chosen.numpy()

    def _acquisition(self, model: Any, count: int, best: float | None, seed: int) -> Any:
        """Log expected improvement over ``best`` with ``count`` slacks; without one, the chance to become feasible."""
        import torch
        from botorch.acquisition.logei import qLogExpectedImprovement, qLogProbabilityOfFeasibility
        from botorch.acquisition.objective import GenericMCObjective
        from botorch.sampling.normal import SobolQMCNormalSampler

        # the one place where our "slack >= 0" becomes BoTorch's "constraint <= 0"
        limits: list[Any] = [lambda samples, j=j: -samples[..., 1 + j] for j in range(count)]
        sampler = SobolQMCNormalSampler(torch.Size([self.mc_samples]), seed=seed)
        if best is None and limits:
            return qLogProbabilityOfFeasibility(model, limits, sampler)
        return qLogExpectedImprovement(
            model, best or 0.0, sampler, GenericMCObjective(first_outcome), constraints=limits or None
        )

    def _climb(self, acquisition: Any, centre: Any) -> Any:
        """(1, d) the largest acquisition, from the best starts among points anywhere and points around ``centre``."""
        import torch
        from botorch.optim import optimize_acqf

        d = len(centre)
        around = centre + 0.1 * torch.randn(self.raw_samples // 2, d, dtype=torch.double)
        starts = torch.cat([torch.rand(self.raw_samples, d, dtype=torch.double), around]).clamp(0, 1)[:, None]
        with torch.no_grad():
            best = acquisition(starts).topk(self.restarts).indices
        bounds = torch.tensor([[0.0] * d, [1.0] * d], dtype=torch.double)
        options: dict[str, Any] = {"maxiter": self.iterations}
        found, _ = optimize_acqf(
            acquisition, bounds, 1, self.restarts, batch_initial_conditions=starts[best], options=options
        )
        return found.detach()
