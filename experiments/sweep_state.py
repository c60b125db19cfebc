"""How far a sweep is, read off its run folders: nothing here knows how it is launched or shown."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from voltgym.envs.errors import VoltGymError
from voltgym.experiments.locks import is_held
from voltgym.experiments.manifest import took
from voltgym.experiments.progress import duration, note
from voltgym.experiments.records import read_json_lines, read_records
from voltgym.experiments.sweep_job import LOG
from voltgym.experiments.sweep_plan import Job, Sweep
from voltgym.experiments.tables import entry

RUNNING = ("training", "evaluating")
TAIL = 2000
"""Bytes at the end of a log, in which its last words are."""
DONE, FAILED, WAITING, STOPPED = "finished", "failed", "waiting", "stopped"


@dataclass(frozen=True)
class State:
    """How far one job is.

    Args:
        status: ``waiting``, ``training``, ``evaluating``, ``finished``, ``failed`` or ``stopped`` (begun, and nobody
            works on it).
        seconds: since it began, or that it took; NaN before.
        share: done, of the part (training or evaluation) it is in.
        left: seconds, as far as it knows; NaN if it does not.
        said: its latest numbers, or why it failed.
        result: what it is judged by, its name and its direction, where it is finished.
    """

    job: Job
    status: str
    seconds: float = math.nan
    share: float = 0.0
    left: float = math.nan
    said: str = ""
    result: tuple[str, float, str] | None = None


def state(sweep: Sweep, job: Job) -> State:
    """How far a job is. A folder that is just being written is read the next time."""
    run = sweep.run(job)
    try:
        manifest = run.manifest() if run.begun() else None
    except VoltGymError:
        manifest = None
    if manifest is None:
        said = _last_words(run.path / LOG)
        waits = not said or is_held(run.path)
        return State(job, WAITING if waits else FAILED, said="" if waits else said)
    status = str(manifest["status"])
    seconds = took(manifest)
    if status == DONE:
        return State(job, DONE, seconds, 1.0, 0.0, result=_result(run.records_file))
    if status in RUNNING and is_held(run.path):
        file = run.evaluating_file if status == "evaluating" else run.curve_file
        last = _last_line(file)
        numbers = {n: v for n, v in last.items() if n not in ("steps", "total", "seconds", "left") and v is not None}
        left = last.get("left")
        share = last.get("steps", 0) / max(1, last.get("total", 1))
        return State(job, status, seconds, share, math.nan if left is None else left, note(numbers, math.nan))
    said = " ".join(str(manifest.get("error") or _last_words(run.path / LOG)).split())
    if said.startswith("KeyboardInterrupt"):
        said = ""  # whoever stopped it knows
    return State(job, FAILED if status == FAILED else STOPPED, seconds, said=said)


def _last_line(file: Path) -> dict[str, Any]:
    """The last line of a curve; nothing where there is none, or one that cannot be read."""
    try:
        lines = read_json_lines(file, quiet=True)
    except VoltGymError:
        return {}
    return lines[-1] if lines and isinstance(lines[-1], dict) else {}


def _result(file: Path) -> tuple[str, float, str] | None:
    try:
        records = read_records(file)
    except VoltGymError:
        return None
    if not records:
        return None
    (name, value), directions = entry("", records).value, records[0].get("directions") or {}
    return name, value, directions.get(name, "max")


def _last_words(log: Path) -> str:
    try:
        with log.open("rb") as file:
            file.seek(-min(TAIL, file.seek(0, os.SEEK_END)), os.SEEK_END)
            lines = file.read().decode("utf-8", errors="replace").strip().splitlines()
    except OSError:
        return ""
    return "".join(c for c in lines[-1] if c.isprintable()) if lines else ""


@dataclass(frozen=True)
class Overview:
    """How far a sweep is."""

    states: Sequence[State]

    def count(self, *statuses: str) -> int:
        """How many jobs are in one of ``statuses``."""
        return sum(state.status in statuses for state in self.states)

    @property
    def left(self) -> float:
        """Seconds until the last job will have ended, if as many go on at a time; NaN while nothing is known."""
        took = [s.seconds for s in self.states if s.status == DONE and math.isfinite(s.seconds)]
        running = [s for s in self.states if s.status in RUNNING]
        whole = sum(took) / len(took) if took else _guess(running)
        if not running:
            return math.nan
        each = [s.left if math.isfinite(s.left) else max(0.0, whole - s.seconds) for s in running]
        return (sum(each) + self.count(WAITING, STOPPED) * whole) / len(running)

    @property
    def best(self) -> State | None:
        """The finished job with the best result, where all are judged by the same."""
        found = [s for s in self.states if s.result and math.isfinite(s.result[1])]
        kinds = {(s.result[0], s.result[2]) for s in found if s.result}
        if len(kinds) != 1:
            return None
        sign = 1 if kinds.pop()[1] == "max" else -1
        return max(found, key=lambda s: sign * s.result[1] if s.result else -math.inf)

    def line(self) -> str:
        """All of it in one line."""
        total = len(self.states)
        parts = [f"{self.count(DONE)}/{total} done", f"{self.count(*RUNNING)} running"]
        parts += [f"{n} {what}" for what in (FAILED, STOPPED) if (n := self.count(what))]
        if math.isfinite(self.left):
            parts.append(f"{duration(self.left)} left")
        if (best := self.best) is not None and best.result is not None:
            parts.append(f"best {best.result[0]} {best.result[1]:.4g} ({best.job.label})")
        return ", ".join(parts)


def _guess(running: Sequence[State]) -> float:
    known = [s.seconds + s.left for s in running if math.isfinite(s.left)]
    return sum(known) / len(known) if known else math.nan


class View:
    """Looks at the run folders; what has ended is not read again."""

    def __init__(self, sweep: Sweep) -> None:
        self.sweep = sweep
        self._ended: dict[int, State] = {}

    def look(self) -> Overview:
        """How far it is now."""
        states = [self._ended.get(job.number) or state(self.sweep, job) for job in self.sweep.jobs]
        self._ended = {found.job.number: found for found in states if found.status == DONE}
        return Overview(states)
