"""How a search got to its designs: its best-so-far curves in scores, and what they say. Pure functions.

The curves are what the search's own model said at the time: a surrogate's predictions where it searched on one. What
the physics says of the designs that were handed in is in the records, and only there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from voltgym.experiments import design_metrics, metrics, statistics
from voltgym.experiments.results import Run
from voltgym.experiments.results_rows import column
from voltgym.experiments.scores import Values
from voltgym.experiments.statistics import Interval
from voltgym.experiments.tracks import Track


class Curve(NamedTuple):
    """A best-so-far curve: what was spent (n,), increasing, and the best score there (n,), at least 0."""

    spent: np.ndarray
    best: np.ndarray


@dataclass(frozen=True)
class Search:
    """What the searches of one entry say together."""

    auc: Interval
    """Under the best-so-far curve, over the track's whole budget; the mean over runs."""
    checkpoints: Mapping[int, float]
    """The best score so far there, an interquartile mean over runs."""
    acceleration: tuple[float, bool] | None
    """How many times fewer calls than random search, and whether that is only a bound from above."""
    regret: float
    """What the best feasible design misses of the reference, in the unit of the value; the mean over the runs that
    have one. NaN where the reference is no number."""
    handed_in: float
    """The share of all designs handed in that the physics finds feasible; NaN of none."""
    surrogate_gap: float
    """What learned properties promised of the designs handed in beyond what the physics says, the mean over the runs
    where that is known, in the unit of the value; NaN without one."""


def curve(run: Run, track: Track) -> Curve | None:
    """The best-so-far curve of a run in scores; None where it has none, or where values alone are no scores."""
    if not run.curve:
        return None
    spent, value, feasible = (np.array(column(run.curve, n), dtype=float) for n in ("spent", "value", "feasible"))
    order = np.argsort(spent, kind="stable")
    counts = np.where((feasible == 0) | np.isnan(value), -np.inf, track.score.sign * value)[order]
    best = np.maximum.accumulate(counts)
    steps, which = np.unique(
        best, return_inverse=True
    )  # the few values at which it rises: a score is made of each once
    scores = np.array([0.0 if step == -np.inf else track.score.of_value(track.score.sign * step) for step in steps])
    if np.isnan(scores).any():
        return None
    return Curve(spent[order], np.maximum(scores, 0.0)[which])


def search(runs: Sequence[Run], rivals: Sequence[Run], track: Track) -> Search | None:
    """What the searches of an entry say; None where a run has no curve.

    Args:
        runs: of one entry.
        rivals: the runs of random search; none if there are none.
        track: of all.
    """
    found = [curve(run, track) for run in runs]
    curves = [c for c in found if c is not None]
    if not curves or len(curves) < len(runs):
        return None
    budget = track.budget.get(runs[0].unit, runs[0].budget)
    areas = np.array([design_metrics.auc_best(c.spent, c.best, budget) for c in curves])
    return Search(
        auc=statistics.interval([areas[:, None]], statistics.mean),
        checkpoints={k: _at(curves, k) for k in track.checkpoints if k <= budget},
        acceleration=_acceleration(runs, curves, rivals, track),
        regret=regret(runs, track),
        handed_in=metrics.feasible_rate([record for run in runs for record in run.records]),
        surrogate_gap=_gap(runs),
    )


def _at(curves: Sequence[Curve], call: int) -> float:
    return float(statistics.iqm(np.array([design_metrics.at_call(c.spent, c.best, call) for c in curves])))


def _acceleration(
    runs: Sequence[Run], curves: Sequence[Curve], rivals: Sequence[Run], track: Track
) -> tuple[float, bool] | None:
    """Of equal calls only: None where random search had another budget, or never found anything.

    Units of which a track allows equally many are calls of the same thing: a charge is an evaluation and a step.
    """
    if any(track.budget.get(run.unit, run.budget) != track.budget.get(runs[0].unit, runs[0].budget) for run in rivals):
        return None
    theirs = [c for c in (curve(run, track) for run in rivals) if c is not None and len(c.best)]
    if not theirs or not np.median([c.best[-1] for c in theirs]) > 0:
        return None
    return design_metrics.acceleration([_by_call(c) for c in curves], [_by_call(c) for c in theirs])


def _by_call(c: Curve) -> np.ndarray:
    """(calls,) the best so far after every call."""
    calls = np.arange(1, int(c.spent[-1]) + 1)
    there = np.searchsorted(c.spent, calls, side="right")
    return np.concatenate([[0.0], c.best])[there]


def regret(runs: Sequence[Run], track: Track) -> float:
    """See `Search.regret`."""
    score = track.score
    if not isinstance(score, Values):
        return float("nan")
    found = [[r["values"].get(score.value) for r in run.records if r["feasible"]] for run in runs]
    whole = [[value for value in values if value is not None] for values in found]
    regrets = [design_metrics.simple_regret(values, score.reference, score.sign) for values in whole if values]
    return float(np.mean(regrets)) if regrets else float("nan")


def _gap(runs: Sequence[Run]) -> float:
    known = [run.surrogate_gap for run in runs if run.surrogate_gap is not None]
    return float(np.mean(known)) if known else float("nan")
