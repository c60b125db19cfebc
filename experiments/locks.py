"""One process at a time in a run folder: the lock goes with the process that holds it, however that ends."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

NAME = ".lock"


@contextmanager
def alone(folder: Path, every: float = 5.0) -> Iterator[None]:
    """Hold the lock of ``folder``; wait, and say so, while another process does."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(str(folder / NAME), is_singleton=True)  # this process may hold it already
    try:
        lock.acquire(timeout=0)
    except Timeout:
        print(f"another process works on {folder}; waiting for it", file=sys.stderr, flush=True)
        lock.acquire(poll_interval=min(every, 0.2))
    try:
        yield
    finally:
        lock.release()


def is_held(folder: Path) -> bool:
    """Whether some process works in ``folder``."""
    file = folder / NAME
    if not file.exists():
        return False
    lock = FileLock(str(file))  # one of its own: what this process holds is held too
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    lock.release()
    return False
