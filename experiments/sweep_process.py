"""The processes of jobs: started and waited for by a launcher, and ended with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from voltgym.experiments import sweep_plan
from voltgym.experiments.sweep_job import LOG

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
"""Jobs share the cores, and small networks are slower with more threads than with one."""
ENDS = (0, 1, 2, 130)
"""Exit statuses of a job that has said itself why it ended."""
GRACE = 10.0
"""Seconds for a job that is told to end, before it is killed."""
TERMINATED = 143

_running: set[subprocess.Popen[bytes]] = set()
_ending = threading.Event()


def run_process(sweep: Path, number: int) -> int:
    """Run a job and wait for its end; its exit status. What a launcher calls on the machine of its choice."""
    if _ending.is_set():
        return 130
    command = [sys.executable, "-m", "voltgym.experiments.sweep_job", str(sweep), str(number)]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, env={**os.environ, **ONE_THREAD})
    _running.add(process)
    try:
        status = process.wait()
    except BaseException:
        _end([process])
        raise
    finally:
        _running.discard(process)
    if status not in ENDS and not _ending.is_set():
        _note_end(sweep, number, status)
    return status


def _note_end(sweep: Path, number: int, status: int) -> None:
    """Say in a job's log how its process ended, where it could not say so itself."""
    plan = sweep_plan.read(sweep)
    how = f"by signal {signal.Signals(-status).name}" if status < 0 else f"with exit status {status}"
    more = "; out of memory?" if status in (-signal.SIGKILL, 137) else ""
    folder = plan.run(plan.jobs[number]).path
    with suppress(OSError), (folder / LOG).open("a", encoding="utf-8") as log:
        log.write(f"\nthe process of the job ended {how}{more}\n")


@contextmanager
def ended_together() -> Iterator[None]:
    """The jobs that the body started in threads end when it does not end well."""
    try:
        yield
    except BaseException:
        _ending.set()
        _end(list(_running))
        raise
    finally:
        _ending.clear()


def _end(processes: list[subprocess.Popen[bytes]]) -> None:
    """Tell them to end, and kill what does not."""
    try:
        for process in processes:
            process.terminate()
        until = time.monotonic() + GRACE
        for process in processes:
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, until - time.monotonic()))
    finally:  # told to end a second time, it does not wait
        for process in processes:
            process.kill()


@contextmanager
def terminable() -> Iterator[None]:
    """SIGTERM ends the body as Ctrl-C does, with exit status 143."""

    def end(number: int, frame: Any) -> None:
        sys.exit(TERMINATED)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
