"""Small pictures within the cells of a table: an interval on the table's axis, and a range of ranks."""

from __future__ import annotations

from collections.abc import Sequence

from voltgym.experiments.standing import Standing
from voltgym.experiments.statistics import Interval, Rank
from voltgym.experiments.svg import Scale

WIDTH, HEIGHT, EDGE = 130.0, 18.0, 6.0
LOWEST = -0.5
"""Scores below it are at the edge, with an arrow: a far outlier must not press all others together."""

Span = tuple[float, float]


def span(found: Sequence[Standing]) -> Span:
    """The axis that all intervals of a track share: 0 and 1 are always on it."""
    ends = [x for s in found for x in s.score if x == x]
    return max(min([0.0, *ends]), LOWEST), max([1.0, *ends])


def interval_svg(score: Interval, axis: Span, hollow: bool = False) -> str:
    """An interval as a bar with a dot, over lines at 0 and 1. What it says stands beside it in words."""
    x = Scale(axis, (EDGE, WIDTH - EDGE))
    middle = HEIGHT / 2
    lines = "".join(
        f'<line class="at{at}" x1="{x(at):.1f}" x2="{x(at):.1f}" y1="1" y2="{HEIGHT - 1:g}"/>' for at in (0, 1)
    )
    if score.value != score.value:
        return _svg(lines, WIDTH)
    bar = ""
    if score.low == score.low:
        left, right = (x(max(end, axis[0])) for end in (score.low, score.high))
        bar = f'<rect x="{left:.1f}" y="{middle - 4:g}" width="{max(right - left, 1):.1f}" height="8" rx="2"/>'
    if score.value < axis[0]:
        return _svg(f'{lines}{bar}<path d="M{EDGE + 5:g} {middle - 4:g}l-6 4l6 4z"/>', WIDTH)
    kind = ' class="hollow"' if hollow else ""
    return _svg(f'{lines}{bar}<circle{kind} cx="{x(score.value):.1f}" cy="{middle:g}" r="3.2"/>', WIDTH)


def rank_svg(rank: Rank, entries: int) -> str:
    """A range of ranks among ``entries``, the best at the left."""
    width, room = 54.0, 3.0
    x = Scale((1.0, max(2.0, float(entries))), (room, width - room))
    left, right = x(rank.best), x(rank.worst)
    base = f'<line class="base" x1="{room:g}" x2="{width - room:g}" y1="3" y2="3"/>'
    bar = f'<rect x="{left - 2.5:.1f}" y="0.5" width="{right - left + 5:.1f}" height="5" rx="2.5"/>'
    return _svg(base + bar, width, 6)


def _svg(inside: str, width: float, height: float = HEIGHT) -> str:
    size = f'width="{width:g}" height="{height:g}" viewBox="0 0 {width:g} {height:g}"'
    return f'<svg class="mini" {size} aria-hidden="true">{inside}</svg>'
