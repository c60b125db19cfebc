"""The standings of a track as a table of texts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from voltgym.experiments.standing import OURS, RANKED, Standing
from voltgym.experiments.statistics import Interval, Rank
from voltgym.experiments.tables import Table
from voltgym.experiments.tracks import Track

MISSING = "-"


class Column(NamedTuple):
    """A column: its name, and what it says of a standing."""

    name: str
    text: Callable[[Standing], str]


def table(
    found: Sequence[Standing],
    track: Track,
    section: str = RANKED,
    notes: Sequence[str] = (),
    public: Mapping[str, str] = MappingProxyType({}),
) -> Table:
    """The standings of one section in their order. Columns that say nothing of any are left out.

    ``public``: our own entries' scores on episodes that everybody can see, by name, beside those on private ones.
    """
    shown = [s for s in found if s.section == section]
    columns = _columns(track)
    columns.insert(4, Column("public score", lambda s: public.get(s.entry, MISSING) if s.author == OURS else MISSING))
    rows = [[column.text(s) for column in columns] for s in shown]
    kept = [i for i in range(len(columns)) if any(row[i] != MISSING for row in rows)]
    return Table(
        track.title,
        tuple(columns[i].name for i in kept),
        tuple(tuple(row[i] for i in kept) for row in rows),
        tuple(notes),
    )


def _columns(track: Track) -> list[Column]:
    return [
        Column("class", lambda s: s.information),
        Column("rank", lambda s: rank_text(s.rank)),
        Column("entry", lambda s: s.entry),
        Column("score", lambda s: interval_text(s.score)),
        Column("feasible", lambda s: percent(s.feasible)),
        Column("violated steps", lambda s: MISSING if track.hand_in else share_text(s.violated)),
        Column(track.score.value, lambda s: number(s.value)),
        Column("train-test gap", lambda s: number(s.train_gap)),
        Column("AUC", lambda s: interval_text(s.search.auc) if s.search else MISSING),
        Column("regret", lambda s: number(s.search.regret) if s.search else MISSING),
        Column("times faster than random", acceleration_text),
        Column("surrogate gap", lambda s: number(s.search.surrogate_gap) if s.search else MISSING),
        Column("seeds", seeds_text),
        Column("budget", budget_text),
        Column("trust", lambda s: s.trust),
        Column("", lambda s: s.why or MISSING),
    ]


def rank_text(rank: Rank | None) -> str:
    """Such as ``1-3``."""
    if rank is None:
        return MISSING
    return str(rank.best) if rank.best == rank.worst else f"{rank.best}\N{EN DASH}{rank.worst}"


def interval_text(found: Interval, digits: int = 2) -> str:
    """Such as ``0.93 [0.90, 0.95]``; without an interval where one run is all there is."""
    if found.value != found.value:
        return MISSING
    ends = f" [{found.low:.{digits}f}, {found.high:.{digits}f}]" if found.low == found.low else ""
    return f"{found.value:.{digits}f}{ends}"


def percent(share: float) -> str:
    """A share in percent that says 100 only of all, and 0 only of none."""
    if share != share:
        return MISSING
    text = f"{100 * share:.0f}"
    exact = {"100": share == 1, "0": share == 0}.get(text, True)
    return f"{text if exact else f'{100 * share:.1f}'} %"


def share_text(share: float) -> str:
    """A small share in percent, two decimals."""
    return MISSING if share != share else f"{100 * share:.2f} %"


def number(value: float) -> str:
    """Four digits that matter, none of them beyond the fourth decimal place."""
    return MISSING if value != value else f"{round(value, 4) + 0.0:.4g}"


def thousands(value: float) -> str:
    """Such as ``1 000 000``."""
    return f"{value:,.0f}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def budget_text(s: Standing) -> str:
    """Such as ``1 000 env steps``."""
    return f"{thousands(s.budget)} {s.unit.replace('_', ' ')}" if s.budget else MISSING


def seeds_text(s: Standing) -> str:
    """How many seeds, and what they are too few for."""
    if s.fixed:
        return "1, fixed" if len(s.runs) == 1 else f"{len(s.runs)}, fixed"
    return f"{len(s.runs)}{', provisional' if s.provisional else ''}"


def acceleration_text(s: Standing) -> str:
    """The acceleration factor over random search; ``<=`` where it is a bound."""
    if s.search is None or s.search.acceleration is None:
        return MISSING
    factor, bound = s.search.acceleration
    return f"{'≤ ' if bound else ''}{factor:.0f}" if factor >= 100 else f"{'≤ ' if bound else ''}{factor:.2g}"
