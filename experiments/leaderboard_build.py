"""Write the leaderboard: one static page of every track that a result set has, that asks for nothing from anywhere."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from voltgym.envs.errors import UnknownName, VoltGymError
from voltgym.experiments import results, tracks
from voltgym.experiments.files import write_text
from voltgym.experiments.leaderboard_page import TrackView, render, track_view
from voltgym.experiments.results import PRIVATE, TRUST, ResultError, Run
from voltgym.experiments.standings import standings
from voltgym.experiments.tracks import Track

USAGE = """usage: voltgym leaderboard build [out=DIR] [results=DIR]

Writes DIR/index.html (default: leaderboard/index.html), computed from the records in results=DIR (default: those that
voltgym ships). Policies that were run again on private episodes are in DIR/private, and have tables of their own.
One file: it can be opened from a disk, or put on any web server."""

DEFAULTS = {"out": "leaderboard", "results": str(results.SHIPPED)}


def run(argv: Sequence[str]) -> None:
    """Build the site and say where it is."""
    settings = _settings(argv)
    print(write_site(Path(settings["results"]), Path(settings["out"])))


def _settings(argv: Sequence[str]) -> dict[str, str]:
    settings = dict(DEFAULTS)
    for text in argv:
        name, equals, value = text.partition("=")
        if not equals or not value:
            raise VoltGymError(f"{text!r} is not key=value\n{USAGE}")
        if name not in settings:
            raise UnknownName("key", name, settings)
        settings[name] = value
    return settings


def write_site(kept: Path, out: Path) -> Path:
    """Write the site of the result set ``kept``, and of the private one in it, into ``out``; say which file it is."""
    gc.disable()  # it would look through all records again and again, and find nothing to free
    try:
        places = [place for place in (kept, kept / PRIVATE) if results.tracks(place)]
        runs = [run for place in places for run in results.read(place, check="first", lazily=True)]
    finally:
        gc.enable()
    if not places:
        raise ResultError(f"{kept} has no results; expected TRACK.runs.json, written by `voltgym benchmark`")
    file = out / "index.html"
    write_text(file, render(site(runs, [tracks.load(name) for name in sorted({run.track for run in runs})])))
    return file


def site(runs: Sequence[Run], known: Sequence[Track]) -> list[TrackView]:
    """The views of ``known`` tracks. What was run again on private episodes has a view of its own, before the other."""
    out = []
    for track in known:
        private, here = hidden(track), [run for run in runs if run.track == track.name]
        unseen = [replace(run, track=private.name) for run in here if run.hidden]
        public = [run for run in here if not run.hidden]
        again = standings(unseen, private)
        if unseen:
            out.append(track_view(again, private, _of_other_versions(unseen, track)))
        elsewhere = {s.information for s in again if s.rank and s.trust == TRUST[-1]}
        if public or not unseen:
            out.append(track_view(standings(public, track, elsewhere), track, _of_other_versions(public, track)))
    return out


def _of_other_versions(runs: Sequence[Run], track: Track) -> int:
    return sum(1 for run in runs if run.version != track.version)


def hidden(track: Track) -> Track:
    """``track`` on the private split, under a name of its own."""
    return replace(track, name=f"{track.name}_{PRIVATE}", title=f"{track.title}: private episodes", split=PRIVATE)
