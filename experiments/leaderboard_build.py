"""Write the leaderboard: one static page of every track that a result set has, that asks for nothing from anywhere."""

from __future__ import annotations

import gc
from collections.abc import Mapping, Sequence
from pathlib import Path

from voltgym.envs.errors import UnknownName, VoltGymError
from voltgym.experiments import results, tracks
from voltgym.experiments.files import write_text
from voltgym.experiments.leaderboard_page import TrackView, render, track_view
from voltgym.experiments.results import ResultError, Run
from voltgym.experiments.standings import standings
from voltgym.experiments.tracks import Track

USAGE = """usage: voltgym leaderboard build [out=DIR] [results=DIR]

Writes DIR/index.html (default: leaderboard/index.html), computed from the records in results=DIR (default: those that
voltgym ships). One file: it can be opened from a disk, or put on any web server."""

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
    """Write the site of the result set ``kept`` into the folder ``out``, and say which file it is."""
    gc.disable()  # it would look through all records again and again, and find nothing to free
    try:
        found = {name: results.read(kept, name, check="first", lazily=True) for name in known_tracks(kept)}
    finally:
        gc.enable()
    file = out / "index.html"
    write_text(file, render(site(found, [tracks.load(name) for name in found])))
    return file


def known_tracks(kept: Path) -> list[str]:
    """The tracks that ``kept`` has results of. Raises `ResultError` where there are none."""
    found = results.tracks(kept)
    if not found:
        raise ResultError(f"{kept} has no results; expected TRACK.runs.json, written by `voltgym benchmark`")
    return found


def site(found: Mapping[str, Sequence[Run]], known: Sequence[Track]) -> list[TrackView]:
    """The views of ``known`` tracks, from runs by the name of their track."""
    out = []
    for track in known:
        runs = found.get(track.name, ())
        other = sum(1 for each in runs if each.version != track.version)
        out.append(track_view(standings(runs, track), track, other))
    return out
