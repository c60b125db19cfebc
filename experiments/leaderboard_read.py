"""A result set read quickly: as `results.read` does, but for actions that are only decoded where somebody looks.

A hundred thousand episodes hold ten million actions, of which a page draws a few thousand.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, overload

import pyarrow as pa
import pyarrow.parquet as pq

from voltgym.experiments import results
from voltgym.experiments.records import Record, check_record
from voltgym.experiments.results import NESTED, TRUST, ResultError, Run

OPTIONAL = ("recheck", "design", "directions")
"""Fields that a record need not have."""


class Actions(Sequence[Any]):
    """The actions of one episode: one a step, decoded when they are asked for."""

    def __init__(self, column: pa.ChunkedArray, row: int, discrete: bool) -> None:
        self._column, self._row, self._discrete = column, row, discrete

    def _all(self) -> list[Any]:
        found: list[Any] = self._column[self._row].as_py()
        return [int(action[0]) for action in found] if self._discrete else found

    def __len__(self) -> int:
        return len(self._column[self._row])

    @overload
    def __getitem__(self, at: int) -> Any: ...

    @overload
    def __getitem__(self, at: slice) -> list[Any]: ...

    def __getitem__(self, at: int | slice) -> Any:
        return self._all()[at]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._all())


def read(folder: Path, track: str) -> list[Run]:
    """The runs of one track; the first record of every entry is checked against the schema.

    Raises `ResultError` for files that are missing or damaged.
    """
    place = Path(folder) / track
    try:
        about = json.loads(results.part(folder, track, results.RUNS).read_text(encoding="utf-8"))
        records = _records(pq.read_table(results.part(folder, track, results.EPISODES)), len(about))
        curves = _curves(pq.read_table(results.part(folder, track, results.CURVES)), len(about))
        runs = [Run(**a, records=r, curve=c) for a, r, c in zip(about, records, curves, strict=True)]
    except (OSError, ValueError, KeyError, TypeError, IndexError, pa.ArrowException) as error:
        raise ResultError(f"{place} is damaged ({type(error).__name__}: {error}); restore its three files") from None
    _check(runs, place)
    return runs


def _records(table: pa.Table, runs: int) -> list[list[Record]]:
    found: list[list[Record]] = [[] for _ in range(runs)]
    if not table.num_rows:
        return found
    actions = table["actions"]
    for number, row in enumerate(_rows(table.drop_columns(["actions"]))):
        run, discrete = row.pop("run"), row.pop("discrete")
        for name in OPTIONAL:
            if row.get(name, 0) is None:
                del row[name]
        row["actions"] = Actions(actions, number, discrete)
        found[run].append(row)
    return found


def _rows(table: pa.Table) -> Iterator[dict[str, Any]]:
    """The rows as dicts. A JSON text that is there often is decoded once; nothing may change what comes of it."""
    columns = [_column(name, table[name].to_pylist()) for name in table.column_names]
    names = table.column_names
    return (dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True))


def _column(name: str, values: list[Any]) -> list[Any]:
    if name not in NESTED:
        return values
    known: dict[str | None, Any] = {None: None}
    for text in values:
        if text not in known:
            known[text] = json.loads(text)
    return [known[text] for text in values]


def _curves(table: pa.Table, runs: int) -> list[list[dict[str, Any]]]:
    found: list[list[dict[str, Any]]] = [[] for _ in range(runs)]
    for row in _rows(table):
        found[row.pop("run")].append(row)
    return found


def _check(runs: Sequence[Run], place: Path) -> None:
    seen = set()
    for run in runs:
        if run.trust not in TRUST:
            raise ResultError(f"{place}: {run.entry} is {run.trust!r}; expected one of {', '.join(TRUST)}")
        if run.records and (run.entry, run.author) not in seen:
            first = run.records[0]
            check_record({**first, "actions": list(first["actions"])}, f"{place}, {run.entry}, seed {run.seed}")
            seen.add((run.entry, run.author))


def tracks(folder: Path) -> list[str]:
    """The tracks that ``folder`` has results of. Raises `ResultError` where there are none."""
    found = results.tracks(folder)
    if not found:
        raise ResultError(f"{folder} has no results; expected TRACK.runs.json, written by `voltgym benchmark`")
    return found
