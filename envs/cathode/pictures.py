"""Compositions to look at: triangles of Ni, Mn and Co in which a property is a colour, with the path of an agent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from voltgym.envs.cathode.composition import Composition, Design, compositions, parse
from voltgym.envs.cathode.metals import DOPANTS, MAIN, PARTS
from voltgym.envs.plotting import FAINT, INK

HEIGHT = np.sqrt(3) / 2
PATH = "#d9483b"
COLOURS = {"Ni": "#3b7a57", "Mn": "#b5651d", "Co": "#2f5fa8", "Al": "#8a8f98", "Mg": "#7a5ea8", "Ti": "#4a4f57"}
"""Of the metals in a bar; white text is legible on each."""


def corners(counts: np.ndarray) -> np.ndarray:
    """(n, 2) places in a triangle of side one, of (n, 3) shares of Ni, Mn, Co: Ni left, Mn right, Co above."""
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1e-12)
    return np.column_stack([shares[:, 1] + 0.5 * shares[:, 2], HEIGHT * shares[:, 2]])


def grid(dopant: Sequence[int] = (0, 0, 0)) -> list[Composition]:
    """The compositions with these tenths of ``DOPANTS``: one triangle."""
    return [c for c in compositions() if c.counts[len(MAIN) :] == tuple(dopant)]


def on_grid(dopant: Sequence[int], removed: int) -> list[str]:
    """The designs of a triangle with ``removed`` tenths of the lithium taken out, or as many as the metals can give."""
    return [Design(c, min(removed, c.deepest)).key for c in grid(dopant)]


def draw(axes: Any, designs: Sequence[str], values: np.ndarray, title: str, path: Sequence[str] = ()) -> None:
    """One triangle on matplotlib ``axes``: the ``values`` (n,) of ``designs`` as colours, a ``path`` over them."""
    counts = np.array([parse(key).composition.counts[: len(MAIN)] for key in designs], dtype=float)
    places = corners(counts)
    shown = axes.scatter(*places.T, c=values, s=400, marker="h", cmap="viridis", linewidths=0)
    edge = np.array([[0, 0], [1, 0], [0.5, HEIGHT], [0, 0]])
    axes.plot(*edge.T, color=FAINT, linewidth=0.8, zorder=0)
    for name, (x, y), across in zip(MAIN, edge, ("right", "left", "center"), strict=False):
        drop = 0.09 if name == MAIN[2] else -0.09
        axes.text(x, y + drop, name, ha=across, va="center", color=INK, fontsize=10, weight="bold")
    if path:
        steps = corners(np.array([parse(key).composition.counts[: len(MAIN)] for key in path], dtype=float))
        axes.plot(*steps.T, color="white", linewidth=3.2, solid_capstyle="round")
        axes.plot(*steps.T, color=PATH, linewidth=1.6)
        axes.scatter(*steps[:1].T, s=46, color="white", edgecolors=PATH, linewidths=1.6, zorder=4)
        axes.scatter(*steps[-1:].T, s=110, color=PATH, marker="*", edgecolors="white", linewidths=0.8, zorder=5)
    axes.set_title(title, fontsize=10, color=INK)
    axes.set_aspect("equal")
    axes.set_axis_off()
    axes.set_xlim(-0.12, 1.12)
    axes.set_ylim(-0.16, HEIGHT + 0.16)
    bar = axes.figure.colorbar(shown, ax=axes, shrink=0.72, pad=0.02)
    bar.ax.tick_params(labelsize=8, colors=FAINT)
    bar.outline.set_visible(False)


def triangles(maps: Sequence[tuple[str, Sequence[str], np.ndarray]], path: Sequence[str] = ()) -> np.ndarray:
    """(title, designs, values) as triangles side by side, with a path on each, as (h, w, 3) uint8."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.2 * len(maps), 3.7), dpi=100, facecolor="white", layout="constrained")
    canvas = FigureCanvasAgg(figure)
    for k, (title, designs, values) in enumerate(maps):
        draw(figure.add_subplot(1, len(maps), k + 1), designs, values, title, path)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def dopant_of(design: str) -> tuple[int, ...]:
    """The tenths of the dopants of a design: which triangle it is on."""
    return parse(design).composition.counts[len(MAIN) :]


def dopant_name(tenths: Sequence[int]) -> str:
    """Such as "0.1 Al", or "without a dopant"."""
    found = [f"{n / PARTS:g} {metal}" for metal, n in zip(DOPANTS, tenths, strict=True) if n]
    return found[0] if found else "without a dopant"


def bar_svg(key: str) -> str:
    """A design as ``<svg>``: the metals as shares of a bar, and how much of the lithium stays in and is taken out."""
    design = parse(key)
    out, x, width = [], 0.0, 300.0
    for metal, tenths in design.composition.by_metal.items():
        wide = width * tenths / PARTS
        out.append(f'<rect x="{x:.1f}" y="0" width="{wide - 1.5:.1f}" height="22" rx="3" fill="{COLOURS[metal]}"/>')
        label = metal if tenths == 1 else f"{metal} {tenths / PARTS:g}"
        out.append(
            f'<text x="{x + wide / 2 - 0.75:.1f}" y="15.5" style="fill:#fff" text-anchor="middle">{label}</text>'
        )
        x += wide
    stays = width * (PARTS - design.removed) / PARTS
    out.append(f'<rect x="0" y="28" width="{stays - 1.5:.1f}" height="9" rx="3" fill="{FAINT}"/>')
    out.append(f'<rect x="{stays:.1f}" y="28" width="{width - stays - 1.5:.1f}" height="9" rx="3" fill="#d0d5db"/>')
    said = f"{design.removed / PARTS:g} of the lithium is taken out"
    return (
        f'<svg viewBox="0 0 {width:g} 38" role="img" aria-label="{key}: {said}" font-size="11.5" '
        f'font-family="system-ui, sans-serif" font-weight="600"><title>{said}</title>{"".join(out)}</svg>'
    )
