"""A result set: the runs of agents on tracks, compact enough to be committed and whole enough to be recomputed.

Three files a track: ``<track>.runs.json`` (what each run was), ``.episodes.parquet`` (its records, one an episode, with
every action) and ``.curves.parquet`` (how it got there). Tables, ranks, the leaderboard and the README are computed
from these and from nothing else.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from voltgym.envs.errors import UnknownName, VoltGymError
from voltgym.experiments import results_rows
from voltgym.experiments.files import json_text, write_text
from voltgym.experiments.records import Record, check_record

SHIPPED = Path(__file__).parent / "published"
"""The published result set."""

RUNS, EPISODES, CURVES = "runs.json", "episodes.parquet", "curves.parquet"
PRIVATE = "private"
"""The split of episodes that nobody has seen; and the folder of its results, in a result set of what was verified."""
TRUST = ("self-reported", "replayed", "re-run")
"""Who computed the records: the author; trusted code from the author's actions or designs, whoever chose them (*open
loop*); trusted code with the author's policy, on episodes that nobody had seen."""


Check = Literal["all", "first", "none"]


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
    trained: Sequence[Record] = field(default=(), repr=False)
    """Those of as many episodes of the split that was trained on, without actions and scenarios; may be missing."""
    curve: Sequence[Mapping[str, Any]] = field(default=(), repr=False)
    """How it got there, in order: ``spent`` (of the budget, so far), ``value`` (of the design that was asked for, or of
    the policy on the validation episodes; None where there is none), ``feasible`` (a share)."""

    @property
    def hidden(self) -> bool:
        """Whether it was judged on the private split."""
        return bool(self.records) and self.records[0]["split"] == PRIVATE

    def about(self) -> dict[str, Any]:
        """All but records and curve."""
        return {name: value for name, value in asdict(self).items() if name not in ("records", "trained", "curve")}


_CURVE = pa.schema(
    [("run", pa.int32()), ("spent", pa.int64()), ("value", pa.float64()), ("feasible", pa.float64())],
)
_MARK = b"voltgym runs"
"""In the metadata of both tables: the hash of the runs that they belong to."""
_PATIENCE, _PAUSE = 10, 0.1
"""How often three files that do not belong together are read again, and after how many seconds: they may be being
replaced by a benchmark that runs."""


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
        about = json_text([run.about() for run in group])
        mark = _hash(about.encode())
        steps = [
            {"run": i, **{n: step.get(n) for n in _CURVE.names[1:]}} for i, r in enumerate(group) for step in r.curve
        ]
        whole = {EPISODES: _episodes(group), CURVES: pa.Table.from_pylist(steps, schema=_CURVE)}
        ready = {name: _beside(part(folder, track, name), table, mark) for name, table in whole.items()}
        for name, file in ready.items():  # the three one after the other, with nothing to do in between
            os.replace(file, part(folder, track, name))
        write_text(part(folder, track, RUNS), about)


def _hash(about: bytes) -> bytes:
    return hashlib.sha256(about).hexdigest()[:16].encode()


def _episodes(runs: Sequence[Run]) -> pa.Table:
    return results_rows.table(
        [
            results_rows.packed(record, i, trained)
            for i, run in enumerate(runs)
            for trained, group in ((False, run.records), (True, run.trained))
            for record in group
        ]
    )


def _beside(path: Path, table: pa.Table, mark: bytes) -> str:
    """A whole file beside ``path``, to take its place."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    os.close(handle)
    try:
        pq.write_table(table.replace_schema_metadata({_MARK: mark}), name, compression="zstd", compression_level=12)
        os.chmod(name, 0o644)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return name


def tracks(folder: Path = SHIPPED) -> list[str]:
    """The tracks that ``folder`` has results of."""
    return sorted(file.name.removesuffix(f".{RUNS}") for file in Path(folder).glob(f"*.{RUNS}"))


def read(folder: Path = SHIPPED, track: str | None = None, *, check: Check = "all", lazily: bool = False) -> list[Run]:
    """The runs in ``folder``, of one track or of all. Nothing may change their records: they share parts.

    ``check``: which records are compared with the schema, which takes most of the time: all, the first one of every
    entry, or none. ``lazily``: actions are decoded when they are asked for. Raises `ResultError` for files that are
    missing, damaged, or do not belong together.
    """
    known = tracks(folder)
    if track is not None and track not in known:
        raise UnknownName("track with results", track, known)
    found = [run for name in known if track in (None, name) for run in _whole(Path(folder), name, lazily)]
    _check(found, Path(folder), check)
    return found


def _whole(folder: Path, track: str, lazily: bool) -> list[Run]:
    for attempt in range(_PATIENCE):
        try:
            return _read(folder, track, lazily)
        except _Apart:
            time.sleep(_PAUSE if attempt < _PATIENCE - 1 else 0)
        except (OSError, ValueError, KeyError, TypeError, IndexError, pa.ArrowException) as error:
            what = f"are damaged ({type(error).__name__}: {error})"
            raise ResultError(f"{folder / track}.* {what}; restore its three files") from None
    raise ResultError(
        f"{folder / track}.* do not belong together; restore its three files, all of one state, or delete them and run "
        f"the benchmark again, which keeps what has ended"
    )


class _Apart(Exception):
    """Tables of other runs."""


def _read(folder: Path, track: str, lazily: bool) -> list[Run]:
    text = part(folder, track, RUNS).read_bytes()
    about = json.loads(text)
    tables = [pq.read_table(part(folder, track, name)) for name in (EPISODES, CURVES)]
    mark = _hash(text)
    if any((table.schema.metadata or {}).get(_MARK, mark) != mark for table in tables):  # earlier versions wrote none
        raise _Apart
    judged, trained = results_rows.unpacked(tables[0], len(about), lazily)
    curves = [steps if lazily else list(steps) for steps in results_rows.curves(tables[1], len(about))]
    parts = zip(about, judged, trained, curves, strict=True)
    return [Run(**a, records=r, trained=t or (), curve=c) for a, r, t, c in parts]


def _check(runs: Sequence[Run], folder: Path, check: Check) -> None:
    seen = set()
    for run in runs:
        place, entry = f"{folder / run.track}, {run.entry}, seed {run.seed}", (run.track, run.author, run.entry)
        if run.trust not in TRUST:
            raise ResultError(f"{place} is {run.trust!r}; expected one of {', '.join(TRUST)}")
        records = [*run.records, *run.trained]
        if check == "none" or not records or (check == "first" and entry in seen):
            continue
        seen.add(entry)
        for record in records if check == "all" else records[:1]:
            check_record({**record, "actions": list(record["actions"])}, place)
