"""Episodes as dots, a row an agent: where they lie, and which of them broke a limit. SVG text, as in ``svg.py``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from voltgym.experiments.svg import RIGHT, WIDTH, Scale, cross, element, span_of, style_class, tick_text, ticks

LEFT, LABEL, ROW, AXIS = 8.0, 13.0, 42.0, 30.0
ASIDE = 66.0
"""Pixels kept at the right for episodes without a value."""


@dataclass(frozen=True)
class Dot:
    """One episode. ``good`` is None where there is nothing to judge by; NaN where there is no value."""

    value: float
    good: bool | None
    about: str


@dataclass(frozen=True)
class Row:
    """The episodes of one agent, and the style of its dots."""

    label: str
    style: int
    dots: Sequence[Dot]
    note: str = ""


def draw_strip(name: str, rows: Sequence[Row], about: str = "", missing: str = "not reached") -> str:
    """A row of dots an agent over one axis, as an ``<svg>``; a tick marks the median of the good ones."""
    values = [dot.value for row in rows for dot in row.dots]
    aside = ASIDE if any(math.isnan(value) for value in values) else 0.0
    x = Scale(span_of(values, 0.05), (LEFT, WIDTH - RIGHT - aside))
    bottom = ROW * len(rows) + 2
    parts = [_axis(x, bottom, name)]
    if aside:
        middle = WIDTH - RIGHT - ASIDE / 2
        parts.append(f'<text class="tick x" x="{middle:g}" y="{bottom + 12:g}">{escape(missing)}</text>')
    parts += [_row(row, x, ROW * i) for i, row in enumerate(rows)]
    return element(bottom + AXIS, name, about, parts)


def _axis(x: Scale, bottom: float, name: str) -> str:
    out = []
    for value in ticks((x.low, x.high), 6):
        at = x(value)
        out.append(f'<line class="grid" x1="{at:.1f}" x2="{at:.1f}" y1="0" y2="{bottom:g}"/>')
        out.append(f'<text class="tick x" x="{at:.1f}" y="{bottom + 12:g}">{tick_text(value)}</text>')
    out.append(f'<text class="tick x" x="{sum(x.pixels) / 2:.1f}" y="{bottom + 25:g}">{escape(name)}</text>')
    return "".join(out)


def _row(row: Row, x: Scale, top: float) -> str:
    middle = top + LABEL + (ROW - LABEL) / 2
    out = [f'<text class="label" x="{LEFT:g}" y="{top + LABEL - 2:g}">{escape(row.label)}</text>']
    out.append(f'<text class="note" x="{WIDTH - RIGHT:g}" y="{top + LABEL - 2:g}">{escape(row.note)}</text>')
    missing = [dot for dot in row.dots if math.isnan(dot.value)]
    places = {id(dot): WIDTH - RIGHT - ASIDE + ASIDE * (i + 1) / (len(missing) + 1) for i, dot in enumerate(missing)}
    for i, dot in enumerate(row.dots):
        at = places.get(id(dot)) or x(dot.value)
        out.append(_dot(dot, at, middle + _jitter(i)))
    good = [dot.value for dot in row.dots if dot.good is not False and not math.isnan(dot.value)]
    if good:
        at = x(float(np.median(good)))
        out.append(f'<line class="median" x1="{at:.1f}" x2="{at:.1f}" y1="{middle - 10:g}" y2="{middle + 10:g}"/>')
    return f'<g class="series {style_class(row.style)}">{"".join(out)}</g>'


def _jitter(i: int) -> float:
    """Up or down by at most 7 pixels, by the golden ratio: even, and the same every time."""
    return 14 * ((0.5 + i * 0.6180339887498949) % 1) - 7


def _dot(dot: Dot, x: float, y: float) -> str:
    if dot.good is False:
        return cross(x, y, dot.about)
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.2"><title>{escape(dot.about)}</title></circle>'
