"""What runs with several seeds say together: means that outliers do not rule, with intervals, and ranks with intervals.

A run is one training seed, judged on one or several episodes; ``scores`` are (runs, episodes), larger is better. All
episodes of a run share its seed, so a bootstrap draws whole runs, not single episodes. Several environments are strata:
runs are drawn within each (Agarwal et al. 2021, "Deep RL at the Edge of the Statistical Precipice", arXiv:2108.13264,
whose measures these are). Pure functions; nothing here runs an environment or reads a file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

from voltgym.experiments.metrics import MetricError

RESAMPLES = 2_000
LEVEL = 0.95
ENOUGH_RUNS = 10
"""Fewer are marked provisional: of five runs a 95 % interval covers nine times in ten."""


class Interval(NamedTuple):
    """An estimate and its interval."""

    value: float
    low: float
    high: float


Statistic = Callable[[np.ndarray], np.ndarray]
"""(..., n) scores to (...) numbers."""


def iqm(scores: np.ndarray) -> np.ndarray:
    """(...) the interquartile mean of (..., n) scores: of their middle half, as ``scipy.stats.trim_mean`` cuts it."""
    n = scores.shape[-1]
    cut = n // 4
    return np.partition(scores, [cut, n - cut - 1], axis=-1)[..., cut : n - cut].mean(axis=-1)


def mean(scores: np.ndarray) -> np.ndarray:
    """(...) the mean of (..., n) scores."""
    return scores.mean(axis=-1)


def optimality_gap(scores: np.ndarray, target: float = 1.0) -> float:
    """How much is missing to ``target`` on average; what is above it makes up for nothing."""
    return float(np.maximum(target - _checked(scores), 0.0).mean())


def interval(
    strata: Sequence[np.ndarray],
    statistic: Statistic = iqm,
    *,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """``statistic`` of all scores, and its stratified-bootstrap interval.

    Args:
        strata: (runs, episodes) of every environment; runs are drawn with replacement within each.
        statistic: of (..., n) scores, along the last axis.
        level: of the interval. Its ends are percentiles, set wider by what a sample of n runs makes them too narrow by:
            sqrt(n / (n - 1)), and Student's t in place of the normal distribution (the expanded percentile
            interval of Hesterberg 2015, The American Statistician 69, 371; from memory).
        resamples: of the bootstrap.
        seed: of the draws.
    """
    tables = [_checked(np.atleast_2d(np.asarray(table, dtype=float))) for table in strata]
    rng = np.random.default_rng(seed)
    parts = [table[rng.integers(len(table), size=(resamples, len(table)))].reshape(resamples, -1) for table in tables]
    drawn = statistic(np.concatenate(parts, axis=1))
    value = float(statistic(np.concatenate([table.ravel() for table in tables])))
    fewest = min(len(table) for table in tables)
    if fewest < 2:
        return Interval(value, float("nan"), float("nan"))
    tail = widened_tail((1 - level) / 2, fewest)
    low, high = np.quantile(drawn, [tail, 1 - tail])
    return Interval(value, float(low), float(high))


def widened_tail(tail: float, runs: int) -> float:
    """The percentile that a bootstrap of ``runs`` must be cut at so that it covers what a tail of ``tail`` should."""
    return float(stats.norm.cdf(stats.t.ppf(tail, runs - 1) * np.sqrt(runs / (runs - 1))))


def profile(scores: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """(len(thresholds),) the share of all scores above each threshold: a performance profile."""
    flat = _checked(scores).ravel()
    return (flat[None, :] > np.asarray(thresholds)[:, None]).mean(axis=1)


def probability_of_improvement(x: Sequence[np.ndarray], y: Sequence[np.ndarray]) -> float:
    """How likely a run of ``x`` is better than one of ``y``, ties a half, averaged over the strata and episodes."""
    found = []
    for a, b in zip(x, y, strict=True):
        one, other = np.atleast_2d(_checked(a)), np.atleast_2d(_checked(b))
        if one.shape[1] != other.shape[1]:
            raise MetricError(f"{one.shape[1]} episodes against {other.shape[1]}; expected the same ones for both")
        wins = (one[:, None, :] > other[None, :, :]) + 0.5 * (one[:, None, :] == other[None, :, :])
        found.append(float(wins.mean()))
    return float(np.mean(found))


class Rank(NamedTuple):
    """Where an agent stands among others."""

    best: int
    worst: int
    """The ends of the interval of its rank, 1 the best."""
    middle: float
    """The mean rank over the resamples: what the table is sorted by."""


def rank_intervals(
    scores: Mapping[str, np.ndarray],
    below: Sequence[str] = (),
    *,
    statistic: Statistic = iqm,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, Rank]:
    """The interval of every agent's rank, by a paired bootstrap over the same episodes and seeds.

    In each resample all agents are judged on the same drawn episodes, and on the same drawn seeds where they have
    equally many; then they are ranked, equal ones sharing the better rank. Agents in ``below`` (too few feasible
    episodes) rank after all others, whatever their scores.

    Args:
        scores: (runs, episodes) by agent, the same episodes in the same order for all.
        below: names that rank below all others.
        statistic: over runs, of the means over their episodes: as the score of an entry is.
        level: of the intervals.
        resamples: of the bootstrap.
        seed: of the draws.
    """
    tables = {name: np.atleast_2d(_checked(table)) for name, table in scores.items()}
    lengths = {table.shape[1] for table in tables.values()}
    if len(lengths) != 1:
        raise MetricError(f"agents have {sorted(lengths)} episodes; expected the same ones for all")
    (episodes,) = lengths
    rng = np.random.default_rng(seed)
    last = np.array([name in set(below) for name in tables])
    sizes = sorted({len(table) for table in tables.values()})
    columns = np.empty((resamples, episodes), dtype=int)
    draws = {n: np.empty((resamples, n), dtype=int) for n in sizes}
    for k in range(resamples):
        columns[k] = rng.integers(episodes, size=episodes)
        for n in sizes:
            draws[n][k] = rng.integers(n, size=n)
    values = _drawn(statistic, list(tables.values()), draws, columns)
    found = np.empty(values.shape)
    for k, value in enumerate(values):
        beats = (value[None, :] > value[:, None]) & (last[None, :] == last[:, None]) | (last[:, None] & ~last[None, :])
        found[k] = 1 + beats.sum(axis=1)
    ends = np.quantile(found, [(1 - level) / 2, (1 + level) / 2], axis=0, method="nearest").astype(int)
    return {name: Rank(int(ends[0, j]), int(ends[1, j]), float(found[:, j].mean())) for j, name in enumerate(tables)}


Draws = Mapping[int, np.ndarray]
"""(resamples, n) drawn rows of n, by n."""


def _drawn(statistic: Statistic, tables: Sequence[np.ndarray], rows: Draws, columns: np.ndarray) -> np.ndarray:
    """(resamples, tables) ``statistic`` over the drawn rows of the means over the drawn columns of each table."""
    across = _shares(columns, columns.shape[1])
    means = [across @ table.T for table in tables]
    return np.column_stack([statistic(np.take_along_axis(m, rows[m.shape[1]], axis=1)) for m in means])


def _shares(drawn: np.ndarray, n: int) -> np.ndarray:
    """(resamples, n) how often each of n was drawn, as a share."""
    return np.array([np.bincount(one, minlength=n) for one in drawn]) / n


def _checked(scores: np.ndarray) -> np.ndarray:
    found = np.asarray(scores, dtype=float)
    if not found.size or not np.isfinite(found).all():
        raise MetricError("there are no scores, or some are not finite; count a failed run with the worst score first")
    return found
