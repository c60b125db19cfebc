"""The designs that an entry handed in, as pictures: molecules, and compositions on a triangle and as bars."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from html import escape
from typing import Any, NamedTuple

import numpy as np

from voltgym.envs.errors import VoltGymError
from voltgym.experiments.records import Record
from voltgym.experiments.results import Run
from voltgym.experiments.scores import Times, Values
from voltgym.experiments.standing import Standing
from voltgym.experiments.tracks import Track

MOLECULES, COMPOSITIONS = 6, 4
"""How many are shown."""


class Picture(NamedTuple):
    """Charts under one heading, with what they show."""

    title: str
    charts: Sequence[str]
    caption: str
    layout: str = ""
    """``small`` or ``wide``, where the usual columns do not fit."""


class Handed(NamedTuple):
    """A design that was handed in, its value and whether it is feasible, and the seeds that found it."""

    design: str
    value: float
    feasible: bool
    seeds: Sequence[int | None]


def middle_run(s: Standing) -> Run:
    """The run with records whose score is nearest to that of the entry."""
    if not s.scores.size:
        return max(s.runs, key=lambda run: bool(run.records))
    far = np.abs(s.scores.mean(axis=1) - s.score.value)
    return s.runs[int(np.argmin([d if run.records else np.inf for d, run in zip(far, s.runs, strict=True)]))]


def handed_in(s: Standing, track: Track) -> list[Handed]:
    """The designs of an entry, best first: what each run is scored by; of a front, all of the middle run."""
    several = not isinstance(track.score, Values | Times)
    records = middle_run(s).records if several else [run.records[0] for run in s.runs if run.records]
    found: dict[str, list[Record]] = {}
    for record in records:
        if record.get("design"):
            found.setdefault(record["design"], []).append(record)
    out = [_handed(design, group, track) for design, group in found.items()]
    return sorted(out, key=lambda h: (not h.feasible, -track.score.sign * h.value if h.value == h.value else 0))


def _handed(design: str, group: Sequence[Record], track: Track) -> Handed:
    value = group[0]["values"].get(track.score.value)
    seeds = sorted({record["seed"] for record in group}, key=str)
    return Handed(design, float("nan") if value is None else float(value), bool(group[0]["feasible"]), seeds)


def molecules(s: Standing, track: Track) -> Picture:
    """The molecules as a grid."""
    from voltgym.envs.solvent.parse import canonical
    from voltgym.envs.solvent.pictures import grid_svg

    handed = [h for h in handed_in(s, track) if _parses(canonical, h.design)][:MOLECULES]
    charts = [_trimmed(grid_svg([h.design], [_lines(h)], title=h.design)) for h in handed]
    return Picture("Molecules", charts, _whose(s, track), "small")


def _lines(h: Handed) -> list[str]:
    value = "" if h.value != h.value else f"{h.value:.3f}"
    seeds = f"seed{'s' if len(h.seeds) > 1 else ''} {', '.join(map(str, h.seeds))}"
    return [text for text in (value, h.design, seeds, "" if h.feasible else "not feasible") if text]


def _trimmed(svg: str) -> str:
    """The same picture in fewer letters."""
    svg = re.sub(
        r" class='[^']*'|fill-rule:evenodd;|stroke-linecap:butt;|stroke-linejoin:miter;|;stroke-opacity:1", "", svg
    )
    return re.sub(
        r"style='fill:none;stroke:([^;']+);stroke-width:1.6px'", r"fill='none' stroke='\1' stroke-width='1.6'", svg
    )


def compositions(s: Standing, track: Track) -> Picture:
    """The compositions on the triangle of nickel, manganese and cobalt, and the best as bars."""
    from voltgym.envs.cathode.composition import parse
    from voltgym.envs.cathode.pictures import bar_svg

    handed = [h for h in handed_in(s, track) if _parses(parse, h.design)]
    bars = []
    for h in handed[:COMPOSITIONS]:
        said = " · ".join(escape(text) for text in _lines(h) if text != h.design)
        bars.append(f'<div class="bar"><p><b>{escape(h.design)}</b> {said}</p>{bar_svg(h.design)}</div>')
    charts = [_triangle(handed), f'<div class="bars">{"".join(bars)}</div>'] if handed else []
    about = "Left: shares of Ni, Mn and Co, a dot a design, larger where more seeds found it; a ring has a dopant."
    lithium = "Below each bar: the lithium that stays, dark, and that is taken out."
    return Picture("Compositions", charts, f"{_whose(s, track)} {about} {lithium}", "wide")


def _whose(s: Standing, track: Track) -> str:
    if isinstance(track.score, Values | Times):
        return "What each run is scored by: the first design that it handed in, with its value on the physics."
    run = middle_run(s)
    return f"What the run nearest to the entry's score (seed {run.seed}) handed in."


def _triangle(handed: Sequence[Handed]) -> str:
    from voltgym.envs.cathode.composition import parse
    from voltgym.envs.cathode.pictures import HEIGHT, corners

    size, left, top = 250.0, 30.0, 24.0
    counts = np.array([parse(h.design).composition.counts for h in handed], dtype=float)
    places = corners(counts[:, :3]) * [1, -1] * size + [left, top + HEIGHT * size]
    a, b, c = (left, top + HEIGHT * size), (left + size, top + HEIGHT * size), (left + size / 2, top)
    edge = " ".join(f"{x:.1f},{y:.1f}" for x, y in (a, b, c))
    names = [("Ni", a[0] - 8, a[1] + 16), ("Mn", b[0] + 8, b[1] + 16), ("Co", c[0], c[1] - 8)]
    labels = "".join(f'<text class="corner" x="{x:.0f}" y="{y:.0f}">{name}</text>' for name, x, y in names)
    dots = "".join(
        _dot(h, at, bool(row[3:].any())) for h, at, row in reversed(list(zip(handed, places, counts, strict=True)))
    )
    width, height = size + 2 * left, top + HEIGHT * size + 26
    about = f"Compositions of {len(handed)} designs; the best is {handed[0].design}"
    shape = f'<polygon points="{edge}"/>{_mesh(size, left, top + HEIGHT * size)}'
    label = f'role="img" aria-label="{escape(about, quote=True)}"'
    head = f'<svg class="triangle" viewBox="0 0 {width:g} {height:.0f}" {label}><title>{escape(about)}</title>'
    return f"{head}{shape}{labels}{dots}</svg>"


def _mesh(size: float, left: float, bottom: float) -> str:
    """Lines at every fifth of a metal."""
    high = np.sqrt(3) / 2 * size
    parts = []
    for k in (0.2, 0.4, 0.6, 0.8):
        parts.append((left + size * k / 2, bottom - high * k, left + size * (1 - k / 2), bottom - high * k))
        parts.append((left + size * k, bottom, left + size * (1 + k) / 2, bottom - high * (1 - k)))
        parts.append((left + size * k, bottom, left + size * k / 2, bottom - high * k))
    return "".join(f'<line x1="{a:.1f}" y1="{b:.1f}" x2="{c:.1f}" y2="{d:.1f}"/>' for a, b, c, d in parts)


def _dot(h: Handed, at: np.ndarray, doped: bool) -> str:
    kind = ("dot" if h.feasible else "dot bad") + (" doped" if doped else "")
    radius = 4 + min(len(h.seeds), 10) * 0.5
    about = escape(", ".join(_lines(h)))
    return f'<circle class="{kind}" cx="{at[0]:.1f}" cy="{at[1]:.1f}" r="{radius:.1f}"><title>{about}</title></circle>'


def _parses(parse: Callable[[str], Any], design: str) -> bool:
    try:
        return parse(design) is not None
    except VoltGymError:
        return False
