"""One record an episode, as JSON lines: what every table, score and ranking is computed from.

The format is ``record.schema.json``, checked on writing and on reading; an unknown key is an error.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Any

import jsonschema

from voltgym.envs.errors import VoltGymError
from voltgym.experiments.files import plain, write_text

SCHEMA_VERSION = 1

Record = dict[str, Any]
"""A JSON object as ``record.schema.json`` describes it."""


class RecordError(VoltGymError):
    """A record, or a file of records, is not what it should be. Names the file and the line."""


@cache
def _validator() -> jsonschema.Draft202012Validator:
    text = resources.files("voltgym.experiments").joinpath("record.schema.json").read_text(encoding="utf-8")
    return jsonschema.Draft202012Validator(json.loads(text))


def make_record(**fields: Any) -> Record:
    """A checked record of ``fields``; numpy values become Python's and NaN becomes None. Raises `RecordError`."""
    record = plain({"schema": SCHEMA_VERSION, **fields})
    check_record(record, "a new record")
    return record


def blanked(record: Record, mark: Mapping[str, str] = MappingProxyType({})) -> Record:
    """``record`` without its scenario, and without the actions, from which much of it could be found.

    ``mark`` goes into its fingerprint.
    """
    kept = {name: value for name, value in record.items() if name != "schema"}
    return make_record(**{**kept, "scenario": {}, "actions": [], "fingerprint": {**record["fingerprint"], **mark}})


def check_record(record: Any, where: str) -> None:
    """Raise `RecordError`, naming ``where``, if ``record`` does not follow the schema."""
    if isinstance(record, dict) and record.get("schema", SCHEMA_VERSION) != SCHEMA_VERSION:
        raise RecordError(
            f"{where}: record of schema version {record['schema']!r}, this voltgym reads version {SCHEMA_VERSION}; "
            f"evaluate the run again with this version"
        )
    problem = jsonschema.exceptions.best_match(_validator().iter_errors(record))
    if problem is not None:
        raise RecordError(f"{where}: not a record: {problem.json_path}: {problem.message}")


def write_records(path: Path, records: Iterable[Record]) -> None:
    """Write ``records`` to ``path``, one a line, atomically."""
    records = list(records)
    for number, record in enumerate(records, start=1):
        check_record(record, f"{path}, record {number}")
    write_text(path, "".join(json.dumps(r, ensure_ascii=False, allow_nan=False) + "\n" for r in records))


def read_records(path: Path) -> list[Record]:
    """The records of ``path``. A half last line (a run killed while writing) is skipped with a warning.

    Raises `RecordError`, with file and line, where a line is corrupt, and where there is no such file.
    """
    records = []
    for number, value in enumerate(read_json_lines(path), start=1):
        check_record(value, f"{path}, line {number}")
        records.append(value)
    return records


def read_json_lines(path: Path, quiet: bool = False) -> list[Any]:
    """The JSON values of ``path``, one a line; corrupt lines as in :func:`read_records`, ``quiet`` about half ones."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise RecordError(f"there is no {path}; expected JSON lines written by `voltgym evaluate`") from None
    except (OSError, UnicodeDecodeError) as error:
        raise RecordError(f"{path} cannot be read: {error}") from None
    lines = text.split("\n")
    values = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            values.append(json.loads(line))
        except json.JSONDecodeError as error:
            if number == len(lines):  # no newline after it: the writer was killed in the middle
                if not quiet:
                    warnings.warn(f"{path}, line {number}: half a line ignored (was the run killed?)", stacklevel=2)
                continue
            raise RecordError(
                f"{path}, line {number}: not valid JSON ({error.msg} at column {error.colno}); "
                f"delete that line or evaluate the run again"
            ) from None
    return values


def key(record: Record) -> tuple[str, str, int]:
    """What makes two records comparable: the same episode of the same split of the same environment."""
    return record["env_id"], record["split"], record["episode"]
