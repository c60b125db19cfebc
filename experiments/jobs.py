"""Several training runs at once, each a `voltgym train` of its own process with one thread; resumable."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from voltgym.envs.errors import VoltGymError
from voltgym.experiments.files import write_json
from voltgym.experiments.progress import duration, note
from voltgym.experiments.records import read_json_lines
from voltgym.experiments.runs import RunFolder
from voltgym.experiments.sweep_process import ONE_THREAD


@dataclass
class Job:
    """One run: its name, the overrides of its `voltgym train`, and its folder."""

    name: str
    overrides: tuple[str, ...]
    path: Path
    started: float = field(default=float("nan"))

    @property
    def agent(self) -> str:
        """What its records call it."""
        return self.name

    @property
    def run(self) -> RunFolder:
        """The run folder."""
        return RunFolder(self.path)

    def status(self) -> str:
        """The manifest's status, or ``waiting`` where there is none yet."""
        return self.run.status()

    def check(self) -> None:
        """Raise `VoltGymError` if the folder holds a job with other overrides."""
        mark = self.path / "job.json"
        if not mark.exists():
            return
        try:
            found = json.loads(mark.read_text(encoding="utf-8"))["overrides"]
        except (json.JSONDecodeError, KeyError, TypeError):
            raise VoltGymError(f"{mark} is damaged; remove the folder {self.path} to run this job again") from None
        if found != list(self.overrides):
            raise VoltGymError(
                f"{self.path} holds another job of that name: found {' '.join(found)}, "
                f"expected {' '.join(self.overrides)}; remove that folder, or choose another with folder=..."
            )

    def start(self) -> subprocess.Popen[bytes]:
        """Begin, or go on with what is there. What it prints goes into ``log.txt``."""
        resumed = self.run.begun()
        fresh = [*self.overrides, f"name={self.agent}", "quiet=true", f"hydra.run.dir='{self.path}'"]
        write_json(self.path / "job.json", {"overrides": list(self.overrides)})
        self.started = time.monotonic()
        command = [sys.executable, "-m", "voltgym.experiments.train"]
        with (self.path / "log.txt").open("ab") as log:
            return subprocess.Popen(
                [*command, *([f"resume={self.path}"] if resumed else fresh)],
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env={**os.environ, **ONE_THREAD},
            )

    def reached(self) -> Mapping[str, Any]:
        """The last line of the learning curve, or of the evaluation: steps, total, seconds, left, numbers."""
        file = self.run.evaluating_file if self.status() == "evaluating" else self.run.curve_file
        lines = read_json_lines(file, quiet=True) if file.exists() else []
        return lines[-1] if lines else {}

    def last_words(self) -> str:
        """The last line that it printed, Hydra's hint aside."""
        log = self.path / "log.txt"
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines() if log.exists() else []
        lines = [line for line in lines if line and not line.startswith("Set the environment variable HYDRA")]
        return lines[-1] if lines else "it said nothing"


class Display(Protocol):
    """How the progress of jobs is shown."""

    def update(self, job: Job, status: str, reached: Mapping[str, Any]) -> None:
        """Where a running job is."""
        ...

    def finish(self, job: Job, text: str) -> None:
        """A job has ended."""
        ...

    def close(self) -> None:
        """All jobs have ended."""
        ...


def run_jobs(jobs: Sequence[Job], workers: int, display: Display, every: float = 0.5) -> list[Job]:
    """Run ``jobs``, ``workers`` at a time, in their order; finished ones are skipped. Returns those that failed.

    A job that fails doesn't stop the others. Interrupting stops all; the next call goes on from there.
    """
    for job in jobs:
        job.check()
    for job in (j for j in jobs if j.status() == "finished"):
        display.finish(job, "finished before")
    waiting = [job for job in jobs if job.status() != "finished"]
    running: list[tuple[Job, subprocess.Popen[bytes]]] = []
    failed = []
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                job = waiting.pop(0)
                running.append((job, job.start()))
            time.sleep(every)
            for job, process in list(running):
                if process.poll() is None:
                    display.update(job, job.status(), job.reached())
                    continue
                running.remove((job, process))
                fine = process.returncode == 0 and job.status() == "finished"
                failed += [] if fine else [job]
                took = duration(time.monotonic() - job.started)
                display.finish(job, f"finished in {took}" if fine else f"failed after {took}: {job.last_words()}")
    finally:
        for _, process in running:
            process.terminate()
        for _, process in running:
            process.wait()
        display.close()
    return failed


class Lines:
    """Plain lines: one when a job ends, and where the running ones are every ``every`` seconds."""

    def __init__(self, every: float = 20.0, stream: Any = None) -> None:
        self.every, self.stream = every, stream or sys.stderr
        self._last: dict[str, float] = {}

    def update(self, job: Job, status: str, reached: Mapping[str, Any]) -> None:
        """Write a line, if the last one of this job is long ago."""
        now = time.monotonic()
        if now - self._last.setdefault(job.name, job.started) >= self.every:
            self._last[job.name] = now
            print(f"{job.name}: {where(status, reached)}", file=self.stream, flush=True)

    def finish(self, job: Job, text: str) -> None:
        """Write a line."""
        print(f"{job.name}: {text}", file=self.stream, flush=True)

    def close(self) -> None:
        """Nothing to close."""


class Bars:
    """A live bar a job, on a terminal."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[note]}", markup=False))
        self._display = Progress(*columns, console=Console(stderr=True))
        self._tasks = {
            job.name: self._display.add_task(job.name, total=None, note="waiting", start=False) for job in jobs
        }
        self._display.start()

    def update(self, job: Job, status: str, reached: Mapping[str, Any]) -> None:
        """Move the job's bar."""
        total, steps = reached.get("total"), reached.get("steps", 0)
        self._display.start_task(self._tasks[job.name])
        self._display.update(self._tasks[job.name], total=total, completed=steps, note=where(status, reached))

    def finish(self, job: Job, text: str) -> None:
        """Fill the job's bar and say how it ended."""
        self._display.update(self._tasks[job.name], total=1, completed=1, note=text)

    def close(self) -> None:
        """Leave the bars as they stand."""
        self._display.stop()


def where(status: str, reached: Mapping[str, Any]) -> str:
    """Where a job is, as a short text."""
    if not reached:
        return status
    numbers = {n: v for n, v in reached.items() if n not in ("steps", "total", "seconds", "left") and v is not None}
    left = reached.get("left")
    return f"{status} {reached['steps']}/{reached['total']}  {note(numbers, float('nan') if left is None else left)}"


def display_for(jobs: Sequence[Job]) -> Display:
    """Bars on a terminal, lines elsewhere."""
    return Bars(jobs) if sys.stderr.isatty() else Lines()
