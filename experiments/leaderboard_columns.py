"""The columns of a track's tables: what a cell shows, what it is sorted by, and on which screens it is there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from markupsafe import Markup

from voltgym.experiments.leaderboard_cells import Span, interval_svg, rank_svg
from voltgym.experiments.standing import Standing
from voltgym.experiments.standing_ranks import is_control
from voltgym.experiments.standing_search import Search
from voltgym.experiments.standing_table import MISSING, acceleration_text, number, percent, rank_text
from voltgym.experiments.svg import tick_text
from voltgym.experiments.tracks import Track

NAN = float("nan")


class Column(NamedTuple):
    """A column."""

    name: str
    show: Callable[[Standing], str]
    """The cell; `Markup` is put in as it is, all else is escaped."""
    key: Callable[[Standing], float | str]
    """What it is sorted by; NaN comes last, whichever way."""
    about: str = ""
    level: int = 1
    """From how much room on it is there: 1 on every screen, 2 on a tablet, 3 on a desk, 4 on a wide one."""
    kind: str = "number"
    """``number``, ``bar``, ``rank`` or ``text``."""


def columns(found: Sequence[Standing], track: Track, axis: Span) -> list[Column]:
    """All but the entry's name. Columns that say nothing of any of ``found`` are left out."""
    ranked = sum(1 for s in found if s.rank)
    known = [*_first(track, axis, ranked), *_of_search(), *_rest(track)]
    return [c for c in known if any(c.show(s) != MISSING for s in found)]


def _first(track: Track, axis: Span, ranked: int) -> list[Column]:
    def rank(s: Standing) -> str:
        return (
            MISSING
            if s.rank is None
            else Markup("<b>{}</b>{}").format(rank_text(s.rank), Markup(rank_svg(s.rank, ranked)))
        )

    def score(s: Standing) -> str:
        if s.score.value != s.score.value:
            return MISSING
        ends = "" if s.score.low != s.score.low else minus(f"{s.score.low:.2f} to {s.score.high:.2f}")
        words = Markup('<span class="ci">{}</span>').format(ends)
        return Markup('<div class="score"><span class="v">{}</span>{}{}</div>').format(
            minus(f"{s.score.value:.2f}"), Markup(interval_svg(s.score, axis, s.provisional)), words
        )

    return [
        Column("Rank", rank, lambda s: s.rank.middle if s.rank else NAN, RANK, kind="rank"),
        Column("Score", score, lambda s: s.score.value, SCORE, kind="bar"),
        Column("Feasible", lambda s: percent(s.feasible), lambda s: s.feasible, FEASIBLE, 2),
        Column(value_name(track), lambda s: number(s.value), lambda s: s.value, VALUE, 2),
    ]


def _of_search() -> list[Column]:
    def of(read: Callable[[Search], float]) -> Callable[[Standing], float]:
        return lambda s: read(s.search) if s.search else NAN

    def faster(s: Standing) -> float:
        return s.search.acceleration[0] if s.search and s.search.acceleration else NAN

    area, regret, gap = of(lambda x: x.auc.value), of(lambda x: x.regret), of(lambda x: x.surrogate_gap)
    return [
        Column("AUC", lambda s: _two(area(s)), area, AUC, 2),
        Column("Regret", lambda s: _signed(regret(s)), regret, REGRET, 3),
        Column("× random", acceleration_text, faster, FASTER, 3),
        Column("Surrogate gap", lambda s: _signed(gap(s)), gap, GAP, 3),
    ]


def _rest(track: Track) -> list[Column]:
    def budget(s: Standing) -> str:
        return f"{tick_text(s.budget)} {s.unit.replace('_', ' ')}" if s.budget else MISSING

    def carried(s: Standing) -> str:
        return MISSING if s.train_gap != s.train_gap else minus(f"{s.train_gap:.2f}")

    violated = Column("Violated steps", lambda s: percent(s.violated), lambda s: s.violated, VIOLATED, 3)
    return [
        *([violated] if is_control(track) else []),
        Column("Train-test gap", carried, lambda s: s.train_gap, CARRIED, 4),
        Column("Beats baseline", lambda s: percent(s.improvement), lambda s: s.improvement, IMPROVES, 4),
        Column("Seeds", lambda s: "fixed" if s.fixed else str(len(s.runs)), lambda s: len(s.runs), SEEDS, 2),
        Column("Budget", budget, lambda s: s.budget, BUDGET, 3),
        Column(
            "Solver",
            lambda s: duration(s.solver_seconds),
            lambda s: s.solver_seconds,
            SOLVER,
            3 if is_control(track) else 4,
        ),
        Column("Fingerprint", _fingerprint, lambda s: s.fingerprint, PRINT, 3, "text"),
    ]


def _fingerprint(s: Standing) -> str:
    return Markup('<code title="{}">{}</code>').format(s.fingerprint, s.fingerprint[:8])


def _signed(value: float) -> str:
    return MISSING if value != value else minus(number(value))


def _two(value: float) -> str:
    return MISSING if value != value else f"{value:.2f}"


def minus(text: str) -> str:
    """A text of numbers with real minus signs."""
    return text.replace("-", "\N{MINUS SIGN}")


def value_name(track: Track) -> str:
    """What the raw value is called beside the score."""
    return "Raw score" if track.score.value == "Score" else track.score.value


def duration(seconds: float) -> str:
    """Such as ``1.5 h``, ``12 min`` or ``8 s``."""
    if seconds != seconds:
        return MISSING
    size, unit = next((x for x in ((3600, "h"), (60, "min")) if seconds >= 1.5 * x[0]), (1, "s"))
    return f"{seconds / size:.3g} {unit}"


RANK = "95 % interval of the rank, by a paired bootstrap over the same episodes and seeds"
SCORE = "Interquartile mean over runs, 0 the baseline and 1 the reference, with a 95 % bootstrap interval"
FEASIBLE = "Share of feasible episodes; with designs, of runs whose design is feasible"
VALUE = "Mean over what is feasible"
AUC = "Area under the best-so-far curve, as the search itself saw it, over the whole budget"
REGRET = "What the best design misses of the reference, in the unit of the value"
FASTER = "How many times fewer calls than random search; ≤ is a bound"
GAP = "What the surrogate promised of the designs beyond what the physics says"
CARRIED = "Score on episodes of the split that was trained on, less that on the others"
VIOLATED = "Share of steps that break a limit"
IMPROVES = "Probability that a run is better than the baseline"
SEEDS = "Training seeds; fixed: none changes it"
BUDGET = "The most that a training may spend"
SOLVER = "What the physics took in training, a run, at its first cost"
PRINT = "Which golden numbers the installation gives"
