"""A set in a folder, made in parts: each is whole or not there, so that a killed run goes on and several may help."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock, Timeout

from voltgym.envs.errors import VoltGymError, shown
from voltgym.experiments import manifest
from voltgym.experiments.building import Row, computed
from voltgym.experiments.data_charging import MANIFEST, told, write
from voltgym.experiments.files import write_json
from voltgym.experiments.progress import Progress, terminal

Tables = Mapping[str, pa.Table]
Make = Callable[[Mapping[str, Any], int, int], Tables]
"""(config, seed, number of the part) -> its tables by kind. At the top of a module, so that processes find it."""


def run(
    make: Make, parts: int, config: Mapping[str, Any], *, seed: int, workers: int, out: Path, about: Mapping[str, Any]
) -> dict[str, Any]:
    """Make the parts of a set that are missing in ``out``; returns its manifest.

    Raises:
        VoltGymError: the folder holds a set of another config or seed.
    """
    digest = manifest.config_hash({"seed": seed, **config})
    if (out / MANIFEST).exists():
        if told(out).get("config_hash") != digest:
            raise VoltGymError(f"{out} holds a set of another config or seed; choose another out=, or delete it")
    else:
        whole = {**about, "config_hash": digest, "config": {"seed": seed, **config}, "git": manifest.git_state()}
        write_json(out / MANIFEST, whole | {"started": manifest.now()})
    todo = [(make, str(out), k, seed, dict(config)) for k in range(parts) if not _done(out, k).exists()]
    done = parts - len(todo)
    with Progress(terminal(f"data {config['name']}")) as bar:
        bar.update(done, parts)
        found = computed(part, todo, workers, float("inf")) if workers > 1 else (part(*item) for item in todo)
        for i, _ in enumerate(found, done + 1):
            bar.update(i, parts)
    return _finished(out, parts)


def part(make: Make, out: str, k: int, seed: int, config: Mapping[str, Any]) -> Row:
    """Make part ``k``, unless it is there or somebody is at it."""
    folder = Path(out)
    (folder / "locks").mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(str(folder / "locks" / f"{k:05d}.lock"), timeout=0):
            if not _done(folder, k).exists():
                tables = make(config, seed, k)
                for kind in sorted(tables, key=lambda kind: kind == LAST):
                    write(tables[kind], folder / kind / f"part-{k:05d}.parquet")
    except Timeout:
        pass
    return {}


LAST = "cells"
"""The kind of table that is written last: a part that has it is done."""


def _done(out: Path, k: int) -> Path:
    return out / LAST / f"part-{k:05d}.parquet"


def _finished(out: Path, parts: int) -> dict[str, Any]:
    """The manifest with what is in the set now."""
    there = [k for k in range(parts) if _done(out, k).exists()]
    kinds = sorted(file.name for file in out.iterdir() if file.is_dir() and file.name != "locks")
    rows = {kind: sum(pq.read_metadata(out / kind / f"part-{k:05d}.parquet").num_rows for k in there) for kind in kinds}
    about = told(out) | {"parts": len(there), "rows": rows, "finished": manifest.now()}
    write_json(out / MANIFEST, about)
    print(f"{', '.join(f'{n} {kind}' for kind, n in rows.items())} in {out}")
    return about


def table(out: Path, kind: str) -> pa.Table:
    """All parts of one kind of a set. Raises `VoltGymError` where there are none."""
    files = sorted((out / kind).glob("part-*.parquet"))
    if not files:
        raise VoltGymError(f"{out} has no {kind}; make the set with `voltgym data`")
    return pa.concat_tables([pq.read_table(file) for file in files])


def pair(name: str, value: Any, low: float, high: float) -> list[float]:
    """[low, high] of a config, or an error that says what was expected."""
    good = isinstance(value, list | tuple) and len(value) == 2 and all(isinstance(x, int | float) for x in value)
    if not good or not low <= value[0] <= value[1] <= high:
        raise VoltGymError(f"{name} is {shown(value)}; expected [low, high] with {low:g} <= low <= high <= {high:g}")
    return [float(x) for x in value]
