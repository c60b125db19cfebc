"""A result set: the runs of agents on tracks, compact enough to be committed and whole enough to be recomputed.

Three files a track: ``<track>.runs.json`` (what each run was), ``.episodes.parquet`` (its records, one an episode, with
every action) and ``.curves.parquet`` (how it got there). Tables, ranks, the leaderboard and the README are computed
from these and from nothing else.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from voltgym.envs.errors import UnknownName, VoltGymError
from voltgym.experiments.files import write_json
from voltgym.experiments.records import Record, check_record

SHIPPED = Path(__file__).parent / "published"
"""The published result set."""

RUNS, EPISODES, CURVES = "runs.json", "episodes.parquet", "curves.parquet"
TRUST = ("self-reported", "replayed", "re-run")
"""Who computed the records: the author; trusted code from the author's actions or designs, whoever chose them (*open
loop*); trusted code with the author's policy, on episodes that nobody had seen."""


class ResultError(VoltGymError):
    """A result set is not what it should be. Names the file."""


@dataclass(frozen=True)
class Run:
    """One agent with one seed on one track."""

    track: str
    version: int
    """Of the track."""
    entry: str
    seed: int | None
    information: str
    """``bms``, ``full`` or ``lookahead``: classes are ranked apart."""
    budget: int
    unit: str
    """What the budget counts."""
    spent: Mapping[str, float]
    """What the ledger says of the training, by kind; ``solver_seconds`` is what the physics took at its first cost."""
    seconds: float
    """Of training and evaluation, on the clock."""
    fingerprint: str
    """Of `voltgym doctor`: which golden numbers the installation gives. Different ones are never compared silently."""
    trust: str = "self-reported"
    author: str = "voltgym"
    config_hash: str = ""
    surrogate_gap: float | None = None
    """What learned properties promised of the designs handed in beyond what physics says, on average; None where the
    physics was asked in the first place."""
    records: Sequence[Record] = field(default=(), repr=False)
    """One an episode, in their order."""
    curve: Sequence[Mapping[str, Any]] = field(default=(), repr=False)
    """How it got there, in order: ``spent`` (of the budget, so far), ``value`` (of the design that was asked for, or of
    the policy on the validation episodes; None where there is none), ``feasible`` (a share)."""

    def about(self) -> dict[str, Any]:
        """All but the records and the curve."""
        return {name: value for name, value in asdict(self).items() if name not in ("records", "curve")}


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
_ACTIONS = pa.list_(pa.list_(pa.float32()))
_CURVE = pa.schema(
    [("run", pa.int32()), ("spent", pa.int64()), ("value", pa.float64()), ("feasible", pa.float64())],
)


def part(folder: Path, track: str, name: str) -> Path:
    """One of the three files of a track."""
    return Path(folder) / f"{track}.{name}"


def write(folder: Path, runs: Iterable[Run]) -> None:
    """Write ``runs`` into ``folder``; what is there of their tracks is replaced.

    Each file is written whole or not at all.
    """
    tracks: dict[str, list[Run]] = {}
    for run in runs:
        tracks.setdefault(run.track, []).append(run)
    for track, group in tracks.items():
        group.sort(key=lambda run: (run.entry, -1 if run.seed is None else run.seed))
        folder.mkdir(parents=True, exist_ok=True)
        _write_table(part(folder, track, EPISODES), _episodes(group))
        rows = [
            {"run": i, **{n: step.get(n) for n in _CURVE.names[1:]}} for i, r in enumerate(group) for step in r.curve
        ]
        _write_table(part(folder, track, CURVES), pa.Table.from_pylist(rows, schema=_CURVE))
        write_json(part(folder, track, RUNS), [run.about() for run in group])


def _episodes(runs: Sequence[Run]) -> pa.Table:
    rows = [{"run": i, **_packed(record)} for i, run in enumerate(runs) for record in run.records]
    names = list(dict.fromkeys(name for row in rows for name in row)) or ["run"]
    kinds = {"run": pa.int32(), "actions": _ACTIONS}
    return pa.table({name: pa.array([row.get(name) for row in rows], type=kinds.get(name)) for name in names})


def _packed(record: Record) -> dict[str, Any]:
    out = {n: json.dumps(v, sort_keys=True) if n in NESTED and v is not None else v for n, v in record.items()}
    actions = record["actions"]
    out["discrete"] = bool(actions) and not isinstance(actions[0], list)
    out["actions"] = [[action] for action in actions] if out["discrete"] else actions
    return out


def _unpacked(row: dict[str, Any], discrete: bool) -> Record:
    record = {n: json.loads(v) if n in NESTED and v is not None else v for n, v in row.items()}
    if discrete:
        record["actions"] = [int(action[0]) for action in record["actions"]]
    optional = ("recheck", "design", "directions")
    return {n: v for n, v in record.items() if v is not None or n not in optional}


def _write_table(path: Path, table: pa.Table) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    os.close(handle)
    try:
        pq.write_table(table, name, compression="zstd", compression_level=12)
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def tracks(folder: Path = SHIPPED) -> list[str]:
    """The tracks that ``folder`` has results of."""
    return sorted(file.name.removesuffix(f".{RUNS}") for file in Path(folder).glob(f"*.{RUNS}"))


def read(folder: Path = SHIPPED, track: str | None = None, *, checked: bool = True) -> list[Run]:
    """The runs in ``folder``, of one track or of all.

    ``checked``: every record against the schema, which takes most of the time. Raises `ResultError` for files that are
    missing or damaged.
    """
    known = tracks(folder)
    if track is not None and track not in known:
        raise UnknownName("track with results", track, known)
    return [run for name in known if track in (None, name) for run in _read(Path(folder), name, checked)]


def _read(folder: Path, track: str, checked: bool) -> list[Run]:
    try:
        about = json.loads(part(folder, track, RUNS).read_text(encoding="utf-8"))
        episodes = pq.read_table(part(folder, track, EPISODES)).to_pylist()
        curves = pq.read_table(part(folder, track, CURVES)).to_pylist()
        records: list[list[Record]] = [[] for _ in about]
        steps: list[list[dict[str, Any]]] = [[] for _ in about]
        for row in episodes:
            run, discrete = row.pop("run"), row.pop("discrete")
            records[run].append(_unpacked(row, discrete))
        for row in curves:
            steps[row.pop("run")].append(row)
        found = [Run(**a, records=r, curve=c) for a, r, c in zip(about, records, steps, strict=True)]
    except (OSError, ValueError, KeyError, TypeError, IndexError, pa.ArrowException) as error:
        place = folder / track
        raise ResultError(f"{place}.* are damaged ({type(error).__name__}: {error}); restore its three files") from None
    for run in found:
        _check(run, folder / track, checked)
    return found


def _check(run: Run, place: Path, records: bool) -> None:
    if run.trust not in TRUST:
        raise ResultError(f"{place}: {run.entry} is {run.trust!r}; expected one of {', '.join(TRUST)}")
    if records:
        for record in run.records:
            check_record(record, f"{place}, {run.entry}, seed {run.seed}")
