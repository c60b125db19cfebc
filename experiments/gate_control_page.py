"""The pictures of a control gate: margins over the scenarios, the charges that matter, prediction against physics."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from voltgym.envs.errors import VoltGymError
from voltgym.envs.plotting import Panel, margin_text
from voltgym.experiments import page
from voltgym.experiments.charts import episode_charts, level_keys, shared_spans
from voltgym.experiments.gate_control_judge import BEYOND
from voltgym.experiments.gate_parts import Judgement, Row, unit_of
from voltgym.experiments.gate_subject import Subject
from voltgym.experiments.making import make_env
from voltgym.experiments.svg import Chart, Series, draw

if TYPE_CHECKING:
    from voltgym.experiments.gate_control import ControlGate

KELVIN = 273.15
UNITS = {"V": (1e3, "mV"), "K": (1.0, "K")}
"""How margins are drawn: times what, in which unit."""
MOST_CURVES = 4
DRAWN, CORNER = 0, 1
"""Styles of dots."""


def sections(gate: ControlGate, subject: Subject, rows: Sequence[Row], found: Judgement) -> list[page.Section]:
    """Where each limit stands, the charges behind it, and the gap."""
    own = [row for row in rows if not row["case"].startswith(BEYOND)]
    known = own[0]["found"]["worst_slacks"]
    tolerances = {check.limit: float(check.threshold or 0.0) for check in found.checks if check.limit in known}
    limits = list(tolerances)
    out = [page.Section("Where the limits stand", [_margins(own, limits, tolerances)])]
    beyond = [row for row in rows if row["case"].startswith(BEYOND)]
    if beyond:
        name = gate.uses[gate.uses[found.use]["beyond"]]["about"]
        out.append(page.Section(f"Beyond its declared use: {name}", [_margins(beyond, limits, tolerances)]))
    charges = _charges(gate, subject, own, limits)
    if charges is not None:
        out.append(page.Section("The charges that come nearest", [charges]))
    if found.gap.get("limits"):
        out.append(
            page.Section(f"What {found.gap['of']} said, and {gate.level}", [_gap(own, limits, found, gate.level)])
        )
    return out


def axis_of(rows: Sequence[Row]) -> tuple[str, list[float]]:
    """What scenarios are spread over on x: the ambient temperature [C] where they have one, else their number."""
    name = "Ambient temperature [K]"
    if all(name in row["scenario"] for row in rows):
        return "ambient temperature [°C]", [float(np.ravel(row["scenario"][name])[0]) - KELVIN for row in rows]
    return "scenario", [float(i + 1) for i in range(len(rows))]


def _margins(rows: Sequence[Row], limits: Sequence[str], tolerances: dict[str, float]) -> page.Figures:
    charts = [_margin(rows, name, tolerances[name]) for name in limits]
    caption = (
        "A sign a scenario: what was left to the limit at its worst moment. The line is what is allowed beyond it, and "
        "what lies below is a cross."
    )
    keys = [page.key("drawn", DRAWN), page.key("corner", CORNER), page.LIMIT, page.CROSS]
    return page.Figures(charts, caption, keys)


def _margin(rows: Sequence[Row], name: str, threshold: float) -> str:
    times, unit = UNITS.get(unit_of(name), (1.0, unit_of(name)))
    x_name, xs = axis_of(rows)
    slack = [row["found"]["worst_slacks"].get(name) for row in rows]
    ys = [math.nan if s is None else times * s for s in slack]
    series = [
        _dot(row["label"], x, y, y < times * threshold, DRAWN if row["drawn"] else CORNER)
        for row, x, y in zip(rows, xs, ys, strict=True)
    ]
    finite = [y for y in ys if math.isfinite(y)] or [0.0]
    low, high = min(*finite, times * threshold, 0.0), max(*finite, 0.0)
    room = 0.08 * (high - low or 1.0)
    span = low - room, high + room
    x_span = min(xs) - 0.03 * (max(xs) - min(xs) or 1), max(xs) + 0.03 * (max(xs) - min(xs) or 1)
    bad = sum(y < times * threshold for y in finite)
    said = f"{bad} of {len(rows)} beyond" if bad else f"least {margin_text(name, min(finite) / times)}"
    about = f"Margins between {min(finite):.4g} and {max(finite):.4g} {unit}; {said}."
    title = f"Left to the limit: {name.split(' [')[0].lower()} [{unit}]"
    return draw(Chart(title, x_name, series, about, x_span, span, limit=times * threshold, note=said, height=130))


def _dot(label: str, x: float, y: float, bad: bool, style: int) -> Series:
    said = f"{label}: {y:.4g}"
    return Series(said, np.array([x]), np.array([math.nan if bad else y]), style, marks=[(x, y)] if bad else [])


def _charges(gate: ControlGate, subject: Subject, rows: Sequence[Row], limits: Sequence[str]) -> page.Cards | None:
    """The scenario that is worst for each limit, drawn; None where the environment draws nothing."""
    chosen: dict[str, list[str]] = {}
    for name in limits:
        worst = min(rows, key=lambda row: _or_low(row["found"]["worst_slacks"].get(name)))
        chosen.setdefault(worst["case"], []).append(name.split(" [")[0].lower())
    picked = [row for row in rows if row["case"] in chosen][:MOST_CURVES]
    drawn = [(row, panels_of(gate, subject, row)) for row in picked]
    drawn = [(row, panels) for row, panels in drawn if panels]
    if not drawn:
        return None
    spans = shared_spans([panels for _, panels in drawn])
    cards = [
        page.Card(
            row["label"],
            "feasible" if row["found"]["feasible"] else "not feasible",
            "good" if row["found"]["feasible"] else "bad",
            f"Nearest to the limit of {' and '.join(chosen[row['case']])}.",
            episode_charts(panels, spans),
        )
        for row, panels in drawn
    ]
    caption = f"Played again on {gate.level}. The marks of the panels are the environment's own tolerances."
    return page.Cards(cards, caption, [*level_keys([panels for _, panels in drawn]), page.BROKEN])


def _or_low(value: float | None) -> float:
    return -math.inf if value is None else value


def panels_of(gate: ControlGate, subject: Subject, row: Row) -> list[Panel]:
    """The panels of the environment's viewer for one scenario on the level that judges; none where it has no viewer."""
    env = make_env(subject.env_id, {**subject.env_kwargs, **gate.judging(subject)})
    viewer: Any = getattr(env.unwrapped, "viewer", None)
    env.close()
    if not hasattr(viewer, "panels"):
        return []
    try:
        core, trace, action = gate.traced(subject, row)
        panels = list(viewer.panels(trace))
        if hasattr(viewer, "course"):
            panels += viewer.course(core.state, core.task.decode(action))
    except VoltGymError:
        return []
    return panels


