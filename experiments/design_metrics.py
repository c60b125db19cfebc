"""How good a search for designs was, from its designs in the order asked for: PMO's measures without its known faults.

Gao, Fu, Sun and Coley 2022, "Sample Efficiency Matters", NeurIPS, arXiv:2206.12411, measure the area under the curve of
the mean of the ten best scores over the calls. Their code (``main/optimizer.py`` of wenhao-gao/mol_opt) reads the curve
every hundred calls, and averages fewer than ten where there are fewer; here it is read at every call, and missing ones
count as 0. Nothing here runs an environment or reads a file.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence

import numpy as np

from voltgym.agents.oracle import Verdict
from voltgym.experiments.metrics import MetricError

RESAMPLES = 10_000
"""Of a bootstrap."""


def scores(found: Sequence[Verdict]) -> np.ndarray:
    """(n,) the value of every design in order, 0 where it is infeasible or has none."""
    return np.array([v.value if v.feasible and v.value is not None else 0.0 for v in found], dtype=float)


def share_feasible(found: Sequence[Verdict]) -> float:
    """The share of designs that are feasible, NaN of none."""
    return float(np.mean([v.feasible for v in found])) if found else float("nan")


def top_mean(score: np.ndarray, k: int) -> float:
    """The mean of the ``k`` largest of (n,) scores >= 0; those that are missing count as 0."""
    return float(np.sort(_checked(score))[::-1][:k].sum() / k)


def top_curve(score: np.ndarray, k: int) -> np.ndarray:
    """(n,) :func:`top_mean` after each of n calls."""
    best = [0.0] * k
    total, out = 0.0, np.empty(len(score))
    for i, value in enumerate(_checked(score).tolist()):
        total += value - heapq.heappushpop(best, value)
        out[i] = total / k
    return out


def auc_top(score: np.ndarray, k: int, budget: int) -> float:
    """The area under :func:`top_curve` from 0 to ``budget`` calls, by trapezoids, over ``budget``.

    The curve begins at 0 with no call. A run that ended early keeps its last value to the end; of one that is longer,
    the first ``budget`` calls count.
    """
    if budget < 1:
        raise MetricError(f"the budget is {budget}; expected a number of calls >= 1")
    curve = np.concatenate([[0.0], top_curve(score[:budget], k)])
    area = float(np.sum((curve[1:] + curve[:-1]) / 2)) + (budget - len(curve) + 1) * float(curve[-1])
    return area / budget


def calls_to_reach(score: np.ndarray, target: float) -> int | None:
    """How many calls it took until a score was at least ``target``; None if none was."""
    reached = np.flatnonzero(score >= target)
    return int(reached[0]) + 1 if reached.size else None


def acceleration(agent: Sequence[np.ndarray], random: Sequence[np.ndarray]) -> tuple[float, bool]:
    """How many times fewer calls an agent needs than random search, and whether that is only a bound.

    The target is the median over its runs of the best that ``random`` (scores in order, a run each) finds at its full
    budget. Each side's calls are those after which the median over its runs of the best so far is at the target: random
    search gets there by definition, however many runs there are. Infeasible calls count. Where the agent's median never
    gets there, more calls than its longest run would have been needed: the factor is a bound from above.
    """
    agent, random = ([_checked(np.asarray(score)) for score in group] for group in (agent, random))
    target = float(np.median([score.max() for score in random]))
    mine, theirs = (_calls(_median_best(runs), target) for runs in (agent, random))
    assert theirs is not None
    return theirs / (mine or max(len(score) for score in agent)), mine is None


def _median_best(runs: Sequence[np.ndarray]) -> np.ndarray:
    """(calls,) the median over runs of the best so far; a run that has ended keeps its best."""
    longest = max(len(run) for run in runs)
    best = [np.maximum.accumulate(run) for run in runs]
    return np.median([np.pad(each, (0, longest - len(each)), mode="edge") for each in best], axis=0)


def _calls(best: np.ndarray, target: float) -> int | None:
    there = np.flatnonzero(best >= target * (1 - 1e-12))
    return int(there[0]) + 1 if len(there) else None


def best_so_far(score: np.ndarray) -> np.ndarray:
    """(n,) the best of (n,) scores after each; at least 0, the worst, since nothing found is worth that."""
    return np.maximum.accumulate(np.maximum(np.nan_to_num(score, nan=0.0), 0.0))


def auc_best(calls: np.ndarray, best: np.ndarray, budget: int) -> float:
    """The area under a best-so-far curve from 0 to ``budget`` calls, over ``budget``: `auc_top` with k = 1.

    Args:
        calls: (n,) increasing, after which a score was known; those beyond ``budget`` do not count.
        best: (n,) the best so far there; it holds until the next, and 0 holds before the first.
        budget: in calls.
    """
    if budget < 1:
        raise MetricError(f"the budget is {budget}; expected a number of calls >= 1")
    within = calls <= budget
    calls, best = calls[within], best[within]
    if not len(calls):
        return 0.0
    gains = np.diff(best, prepend=0.0)
    area = float(np.sum(gains * (budget - np.maximum(calls, 1) + 1))) - float(best[-1]) / 2
    return area / budget


def at_call(calls: np.ndarray, best: np.ndarray, call: float) -> float:
    """The best so far after ``call`` calls of a curve as of `auc_best`; 0 before its first."""
    there = int(np.searchsorted(calls, call, side="right"))
    return float(best[there - 1]) if there else 0.0


def simple_regret(values: Sequence[float], reference: float, sign: int) -> float:
    """How much the best of ``values`` misses of ``reference``, in their unit; NaN of none, < 0 if it is better.

    ``sign`` is 1 where a larger value is better, -1 where a smaller one is.
    """
    return sign * reference - max(sign * value for value in values) if values else float("nan")


def diversity(similarity: np.ndarray) -> float:
    """1 less the mean similarity of two different designs, of an (n, n) matrix of them; NaN of fewer than two."""
    n = len(similarity)
    if n < 2:
        return float("nan")
    return 1.0 - float((similarity.sum() - np.trace(similarity)) / (n * (n - 1)))


def interval(values: Sequence[float], seed: int = 0, level: float = 0.95) -> tuple[float, float]:
    """The percentile-bootstrap interval of the mean of ``values``. Of five runs it is a rough one.

    For the difference of two agents give the differences of runs with the same seed: that pairs them.
    """
    found = np.asarray(values, dtype=float)
    if not len(found):
        return float("nan"), float("nan")
    drawn = np.random.default_rng(seed).integers(len(found), size=(RESAMPLES, len(found)))
    low, high = np.quantile(found[drawn].mean(axis=1), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _checked(score: np.ndarray) -> np.ndarray:
    if not (score >= 0).all():
        raise MetricError("a score is below 0 or not a number; areas and means are of scores >= 0, 0 being the worst")
    return score
