"""Print the ranked tables of a result set, or put them into a Markdown file in the place marked for them."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from voltgym.envs.errors import VoltGymError
from voltgym.experiments import configs, results, tables, tracks
from voltgym.experiments.files import write_text
from voltgym.experiments.results import PRIVATE, SHIPPED, Run
from voltgym.experiments.standing import FAULTY, OURS, Standing
from voltgym.experiments.standing_table import interval_text, table
from voltgym.experiments.standings import standings
from voltgym.experiments.tables import Table
from voltgym.experiments.tracks import Track

USAGE = """usage: voltgym benchmark-tables [tracks=[NAME,...]] [results=DIR] [write=FILE.md]

Without `write` the tables are printed. FILE.md has a line `<!-- benchmark -->` before and `<!-- /benchmark -->` after
the place where they go; what is between is replaced."""

DEFAULTS: dict[str, Any] = {"tracks": [], "results": str(SHIPPED), "write": None}
BEGIN, END = "<!-- benchmark -->", "<!-- /benchmark -->"
SHOWN = (
    *("class", "rank", "entry", "score", "public score", "feasible", "train-test gap"),
    *("AUC", "times faster than random", "surrogate gap", "seeds"),
)
"""Columns of the Markdown, beside the value that a track is about and its violated steps; the site shows all."""


UNSEEN = (
    " Private episodes: learned policies as ONNX, references by their own code; *public score* is on the test split."
)


def make(name: str, folder: Path = SHIPPED) -> Table:
    """The table of a track from the records in ``folder``: of private episodes, where there are such results.

    Raises `VoltGymError` if there are none.
    """
    track = tracks.load(name)
    public, private = results.read(folder, name, check="none"), _private(name, folder / PRIVATE)
    where = replace(track, split=PRIVATE) if private else track
    found = standings(private or public, where)
    elsewhere = (
        {s.entry: interval_text(s.score) for s in standings(public, track) if s.author == OURS} if private else {}
    )
    faults = [f"{s.entry} is not scored: {s.why}." for s in found if s.section == FAULTY]
    missing = sorted(set(elsewhere) - {s.entry for s in found})
    more = (
        [f"On public episodes alone, not ranked: {', '.join(f'{n} {elsewhere[n]}' for n in missing)}."]
        if missing
        else []
    )
    return table(found, where, notes=[_what(where, found), *faults, *more], public=elsewhere)


def _private(name: str, folder: Path) -> list[Run]:
    return results.read(folder, name, check="none") if name in results.tracks(folder) else []


def _what(track: Track, found: Sequence[Standing]) -> str:
    anchors = getattr(track.score, "anchors", ())
    ends = f"0 is {anchors[0]}, 1 is {anchors[1]}" if anchors else f"1 is the {track.optimum} optimum"
    budget = ", ".join(f"{most:,} {unit.replace('_', ' ')}" for unit, most in track.budget.items())
    where = UNSEEN if track.split == PRIVATE else ""
    few = " Fewer than ten seeds are provisional." if any(s.provisional for s in found) else ""
    return (
        f"Track `{track.name}`, version {track.version}: at most {budget}.{where} Score: {ends}; interquartile mean "
        f"over seeds with a 95 % bootstrap interval, rank as an interval.{few}"
    )


def markdown(found: Table, value: str) -> str:
    """A table in Markdown with the columns that matter most."""
    kept = [i for i, column in enumerate(found.columns) if column in (*SHOWN, value, "violated steps")]
    rows = tuple(tuple(row[i] for i in kept) for row in found.rows)
    return Table(found.title, tuple(found.columns[i] for i in kept), rows, found.notes).markdown()


def text_of(names: Sequence[str], folder: Path) -> str:
    """The tables of ``names`` in Markdown."""
    return "\n".join(markdown(make(name, folder), tracks.load(name).score.value) for name in names)


def put(file: Path, text: str) -> None:
    """Replace what is between the marks in ``file``. Raises `VoltGymError` where there are none."""
    old = file.read_text(encoding="utf-8")
    if old.count(BEGIN) != 1 or old.count(END) != 1:
        raise VoltGymError(f"{file} needs one line {BEGIN} and, after it, one line {END}: between them go the tables")
    new = re.sub(f"{re.escape(BEGIN)}.*{re.escape(END)}", lambda _: f"{BEGIN}\n\n{text}\n{END}", old, flags=re.DOTALL)
    write_text(file, new)


def main(argv: list[str]) -> None:
    """Print, or write."""
    settings = configs.merge(DEFAULTS, argv)
    folder = Path(str(settings["results"]))
    there = results.tracks(folder)
    names = list(settings["tracks"]) or [name for name in tracks.names() if name in there]
    if not names:
        raise VoltGymError(f"{folder} has no results; run `voltgym benchmark core results={folder}`")
    if settings["write"]:
        put(Path(str(settings["write"])), text_of(names, folder))
        print(settings["write"])
        return
    tables.show([make(name, folder) for name in names])


if __name__ == "__main__":
    from voltgym.experiments.cli import run_command

    run_command("benchmark-tables", sys.argv[1:])
