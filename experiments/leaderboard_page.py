"""The leaderboard as one HTML text: a view a track and a view an entry, computed from standings."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup

from voltgym.experiments import leaderboard_charts as charts
from voltgym.experiments.leaderboard_cells import span
from voltgym.experiments.leaderboard_columns import Column, columns
from voltgym.experiments.leaderboard_entry import RUN_COLUMNS, EntryView, entry_view
from voltgym.experiments.leaderboard_words import (
    GLOSSARY,
    TRUSTS,
    anchors_text,
    class_text,
    notices,
    track_facts,
)
from voltgym.experiments.page import Key, key
from voltgym.experiments.standing import APART, FAULTY, OURS, RANKED, UNTRUSTED, Standing
from voltgym.experiments.standing_table import interval_text
from voltgym.experiments.tracks import Track


@dataclass(frozen=True)
class TableView:
    """One table: entries of one section, ranked ones of one class."""

    title: str
    note: str
    information: str
    """Of all rows; empty where classes are mixed."""
    columns: Sequence[Column]
    rows: Sequence[EntryView]


@dataclass(frozen=True)
class Figure:
    """Charts with one legend."""

    title: str
    charts: Sequence[str]
    caption: str


@dataclass(frozen=True)
class TrackView:
    """What the page of a track shows."""

    id: str
    track: Track
    anchors: str
    facts: Sequence[tuple[str, str]]
    notices: Sequence[str]
    tables: Sequence[TableView]
    entries: Sequence[EntryView]
    legend: Sequence[tuple[Key, str]]
    """With the id of the entry's page."""
    figures: Sequence[Figure]
    best: Sequence[tuple[Standing, str]]
    """The first of every class, with the words for the class."""
    counts: tuple[int, int, int]
    """Entries, runs, episodes."""


def track_view(found: Sequence[Standing], track: Track, left_out: int = 0) -> TrackView:
    """The page of ``track``; ``left_out`` runs are of other versions of it."""
    entries = [entry_view(s, track, name) for s, name in zip(found, _names(found, track), strict=True)]
    drawn = charts.styles(found)
    ranked = [s for s in found if s.rank]
    firsts = {s.information: s for s in reversed(ranked)}
    return TrackView(
        id=f"track:{track.name}",
        track=track,
        anchors=anchors_text(track),
        facts=track_facts(found, track),
        notices=notices(found, track, left_out),
        tables=_tables(entries, track),
        entries=entries,
        legend=[(key(found[i].entry, style), entries[i].id) for i, style in drawn.items()],
        figures=_figures(found, drawn, track),
        best=[(firsts[name], class_text(name, track)) for name in sorted(firsts)],
        counts=(len(found), sum(len(s.runs) for s in found), sum(len(r.records) for s in found for r in s.runs)),
    )


def _names(found: Sequence[Standing], track: Track) -> list[str]:
    """An id for every entry, of letters and digits: it stays the same while others come and go."""
    taken: dict[str, int] = {}
    out = []
    for s in found:
        who = [s.entry, *([s.author] if s.author != OURS else []), s.information]
        text = re.sub(r"[^a-z0-9]+", "-", "-".join(who).lower()).strip("-")[:60]
        taken[text] = taken.get(text, 0) + 1
        out.append(f"entry:{track.name}:{text}" + (f"-{taken[text]}" if taken[text] > 1 else ""))
    return out


def _tables(entries: Sequence[EntryView], track: Track) -> list[TableView]:
    axis = span([e.standing for e in entries])
    sections: dict[tuple[str, str], list[EntryView]] = {}
    for e in entries:
        s = e.standing
        sections.setdefault((s.section, s.information if s.section == RANKED else ""), []).append(e)
    out = []
    for (section, information), rows in sections.items():
        title = class_text(information, track) if section == RANKED else SECTION_TITLES[section]
        shown = columns([e.standing for e in rows], track, axis)
        out.append(TableView(title, SECTION_NOTES.get(section, ""), information, shown, rows))
    return out


SECTION_TITLES = {UNTRUSTED: "Not ranked (self-reported)", APART: "Another fingerprint", FAULTY: "Not scored"}
SECTION_NOTES = {
    UNTRUSTED: "Control is ranked from re-run entries only: a public scenario can be optimised off-line.",
    APART: "Made by installations that give other golden numbers, so not to be compared with the tables above.",
    FAULTY: "What is wrong is said beside each entry.",
}


def _figures(found: Sequence[Standing], drawn: charts.Styles, track: Track) -> list[Figure]:
    progress = charts.progress_charts(found, drawn, track)
    profile = charts.profile_chart(found, drawn)
    first = "Best so far" if charts.searches(track) else "Learning"
    shown = [Figure(first, progress, charts.caption(track)), Figure("Performance profile", [profile], PROFILE)]
    return [figure for figure in shown if any(figure.charts)]


PROFILE = "How many runs and episodes score above each threshold: a curve further up and to the right is better."


@cache
def _template() -> Template:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["svg"] = Markup  # our own charts escape what they are given
    return environment.from_string(_file("leaderboard.html"))


def _file(name: str) -> str:
    return resources.files("voltgym.experiments").joinpath(name).read_text(encoding="utf-8")


def render(views: Sequence[TrackView]) -> str:
    """The whole site in one text. Its policy lets nothing be asked for, and no other script run than its own."""
    style, script = _file("leaderboard.css"), _file("leaderboard.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'"
    )
    totals = [sum(view.counts[i] for view in views) for i in range(3)]
    return _template().render(
        views=views,
        style=Markup(style),  # package data, not anybody's input
        script=Markup(script),
        policy=policy + "; form-action 'none'",
        totals=totals,
        glossary=GLOSSARY,
        trusts=TRUSTS,
        run_columns=RUN_COLUMNS,
        interval_text=interval_text,
    )
