"""A result set keeps runs bit for bit, whole or not at all, and says what is wrong with one that is damaged."""

from __future__ import annotations

import string
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voltgym.envs.errors import VoltGymError
from voltgym.experiments import results
from voltgym.experiments.records import make_record
from voltgym.experiments.results import Run

single = st.floats(width=32, allow_nan=False, allow_infinity=False)
double = st.floats(allow_nan=False, allow_infinity=False)
words = st.text(string.ascii_letters + " [%]é", min_size=1, max_size=8)


def record(**changes: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "env_id": "VoltGym/Thevenin-v0",
        "env_kwargs": {"max_steps": 40},
        "split": "test",
        "episode": 0,
        "agent": "a",
        "information": "bms",
        "seed": 0,
        "feasible": True,
        "goal_reached": True,
        "failure": "NONE",
        "steps": 2,
        "return": 0.1,
        "cost": 0.0,
        "violated_steps": 0,
        "worst_slacks": {"Voltage [V]": 0.1},
        "values": {"Time to target [min]": 30.0},
        "directions": {"Time to target [min]": "min"},
        "actions": [[0.5], [0.25]],
        "scenario": {"Start SOC": 0.1},
        "ledger": {"env_steps": 2},
        "fingerprint": {"golden": "abc"},
    }
    return make_record(**{**fields, **changes})


def run(**changes: Any) -> Run:
    about: dict[str, Any] = {
        "track": "t",
        "version": 1,
        "entry": "a",
        "seed": 0,
        "information": "bms",
        "budget": 10,
        "unit": "env_steps",
        "spent": {"env_steps": 10.0},
        "seconds": 1.5,
        "fingerprint": "abc",
        "records": [record()],
        "curve": [{"spent": 5, "value": None, "feasible": 0.0}, {"spent": 10, "value": 1.5, "feasible": 1.0}],
    }
    return Run(**{**about, **changes})


actions = st.one_of(
    st.lists(st.lists(single, min_size=2, max_size=2), max_size=4), st.lists(st.integers(0, 5000), max_size=4)
)


@settings(max_examples=40, deadline=None)
@given(
    actions, st.dictionaries(words, st.one_of(double, st.none()), max_size=3), st.sampled_from([None, "CCO"]), double
)
def test_what_is_written_is_read_again(
    tmp_path_factory: pytest.TempPathFactory, acted: Any, values: Any, design: Any, total: float
) -> None:
    folder = tmp_path_factory.mktemp("results")
    more = {} if design is None else {"design": design}
    whole = record(actions=acted, values=values, **{"return": total}, **more)
    results.write(folder, [run(records=[whole, record(episode=1)])])
    (kept,) = results.read(folder)
    assert list(kept.records) == [whole, record(episode=1)]
    assert kept.about() == run().about()
    assert list(kept.curve) == list(run().curve)


def test_runs_are_ordered_and_tracks_apart(tmp_path: Path) -> None:
    results.write(tmp_path, [run(seed=1), run(track="u"), run(seed=0), run(entry="B", seed=None)])
    assert results.tracks(tmp_path) == ["t", "u"]
    assert [(r.entry, r.seed) for r in results.read(tmp_path, "t")] == [("B", None), ("a", 0), ("a", 1)]
    results.write(tmp_path, [run(track="u", seed=7)])  # replaces that track alone
    assert [(r.track, r.seed) for r in results.read(tmp_path)][-1] == ("u", 7)
    assert len(results.read(tmp_path)) == 4


def test_episodes_trained_on_are_kept_apart(tmp_path: Path) -> None:
    seen = [record(split="train", episode=k, actions=[], scenario={}) for k in range(2)]
    results.write(tmp_path, [run(trained=seen), run(seed=1)])
    first, second = results.read(tmp_path)
    assert (list(first.trained), list(second.trained)) == (seen, [])
    assert list(first.records) == list(second.records) == [record()]


def test_files_of_different_states_are_not_taken_for_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "_PAUSE", 0.0)
    states = []
    for budget in (10, 20):
        results.write(tmp_path, [run(budget=budget)])
        states.append((tmp_path / "t.curves.parquet").read_bytes())
    (tmp_path / "t.curves.parquet").write_bytes(states[0])
    with pytest.raises(VoltGymError, match="do not belong together"):
        results.read(tmp_path)
    monkeypatch.setattr(results.time, "sleep", lambda _: (tmp_path / "t.curves.parquet").write_bytes(states[1]))
    assert results.read(tmp_path)[0].budget == 20  # a benchmark was about to write the last of the three


def test_a_run_without_records_or_curve_is_kept(tmp_path: Path) -> None:
    results.write(tmp_path, [run(records=[], curve=[])])
    assert results.read(tmp_path)[0].about() == run().about()


def test_an_unknown_track_is_an_error(tmp_path: Path) -> None:
    results.write(tmp_path, [run()])
    with pytest.raises(VoltGymError, match="track with results"):
        results.read(tmp_path, "tt")


@pytest.mark.parametrize("file", ["runs.json", "episodes.parquet", "curves.parquet"])
def test_damage_is_said_with_the_folder(tmp_path: Path, file: str) -> None:
    results.write(tmp_path, [run()])
    whole = (tmp_path / f"t.{file}").read_bytes()
    (tmp_path / f"t.{file}").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(VoltGymError, match="are damaged"):
        results.read(tmp_path)


def test_trust_is_one_of_three(tmp_path: Path) -> None:
    results.write(tmp_path, [run(trust="certified")])
    with pytest.raises(VoltGymError, match="certified"):
        results.read(tmp_path)


def test_a_record_that_breaks_the_schema_is_found(tmp_path: Path) -> None:
    results.write(tmp_path, [run(records=[{**record(), "failure": "BROKEN"}])])
    with pytest.raises(VoltGymError, match="seed 0"):
        results.read(tmp_path)
    assert results.read(tmp_path, check="none")
