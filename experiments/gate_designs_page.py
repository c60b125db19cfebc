"""The pictures of a design's gate: what it is, where the draws lie against their windows, and what was promised."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from voltgym.experiments import page
from voltgym.experiments.gate_parts import Judgement, Row
from voltgym.experiments.gate_subject import Subject
from voltgym.experiments.strips import Dot, draw_strip
from voltgym.experiments.strips import Row as Line

if TYPE_CHECKING:
    from voltgym.experiments.gate_designs import DesignGate

MOST_DOTS = 80


def sections(gate: DesignGate, subject: Subject, rows: Sequence[Row], found: Judgement) -> list[page.Section]:
    """The design with what was computed, the draws, and the promise."""
    design = subject.design or ""
    caption = f"Computed on {gate.physics.level}; variants that have no result are in the table below."
    out = [
        page.Section("The design", [page.Figures(gate.physics.chart(design, rows), caption), _computed(rows)]),
    ]
    if found.scenarios:
        out.append(page.Section("How it may turn out", [_draws(found)]))
    if found.gap.get("values"):
        out.append(page.Section(f"What {found.gap['of']} promised", [_promise(found)]))
    return out


def _computed(rows: Sequence[Row]) -> page.Folded:
    names = list(dict.fromkeys(name for row in rows for name in row["values"] or {}))
    lines: list[list[str | page.Cell]] = []
    for row in rows:
        values = row["values"]
        state = page.Cell("computed", "good") if values else page.Cell(row["reason"] or "none", "bad")
        lines.append(
            [row["label"], state, *("-" if not values or n not in values else f"{values[n]:.5g}" for n in names)]
        )
    table = page.Table(
        "What was computed; GFN1-xTB and DFT as differences to ethylene carbonate", ["", "", *names], lines
    )
    return page.Folded(f"All {len(rows)} computations", table)


def _draws(found: Judgement) -> page.Figures:
    every = found.scenarios[:: max(1, len(found.scenarios) // MOST_DOTS)]
    charts = [_strip("Score", [(row, row["value"], row["feasible"]) for row in every])]
    for name in every[0]["margins"]:
        margins = np.array([row["margins"][name] for row in found.scenarios])
        if np.ptp(margins) > 0:
            pairs = [(row, row["margins"][name], row["margins"][name] >= 0) for row in every]
            charts.append(_strip(f"{name}: left to where it is worth nothing", pairs))
    caption = (
        f"{len(every)} of {len(found.scenarios)} draws, within what computations from several sides and learned "
        "properties leave open. A cross is beyond its limit; of the score, a draw that is beyond any."
    )
    return page.Figures(charts, caption, [page.CROSS])


def _strip(name: str, rows: Sequence[tuple[Any, float, bool]]) -> str:
    dots = [Dot(value, good, f"{row['label']}: {value:.4g}") for row, value, good in rows]
    good = sum(bool(fine) for _, _, fine in rows)
    return draw_strip(name, [Line("", 0, dots, f"{good} of {len(dots)} within")], f"{good} of {len(dots)} within.")


def _promise(found: Judgement) -> page.Table:
    lines: list[list[str | page.Cell]] = []
    for name, each in found.gap["values"].items():
        if abs(each["off"]) < 1e-6:
            continue  # no level has another number for it
        std = each["promised std"]
        said = f"{each['promised']:.4g}" + ("" if not std else f" ± {1.96 * std:.2g}")
        lines.append([name, said, f"{each['found']:.4g}", f"{each['off']:+.3g}"])
    columns = ["", "promised (95 %)", "found", "off by"]
    return page.Table(f"What {found.gap['of']} said, and {found.gap['against']}", columns, lines)
