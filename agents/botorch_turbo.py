"""Trust-region Bayesian optimisation with BoTorch: TuRBO-1 and, with constraints that are learned, SCBO.

TuRBO: Eriksson, Pearce, Gardner, Turner and Poloczek 2019, arXiv:1910.01741. SCBO: Eriksson and Poloczek 2021,
arXiv:2002.08526. Lengths are sides of the cube that the bounds of a design are mapped to.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from voltgym.agents.botorch_parts import numerical_errors, outcomes, sobol
from voltgym.agents.points import WORST, Point, fitness
from voltgym.agents.search import Propose, SearchAgent
from voltgym.envs.errors import number, whole_number
from voltgym.envs.problem import Design, DesignProblem

LONGEST, SHORTEST = 1.6, 0.5**7
"""Of a trust region's side; one that becomes shorter is given up for a new one (TuRBO, appendix)."""
SUCCESSES = 3
"""Batches in a row that found something better, before the side is doubled (TuRBO, appendix)."""
BETTER = 1e-3
"""By which share of itself the best must improve for a success (TuRBO, appendix)."""
PERTURBED = 20
"""About how many numbers of a candidate differ from the centre (TuRBO, section 3.2)."""


class Region(NamedTuple):
    """A trust region: what it has seen, and how long its side is."""

    start: int
    """The first point that belongs to it; those before it belong to regions that were given up."""
    done: int
    """The first point that it has not counted: that of the batch under way. The first points are one batch."""
    length: float
    successes: int
    failures: int
    """Batches in a row since the other kind, or since the side changed."""


def replay(merits: np.ndarray, *, initial: int, batch: int, length: float, patience: int) -> Region:
    """The region after points of ``merits`` (n,), larger is better: the same whenever it is asked.

    A region begins with ``initial`` points and a side of ``length``; ``batch`` points at a time follow. The side is
    doubled after ``SUCCESSES`` better batches in a row and halved after ``patience`` others; a region shorter than
    ``SHORTEST`` is followed by a new one, which begins with points of its own.
    """
    fresh = Region(0, initial, length, 0, 0)
    region = fresh
    while (end := region.done + batch) <= len(merits):
        best = float(merits[region.start : region.done].max())
        size = abs(best) if best > WORST else WORST - best
        better = float(merits[region.done : end].max()) > best + BETTER * size
        region = _after(region._replace(done=end), better, patience)
        if region.length < SHORTEST:
            region = fresh._replace(start=end, done=end + initial)
    return region


def _after(region: Region, better: bool, patience: int) -> Region:
    won, lost = (region.successes + 1, 0) if better else (0, region.failures + 1)
    if won == SUCCESSES:
        return region._replace(length=min(2 * region.length, LONGEST), successes=0, failures=0)
    if lost == patience:
        return region._replace(length=region.length / 2, successes=0, failures=0)
    return region._replace(successes=won, failures=lost)


