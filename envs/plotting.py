"""What a picture of an episode shows, and how it is drawn as pixels. Kept out of physics.

A viewer turns the measured quantities of an episode into panels. Pixels are drawn here with matplotlib's object
interface, which keeps no global state; a report draws the same panels as SVG.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

INK, FAINT, GRID, LINE, LIMIT, GOAL = "#1b1f24", "#57606a", "#d8dee4", "#0b6bcb", "#c62f2f", "#1a7f4b"

Trace = Sequence[Mapping[str, Any]]
"""What was measured at every step of an episode, the start first."""


@dataclass(frozen=True)
class Panel:
    """One quantity over an episode, in the units that a reader expects."""

    name: str
    """With its unit, such as ``"Voltage [V]"``."""
    x: np.ndarray
    """(n,)"""
    y: np.ndarray
    """(n,)"""
    x_name: str = "Time [min]"
    held: bool = False
    """``y[i]`` was held from ``x[i - 1]`` to ``x[i]``, so that steps are drawn."""
    extreme: np.ndarray | None = None
    """(n,) the worst value within the step that ended at ``x[i]``."""
    limit: float | None = None
    goal: float | None = None
    breach: np.ndarray | None = None
    """(n,) bool: the step that ended at ``x[i]`` broke the limit."""
    span: tuple[float, float] | None = None
    """What the axis of ``y`` shows at least."""
    x_span: tuple[float, float] | None = None
    """What the axis of ``x`` shows at least."""
    ceiling: float | None = None
    """Where the axis of ``y`` is cut off at the top: what is above doesn't matter."""
    note: str = ""
    """A few words on how it went, such as what was left to the limit."""

    def staircase(self) -> tuple[np.ndarray, np.ndarray]:
        """The corners (m,), (m,) of the curve: the points themselves, or both ends of every held value."""
        if not self.held or len(self.x) < 2:
            return self.x, self.y
        return np.repeat(self.x, 2)[1:-1], np.repeat(self.y[1:], 2)

    def breaches(self) -> list[tuple[float, float]]:
        """Where on ``x`` the limit was broken, as (from, to), neighbours joined."""
        bad = np.zeros(len(self.x), bool) if self.breach is None else np.asarray(self.breach, bool)
        edges = np.flatnonzero(np.diff(np.concatenate([[False], bad, [False]]).astype(int)))
        return [(float(self.x[max(a - 1, 0)]), float(self.x[b - 1])) for a, b in edges.reshape(-1, 2)]


class Viewer:
    """Draws an episode from ``panels(trace)``; a report asks for the panels themselves."""

    def __init__(self, panels: Callable[[Trace], list[Panel]], title: Callable[[Trace], str] | None = None) -> None:
        self.panels, self.title = panels, title or untitled

    def __call__(self, trace: Trace) -> np.ndarray:
        """The episode so far as (h, w, 3) uint8."""
        return draw_panels(self.panels(trace), self.title(trace))


def untitled(trace: Trace) -> str:
    """No title."""
    return ""


def column(trace: Trace, name: str) -> np.ndarray:
    """(n,) one measured quantity over a trace."""
    return np.array([row[name] for row in trace], dtype=float)


def margin_text(name: str, slack: float) -> str:
    """A slack as a person reads it, signed: volts as millivolts, other units as in the name's brackets."""
    unit = "".join(re.findall(r"\[(.*)\]", name)[-1:])
    if unit == "V":
        return f"{round(1000 * slack, 1) + 0.0:+.1f} mV"  # adding zero turns -0.0 into 0.0
    return f"{round(slack, 2) + 0.0:+.2f} {unit}".rstrip()


