"""How far a sweep is, shown: the same view whatever launches the jobs, from any terminal."""

from __future__ import annotations

import math
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from voltgym.experiments import sweep_plan
from voltgym.experiments.locks import is_held
from voltgym.experiments.progress import duration
from voltgym.experiments.sweep_plan import Sweep
from voltgym.experiments.sweep_state import DONE, FAILED, RUNNING, STOPPED, Overview, View


def judged(result: tuple[str, float, str]) -> str:
    """What a job is judged by, in words."""
    name, value, _ = result
    return f"{name} {value:.4g}" if math.isfinite(value) else f"{name}: none, no episode was feasible"


class Lines:
    """Plain lines: one a job that has ended, and all in one every ``every`` seconds."""

    def __init__(self, every: float = 20.0) -> None:
        self.every, self._last = every, time.monotonic()
        self._said: dict[int, str] = {}

    def show(self, overview: Overview) -> None:
        """Print what is new."""
        for s in overview.states:
            ended = s.status in (DONE, FAILED) or (s.status == STOPPED and s.said)
            if ended and self._said.get(s.job.number) != s.status:
                took = f" in {duration(s.seconds)}" if math.isfinite(s.seconds) else ""
                value = f": {judged(s.result)}" if s.result else f": {s.said}" if s.said else ""
                print(f"{s.job.number:3d} {s.job.label}: {s.status}{took}{value}", file=sys.stderr, flush=True)
            self._said[s.job.number] = s.status
        if time.monotonic() - self._last >= self.every:
            self._last = time.monotonic()
            print(overview.line(), file=sys.stderr, flush=True)

    def close(self) -> None:
        """Nothing to close."""


class Live:
    """A bar of all jobs and a line each for what runs or has failed, on a terminal."""

    def __init__(self, most: int = 12) -> None:
        from rich.console import Console
        from rich.live import Live as Display

        self.most = most
        self._display = Display(console=Console(stderr=True), refresh_per_second=2)
        self._display.start()

    def show(self, overview: Overview) -> None:
        """Draw it anew."""
        self._display.update(table(overview, self.most))

    def close(self) -> None:
        """Leave it as it stands."""
        self._display.stop()


def table(overview: Overview, most: int) -> Any:
    """The view as something that ``rich`` prints."""
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    whole, rows = Table.grid(), Table.grid(padding=(0, 2))
    whole.add_row(ProgressBar(total=len(overview.states), completed=overview.count(DONE), width=40))
    shown = [s for s in overview.states if s.status in (*RUNNING, FAILED, STOPPED)]
    for s in shown[:most]:
        took = duration(s.seconds) if math.isfinite(s.seconds) else ""
        bar = ProgressBar(total=1.0, completed=s.share, width=20)
        rows.add_row(
            str(s.job.number), Text(s.job.label), s.status, bar, took, Text(s.said, no_wrap=True, overflow="ellipsis")
        )
    if len(shown) > most:
        rows.add_row("", Text(f"and {len(shown) - most} more"))
    return Group(Text(overview.line()), whole, rows)


@contextmanager
def watching(sweep: Sweep, every: float = 1.0) -> Iterator[View]:
    """Show how far a sweep is while the body runs, which may put a sweep with more jobs in its place."""
    stop, view = threading.Event(), View(sweep)
    display = Live() if sys.stderr.isatty() else Lines()

    def loop() -> None:
        while not stop.wait(every):
            display.show(view.look())

    thread = threading.Thread(target=loop, daemon=True)
    thread.start()
    try:
        yield view
    finally:
        stop.set()
        thread.join()
        display.show(view.look())
        display.close()


def follow(path: Path, every: float = 1.0) -> Overview:
    """Show how far the sweep in a folder is until none of its jobs waits or runs; what it came to."""
    display = Live() if sys.stderr.isatty() else Lines()
    try:
        while True:
            view = View(sweep_plan.read(path))  # a search gets jobs while it runs
            overview = view.look()
            display.show(overview)
            if not is_held(path) and not overview.count(*RUNNING):
                return overview
            time.sleep(every)
    finally:
        display.close()
