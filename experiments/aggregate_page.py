"""The page of a sweep: a table with intervals for each environment, a chart of the intervals, curves with bands."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from voltgym.experiments import page, tables
from voltgym.experiments.aggregated import Group, mean_value
from voltgym.experiments.progress import duration
from voltgym.experiments.report_run import short
from voltgym.experiments.standing_table import interval_text, percent
from voltgym.experiments.svg import Chart, Series, draw, span_of

POINTS = 80
DRAWN = 8
"""Groups in one chart: the first of the table."""

Groups = Mapping[tuple[str, str], Sequence[Group]]


def table(where: tuple[str, str], groups: Sequence[Group], unfinished: int = 0) -> tables.Table:
    """The statistics of one environment and split, as texts."""
    name = groups[0].name
    gaps = any(math.isfinite(group.gap.value) for group in groups)
    more = ("surrogate gap, IQM [95 %]",) if gaps else ()
    columns = ("setting", "seeds", "feasible", f"{name}, IQM [95 %]", "return, IQM [95 %]", *more, "median run")
    rows = tuple(_row(group, gaps) for group in groups)
    notes = ["IQM: interquartile mean over seeds; interval: bootstrap over seeds. A run counts with the mean over its "
             "feasible episodes."]  # fmt: skip
    if any(group.provisional for group in groups):
        notes.append("* fewer than 10 seeds: provisional.")
    if any(group.without for group in groups):
        notes.append("Runs without a feasible episode are left out of the value: " + _left_out(groups) + ".")
    if unfinished:
        notes.append(f"{unfinished} run(s) are not finished, or have no records, and are not counted.")
    return tables.Table(f"{where[0]}, split {where[1]}", columns, rows, tuple(notes))


def _row(group: Group, gaps: bool) -> tuple[str, ...]:
    seeds = f"{len(group.runs)}{'*' if group.provisional else ''}"
    feasible = "-" if math.isnan(group.feasible) else percent(group.feasible)
    took = duration(group.seconds) if math.isfinite(group.seconds) else "-"
    more = (interval_text(group.gap, 3),) if gaps else ()
    return group.label, seeds, feasible, interval_text(group.value), interval_text(group.returns), *more, took


def _left_out(groups: Sequence[Group]) -> str:
    return ", ".join(f"{group.label} {group.without} of {len(group.runs)}" for group in groups if group.without)


def write(path: Path, title: str, found: Groups, unfinished: int) -> Path:
    """Write the page."""
    from voltgym.experiments.files import write_text

    sections = []
    for where, groups in found.items():
        made = table(where, groups, unfinished)
        blocks: list[page.Block] = [page.Table(made.title, made.columns, made.rows, made.notes)]
        drawn = {group.label: i for i, group in enumerate(groups[:DRAWN])}
        legend = [page.key(label, style) for label, style in drawn.items()]
        charts = [chart for chart in (values_chart(groups), *curves(groups)) if chart]
        if charts:
            blocks.append(page.Figures(charts, "Lines are medians over seeds, bands reach from the lower to the upper "
                                       "quartile; dots are seeds.", legend))  # fmt: skip
        sections.append(page.Section(f"{short(where[0])}, split {where[1]}", blocks))
    runs = sum(len(group.runs) for groups in found.values() for group in groups)
    said = f"{runs} runs in {sum(map(len, found.values()))} groups; a group's runs differ in their seed alone."
    status = page.Cell(f"{unfinished} unfinished", "bad") if unfinished else page.Cell("complete", "good")
    write_text(path, page.render(title, said, status, sections))
    return path


def values_chart(groups: Sequence[Group]) -> str:
    """A column a group: its runs as dots, from the best group on."""
    series = []
    for i, group in enumerate(groups[:DRAWN]):
        values = np.array([mean_value(run) for run in group.runs])
        known = values[np.isfinite(values)]
        if len(known):
            # a short level line at the interquartile mean, with the interval as its band
            at = np.array([i + 0.75, i + 1.25])
            level, band = np.full(2, group.value.value), None
            if math.isfinite(group.value.low):
                band = (np.full(2, group.value.low), np.full(2, group.value.high))
            series.append(Series(group.label, at, level, i, between=band))
            series += [Series(f"{group.label}, a seed", np.array([i + 1.0]), np.array([v]), i) for v in known]
    if not series:
        return ""
    every = np.concatenate([s.y for s in series] + [edge for s in series for edge in (s.between or ())])
    about = "; ".join(f"{g.label}: {interval_text(g.value)}" for g in groups[:DRAWN])
    span = (0.5, len(groups[:DRAWN]) + 0.5)
    return draw(
        Chart(groups[0].name, "Setting, in the table's order", series, about, span, span_of(every, 0.1), height=150)
    )


def curves(groups: Sequence[Group]) -> list[str]:
    """A chart a number that the runs of several groups reported while they learned, the most shared ones first."""
    shown: dict[str, list[Series]] = {}
    for style, group in enumerate(groups[:DRAWN]):
        for name, (at, rows) in _numbers(group).items():
            low, middle, high = np.quantile(rows, [0.25, 0.5, 0.75], axis=0)
            band = (low, high) if len(rows) > 1 else None
            shown.setdefault(name, []).append(Series(group.label, at, middle, style, between=band))
    best = sorted(shown.items(), key=lambda item: -len(item[1]))[:4]
    return [_curve_chart(name, series, groups) for name, series in best]


def _curve_chart(name: str, series: Sequence[Series], groups: Sequence[Group]) -> str:
    edges = np.concatenate([e for s in series for e in (s.y, *(s.between or ()))])
    unit = str(groups[0].runs[0].config.get("unit", "steps")).replace("_", " ")
    about = "; ".join(f"{s.label} ends at {s.y[-1]:.3g}" for s in series)
    return draw(Chart(name, unit, series, about, None, span_of(edges, 0.05), height=150))


COUNTED = ("steps", "spent", "evaluations", "total", "seconds", "left")
"""What lines of a curve hold beside numbers that say how good something is."""


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _numbers(group: Group) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """By name: (points,) what was spent, and (runs, points) the number, between the ends that all runs have."""
    found: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
    for run in group.runs:
        told: dict[str, list[tuple[float, float]]] = {}
        for line in run.curve():
            x = line.get("steps", line.get("spent", line.get("evaluations")))
            for name, value in line.items():
                if name not in COUNTED and _is_number(x) and _is_number(value):
                    told.setdefault(name, []).append((float(x), float(value)))
        for name, pairs in told.items():
            x_values, y_values = np.array(sorted(pairs)).T
            found.setdefault(name, []).append((x_values, y_values))
    out = {}
    for name, parts in found.items():
        first, last = max(float(x[0]) for x, _ in parts), min(float(x[-1]) for x, _ in parts)
        if len(parts) == len(group.runs) and last >= first:  # one point, if they reported once
            at = np.linspace(first, last, POINTS if last > first else 1)
            out[name] = at, np.array([np.interp(at, x, y) for x, y in parts])
    return out
