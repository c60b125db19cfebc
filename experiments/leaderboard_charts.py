"""The charts of a track: how its entries got there, with bands over seeds, and performance profiles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from voltgym.experiments import standing_search, statistics
from voltgym.experiments.results import Run
from voltgym.experiments.results_rows import column
from voltgym.experiments.standing import Standing
from voltgym.experiments.svg import Chart, Series, draw, span_of
from voltgym.experiments.tracks import Track

POINTS = 80
"""Of a curve in a chart of several; more cannot be seen."""
BAND = "Lines are medians over seeds; bands reach from the lower to the upper quartile."

Styles = Mapping[int, int]
"""The style of an entry in all charts of its track, by its place among the standings."""


def styles(found: Sequence[Standing], most: int = 8) -> Styles:
    """A style for each of the ``most`` entries with the best scores that are ranked; only these are drawn."""
    there = [i for i, s in enumerate(found) if s.rank and s.scores.size]
    there.sort(key=lambda i: (found[i].below, -found[i].score.value))
    return {i: k for k, i in enumerate(sorted(there[:most]))}


def profile_chart(found: Sequence[Standing], drawn: Styles) -> str:
    """The share of runs and episodes with a score above each threshold; empty where nobody has one."""
    if not drawn:
        return ""
    pooled = np.concatenate([found[i].scores.ravel() for i in drawn])
    low, high = np.quantile(pooled, [0.02, 0.995])
    at = np.linspace(min(low, 0.0), max(high, 1.0) + 0.02, POINTS)
    series = [Series(found[i].entry, at, statistics.profile(found[i].scores, at), style) for i, style in drawn.items()]
    about = "; ".join(f"{s.label}: {100 * s.y[np.searchsorted(at, 0.5)]:.0f} % above a score of 0.5" for s in series)
    span = (float(at[0]), float(at[-1]))
    return draw(Chart("Share of runs and episodes above a score", "Score", series, about, span, (0, 1), height=150))


def progress_charts(found: Sequence[Standing], drawn: Styles, track: Track) -> list[str]:
    """A chart for each unit that budgets are counted in: the best so far of a search, or how a training went."""
    units: dict[str, list[Series]] = {}
    for i, style in drawn.items():
        series = progress(found[i], track, style)
        if series is not None:
            units.setdefault(found[i].unit, []).append(series)
    return [_progress_chart(unit, series, track) for unit, series in units.items()]


def _progress_chart(unit: str, series: Sequence[Series], track: Track) -> str:
    edges = [edge for s in series for edge in (s.y, *(s.between or ()))]
    about = "; ".join(f"{s.label} ends at {_last(s.y):.3g}" for s in series)
    y_span = span_of(np.concatenate(edges), 0.04)
    x_span = (0.0, max(float(s.x[-1]) for s in series))
    return draw(Chart(progress_name(track), unit.replace("_", " "), series, about, x_span, y_span, height=150))


def searches(track: Track) -> bool:
    """Whether the values of this track's curves are scores by themselves: then the best so far is drawn."""
    return track.score.of_value(1.0) == track.score.of_value(1.0)


def progress_name(track: Track) -> str:
    """What the curves of a track are of."""
    return "Best score so far" if searches(track) else f"{track.score.value}, validation"


def progress(s: Standing, track: Track, style: int = 0, points: int = POINTS) -> Series | None:
    """The median curve of an entry's runs, with its quartiles; None where a run has none."""
    curves = [_curve(run, track) for run in s.runs]
    whole = [c for c in curves if c is not None]
    if not whole or len(whole) < len(curves):
        return None
    at = np.linspace(0.0, max(float(x[-1]) for x, _ in whole), points)
    rows = np.array([_at(at, x, y, held=searches(track)) for x, y in whole])
    low, middle, high = _quartiles(rows)
    if not np.isfinite(middle).any():
        return None
    return Series(s.entry, at, middle, style, between=(low, high) if len(rows) > 1 else None)


def _quartiles(rows: np.ndarray) -> np.ndarray:
    """(3, points) the quartiles of (runs, points), NaN where half of the runs or more say nothing."""
    out = np.full((3, rows.shape[1]), np.nan)
    known = np.isfinite(rows)
    whole, some = known.all(axis=0), (known.mean(axis=0) > 0.5) & ~known.all(axis=0)
    for places, quantile in ((whole, np.quantile), (some, np.nanquantile)):
        if places.any():
            out[:, places] = quantile(rows[:, places], [0.25, 0.5, 0.75], axis=0)
    return out


def _curve(run: Run, track: Track) -> tuple[np.ndarray, np.ndarray] | None:
    if searches(track):
        return standing_search.curve(run, track)
    spent, value = (np.array(column(run.curve, name), dtype=float) for name in ("spent", "value"))
    told = np.flatnonzero(~np.isnan(value))
    told = told[np.argsort(spent[told], kind="stable")]
    return (spent[told], value[told]) if len(told) else None


def _at(at: np.ndarray, x: np.ndarray, y: np.ndarray, held: bool) -> np.ndarray:
    """The curve at ``at``: held from point to point, with 0 before the first, or straight lines within its ends."""
    if held:
        return np.concatenate([[0.0], y])[np.searchsorted(x, at, side="right")]
    return np.interp(at, x, y, left=np.nan, right=np.nan)


def _last(y: np.ndarray) -> float:
    return float(y[np.isfinite(y)][-1])


def caption(track: Track) -> str:
    """What the curves of a track are, and are not."""
    if searches(track):
        return f"As the model that was searched on said it, which may be a surrogate: not the physics. {BAND}"
    return f"Played without exploration on validation episodes, no part of the score. {BAND}"