def _gap(rows: Sequence[Row], limits: Sequence[str], found: Judgement, level: str) -> page.Figures:
    said = found.gap["of"]
    charts = [_against(rows, name, said, level) for name in limits if name in found.gap["limits"]]
    caption = (
        f"A point a scenario: what {said} said was left to the limit, and what {level} says. On the line they agree; "
        f"below it {said} was too optimistic."
    )
    return page.Figures(charts, caption, [page.key("agreement", 7)])


def _against(rows: Sequence[Row], name: str, said: str, level: str) -> str:
    times, unit = UNITS.get(unit_of(name), (1.0, unit_of(name)))
    pairs = [(row["promised"]["worst_slacks"].get(name), row["found"]["worst_slacks"].get(name)) for row in rows]
    points = [(row["label"], times * a, times * b) for row, (a, b) in zip(rows, pairs, strict=True)
              if a is not None and b is not None]  # fmt: skip
    low = min((min(a, b) for _, a, b in points), default=0.0)
    high = max((max(a, b) for _, a, b in points), default=1.0)
    room = 0.06 * (high - low or 1.0)
    ends = np.array([low - room, high + room])
    series = [Series("agreement", ends, ends, 7), *(_dot(label, a, b, False, DRAWN) for label, a, b in points)]
    off = [a - b for _, a, b in points] or [0.0]
    note, about = (
        f"off by {np.mean(off):+.2g}",
        f"Off by {np.mean(off):+.2g} {unit} on average, {max(off):+.2g} at most.",
    )
    title = f"{name.split(' [')[0]}: margin on {level} [{unit}]"
    span = float(ends[0]), float(ends[1])
    return draw(Chart(title, f"margin on {said} [{unit}]", series, about, span, span, note=note, height=150))
