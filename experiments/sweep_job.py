"""One job of a sweep, in a process of its own: what every launcher starts, wherever it starts it.

``python -m voltgym.experiments.sweep_job SWEEP NUMBER``. A job that is finished is left alone; one that was begun goes
on; one that another process works on is waited for. What it prints goes into ``log.txt`` of its run.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from voltgym.envs.errors import VoltGymError
from voltgym.experiments import sweep_plan
from voltgym.experiments.sweep_plan import Job, Sweep

LOG = "log.txt"


def run(argv: Sequence[str]) -> int:
    """The job's process; returns its exit status."""
    _end_with_parent()
    sweep = sweep_plan.read(Path(argv[0]).absolute())
    job = sweep.jobs[int(argv[1])]
    folder = sweep.run(job).path
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / LOG).open("ab", buffering=0) as log:
            os.dup2(log.fileno(), sys.stdout.fileno())
            os.dup2(log.fileno(), sys.stderr.fileno())
    except OSError as error:  # a file in its place, a read-only or a full disk
        print(f"job {job.number}: {folder}: {error.strerror}; free it", file=sys.stderr)
        return 2
    try:
        train(sweep, job)
    except VoltGymError as error:  # what is there already cannot be read
        print(f"{error}; without {folder} it begins anew", file=sys.stderr)
        return 2
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    except KeyboardInterrupt:
        return 130
    return 0 if sweep.status(job) == "finished" else 1


def train(sweep: Sweep, job: Job) -> None:
    """Begin a job or go on with it, if it is not finished."""
    from voltgym.experiments.arguments import quoted
    from voltgym.experiments.cli import run_command
    from voltgym.experiments.locks import alone

    folder = sweep.run(job)
    with alone(folder.path):
        if folder.status() == "finished":
            return
        if folder.begun():
            run_command("train", [f"resume={folder.path}"])
        else:
            this = ["quiet=true", "hydra.mode=RUN", f"hydra.run.dir={quoted(str(folder.path))}"]
            run_command("train", ["--config-name", sweep.config, *sweep.places, *job.overrides, *this])


def _end_with_parent() -> None:
    """On Linux, end when whoever started this ends: no job outlives a killed sweep for long."""

    def end(number: int, frame: Any) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one must not disturb what the first one set going
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, end)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
