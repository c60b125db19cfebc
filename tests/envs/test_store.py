"""Results on the disk: found again, never trusted when damaged, safe among processes."""

from __future__ import annotations

import json
import multiprocessing
import time
import warnings
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voltgym.envs.store import Store

ANSWER = {"values": {"a": 1.5}, "converged": True, "reason": ""}


def only_file(store: Store) -> Path:
    (file,) = store.folder.rglob("*.json")
    return file


def test_an_answer_is_found_again(tmp_path: Path) -> None:
    Store("solvent", "m", tmp_path).put("CCO", ANSWER)
    assert Store("solvent", "m", tmp_path).get("CCO") == ANSWER
    assert Store("solvent", "m", tmp_path).get("CC") is None
    assert Store("solvent", "another version", tmp_path).get("CCO") is None


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: "",
        lambda text: "[]",
        lambda text: text.replace("1.5", "2.5"),
        lambda text: text.replace('"CCO"', '"CCC"'),
        lambda text: json.dumps({**json.loads(text), "method": "old"}),
        lambda text: json.dumps({"smiles": "CCO", "method": "m"}),
    ],
)
def test_a_damaged_answer_is_computed_again(damage, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    store = Store("solvent", "m", tmp_path)
    store.put("CCO", ANSWER)
    only_file(store).write_text(damage(only_file(store).read_text()))
    with pytest.warns(UserWarning, match="is damaged"):
        assert store.get("CCO") is None
    store.put("CCO", ANSWER)
    assert Store("solvent", "m", tmp_path).get("CCO") == ANSWER


@given(noise=st.binary(max_size=200))
@settings(max_examples=30, deadline=None)
def test_whatever_is_in_the_file_is_no_answer(noise: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    store = Store("solvent", "m", tmp_path_factory.mktemp("store"))
    store.put("CCO", ANSWER)
    only_file(store).write_bytes(noise)
    with pytest.warns(UserWarning, match="computed again"):
        assert store.get("CCO") is None


def test_a_folder_that_cannot_be_written_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = Store("solvent", "m", tmp_path / "file")
    with pytest.warns(UserWarning, match="VOLTGYM_CACHE"):
        store.put("CCO", ANSWER)
    assert store.get("CCO") is None


def _write(folder: str, value: int) -> None:
    for _ in range(50):
        Store("solvent", "m", folder).put("CCO", {**ANSWER, "values": {"a": value}})


def test_many_processes_may_write_the_same(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_write, args=(str(tmp_path), i)) for i in range(3)]
    for writer in writers:
        writer.start()
    store = Store("solvent", "m", tmp_path)
    while any(writer.is_alive() for writer in writers):
        found = store.get("CCO")  # a warning here, of half a file, would be an error
        assert found is None or found["values"]["a"] in range(3)
    for writer in writers:
        writer.join()
    assert store.get("CCO") is not None


def _write_for_ever(folder: str) -> None:
    while True:
        Store("solvent", "m", folder).put("CCO", {**ANSWER, "geometry": list(range(20_000))})


def test_a_kill_while_it_is_written_leaves_a_whole_answer_or_none(tmp_path: Path) -> None:
    context, store = multiprocessing.get_context("fork"), Store("solvent", "m", tmp_path)
    for pause in (0.0, 0.003, 0.01, 0.03, 0.05):
        writer = context.Process(target=_write_for_ever, args=(str(tmp_path),))
        writer.start()
        time.sleep(pause)
        writer.kill()
        writer.join()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = store.get("CCO")
        assert found is None or len(found["geometry"]) == 20_000
    store.put("CCO", ANSWER)
    assert store.get("CCO") == ANSWER


def test_the_environment_variable_moves_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOLTGYM_CACHE", str(tmp_path))
    Store("solvent", "m").put("CCO", ANSWER)
    assert list(tmp_path.rglob("*.json"))
