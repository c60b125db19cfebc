"""Progress of anything long: steps, time left and current numbers, on the terminal and into the run folder.

Agents call ``progress.update(done, total, **numbers)`` as often as they like; what is shown and written is thinned.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, Self

from voltgym.experiments.files import append_json_line


class Sink(Protocol):
    """Where progress goes. ``seconds`` is the time since the start, ``left`` the estimate of what remains."""

    def update(self, steps: int, total: int, numbers: Mapping[str, float], seconds: float, left: float) -> None:
        """Take one report."""
        ...

    def close(self) -> None:
        """Nothing more will come."""
        ...


class Progress:
    """What agents report to. A context manager: leaving it closes the sinks, whatever happened."""

    def __init__(self, sinks: Sequence[Sink], clock: Callable[[], float] = time.monotonic) -> None:
        self.sinks, self.clock = list(sinks), clock
        self.started = clock()
        self.steps = self.total = self._first = 0
        self._updates = 0

    def update(self, done: int, total: int, **numbers: float) -> None:
        """``done`` of ``total``; ``numbers`` are what is known now, such as the current score."""
        if not self._updates:
            self._first = int(done)  # a resumed run starts here, and its speed must not count what was done before
        self._updates += 1
        self.steps, self.total = int(done), int(total)
        seconds = self.clock() - self.started
        new = self.steps - self._first
        left = seconds * (self.total - self.steps) / new if new > 0 else float("nan")
        clean = {name: float(value) for name, value in numbers.items()}
        for sink in self.sinks:
            sink.update(self.steps, self.total, clean, seconds, left)

    __call__ = update

    def close(self) -> None:
        """Close every sink."""
        for sink in self.sinks:
            sink.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Bar:
    """A live bar on a terminal."""

    def __init__(self, title: str) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
        from rich.progress import Progress as Display

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
        )
        self._display = Display(*columns, console=Console(stderr=True))
        self._task = self._display.add_task(title, total=None, note="")
        self._display.start()

    def update(self, steps: int, total: int, numbers: Mapping[str, float], seconds: float, left: float) -> None:
        """Move the bar."""
        self._display.update(self._task, completed=steps, total=total, note=note(numbers, left))

    def close(self) -> None:
        """Leave the bar as it stands."""
        self._display.stop()


class Lines:
    """Plain lines for a log: one every ``share`` of the way or ``every`` seconds, and the last."""

    def __init__(self, title: str, write: Callable[[str], Any] | None = None, every: float = 30.0, share: float = 0.1):
        self.title, self.every, self.share = title, every, share
        self._write = write or (lambda line: print(line, file=sys.stderr, flush=True))
        self._last = (-share, -every)

    def update(self, steps: int, total: int, numbers: Mapping[str, float], seconds: float, left: float) -> None:
        """Write a line if it is time for one."""
        part = steps / max(total, 1)
        due = part - self._last[0] >= self.share or seconds - self._last[1] >= self.every
        if due or (steps >= total and part > self._last[0]):
            self._last = (part, seconds)
            self._write(f"{self.title}: {steps}/{total} {note(numbers, left)}".rstrip())

    def close(self) -> None:
        """Nothing to close."""


class Thinned:
    """Passes a report on at most every ``every`` seconds; the latest one held back follows on closing."""

    def __init__(self, sink: Sink, every: float = 1.0) -> None:
        self.sink, self.every = sink, every
        self._last = -every
        self._held: tuple[Any, ...] | None = None

    def update(self, steps: int, total: int, numbers: Mapping[str, float], seconds: float, left: float) -> None:
        """Pass on, or hold back."""
        self._held = (steps, total, numbers, seconds, left)
        if seconds - self._last >= self.every or steps >= total:
            self._last = seconds
            self._flush()

    def _flush(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            self.sink.update(*held)

    def close(self) -> None:
        """Pass on what was held back, and close."""
        self._flush()
        self.sink.close()


class LearningCurve:
    """JSON lines in the run folder: ``{"steps", "total", "seconds", "left", **numbers}``; survives a kill."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def update(self, steps: int, total: int, numbers: Mapping[str, float], seconds: float, left: float) -> None:
        """Append one line."""
        append_json_line(self.path, {"steps": steps, "total": total, "seconds": seconds, "left": left, **numbers})

    def close(self) -> None:
        """Nothing to close."""


class TensorBoard:
    """Scalars for TensorBoard, one a number, for every agent alike."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._writer: Any = None

    def update(self, steps: int, total: int, numbers: Mapping[str, float], seconds: float, left: float) -> None:
        """Write the numbers at ``steps``."""
        if self._writer is None:
            from tensorboard.summary import Writer

            self._writer = Writer(str(self.folder))
        for name, value in numbers.items():
            self._writer.add_scalar(f"voltgym/{name}", value, steps)

    def close(self) -> None:
        """Flush and close the event file."""
        if self._writer is not None:
            self._writer.close()


def note(numbers: Mapping[str, float], left: float) -> str:
    """The numbers and the time left as a short text."""
    parts = [f"{name} {value:.4g}" for name, value in numbers.items()]
    return "  ".join([*parts, f"{duration(left)} left"] if left == left else parts)


def duration(seconds: float) -> str:
    """Seconds as ``h:mm:ss``, or ``m:ss`` under an hour."""
    whole = max(0, round(seconds))
    hours, rest = divmod(whole, 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60}:{rest % 60:02d}"


def terminal(title: str, quiet: bool = False) -> list[Sink]:
    """The sinks for a person: a bar on a terminal, plain lines elsewhere, nothing if ``quiet``."""
    if quiet:
        return []
    return [Bar(title) if sys.stderr.isatty() else Lines(title)]
