"""Entries and ranked tables, computed from records; and how they look on a terminal and in Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from voltgym.envs.episodes import COMPLETED
from voltgym.experiments import metrics
from voltgym.experiments.records import Record

ENOUGH_FEASIBLE = 0.95
"""Entries with a smaller share of feasible episodes rank below all others, whatever their score."""


@dataclass(frozen=True)
class Scoring:
    """How times become a score: see `metrics.score`. ``maximum`` is in the unit of ``value``."""

    value: str
    maximum: float
    baseline: str
    reference: str


@dataclass(frozen=True)
class Entry:
    """What a table says of one agent in one environment."""

    name: str
    information: str
    episodes: int
    feasible: float
    value: tuple[str, float]
    """The first named result and its mean over the feasible episodes (over all, where feasibility isn't defined)."""
    margins: dict[str, float]
    recheck: tuple[int, int] | None
    """(feasible, checked) on the finer model."""
    better: str = "min"
    """``"min"`` or ``"max"``: which values rank first where there is no score."""
    score: float = float("nan")
    rank: int | None = None
    notes: tuple[str, ...] = field(default=())


def entry(name: str, records: Sequence[Record]) -> Entry:
    """The entry of ``records``, all of one agent in one environment. The score is left to :func:`scored`."""
    first = next(iter(records[0]["values"]), "Return")
    counted = [r for r in records if r["feasible"] is not False]
    found = metrics.values(counted, first) if counted else np.array([])
    checked = [r["recheck"]["feasible"] for r in records if r.get("recheck")]
    return Entry(
        name=name,
        information=records[0]["information"],
        episodes=len(records),
        feasible=metrics.feasible_rate(records),
        value=(first, float(np.nanmean(found)) if np.isfinite(found).any() else float("nan")),
        margins=metrics.worst_margins(records),
        recheck=(sum(checked), len(checked)) if checked else None,
        better=(records[0].get("directions") or {}).get(first, "min"),
    )


def scored(groups: Mapping[str, Sequence[Record]], scoring: Scoring | None) -> list[Entry]:
    """The entries of ``groups`` (name -> records), with scores where the baseline and the reference are among them."""
    entries = [entry(name, records) for name, records in groups.items()]
    if scoring is None or not {scoring.baseline, scoring.reference} <= groups.keys():
        return entries
    base, best = groups[scoring.baseline], groups[scoring.reference]
    found = {
        name: metrics.score(records, base, best, scoring.value, scoring.maximum) for name, records in groups.items()
    }
    marks = {scoring.baseline: ("baseline",), scoring.reference: ("reference",)}
    return [_with(e, score=found[e.name], notes=marks.get(e.name, ())) for e in entries]


def _with(old: Entry, **changes: Any) -> Entry:
    return Entry(**{**vars(old), **changes})


def ranked(entries: Sequence[Entry]) -> list[Entry]:
    """Entries class by class, best first. Those under 95 % feasible come last in their class, whatever their score."""

    def order(e: Entry) -> tuple[Any, ...]:
        low = -e.score if e.score == e.score else float("inf")
        value = e.value[1] * {"min": 1, "max": -1}[e.better] if e.value[1] == e.value[1] else float("inf")
        return e.information, e.feasible < ENOUGH_FEASIBLE, low, value, e.name

    out: list[Entry] = []
    for e in sorted(entries, key=order):
        before = sum(1 for other in out if other.information == e.information)
        out.append(_with(e, rank=before + 1))
    return out


@dataclass(frozen=True)
class Table:
    """Texts in rows, ready to be shown."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()

    def markdown(self) -> str:
        """The table in Markdown."""
        lines = [self.columns, tuple("---" for _ in self.columns), *self.rows]
        body = "\n".join("| " + " | ".join(row) + " |" for row in lines)
        return "\n\n".join([f"### {self.title}", body, *self.notes]) + "\n"


def table(title: str, entries: Sequence[Entry], notes: Sequence[str] = ()) -> Table:
    """A table of ``entries`` in their order."""
    slacks = [n for n in dict.fromkeys(n for e in entries for n in e.margins) if n != COMPLETED]
    names = dict.fromkeys(e.value[0] for e in entries)
    margins = [f"worst {name}" for name in slacks]
    columns = ("class", "rank", "agent", "feasible", *names, *margins, "re-check", "score", "")
    rows = [_row(e, list(names), slacks) for e in entries]
    kept = [i for i, column in enumerate(columns) if column in names or any(row[i] != "-" for row in rows)]
    return Table(
        title, tuple(columns[i] for i in kept), tuple(tuple(row[i] for i in kept) for row in rows), tuple(notes)
    )


def _row(e: Entry, names: Sequence[str], slacks: Sequence[str]) -> tuple[str, ...]:
    values = [_number(e.value[1], 2) if e.value[0] == name else "-" for name in names]
    margins = [_number(e.margins.get(name, float("nan")), 4, sign=True) for name in slacks]
    feasible = "-" if e.feasible != e.feasible else f"{100 * e.feasible:.0f} % of {e.episodes}"
    recheck = f"{e.recheck[0]} of {e.recheck[1]}" if e.recheck else "-"
    rank = "-" if e.rank is None else str(e.rank)
    notes = ", ".join(e.notes) or "-"
    return e.information, rank, e.name, feasible, *values, *margins, recheck, _number(e.score, 3), notes


def _number(value: float, digits: int, sign: bool = False) -> str:
    if value != value:
        return "-"
    return f"{value:+.{digits}f}" if sign else f"{value:.{digits}f}"


def summary(name: str, records: Sequence[Record], settings: Mapping[str, Any]) -> Table:
    """The table of one run: one row."""
    return table(f"{records[0]['env_id']}, split {settings['split']}", [entry(name, records)])


def show(tables: Sequence[Table]) -> None:
    """Print tables on the terminal."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table as Display

    console = Console() if Console().is_terminal else Console(width=160)
    for each in tables:
        display = Display(
            title=escape(each.title),
            title_justify="left",
            caption=escape("\n".join(each.notes)),
            caption_justify="left",
        )
        for i, column in enumerate(each.columns):
            display.add_column(escape(column), justify="left" if i < 3 else "right")
        for row in each.rows:
            display.add_row(*map(escape, row))
        console.print(display)
