"""How long the leaderboard takes to build, and how large it is, at many episodes: results repeated under other names.

python -m voltgym.experiments.benchmark_leaderboard [episodes=100000] [results=DIR]
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from voltgym.experiments import leaderboard_build, results
from voltgym.experiments.results import Run


def repeated(runs: Sequence[Run], times: int) -> list[Run]:
    """``runs`` that many times, the copies under other names."""
    return [run if k == 0 else replace(run, entry=f"{run.entry} {k + 1}") for k in range(times) for run in runs]


def measure(kept: Path, episodes: int) -> str:
    """What it took, in words."""
    found = results.read(kept, check="none")
    there = sum(len(run.records) for run in found)
    more = repeated(found, -(-episodes // there))
    with tempfile.TemporaryDirectory() as folder:
        results.write(Path(folder) / "results", more)
        start, busy = time.perf_counter(), time.process_time()
        file = leaderboard_build.write_site(Path(folder) / "results", Path(folder))
        took, used = time.perf_counter() - start, time.process_time() - busy
        size = file.stat().st_size / 1e6
    count = sum(len(run.records) for run in more)
    entries = len({(run.track, run.entry, run.author, run.fingerprint) for run in more})
    return (
        f"{count} episodes, {len(more)} runs, {entries} entries: {took:.1f} s ({used:.1f} s of one core), {size:.2f} MB"
    )


if __name__ == "__main__":
    asked = dict(text.split("=", 1) for text in sys.argv[1:])
    print(measure(Path(asked.get("results", results.SHIPPED)), int(asked.get("episodes", 100_000))))
