"""Where the entries of a track stand: from runs to scores with intervals, and ranks as intervals. Pure functions.

A run's score is the mean over its episodes, so that an infeasible one counts in full; an entry's score is the
interquartile mean over its runs. Nothing here runs an environment or reads a file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np

from voltgym.experiments import metrics, statistics
from voltgym.experiments.metrics import MetricError
from voltgym.experiments.results import TRUST, Run
from voltgym.experiments.scores import Hypervolume, Values
from voltgym.experiments.standing import FAULTY, NAN, OURS, Standing
from voltgym.experiments.standing_faults import entry_fault
from voltgym.experiments.standing_ranks import ranked
from voltgym.experiments.standing_search import search
from voltgym.experiments.statistics import ENOUGH_RUNS, Interval
from voltgym.experiments.tracks import Track

RANDOM = ("random", "random_designs")
"""Entries that are random search: what others are compared with."""


def standings(runs: Sequence[Run], track: Track, elsewhere: Collection[str] = ()) -> list[Standing]:
    """The standings of ``track``: class by class, the ranked ones first and best first, then those apart.

    Runs of other tracks, and of other versions of this one, are left out. Control of the classes ``elsewhere`` is
    ranked on the private split, and not here.
    """
    here = [run for run in runs if run.track == track.name and run.version == track.version]
    prints: dict[str, list[Run]] = {}
    for run in here:
        prints.setdefault(run.fingerprint, []).append(run)
    found = [s for group in prints.values() for s in _scored(group, track)]
    return ranked(found, track, main_fingerprint(here), elsewhere)


def main_fingerprint(runs: Sequence[Run]) -> str:
    """The fingerprint of most of the shipped runs, or of most runs where none is shipped."""
    counts = Counter(run.fingerprint for run in runs if run.author == OURS) or Counter(run.fingerprint for run in runs)
    return max(sorted(counts), key=lambda text: counts[text], default="")


def _scored(runs: Sequence[Run], track: Track) -> list[Standing]:
    """The entries among runs of one fingerprint, scored against the anchors of the same."""
    groups: dict[tuple[str, ...], list[Run]] = {}
    for run in sorted(runs, key=lambda run: -1 if run.seed is None else run.seed):
        groups.setdefault((run.author, run.entry, run.information, run.trust), []).append(run)
    faults = {key: entry_fault(group, track) for key, group in groups.items()}
    good = [run for key, group in groups.items() if not faults[key] for run in group]
    return [_standing(group, track, good, faults[key]) for key, group in groups.items()]


def _standing(runs: Sequence[Run], track: Track, good: Sequence[Run], fault: str) -> Standing:
    records = [record for run in runs for record in run.records]
    kinds = dict.fromkeys(kind for run in runs for kind in run.spent)
    spent = {kind: float(np.mean([run.spent.get(kind, 0.0) for run in runs])) for kind in kinds}
    first = runs[0]
    fixed = (first.author == OURS and first.entry in track.fixed) or all(run.seed is None for run in runs)
    found = Standing(
        entry=first.entry,
        author=first.author,
        information=first.information,
        trust=first.trust,
        fingerprint=first.fingerprint,
        runs=tuple(runs),
        fixed=fixed,
        provisional=not fixed and len(runs) < ENOUGH_RUNS,
        feasible=_share(runs, track),
        violated=metrics.violated_step_rate(records),
        most_violated=track.most_violated,
        value=NAN,
        margins=metrics.worst_margins(records),
        spent=spent,
        solver_seconds=spent.get("solver_seconds", spent.get("solver_ms", NAN) / 1000),
    )
    if fault:
        return replace(found, section=FAULTY, why=fault)
    try:
        anchors = {name: _anchor(name, good) for name in track.score.anchors}
        scores = np.array([run_scores(run, track, anchors) for run in runs])
        if not np.isfinite(scores).all():
            raise MetricError("a score is not a number")
        found = replace(found, train_gap=train_gap(runs, scores, track, anchors))
        return _with_scores(found, scores, track, _rivals(good))
    except MetricError as error:
        return replace(found, section=FAULTY, why=str(error))


def _with_scores(found: Standing, scores: np.ndarray, track: Track, rivals: Sequence[Run]) -> Standing:
    each = scores.mean(axis=1, keepdims=True)
    score = statistics.interval([each])
    return replace(
        found,
        scores=scores,
        score=score,
        value=_value(found.runs, score, track),
        gap=statistics.optimality_gap(each),
        improvement=statistics.probability_of_improvement([scores], [np.zeros((1, scores.shape[1]))]),
        search=search(found.runs, rivals, track),
    )


def run_scores(run: Run, track: Track, anchors: Mapping[str, Run]) -> np.ndarray:
    """(episodes,) the scores of a run; a search that hands in nothing scores 0."""
    if track.hand_in and not run.records:
        return np.zeros(1)
    return np.asarray(track.score(run, anchors), dtype=float)


def train_gap(runs: Sequence[Run], scores: np.ndarray, track: Track, anchors: Mapping[str, Run]) -> float:
    """How much better ``runs`` do on the split that they were trained on: the mean difference of their scores.

    Each is measured by baseline and reference on the same episodes, so that harder ones do not count as a gap. NaN
    where those of training are not there.

    Args:
        runs: n runs of an entry.
        scores: (n, episodes) theirs on the track's split.
        track: theirs.
        anchors: what a score is measured by.
    """
    if not runs or not all(run.trained for run in (*runs, *anchors.values())):
        return NAN
    before = {name: replace(run, records=run.trained) for name, run in anchors.items()}
    trained = np.array([run_scores(replace(run, records=run.trained), track, before).mean() for run in runs])
    return float(np.mean(trained - scores.mean(axis=1)))


def _anchor(name: str, runs: Sequence[Run]) -> Run:
    """The run that a score is measured by: a shipped one, if there is one."""
    named = sorted((r for r in runs if r.entry == name), key=lambda r: (r.author != OURS, -TRUST.index(r.trust)))
    if not named:
        raise MetricError(f"there is no score without {name}, which has no whole run with this fingerprint")
    return named[0]


def _rivals(runs: Sequence[Run]) -> list[Run]:
    for name in RANDOM:
        found = [run for run in runs if run.entry == name and run.author == OURS]
        if found:
            return found
    return []


def _share(runs: Sequence[Run], track: Track) -> float:
    """See `Standing.feasible`. A run that hands in nothing is not feasible."""
    judged = [feasible for run in runs for feasible in _judged(run, track) if feasible is not None]
    return float(np.mean(judged)) if judged else NAN


def _judged(run: Run, track: Track) -> list[bool | None]:
    found: list[bool | None] = [record["feasible"] for record in run.records]
    if isinstance(track.score, Hypervolume):
        return [any(found)]
    if isinstance(track.score, Values):
        return found[:1] or [False]
    return found or [False]


def _value(runs: Sequence[Run], score: Interval, track: Track) -> float:
    if isinstance(track.score, Hypervolume):
        return score.value * track.score.reference
    firsts = isinstance(track.score, Values)
    counted = [r for run in runs for r in (run.records[:1] if firsts else run.records) if r["feasible"] is not False]
    found = [r["values"].get(track.score.value) for r in counted]
    there = [value for value in found if value is not None]
    return float(np.mean(there)) if there else NAN
