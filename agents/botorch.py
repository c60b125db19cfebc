"""Bayesian optimisation with BoTorch: few evaluations of a design, constraints that are learned with the objective.

Log expected improvement (Ament et al. 2023, arXiv:2310.20708) on Gaussian processes of the value and of every slack,
weighted by the probability that all slacks hold (Gardner et al. 2014, "Bayesian Optimization with Inequality
Constraints", ICML; cited from memory).
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from voltgym.agents.base import Policy, Progress
from voltgym.agents.points import REACHED, Point, Points, best_of, main_value, write_curve
from voltgym.agents.policies import DesignPolicy
from voltgym.agents.validation import validation_split
from voltgym.envs.episodes import COMPLETED
from voltgym.envs.errors import UnknownName, VoltGymError
from voltgym.envs.ledger import Ledger
from voltgym.envs.problem import Design, DesignProblem, Evaluation
from voltgym.surrogates.base import Failure


class BoTorchAgent:
    """Bayesian optimisation of a design over whole episodes, of a value under slacks.

    Begins with scrambled Sobol points, then proposes ``batch_size`` designs at a time: those most likely to be feasible
    while nothing is, then those with the largest expected feasible improvement. Every design that was evaluated is kept
    at once in ``checkpoint/points.jsonl``; a search that is found there goes on exactly as it would have, if it stopped
    between two batches. The result is the best feasible design that was evaluated, or, if there is none, the one that
    violates least.

    A design that fails or does not reach its goal is infeasible; the models are told the worst value seen, and whether
    the goal was reached as one more slack (+1 or -1). Slacks enter the models in units of their scales, as a
    logarithm where broken and squashed where kept, so that designs far outside, or far inside, do not rule the fit and
    still tell which is worse. Where a model cannot be fitted, the next Sobol points are taken.

    Args:
        design: how numbers become actions; None where they are the action. One that is to be saved has ``arguments``.
        initial: Sobol points; twice as many as the design has numbers if None (at least 8, at most half the budget).
        batch_size: designs proposed and evaluated together.
        split, episodes: what a design is evaluated on (mean value, worst slacks): the first ``episodes`` of the split.
            None for the environment's own, but ``validation`` in place of ``train``. One episode if it is ``nominal``.
        margins: how much of a slack must be left, by name, in the slack's unit.
        log_value: model the logarithm of the value: for times, whose ratios count. Only for positive values.
        restarts, iterations, raw_samples, mc_samples: of the search for the largest acquisition.
        threads: of PyTorch.
        default_budget: evaluations, where none is asked for.
    """

    unit = "evaluations"

    def __init__(
        self,
        design: Design | None = None,
        *,
        initial: int | None = None,
        batch_size: int = 4,
        split: str | None = None,
        episodes: int = 1,
        margins: Mapping[str, float] | None = None,
        log_value: bool = False,
        restarts: int = 3,
        iterations: int = 20,
        raw_samples: int = 256,
        mc_samples: int = 32,
        threads: int = 1,
        default_budget: int = 60,
    ) -> None:
        for name, count in {"batch_size": batch_size, "episodes": episodes, "threads": threads}.items():
            if count < 1:
                raise VoltGymError(f"{name} is {count!r}; expected a whole number >= 1")
        self.design, self.initial, self.batch_size = design, initial, batch_size
        self.split, self.episodes, self.margins = split, episodes, dict(margins or {})
        self.log_value = log_value
        self.restarts, self.iterations = restarts, iterations
        self.raw_samples, self.mc_samples = raw_samples, mc_samples
        self.threads, self.default_budget = threads, default_budget
        self.ledger = Ledger()

    def train(
        self, env_id: str, env_kwargs: Mapping[str, Any], *, budget: int, seed: int, out: Path, progress: Progress
    ) -> Policy:
        """Search with ``budget`` evaluations; see the class. ``self.ledger`` is what was spent."""
        import torch

        torch.set_num_threads(self.threads)
        split = validation_split(env_id, env_kwargs, self.split)
        problem = self._problem(env_id, {**env_kwargs, "split": split})
        judged = {"split": split, "episodes": problem.episodes, "margins": self.margins}
        about = {"environment": env_id, "arguments": dict(env_kwargs), "seed": seed, "design": self._about(), **judged}
        points = Points(out / "checkpoint", about)
        self.ledger = problem.ledger.limit(evaluations=budget)
        self.ledger.spent["evaluations"] = len(points.all)
        write_curve(points.all, problem, out / "curve.jsonl")
        while (left := int(self.ledger.left("evaluations"))) > 0:
            x = self._next(problem, points.all, min(left, self.batch_size), budget, seed)
            points.add(self._judge(x, problem.evaluate(x), problem))
            write_curve(points.all, problem, out / "curve.jsonl")
            self._tell(points.all, problem, budget, progress)
        if not points.all:
            raise VoltGymError(f"a budget of {budget} evaluations finds nothing; expected at least 1")
        return DesignPolicy(self.design, best_of(points.all, problem).x)

    def _problem(self, env_id: str, kwargs: Mapping[str, Any]) -> DesignProblem:
        count = 1 if kwargs["split"] == "nominal" else self.episodes
        problem = DesignProblem(env_id, self.design, episode=list(range(count)), **kwargs)
        for name in self.margins:
            if name not in problem.objective.scales:
                raise UnknownName(f"slack of {env_id}", name, problem.objective.scales)
        return problem

    def _about(self) -> Any:
        return self.design and {
            "class": type(self.design).__qualname__,
            "arguments": getattr(self.design, "arguments", None),
        }

    def _tell(self, points: Sequence[Point], problem: DesignProblem, budget: int, progress: Progress) -> None:
        feasible, best = float(np.mean([p.feasible for p in points])), best_of(points, problem)
        numbers = {"best": best.value} if best.feasible and best.value is not None else {}
        progress.update(len(points), budget, **numbers, feasible=feasible)

    # -- judging what came out -------------------------------------------------------------------------------------

    def _judge(self, x: np.ndarray, found: Evaluation, problem: DesignProblem) -> list[Point]:
        """The evaluated designs as points."""
        objective = problem.objective
        values = found.values[main_value(problem)[0]]
        out = []
        for i, row in enumerate(x):
            least = {name: self._margin(name) - objective.tolerances.get(name, 0.0) for name in found.slacks}
            kept = all(found.slacks[name][i] >= bound for name, bound in least.items())
            reached = bool(np.isfinite(values[i]))
            scaled = {n: float(np.nan_to_num(s[i], nan=-1e6) / _scale(n, problem)) for n, s in found.slacks.items()}
            out.append(
                Point(
                    x=[float(number) for number in row],
                    value=float(values[i]) if reached else None,
                    slacks={**scaled, REACHED: 1.0 if reached else -1.0},
                    feasible=bool(kept and reached and found.failure[i] == Failure.NONE),
                )
            )
        return out

    def _margin(self, name: str) -> float:
        return self.margins.get(name, 0.0)

    # -- proposing what to try next --------------------------------------------------------------------------------

    def _next(self, problem: DesignProblem, points: Sequence[Point], n: int, budget: int, seed: int) -> np.ndarray:
        """(n, d) designs to evaluate, a function of the seed and the points so far only."""
        low, high = problem.bounds
        first = self.initial if self.initial is not None else max(8, 2 * len(low))
        first = max(2, min(first, budget // 2 if self.initial is None else budget))
        if len(points) < first:
            return low + self._sobol(len(low), len(points), min(n, first - len(points)), seed) * (high - low)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # BoTorch's numerical advice; what counts is the evaluation
                unit = self._propose(problem, points, n, seed)
        except _numerical_errors():  # a model that cannot be fitted is no reason to lose the search: look elsewhere
            unit = self._sobol(len(low), len(points), n, seed)
        return low + np.clip(unit, 0, 1) * (high - low)

    def _sobol(self, d: int, skip: int, n: int, seed: int) -> np.ndarray:
        import torch

        engine = torch.quasirandom.SobolEngine(d, scramble=True, seed=seed)
        return engine.draw(skip + n, dtype=torch.double)[skip:].numpy()

    def _propose(self, problem: DesignProblem, points: Sequence[Point], n: int, seed: int) -> np.ndarray:
        """(n, d) designs in the unit cube with the largest expected feasible improvement."""
        import torch
        from botorch.fit import fit_gpytorch_mll
        from botorch.models import SingleTaskGP
        from gpytorch.mlls import ExactMarginalLogLikelihood

        torch.manual_seed(int(np.random.SeedSequence([seed, len(points)]).generate_state(1)[0]))
        low, high = problem.bounds
        x = torch.tensor((np.array([point.x for point in points]) - low) / (high - low), dtype=torch.double)
        merit, slacks, margins = self._outcomes(problem, points)
        model = SingleTaskGP(x, torch.tensor(np.column_stack([merit, slacks]), dtype=torch.double))
        fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
        feasible = np.array([point.feasible for point in points])
        gain = np.where(feasible, merit, -np.inf) if feasible.any() else np.minimum(slacks - margins, 0).sum(axis=1)
        acquisition = self._acquisition(model, margins, float(gain.max()) if feasible.any() else None, seed)
        chosen = torch.empty(0, len(low), dtype=torch.double)
        for _ in range(n):  # one after the other, each knowing those before it
            acquisition.set_X_pending(chosen if len(chosen) else None)
            chosen = torch.cat([chosen, self._climb(acquisition, x[int(gain.argmax())])])
        return chosen.numpy()

    def _acquisition(self, model: Any, margins: np.ndarray, best: float | None, seed: int) -> Any:
        """Log expected feasible improvement over ``best``; while nothing is feasible, the chance to become so."""
        import torch
        from botorch.acquisition.logei import qLogExpectedImprovement, qLogProbabilityOfFeasibility
        from botorch.acquisition.objective import GenericMCObjective
        from botorch.sampling.normal import SobolQMCNormalSampler

        # the one place where our "slack >= margin" becomes BoTorch's "constraint <= 0"
        limits: list[Any] = [
            lambda samples, j=j, least=least: least - samples[..., 1 + j] for j, least in enumerate(margins)
        ]
        sampler = SobolQMCNormalSampler(torch.Size([self.mc_samples]), seed=seed)
        if best is None and limits:
            return qLogProbabilityOfFeasibility(model, limits, sampler)
        return qLogExpectedImprovement(
            model, best or 0.0, sampler, GenericMCObjective(_first), constraints=limits or None
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

    def _outcomes(self, problem: DesignProblem, points: Sequence[Point]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What is modelled: merits (n,), larger is better; slacks (n, m) that vary and their margins, both squashed."""
        sign = {"max": 1.0, "min": -1.0}[main_value(problem)[1]]
        value = np.array([np.nan if point.value is None else point.value for point in points])
        merit = sign * (np.log(value) if self.log_value else value)
        reached = np.isfinite(merit)
        worst = merit[reached].min() if reached.any() else 0.0  # nothing reached its goal yet: only the slacks guide
        merit = np.where(reached, merit, worst)
        names = list(points[0].slacks)
        raw = np.array([[point.slacks[name] for name in names] for point in points])
        raw = np.where(reached[:, None], raw, np.minimum(raw, 0))  # kept, but the demanding part never came
        slacks = self._squash(raw)
        margins = self._squash(np.array([self._margin(name) / _scale(name, problem) for name in names]))
        vary = np.flatnonzero(np.ptp(slacks, axis=0) > 1e-9)
        return merit, slacks[:, vary], margins[vary]

    @staticmethod
    def _squash(slack: np.ndarray) -> np.ndarray:
        """Slacks in scales, with slope 1 at zero: logarithmic where broken, so that far designs still tell which is
        worse, and below 2 where kept, since how well a limit is kept does not matter.
        """
        return np.where(slack < 0, -5 * np.log1p(np.maximum(-slack, 0) / 5), 2 * np.tanh(slack / 2))


def _first(samples: Any, X: Any = None) -> Any:
    """The modelled value among the outcomes."""
    return samples[..., 0]


def _numerical_errors() -> tuple[type[Exception], ...]:
    from botorch.exceptions.errors import BotorchError, ModelFittingError
    from linear_operator.utils.errors import NanError, NotPSDError

    return BotorchError, ModelFittingError, NanError, NotPSDError


def _scale(name: str, problem: DesignProblem) -> float:
    return {COMPLETED: 1.0, REACHED: 1.0, **problem.objective.scales}[name]
