"""Where verified submissions are kept: a result set of what was replayed, and in it one of what was run again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from voltgym.experiments import results
from voltgym.experiments.results import PRIVATE, Run
from voltgym.experiments.submission_rerun import anchors
from voltgym.experiments.tracks import Track


def keep(out: Path, runs: Sequence[Run]) -> None:
    """Write ``runs`` into the result set ``out``: earlier ones of the same author and entry are replaced."""
    new = {(run.track, run.author, run.entry) for run in runs}
    old = [run for run in results.read(out) if (run.track, run.author, run.entry) not in new]
    touched = {run.track for run in runs}
    results.write(out, [run for run in [*old, *runs] if run.track in touched])


def keep_verified(out: Path, runs: Sequence[Run], track: Track) -> list[Path]:
    """Keep what was verified, apart by badge; with runs on the private split, baseline and reference too."""
    places = []
    for place, trust in ((out, "replayed"), (out / PRIVATE, "re-run")):
        chosen = [run for run in runs if run.trust == trust]
        if not chosen:
            continue
        if trust == "re-run":
            there = [run for run in results.read(place) if run.track == track.name and run.version == track.version]
            chosen += anchors(track, there)
        keep(place, chosen)
        places.append(place)
    return places
