"""The page of the verdicts on designs: a card a design, with what was promised and what each level says."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voltgym.experiments import page
from voltgym.experiments.files import write_text
from voltgym.experiments.making import make_env
from voltgym.experiments.runs import RunFolder
from voltgym.surrogates.base import Failure

if TYPE_CHECKING:
    from voltgym.experiments.verdict import Judged

Z90 = 1.645
"""Standard deviations to either side of a 90 % interval of a normal distribution."""


def write_designs(run: RunFolder, rows: Sequence[Judged]) -> Path:
    """Write ``verdicts.html`` into the run folder, and say where it is."""
    config = run.config()
    env = make_env(config["env"]["id"], {**config["env"]["kwargs"], "split": "nominal"})
    draw = getattr(env.unwrapped.viewer, "design_svg", None)  # type: ignore[attr-defined]
    env.close()
    levels = list(dict.fromkeys(row.level for row in rows))
    title = f"What {config['name']} found"
    html = page.render(
        title,
        _sentence(rows, levels),
        page.Cell(f"{_count(rows)} designs", ""),
        [
            page.Section("Designs, best first", [_cards(rows, levels, draw)]),
            page.Section("In numbers", [_table(rows, levels)]),
        ],
    )
    file = run.path / "verdicts.html"
    write_text(file, html)
    return file


def _count(rows: Sequence[Judged]) -> int:
    return len(dict.fromkeys(row.design for row in rows))


def _sentence(rows: Sequence[Judged], levels: Sequence[str]) -> str:
    said = []
    for level in levels[1:]:
        there = [row for row in rows if row.level == level]
        said.append(f"{sum(row.passes for row in there)} of {len(there)} pass at {level}")
    return "; ".join(said) + ". Passing: feasible there, and at least 90 % of the score that it was chosen for."


def _cards(rows: Sequence[Judged], levels: Sequence[str], draw: Any) -> page.Cards:
    by = {(row.design, row.level): row for row in rows}
    cards = []
    for rank, design in enumerate(dict.fromkeys(row.design for row in rows), 1):
        first, rest = by[design, levels[0]], [by[design, level] for level in levels[1:] if (design, level) in by]
        good = all(row.passes for row in rest)
        verdict = "passes" if good else f"fails at {next(row.level for row in rest if not row.passes)}"
        charts = [draw(design)] if draw else []
        title, tone = f"{rank}. {design}", "good" if good else "bad"
        numbers = page.Folded("Properties", _properties(first, rest), opened=True)
        cards.append(page.Card(title, verdict, tone, _scores(first, rest), charts, numbers))
    caption = "Properties: predictions with half their 90 % intervals, and beside them what a level computes itself."
    return page.Cards(cards, caption, small=True)


def _scores(first: Judged, rest: Sequence[Judged]) -> str:
    said = [f"Score {first.promised:.3f} on {first.level}"]
    return ", ".join([*said, *(f"{_value(row)} on {row.level}" for row in rest)]) + "."


def _value(row: Judged) -> str:
    return f"failed ({Failure(row.failure).name})" if row.value is None else f"{row.value:.3f}"


def _properties(first: Judged, rest: Sequence[Judged]) -> page.Table:
    lines = []
    for name, value in first.measured.items():
        spread = first.measured.get(f"{name} std")
        if name.endswith(" std") or value is None or spread is None:
            continue
        others = [f"{row.measured[name]:.3g}" if _computed(row, first, name) else "" for row in rest]
        lines.append([name, f"{value:.3g} ± {Z90 * spread:.2g}", *others])
    return page.Table("", ["", first.level, *(row.level for row in rest)], lines)


def _computed(row: Judged, first: Judged, name: str) -> bool:
    """Whether a level has a number of its own."""
    return row.measured.get(name) is not None and row.measured[name] != first.measured[name]


def _table(rows: Sequence[Judged], levels: Sequence[str]) -> page.Table:
    by = {(row.design, row.level): row for row in rows}
    lines: list[list[str | page.Cell]] = []
    for design in dict.fromkeys(row.design for row in rows):
        cells = [by.get((design, level)) for level in levels]
        lines.append([design, *(page.Cell(_value(c), "good" if c.passes else "bad") if c else "" for c in cells)])
    return page.Table("Score by level", ["design", *levels], lines)
