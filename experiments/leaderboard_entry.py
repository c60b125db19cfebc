"""The page of one entry: what it is, how its runs went, and what it designed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from voltgym.envs.episodes import COMPLETED
from voltgym.experiments import leaderboard_charts
from voltgym.experiments.leaderboard_columns import duration, value_name
from voltgym.experiments.leaderboard_designs import Picture
from voltgym.experiments.leaderboard_pictures import pictures
from voltgym.experiments.metrics import feasible_rate
from voltgym.experiments.standing import RANKED, Standing
from voltgym.experiments.standing_table import (
    MISSING,
    acceleration_text,
    interval_text,
    number,
    percent,
    rank_text,
    seeds_text,
    thousands,
)
from voltgym.experiments.strips import Dot, Row, draw_strip
from voltgym.experiments.svg import Chart, draw, span_of
from voltgym.experiments.tracks import Track

Pairs = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class EntryView:
    """What the page of an entry shows."""

    id: str
    standing: Standing
    headline: Pairs
    facts: Pairs
    margins: Pairs
    pictures: Sequence[Picture]
    runs: Sequence[Sequence[str]]
    """Rows under `RUN_COLUMNS`."""


POINTS = 48
"""Of a curve: there are many of these pages."""
RUN_COLUMNS = ("Seed", "Score", "Feasible", "Spent of budget", "Took", "Config")


def entry_view(s: Standing, track: Track, name: str) -> EntryView:
    """The page of ``s``, which is known as ``name``."""
    drawn = [p for p in (_runs(s, track), *pictures(s, track)) if p.charts]
    return EntryView(
        name, s, _headline(s, track), _facts(s), _margins(s), drawn, [_run_row(s, i) for i in range(len(s.runs))]
    )


def _headline(s: Standing, track: Track) -> Pairs:
    told = [
        ("Score", interval_text(s.score)),
        ("Rank" if s.section == RANKED else "Not ranked", rank_text(s.rank)),
        ("Feasible", percent(s.feasible)),
        (value_name(track), number(s.value)),
    ]
    return [(name, text) for name, text in told if text != MISSING]


def _facts(s: Standing) -> Pairs:
    search = s.search
    told = [
        ("Author", s.author),
        ("Sees", s.information),
        ("Seeds", seeds_text(s)),
        ("Budget", f"{thousands(s.budget)} {_words(s.unit)}" if s.budget else "none"),
        ("Missing to a score of 1", number(s.gap)),
        ("Better than the baseline", percent(s.improvement)),
        ("Steps that break a limit", percent(s.violated)),
        ("Train-test gap, in scores", number(s.train_gap)),
        *((("Area under best so far", interval_text(search.auc)),) if search else ()),
        *(((f"Best score after {thousands(k)}", number(v)) for k, v in search.checkpoints.items()) if search else ()),
        *((("Simple regret", number(search.regret)),) if search else ()),
        ("Times fewer calls than random", acceleration_text(s)),
        *((("Handed in and feasible", percent(search.handed_in)),) if search else ()),
        *((("Surrogate gap", number(search.surrogate_gap)),) if search else ()),
        *((_words(kind).capitalize(), thousands(amount)) for kind, amount in s.spent.items() if "solver" not in kind),
        ("Solver time, a run", duration(s.solver_seconds)),
        ("Fingerprint", s.fingerprint),
    ]
    return [(name, text) for name, text in told if text != MISSING]


def _words(kind: str) -> str:
    return kind.replace("_", " ")


def _margins(s: Standing) -> Pairs:
    return [(name, f"{slack:+.4g}") for name, slack in s.margins.items() if name != COMPLETED and slack == slack]


def _runs(s: Standing, track: Track) -> Picture:
    """Where the runs ended, and how they got there."""
    strip, progress = _strip(s), _progress(s, track)
    told = [text for chart, text in ((strip, DOTS), (progress, leaderboard_charts.caption(track))) if chart]
    return Picture("Runs", [chart for chart in (strip, progress) if chart], " ".join(told))


DOTS = "A dot is a run, a cross one in which nothing was feasible; the upright line is the median."


def _strip(s: Standing) -> str:
    if len(s.scores) < 2:
        return ""
    dots = [
        Dot(float(row.mean()), (feasible_rate(run.records) or 0.0) > 0, f"seed {run.seed}: {row.mean():.3f}")
        for run, row in zip(s.runs, s.scores, strict=True)
    ]
    return draw_strip("Score", [Row("Score of every run", 0, dots)], "; ".join(dot.about for dot in dots))


def _progress(s: Standing, track: Track) -> str:
    series = leaderboard_charts.progress(s, track, points=POINTS)
    if series is None:
        return ""
    name = leaderboard_charts.progress_name(track)
    ends = [y for edge in (series.y, *(series.between or ())) for y in edge if math.isfinite(y)]
    return draw(Chart(name, _words(s.unit), [series], "", (0.0, float(series.x[-1])), span_of(ends, 0.05), height=110))


def _run_row(s: Standing, i: int) -> list[str]:
    run = s.runs[i]
    score = f"{s.scores[i].mean():.3f}" if len(s.scores) else MISSING
    spent = run.spent.get(run.unit)
    return [
        MISSING if run.seed is None else str(run.seed),
        score,
        percent(feasible_rate(run.records)),
        MISSING if spent is None else thousands(spent),
        duration(run.seconds),
        run.config_hash[:10] or MISSING,
    ]
