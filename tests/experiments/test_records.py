from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from voltgym.experiments.files import append_json_line, plain, write_json, write_text
from voltgym.experiments.records import (
    RecordError,
    make_record,
    read_json_lines,
    read_records,
    write_records,
)

FIELDS: dict[str, Any] = {
    "env_id": "VoltGym/Thevenin-v0",
    "env_kwargs": {"max_steps": np.int64(120)},
    "split": "test",
    "episode": np.int64(3),
    "agent": "ppo",
    "information": "bms",
    "seed": 0,
    "feasible": np.bool_(True),
    "goal_reached": True,
    "failure": "NONE",
    "steps": 2,
    "return": np.float32(0.5),
    "cost": 0.0,
    "violated_steps": 0,
    "worst_slacks": {"Voltage [V]": np.float64(0.01)},
    "values": {"Time to target [min]": np.nan},
    "actions": np.array([[1.0], [np.nan]], dtype=np.float32),
    "scenario": {"SOC": np.float64(0.1), "Cell": "a"},
    "ledger": {"env_steps": 2},
    "fingerprint": {"numpy": "2"},
}


def test_numpy_goes_in_and_plain_json_comes_back(tmp_path: Path) -> None:
    record = make_record(**FIELDS)
    assert record["actions"] == [[1.0], [None]]
    assert record["values"] == {"Time to target [min]": None}
    assert record["feasible"] is True
    write_records(tmp_path / "episodes.jsonl", [record, record])
    assert read_records(tmp_path / "episodes.jsonl") == [record, record]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"surprise": 1}, "surprise"),
        ({"episode": -1}, r"\$\.episode"),
        ({"failure": "OOPS"}, r"\$\.failure"),
        ({"worst_slacks": {"Voltage [V]": "low"}}, r"worst_slacks"),
        ({"recheck": {"fidelity": "DFN"}}, r"\$\.recheck"),
    ],
)
def test_what_is_no_record_is_refused(change: dict[str, Any], says: str) -> None:
    with pytest.raises(RecordError, match=says):
        make_record(**{**FIELDS, **change})


def test_a_missing_key_is_refused() -> None:
    with pytest.raises(RecordError, match="'steps' is a required property"):
        make_record(**{name: value for name, value in FIELDS.items() if name != "steps"})


def test_another_schema_version_says_what_to_do(tmp_path: Path) -> None:
    file = tmp_path / "episodes.jsonl"
    write_text(file, json.dumps({**make_record(**FIELDS), "schema": 9}) + "\n")
    with pytest.raises(
        RecordError, match=r"episodes\.jsonl, line 1: record of schema version 9.*evaluate the run again"
    ):
        read_records(file)


def test_a_corrupt_line_is_named_and_a_half_last_line_is_ignored(tmp_path: Path) -> None:
    file = tmp_path / "episodes.jsonl"
    whole = json.dumps(make_record(**FIELDS))
    write_text(file, f"{whole}\n{whole[:40]}\n{whole}\n")
    with pytest.raises(RecordError, match=r"episodes\.jsonl, line 2: not valid JSON"):
        read_records(file)
    write_text(file, f"{whole}\n{whole[:40]}")
    with pytest.warns(UserWarning, match="line 2: half a line ignored"):
        assert len(read_records(file)) == 1
    with pytest.raises(RecordError, match="there is no"):
        read_records(tmp_path / "nothing.jsonl")


def test_appending_after_a_kill_drops_the_half_line(tmp_path: Path) -> None:
    file = tmp_path / "learning.jsonl"
    file.write_text('{"steps": 1}\n{"ste')
    append_json_line(file, {"steps": 2})
    assert read_json_lines(file) == [{"steps": 1}, {"steps": 2}]
    file.write_text('{"ste')
    append_json_line(file, {"steps": 2})
    assert read_json_lines(file) == [{"steps": 2}]


def test_writing_is_all_or_nothing(tmp_path: Path) -> None:
    file = tmp_path / "manifest.json"
    write_json(file, {"old": 1})
    with pytest.raises(TypeError):
        write_json(file, {"new": object()})
    assert json.loads(file.read_text()) == {"old": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["manifest.json"]


def test_plain_has_no_infinity() -> None:
    assert plain([np.inf, -np.inf, 1, True, "x", None]) == [None, None, 1, True, "x", None]