class TrustRegionAgent(SearchAgent):
    """Thompson sampling within a box around the best design so far, which grows with success and shrinks without.

    A region begins with Sobol points. Then each of ``batch_size`` designs is the best of many candidates in the box, in
    a sample of what Gaussian processes of the region's points say. The centre is the best feasible point, or the one
    that violates least while there is none. What is evaluated, kept and handed in: see ``DesignSearch``. A search that
    was stopped goes on exactly as it would have, within a batch too: the region follows from the points.

    Args:
        design, split, episodes, margins, unit: of ``DesignSearch``.
        constrained: model every slack (SCBO): of the candidates that a sample says are feasible the best is taken, or
            the one that violates least. Otherwise (TuRBO) infeasible points come below all feasible ones, by ranks.
        initial: Sobol points of a region; twice as many as the design has numbers if None, at least 8.
        batch_size: designs proposed and evaluated together.
        length: the side that a region begins with.
        patience: batches without success before the side is halved; None for max(4, d) points, as published.
        candidates: among which a sample chooses.
        threads: of PyTorch.
        default_budget: of ``unit``, where none is asked for.
    """

    def __init__(
        self,
        design: Design | None = None,
        *,
        constrained: bool = True,
        initial: int | None = None,
        batch_size: int = 4,
        length: float = 0.8,
        patience: int | None = None,
        candidates: int = 2000,
        threads: int = 1,
        default_budget: int = 200,
        **judged: Any,
    ) -> None:
        self.constrained, self.threads = bool(constrained), whole_number("threads", threads)
        self.initial = None if initial is None else whole_number("initial", initial, least=2)
        self.batch_size = whole_number("batch_size", batch_size)
        self.length = number("length", length, "a share of the bounds' width", low=SHORTEST, high=LONGEST)
        self.patience = None if patience is None else whole_number("patience", patience)
        self.candidates = whole_number("candidates", candidates, least=self.batch_size)
        names = ("constrained", "initial", "batch_size", "length", "patience", "candidates")
        about = {"class": "TrustRegionAgent", **{name: getattr(self, name) for name in names}}
        super().__init__(design, about=about, at_once=10_000, default_budget=default_budget, **judged)

    def _proposer(self, seed: int) -> Propose:
        import torch

        torch.set_num_threads(self.threads)
        return lambda problem, points, count, budget: self._next(problem, points, seed)[:count]

    def _next(self, problem: DesignProblem, points: Sequence[Point], seed: int) -> np.ndarray:
        """(n, d) what is left of the batch under way: a function of the seed and the points before the batch only."""
        low, high = problem.bounds
        region = self.region(problem, points)
        if len(points) < region.done:
            unit = sobol(len(low), len(points), region.done - len(points), seed)
        else:
            unit = self._batch(problem, points[region.start : region.done], region, seed)[len(points) - region.done :]
        return low + np.clip(unit, 0, 1) * (high - low)

    def region(self, problem: DesignProblem, points: Sequence[Point]) -> Region:
        """The trust region after ``points``."""
        d, batch = problem.bounds.shape[1], self.batch_size
        return replay(
            fitness(points, problem),
            initial=self.initial or max(8, 2 * d),
            batch=batch,
            length=self.length,
            patience=self.patience or -(-max(4, d) // batch),
        )

    def _batch(self, problem: DesignProblem, points: Sequence[Point], region: Region, seed: int) -> np.ndarray:
        """(batch_size, d) designs in the unit cube. Where no model can be fitted, any in the box."""
        from botorch.utils.sampling import manual_seed

        low, high = problem.bounds
        x = (np.array([point.x for point in points]) - low) / (high - low)
        centre = x[int(fitness(points, problem).argmax())]
        number = int(np.random.SeedSequence([seed, region.done]).generate_state(1)[0])
        with manual_seed(number), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # BoTorch's numerical advice; what counts is the evaluation
            try:
                merit, kept = self._models(problem, points, x)
                box = _box(centre, region.length, _relevance(merit))
                chosen = _sample(merit, kept, candidates(centre, box, self.candidates, number), self.batch_size)
            except numerical_errors():
                box = _box(centre, region.length, np.ones(len(low)))
                chosen = candidates(centre, box, self.batch_size, number)
        return np.asarray(chosen)

    def _models(self, problem: DesignProblem, points: Sequence[Point], x: np.ndarray) -> tuple[Any, Any]:
        """Of the merits, and of how far the slacks fall short of their margins, or None."""
        if not self.constrained:
            return fitted(x, _gaussian(fitness(points, problem))[:, None]), None
        merit, slacks = outcomes(problem, points, self.search.margin, lost=0)  # no cliff harms a model so local
        short = fitted(x, -slacks) if slacks.shape[1] else None  # BoTorch's "<= 0" is kept
        return fitted(x, _gaussian(merit)[:, None]), short


def fitted(x: np.ndarray, y: np.ndarray) -> Any:
    """A Gaussian process of every column of ``y`` (n, m) over ``x`` (n, d) in the unit cube."""
    import torch
    from botorch.fit import fit_gpytorch_mll
    from botorch.models import SingleTaskGP
    from gpytorch.mlls import ExactMarginalLogLikelihood

    model = SingleTaskGP(torch.from_numpy(x), torch.from_numpy(y))
    fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
    return model


def _gaussian(values: np.ndarray) -> np.ndarray:
    """(n,) the quantiles of a normal distribution at the ranks of ``values``: SCBO's copula. Equal ones stay equal."""
    from scipy.stats import norm, rankdata

    return norm.ppf((rankdata(values) - 0.5) / len(values))


def _relevance(model: Any) -> np.ndarray:
    """(d,) lengths of the kernel, of which the geometric mean is 1."""
    kernel = getattr(model.covar_module, "base_kernel", model.covar_module)
    lengths = kernel.lengthscale.detach().numpy().ravel()
    return np.exp(np.log(lengths) - np.log(lengths).mean())


def _box(centre: np.ndarray, length: float, relevance: np.ndarray) -> np.ndarray:
    """(2, d) the trust region, less what lies outside the cube: longer where a number matters less."""
    return np.clip([centre - relevance * length / 2, centre + relevance * length / 2], 0.0, 1.0)


def candidates(centre: np.ndarray, box: np.ndarray, n: int, seed: int) -> np.ndarray:
    """(n, d) Sobol points of ``box``, equal to ``centre`` in all but one number or more, about ``PERTURBED``."""
    d = len(centre)
    anywhere = box[0] + sobol(d, 0, n, seed) * (box[1] - box[0])
    rng = np.random.default_rng(seed)
    moved = rng.random((n, d)) < min(1.0, PERTURBED / d)
    moved[np.arange(n), rng.integers(d, size=n)] = True
    return np.where(moved, anywhere, centre)


def _sample(merit: Any, short: Any, x: np.ndarray, n: int) -> np.ndarray:
    """(n, d) different ones of ``x``: each the best of one sample of the models."""
    import torch
    from botorch.generation.sampling import ConstrainedMaxPosteriorSampling, MaxPosteriorSampling

    chooser: Any = MaxPosteriorSampling(merit, replacement=False)
    if short is not None:
        chooser = ConstrainedMaxPosteriorSampling(merit, short, replacement=False)
    with torch.no_grad():
        return chooser(torch.from_numpy(x), num_samples=n).numpy()
