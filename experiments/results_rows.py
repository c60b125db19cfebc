"""Records as rows of a table and back. Actions may stay encoded until somebody looks at them.

A hundred thousand episodes hold ten million actions, of which a page draws a few thousand.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, overload

import numpy as np
import pyarrow as pa

from voltgym.experiments.records import Record

NESTED = (
    "env_kwargs",
    "worst_slacks",
    "values",
    "directions",
    "scenario",
    "ledger",
    "fingerprint",
    "recheck",
)
"""Fields of a record that are kept as JSON text."""
OPTIONAL = ("recheck", "design", "directions")
"""Fields that a record need not have."""
RUN, DISCRETE, LEARNED = "run", "discrete", "trained"
"""What a row has beside the fields of its record: the number of the run, whether actions are whole numbers, and whether
the episode is one of those trained on."""
_ACTIONS = pa.list_(pa.list_(pa.float32()))
_KINDS = {RUN: pa.int32(), "actions": _ACTIONS}


class Actions(Sequence[Any]):
    """The actions of one episode: one a step, decoded when they are asked for."""

    def __init__(self, column: pa.ChunkedArray, row: int, discrete: bool) -> None:
        self._column, self._row, self._discrete = column, row, discrete

    def whole(self) -> list[Any]:
        """All of them."""
        found: list[Any] = self._column[self._row].as_py()
        return [int(action[0]) for action in found] if self._discrete else found

    def __len__(self) -> int:
        return len(self._column[self._row])

    @overload
    def __getitem__(self, at: int) -> Any: ...

    @overload
    def __getitem__(self, at: slice) -> list[Any]: ...

    def __getitem__(self, at: int | slice) -> Any:
        return self.whole()[at]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.whole())


class Steps(Sequence[Mapping[str, Any]]):
    """A curve: one mapping a step, made when it is asked for, of ``columns`` of equal length."""

    def __init__(self, columns: Mapping[str, list[Any]]) -> None:
        self.columns = columns

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    @overload
    def __getitem__(self, at: int) -> Mapping[str, Any]: ...

    @overload
    def __getitem__(self, at: slice) -> list[Mapping[str, Any]]: ...

    def __getitem__(self, at: int | slice) -> Any:
        if isinstance(at, slice):
            return [self[i] for i in range(*at.indices(len(self)))]
        return {name: column[at] for name, column in self.columns.items()}


def column(steps: Sequence[Mapping[str, Any]], name: str) -> list[Any]:
    """What the ``steps`` of a curve say of ``name``; None where they do not."""
    return list(steps.columns[name]) if isinstance(steps, Steps) else [step.get(name) for step in steps]


def curves(found: pa.Table, runs: int) -> list[Steps]:
    """The curve of each of ``runs`` runs; the rows of each are together, in order. Raises `IndexError` for others."""
    names = [name for name in found.column_names if name != RUN]
    owner = found[RUN].to_numpy()
    if len(owner) and not 0 <= owner.min() <= owner.max() < runs:
        raise IndexError(f"a curve of run {owner.max()}, of {runs}")
    ends = np.searchsorted(owner, np.arange(runs), side="right")
    starts = [0, *ends[:-1].tolist()]
    whole = {name: found[name].to_pylist() for name in names}
    return [Steps({n: whole[n][a:b] for n in names}) for a, b in zip(starts, ends.tolist(), strict=True)]


def packed(record: Record, run: int, trained: bool) -> dict[str, Any]:
    """The row of a record of the run number ``run``."""
    out = {n: json.dumps(v, sort_keys=True) if n in NESTED and v is not None else v for n, v in record.items()}
    actions = record["actions"]
    discrete = bool(actions) and not isinstance(actions[0], list)
    own = {"actions": [[action] for action in actions] if discrete else actions}
    return {**out, **own, RUN: run, DISCRETE: discrete, LEARNED: trained}


def table(packed_rows: Sequence[dict[str, Any]]) -> pa.Table:
    """All rows; a field that some lack is null there."""
    names = list(dict.fromkeys(name for row in packed_rows for name in row)) or [RUN]
    return pa.table({n: pa.array([row.get(n) for row in packed_rows], type=_KINDS.get(n)) for n in names})


def unpacked(found: pa.Table, runs: int, lazily: bool) -> tuple[list[list[Record]], list[list[Record]]]:
    """The records of each of ``runs`` runs, and those of episodes trained on.

    ``lazily``: their actions are `Actions`. Texts that are there often are decoded once: nothing may change a record.
    """
    judged: list[list[Record]] = [[] for _ in range(runs)]
    trained: list[list[Record]] = [[] for _ in range(runs)]
    if not found.num_rows:
        return judged, trained
    actions = found["actions"]
    for number, row in enumerate(rows(found.drop_columns(["actions"]))):
        run, discrete, learned = row.pop(RUN), row.pop(DISCRETE), row.pop(LEARNED, False)
        for name in OPTIONAL:
            if row.get(name, 0) is None:
                del row[name]
        kept = Actions(actions, number, discrete)
        row["actions"] = kept if lazily else kept.whole()
        (trained if learned else judged)[run].append(row)
    return judged, trained


def rows(found: pa.Table) -> Iterator[dict[str, Any]]:
    """The rows as dicts, what is nested decoded."""
    columns = [_column(name, found[name].to_pylist()) for name in found.column_names]
    return (dict(zip(found.column_names, values, strict=True)) for values in zip(*columns, strict=True))


def _column(name: str, values: list[Any]) -> list[Any]:
    if name not in NESTED:
        return values
    known: dict[str | None, Any] = {None: None}
    for text in values:
        if text not in known:
            known[text] = json.loads(text)
    return [known[text] for text in values]
