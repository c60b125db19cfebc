"""What builders of shipped data share: work in processes that ends when it should, and tables that are whole."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from voltgym.envs.errors import VoltGymError

Row = dict[str, Any]


def computed(work: Callable[..., Row], todo: Sequence[tuple[Any, ...]], workers: int, end: float) -> Iterator[Row]:
    """``work(*item)`` of each of ``todo`` as it is ready, from ``workers`` new processes.

    None is begun after ``end`` (of ``time.monotonic``). The processes end with this one, even if it is killed.

    Raises:
        VoltGymError: a worker died.
    """
    # New processes, not forked ones: they see what the environment says of memory and threads.
    spawn = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=spawn, initializer=_end_with, initargs=(os.getpid(),))
    left, running = iter(todo), set[Future[Row]]()
    try:
        while True:
            while len(running) < workers and time.monotonic() < end and (next_ := next(left, None)):
                running.add(pool.submit(work, *next_))
            if not running:
                return
            ready, running = wait(running, return_when=FIRST_COMPLETED)
            yield from (future.result() for future in ready)
    except BrokenProcessPool:
        raise VoltGymError(
            "a worker died (killed, or out of memory); what was computed is kept: run the same command again, "
            "with fewer --workers if memory is short"
        ) from None
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _end_with(parent: int) -> None:
    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def read(file: Path) -> list[Row]:
    """The rows of a table that an earlier build wrote; none if there is no file.

    Raises:
        VoltGymError: the table is damaged.
    """
    if not file.exists():
        return []
    try:
        return pq.read_table(file).to_pylist()
    except (OSError, pa.ArrowException) as error:
        raise VoltGymError(f"{file} is damaged ({error}); delete it to build it again") from None


def write(rows: Sequence[Row], file: Path) -> None:
    """The table as parquet, whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(f".{os.getpid()}.part")
    pq.write_table(pa.Table.from_pylist(list(rows)), part, compression="zstd")
    part.replace(file)