def draw_panels(panels: Sequence[Panel], title: str = "", *, width: float = 6.4, height: float = 1.45) -> np.ndarray:
    """Draw ``panels`` below each other as (h, w, 3) uint8; ``width`` and ``height`` of each in hundreds of pixels."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    inches = height * len(panels) + 0.85
    figure = Figure(figsize=(width, inches), dpi=100, facecolor="white")
    canvas = FigureCanvasAgg(figure)
    # Fixed margins: a layout engine would take longer than the drawing.
    figure.subplots_adjust(left=0.125, right=0.975, bottom=0.5 / inches, top=1 - 0.35 / inches, hspace=0.2)
    axes = figure.subplots(len(panels), 1, squeeze=False)[:, 0]
    figure.text(0.125, 1 - 0.22 / inches, title, fontsize=10, color=INK, va="center")
    for i, (axis, panel) in enumerate(zip(axes, panels, strict=True)):
        last = i == len(panels) - 1 or panels[i + 1].x_name != panel.x_name
        draw_panel(axis, panel, labelled=last)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def draw_panel(axis: Any, panel: Panel, *, labelled: bool = True) -> None:
    """Draw one panel on a matplotlib axis: the curve, the worst within each step, the limit, and where it is broken."""
    from matplotlib.ticker import MaxNLocator

    for start, end in panel.breaches():
        axis.axvspan(start, end, color=LIMIT, alpha=0.16, linewidth=0)
    if panel.extreme is not None:
        axis.fill_between(panel.x, panel.y, panel.extreme, color=LINE, alpha=0.25, linewidth=0)
    axis.plot(*panel.staircase(), color=LINE, linewidth=1.6)
    axis.plot(panel.x[-1:], panel.y[-1:], color=LINE, marker="o", markersize=4)
    for level, colour in ((panel.limit, LIMIT), (panel.goal, GOAL)):
        if level is not None:
            axis.axhline(level, color=colour, linewidth=1.1, linestyle=(0, (5, 3)))
    axis.set_ylim(*spanned(panel))
    low, high = panel.x_span or (panel.x[0], panel.x[-1])
    axis.set_xlim(min(low, panel.x[0]), max(high, panel.x[-1]) + (1e-9 if low == high else 0))
    axis.set_ylabel(panel.name, color=INK, fontsize=8.5)
    axis.yaxis.set_label_coords(-0.09, 0.5)
    for ruler, most in ((axis.xaxis, 6), (axis.yaxis, 4)):
        ruler.set_major_locator(MaxNLocator(most, steps=[1, 2, 2.5, 5, 10]))
    axis.grid(color=GRID, linewidth=0.6)
    axis.set_axisbelow(True)
    axis.tick_params(labelsize=8, colors=FAINT, length=0, labelbottom=labelled)
    colour = LIMIT if panel.breaches() else FAINT
    axis.text(0.995, 1.02, panel.note, transform=axis.transAxes, ha="right", va="bottom", fontsize=8, color=colour)
    for side, spine in axis.spines.items():
        spine.set(visible=side in ("left", "bottom"), color=GRID)
    if labelled:
        axis.set_xlabel(panel.x_name, color=INK, fontsize=8.5)


def spanned(panel: Panel) -> tuple[float, float]:
    """The lowest and the highest ``y`` to show: of the data, the limit, the goal and the panel's own span."""
    levels = [level for level in (panel.limit, panel.goal) if level is not None]
    worst = panel.y if panel.extreme is None else panel.extreme
    values = np.array([*panel.y, *worst, *levels, *(panel.span or ())], dtype=float)
    values = values[np.isfinite(values)]
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)
    high = high if panel.ceiling is None else min(high, panel.ceiling)
    room = 0.06 * (high - low) or 0.5
    return low - room, high + room


def line_chart(
    x: Sequence[float], panels: Mapping[str, tuple[Sequence[float], float | None]], xlabel: str
) -> np.ndarray:
    """Draw each panel (name -> values and an optional limit) over ``x``; returns (h, w, 3) uint8."""
    shown = [
        Panel(name, np.asarray(x, float), np.asarray(values, float), x_name=xlabel, limit=limit)
        for name, (values, limit) in panels.items()
    ]
    return draw_panels(shown)
