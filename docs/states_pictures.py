"""The pictures of ``states.md``, with the page's style sheet: ``python docs/states_pictures.py``."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from html import escape
from importlib import resources
from pathlib import Path

os.environ.setdefault("PYBAMM_DISABLE_TELEMETRY", "true")

from voltgym.experiments import page, states_charts
from voltgym.experiments.cycling_table import read

DOCS = Path(__file__).parent
WIDTH, EDGE, LINE, LETTER = 400, 10, 20, 5.0
_SIZE = re.compile(r'<svg viewBox="0 0 [\d.]+ ([\d.]+)"')


def style() -> str:
    """The style sheet of our pages."""
    text = resources.files("voltgym.experiments").joinpath("page.html").read_text(encoding="utf-8")
    return text.partition("<style>")[2].partition("</style>")[0]


def stacked(charts: Sequence[str], legend: Sequence[page.Key], title: str) -> str:
    """Charts below each other as one SVG, which follows the reader's light or dark."""
    parts, top, x = [], EDGE + LINE, float(EDGE)
    for key in legend:
        place = f'x1="{x:g}" x2="{x + 14:g}" y1="15" y2="15"'
        parts.append(f'<line class="{key.style}" {place} stroke="currentColor" stroke-width="3"/>')
        parts.append(f'<text font-size="9" x="{x + 18:g}" y="18">{escape(key.label)}</text>')
        x += 30 + LETTER * len(key.label)
    for chart in charts:
        found = _SIZE.match(chart)
        assert found
        height = float(found[1])
        parts.append(chart.replace("<svg ", f'<svg x="{EDGE}" y="{top:g}" width="{WIDTH}" height="{height:g}" ', 1))
        top += height + 6
    size = f'viewBox="0 0 {WIDTH + 2 * EDGE} {top:g}"'
    font = "svg { font: 11px system-ui, sans-serif; } .back { fill: var(--card); }"
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img"><title>{escape(title)}</title>'
    back = f'<rect class="back" width="{WIDTH + 2 * EDGE}" height="{top:g}"/>'
    return f"{head}<style>{style()}{font}</style>{back}{''.join(parts)}</svg>\n"


if __name__ == "__main__":
    for name, figure in {"soc": states_charts.soc_figure(), "rul": states_charts.rul_figure(read(None))}.items():
        text = stacked(figure.charts, figure.legend, figure.caption)
        (DOCS / f"states_{name}.svg").write_text(text, encoding="utf-8")
