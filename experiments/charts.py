"""Panels, learning curves and episodes as SVG charts, with axes that can be compared."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from voltgym.envs.plotting import Panel, spanned
from voltgym.experiments.page import GOAL, LIMIT, Key
from voltgym.experiments.pictures import first_value
from voltgym.experiments.records import Record
from voltgym.experiments.strips import Dot, Row, draw_strip
from voltgym.experiments.svg import Chart, Series, draw, span_of

Span = tuple[float, float]
Spans = dict[str, tuple[Span, Span]]
"""By panel name: what x and y show."""


def shared_spans(episodes: Sequence[Sequence[Panel]]) -> Spans:
    """Axes wide enough for every episode, so that their pictures can be laid side by side."""
    spans: Spans = {}
    for panel in (panel for panels in episodes for panel in panels):
        x, y = (float(np.min(panel.x)), float(np.max(panel.x))), spanned(panel)
        old_x, old_y = spans.get(panel.name, (x, y))
        spans[panel.name] = _union(old_x, x), _union(old_y, y)
    return spans


def _union(a: Span, b: Span) -> Span:
    return min(a[0], b[0]), max(a[1], b[1])


def level_keys(episodes: Sequence[Sequence[Panel]]) -> list[Key]:
    """What the level lines in these panels are, for a legend."""
    panels = [panel for panels in episodes for panel in panels]
    shown = {LIMIT: any(p.limit is not None for p in panels), GOAL: any(p.goal is not None for p in panels)}
    return [key for key, there in shown.items() if there]


def episode_charts(panels: Sequence[Panel], spans: Spans) -> list[str]:
    """A chart a panel, below each other: the limit, and where it is broken."""
    out = []
    for i, panel in enumerate(panels):
        x, y = spans[panel.name]
        last = i == len(panels) - 1 or panels[i + 1].x_name != panel.x_name
        series = Series(panel.name, *panel.staircase(), worst=panel.extreme)
        chart = Chart(panel.name, panel.x_name, [series], _described(panel), x, y, panel.limit, panel.goal)
        out.append(draw(replace(chart, bands=panel.breaches(), note=panel.note, x_labels=last)))
    return out


def _described(panel: Panel) -> str:
    said = f"From {panel.y[0]:.4g} to {panel.y[-1]:.4g}, between {np.nanmin(panel.y):.4g} and {np.nanmax(panel.y):.4g}"
    if panel.limit is not None:
        said += f"; limit {panel.limit:g}, {panel.note or 'see the curve'}"
    broken = panel.breaches()
    if broken:
        said += f"; broken {len(broken)} time(s), first at {broken[0][0]:.4g} on the axis {panel.x_name}"
    return said + "."


def overlaid_charts(episodes: Sequence[tuple[str, int, Sequence[Panel]]]) -> list[str]:
    """A chart a quantity, with the curves of several agents (label, style, panels) on the same episode."""
    spans = shared_spans([panels for _, _, panels in episodes])
    out = []
    for name, (x, y) in spans.items():
        shown = [(label, style, p) for label, style, panels in episodes for p in panels if p.name == name]
        series = [Series(label, *p.staircase(), style, marks=_worst_points(p)) for label, style, p in shown]
        over = [label for label, _, p in shown if p.breaches()]
        about = f"Curves of {', '.join(s.label for s in series)}. Over the limit: {', '.join(over) or 'nobody'}."
        first = shown[0][2]
        out.append(draw(Chart(name, first.x_name, series, about, x, y, first.limit, first.goal, height=130)))
    return out


def _worst_points(panel: Panel) -> list[tuple[float, float]]:
    """The point furthest beyond the limit, of every stretch that breaks it."""
    if panel.limit is None:
        return []
    there = panel.y if panel.extreme is None else panel.extreme
    out = []
    for start, end in panel.breaches():
        inside = np.flatnonzero((panel.x >= start) & (panel.x <= end) & np.asarray(panel.breach, bool))
        worst = inside[np.argmax(np.abs(there[inside] - panel.limit))]
        out.append((float(panel.x[worst]), float(there[worst])))
    return out


def episode_strip(groups: Sequence[tuple[str, int, Sequence[Record]]]) -> str:
    """Where the first result of every episode lies, a row an agent (label, style, records)."""
    name = first_value(groups[0][2][0])[0]
    rows = [Row(label, style, [_dot(r) for r in records], _counted(records)) for label, style, records in groups]
    about = "; ".join(f"{row.label}: {row.note}" for row in rows)
    return draw_strip(name, rows, about)


def _dot(record: Record) -> Dot:
    value = first_value(record)[1]
    said = f"episode {record['episode']}: " + ("not reached" if math.isnan(value) else f"{value:.2f}")
    judged = {True: ", feasible", False: ", not feasible", None: ""}
    return Dot(value, record["feasible"], said + judged[record["feasible"]])


def _counted(records: Sequence[Record]) -> str:
    judged = [r["feasible"] for r in records if r["feasible"] is not None]
    return f"{sum(judged)} of {len(judged)} feasible" if judged else f"{len(records)} episodes"


@dataclass(frozen=True)
class Learning:
    """What a run wrote while it learned: JSON lines with ``steps`` and numbers."""

    label: str
    style: int
    unit: str
    lines: Sequence[Mapping[str, Any]]


NOT_NUMBERS = ("steps", "total", "seconds", "left")


def learning_charts(curves: Sequence[Learning], most: int = 8) -> list[str]:
    """A chart a number, over what the budget counts, with every run that reported it."""
    charts: dict[tuple[str, str], list[Series]] = {}
    for curve in curves:
        names = dict.fromkeys(name for line in curve.lines for name in line if name not in NOT_NUMBERS)
        for name in names:
            told = [line for line in curve.lines if name in line]
            y = np.array([_number(line[name]) for line in told])
            x = np.array([float(line["steps"]) for line in told])
            if np.isfinite(y).any() and x.max() > 0:
                charts.setdefault((curve.unit, name), []).append(Series(curve.label, x, y, curve.style))
    return [_learning_chart(unit, name, series) for (unit, name), series in list(charts.items())[:most]]


def _learning_chart(unit: str, name: str, series: Sequence[Series]) -> str:
    last = "; ".join(f"{s.label} ends at {s.y[np.isfinite(s.y)][-1]:.4g}" for s in series)
    y = np.concatenate([s.y for s in series])
    note = f"{series[0].y[np.isfinite(series[0].y)][-1]:.4g}" if len(series) == 1 else ""
    x_span = (0.0, max(float(s.x.max()) for s in series))
    span = (0.0, 1.0) if name.endswith("feasible") else span_of(y, 0.06)
    return draw(Chart(name, unit, series, last, x_span, span, note=note))


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else math.nan
