"""Charts as SVG text: no script, no font, no colour of their own. The page's style sheet colours them by class.

Every chart says what it shows in a title that screen readers read, so that it can stand without the picture.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

WIDTH, LEFT, RIGHT, TOP, AXIS = 400.0, 38.0, 8.0, 20.0, 30.0
STYLES = 8
"""How many colours the style sheet knows; further series repeat them dashed."""
MOST_POINTS = 600


@dataclass(frozen=True)
class Series:
    """One curve: corners (n,), (n,), what it is called, and which style it has."""

    label: str
    x: np.ndarray
    y: np.ndarray
    style: int = 0
    worst: np.ndarray | None = None
    """(n,) shown as a band between it and ``y``."""
    between: tuple[np.ndarray, np.ndarray] | None = None
    """(n,), (n,) shown as a band between them, in place of ``worst``."""
    marks: Sequence[tuple[float, float]] = ()
    """Points where a limit is broken."""


@dataclass(frozen=True)
class Chart:
    """Curves over one pair of axes."""

    name: str
    x_name: str
    series: Sequence[Series]
    about: str = ""
    """What a reader who cannot see it should know."""
    x_span: tuple[float, float] | None = None
    y_span: tuple[float, float] | None = None
    limit: float | None = None
    goal: float | None = None
    bands: Sequence[tuple[float, float]] = ()
    """Where on x a limit is broken."""
    note: str = ""
    height: float = 84.0
    """Of what lies between the axes."""
    x_labels: bool = True


def style_class(style: int) -> str:
    """The CSS classes of a style: a colour, dashed where the colours are used up."""
    return f"s{style % STYLES}" + (" dashed" if (style // STYLES) % 2 else "")


class Scale:
    """From data to pixels, linearly."""

    def __init__(self, span: tuple[float, float], pixels: tuple[float, float]) -> None:
        low, high = span
        self.low, self.high = (low, high) if high > low else (low - 0.5, low + 0.5)
        self.pixels = pixels

    def __call__(self, value: float) -> float:
        """The pixel of ``value``."""
        a, b = self.pixels
        return a + (value - self.low) / (self.high - self.low) * (b - a)


def ticks(span: tuple[float, float], most: int = 5) -> list[float]:
    """At most ``most`` round numbers within ``span``."""
    low, high = span
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough)) if rough > 0 else 1.0
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= rough * (1 - 1e-9))
    count = range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)
    return [i * step + 0.0 for i in count]


def tick_text(value: float) -> str:
    """A tick as short as it can be: ``20k`` for thousands."""
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= 10 * size or (abs(value) >= size and letter == "M"):
            return f"{value / size:g}{letter}"
    return f"{value:.6g}"


def span_of(values: Sequence[float] | np.ndarray, room: float = 0.0) -> tuple[float, float]:
    """(lowest, highest) of the finite ``values``, with ``room`` as a share of it on either side; (0, 1) of nothing."""
    finite = np.asarray(values, dtype=float)
    finite = finite[np.isfinite(finite)]
    if not finite.size:
        return 0.0, 1.0
    low, high = float(finite.min()), float(finite.max())
    more = room * (high - low) or (0.5 * abs(high) or 0.5 if low == high else 0.0)
    return low - more, high + more


def draw(chart: Chart) -> str:
    """The chart as an ``<svg>`` element."""
    bottom = TOP + chart.height
    x = Scale(chart.x_span or span_of(np.concatenate([s.x for s in chart.series])), (LEFT, WIDTH - RIGHT))
    y = Scale(chart.y_span or span_of(np.concatenate([s.y for s in chart.series]), 0.06), (bottom, TOP))
    curves = "".join(_curve(series, x, y) for series in chart.series)
    parts = [_bands(chart, x, bottom), *_grid(chart, x, y, bottom), _levels(chart, x, y), _clipped(curves, bottom)]
    head = f'<text class="name" x="0" y="11">{escape(chart.name)}</text>'
    note = f'<text class="{"bad " if chart.bands else ""}note" x="{WIDTH - RIGHT:g}" y="11">{escape(chart.note)}</text>'
    return element(bottom + (AXIS if chart.x_labels else 6), chart.name, chart.about, [head, note, *parts])


def element(height: float, title: str, about: str, parts: Sequence[str]) -> str:
    """An ``<svg>`` with a title and a label for screen readers."""
    label = escape(f"{title}. {about}" if about else title, quote=True)
    return (
        f'<svg viewBox="0 0 {WIDTH:g} {height:g}" role="img" aria-label="{label}">'
        f"<title>{escape(title)}</title>{''.join(parts)}</svg>"
    )


def _bands(chart: Chart, x: Scale, bottom: float) -> str:
    out = []
    for start, end in chart.bands:
        left, right = x(start), max(x(end), x(start) + 1.5)
        out.append(
            f'<rect class="broken" x="{left:.1f}" y="{TOP:g}" width="{right - left:.1f}" height="{bottom - TOP:g}"/>'
        )
    return "".join(out)


def _grid(chart: Chart, x: Scale, y: Scale, bottom: float) -> list[str]:
    out, lines = [], ""
    for value in ticks((y.low, y.high), 4):
        at = y(value)
        lines += f"M{LEFT:g} {at:.1f}H{WIDTH - RIGHT:g}"
        out.append(f'<text class="tick y" x="{LEFT - 5:g}" y="{at + 3.5:.1f}">{tick_text(value)}</text>')
    for value in ticks((x.low, x.high), 6):
        at = x(value)
        lines += f"M{at:.1f} {TOP:g}V{bottom:g}"
        if chart.x_labels:
            out.append(f'<text class="tick x" x="{at:.1f}" y="{bottom + 12:g}">{tick_text(value)}</text>')
    if chart.x_labels:
        middle = (LEFT + WIDTH - RIGHT) / 2
        out.append(f'<text class="tick x" x="{middle:g}" y="{bottom + 25:g}">{escape(chart.x_name)}</text>')
    return [f'<path class="grid" d="{lines}"/>', *out]


def _levels(chart: Chart, x: Scale, y: Scale) -> str:
    out = []
    for kind, value in (("limit", chart.limit), ("goal", chart.goal)):
        if value is not None and y.low <= value <= y.high:
            out.append(
                f'<line class="{kind}" x1="{x.pixels[0]:g}" x2="{x.pixels[1]:g}" y1="{y(value):.1f}" '
                f'y2="{y(value):.1f}"><title>{kind} {value:g}</title></line>'
            )
    return "".join(out)


def _clipped(inside: str, bottom: float) -> str:
    """What lies within the axes; an inner ``<svg>`` cuts off the rest."""
    width, height = WIDTH - LEFT - RIGHT + 2, bottom - TOP + 2
    box = f"{LEFT - 1:g} {TOP - 1:g} {width:g} {height:g}"
    return f'<svg x="{LEFT - 1:g}" y="{TOP - 1:g}" width="{width:g}" height="{height:g}" viewBox="{box}">{inside}</svg>'


def _curve(series: Series, x: Scale, y: Scale) -> str:
    keep = np.unique(np.linspace(0, len(series.x) - 1, min(len(series.x), MOST_POINTS)).astype(int))
    xs, ys = series.x[keep], series.y[keep]
    band = ""
    edges = series.between or (None if series.worst is None else (series.y, series.worst))
    if edges is not None:
        near, far = (edge[keep] for edge in edges)
        around, edge = np.concatenate([xs, xs[::-1]]), np.concatenate([near, far[::-1]])
        there = np.isfinite(edge)
        band = f'<path class="band" d="{_path(around[there], edge[there], x, y)}z"/>'
    shape = f'<path d="{_path(xs, ys, x, y)}"/>'
    if np.isfinite(ys).sum() == 1:
        only = int(np.flatnonzero(np.isfinite(ys))[0])
        shape = f'<circle cx="{x(xs[only]):.1f}" cy="{y(ys[only]):.1f}" r="2.5"/>'
    shape += "".join(cross(x(a), y(b), f"{series.label}: over the limit") for a, b in series.marks)
    return f'<g class="series {style_class(series.style)}"><title>{escape(series.label)}</title>{band}{shape}</g>'


def cross(x: float, y: float, about: str) -> str:
    """The mark of what is not feasible, centred at a pixel."""
    title = f"<title>{escape(about)}</title>"
    return f'<path class="cross" d="M{x - 3.2:.1f} {y - 3.2:.1f}l6.4 6.4m0 -6.4l-6.4 6.4">{title}</path>'


LEVEL = 3
"""Tenths of a pixel: a line that rises by less is drawn as level, which nobody sees, and takes few letters."""


def _path(xs: np.ndarray, ys: np.ndarray, x: Scale, y: Scale) -> str:
    """The line through what is finite, in relative steps of tenths of a pixel; level pieces are joined."""
    out: list[str] = []
    before: tuple[int, int] | None = None
    along = 0
    for a, b in zip(xs.tolist(), ys.tolist(), strict=True):
        if not (math.isfinite(a) and math.isfinite(b)):
            before, along = None, _ended(out, along)
            continue
        there = round(10 * x(a)), round(10 * y(b))
        if before is None:
            out.append(f"M{_short(there[0])} {_short(there[1])}")
        elif abs(there[1] - before[1]) < LEVEL:
            along += there[0] - before[0]
            there = there[0], before[1]
        else:
            right, down, along = there[0] - before[0], there[1] - before[1], _ended(out, along)
            out.append(f"l{_short(right)} {_short(down)}" if right else f"v{_short(down)}")
        before = there
    _ended(out, along)
    return "".join(out)


def _ended(out: list[str], along: int) -> int:
    """Write a level piece that has ended; none is left."""
    if along:
        out.append(f"h{_short(along)}")
    return 0


def _short(tenths: int) -> str:
    """A length in tenths of a pixel, in few letters."""
    return f"{tenths / 10:.1f}".removesuffix(".0")
