"""The committed records, computed again: from their actions, without the cache, some chosen at random each time."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import submission_toys as toys

from voltgym.agents.designs import HandIn
from voltgym.envs.errors import VoltGymError
from voltgym.envs.making import make_episodes
from voltgym.envs.store import CACHE_VARIABLE
from voltgym.experiments import results
from voltgym.experiments.collect import collect
from voltgym.experiments.evaluate import evaluate_policy
from voltgym.experiments.results import Run
from voltgym.experiments.submission_physics import apart, recompute
from voltgym.experiments.submission_replay import choose, forget_tables, fresh_cache, replay, run, spread, tables

DESIGN = "LiNi0.5Mn0.3Al0.2O2@0.7"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    place = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("voltgym.experiments.train.draw_report", lambda path: None)
        net, search = toys.net_run(place / "net", episodes=30).path, toys.design_run(place / "designs").path
    return [collect(net, toys.track(), "net", ""), collect(search, toys.design_track(), "search", "")]


def changed(found: Run, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Run:
    return replace(found, records=[{**record, **change(record)} for record in found.records])


def written(found: list[Run]) -> list[str]:
    results.write(Path("results"), found)
    return ["results=results"]


def test_records_that_are_what_they_say(runs: list[Run], capsys: pytest.CaptureFixture[str]) -> None:
    run([*written(runs), "share=0.5"])
    first = capsys.readouterr().out
    assert "17 of 33 records, chosen with seed=" in first
    assert "17 compared: all are the same within 1e-6" in first
    run([*written(runs), "track=toy_design"])
    assert "1 compared" in capsys.readouterr().out


def test_a_record_that_is_not_what_it_says(runs: list[Run], capsys: pytest.CaptureFixture[str]) -> None:
    wrong = changed(runs[0], lambda r: {"return": r["return"] + 1e-4} if r["episode"] == 7 else {})
    with pytest.raises(SystemExit, match="1"):
        run([*written([wrong]), "share=1"])
    said = capsys.readouterr().out
    assert "DIFFERS  toy_control, net, seed 0, episode 7: return is" in said
    assert "30 compared, 1 differences" in said


def test_another_fingerprint_is_never_compared_silently(runs: list[Run], capsys: pytest.CaptureFixture[str]) -> None:
    other = changed(runs[0], lambda r: {"fingerprint": {**r["fingerprint"], "golden": "0123456789ab"}, "return": 0.0})
    with pytest.raises(SystemExit, match="1"):
        run(written([other]))
    said = capsys.readouterr().out
    assert "other fingerprint, not compared: toy_control, net, seed 0" in said
    assert "golden '0123456789ab', here" in said
    assert "0 compared, 0 differences" in said


def test_other_versions_with_the_same_golden_numbers_are_compared(runs: list[Run]) -> None:
    other = changed(runs[0], lambda r: {"fingerprint": {**r["fingerprint"], "numpy": "9.9"}})
    found = replay(choose([other], 0.1, seed=0), physics=0)
    assert (found.compared, found.differing, found.apart) == (3, [], [])


def test_the_choice_is_another_each_time_and_the_same_for_a_seed(runs: list[Run]) -> None:
    some = [[e["episode"] for _, e in choose(runs[:1], 0.2, seed)] for seed in (0, 0, 1)]
    assert some[0] == some[1] != some[2]
    assert len(some[0]) == 6
    private = changed(runs[0], lambda r: {"split": "private"})
    assert choose([private], 1.0, seed=0) == []


@pytest.mark.slow
def test_a_twentieth_of_what_is_shipped_is_what_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    run(["physics=3"])
    assert "all are the same within 1e-6" in capsys.readouterr().out


def test_physics_is_computed_anew_of_every_track_in_turn() -> None:
    groups = ["", *["cathode"] * 50, *["solvent"] * 3, ""]
    drawn = [spread(groups, 4, np.random.default_rng(seed)) for seed in range(20)]
    assert all([groups[i] for i in some].count("solvent") == 2 for some in drawn)
    assert len({tuple(some) for some in drawn}) > 10, "another choice each time"
    assert spread(groups, 100, np.random.default_rng(0)) == [*spread(groups, 53, np.random.default_rng(0))]
    assert spread(["", ""], 3, np.random.default_rng(0)) == []


@pytest.mark.parametrize("argv", [["share=0.01"], ["share=2"], ["seed=-1"], ["physics=-1"], ["track=nothing"]])
def test_what_cannot_be_asked(argv: list[str], runs: list[Run]) -> None:
    with pytest.raises(VoltGymError):
        run([*written(runs), *argv])
    with pytest.raises(VoltGymError, match="has no records"):
        run(["results=nowhere"])


def test_the_cache_is_an_empty_folder_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, "mine")
    with fresh_cache():
        assert not list(Path(os.environ[CACHE_VARIABLE]).iterdir())
    assert os.environ[CACHE_VARIABLE] == "mine"


@pytest.mark.parametrize("corrected", [False, True])
def test_shipped_tables_are_found_and_forgotten(corrected: bool) -> None:
    core = make_episodes(toys.CATHODE, 1, property_model="twin", corrected=corrected)
    assert [bool(thing.known) for thing in tables(core)] == [True]
    forget_tables(core)
    assert [thing.known for thing in tables(core)] == [{}]
    again = make_episodes(toys.CATHODE, 1, property_model="twin", corrected=corrected)
    assert [bool(thing.known) for thing in tables(again)] == [True], "the table itself is still there"
    assert tables(make_episodes(toys.THEVENIN, 1)) == []


def on_the_twin() -> tuple[Run, dict[str, Any]]:
    records = evaluate_policy(
        HandIn([DESIGN]), toys.CATHODE, {"property_model": "twin"}, split="nominal", episodes=1, agent="a", seed=0
    )
    whole = Run("t", 1, "a", 0, "full", 1, "unique_designs", {}, 0.0, "", records=records)
    return whole, records[0]


def test_a_design_is_looked_up_and_said_to_be() -> None:
    found = replay([on_the_twin()], physics=0)
    assert (found.compared, found.scratch, found.table, found.differing) == (1, 0, 1, [])


@pytest.mark.slow
def test_a_design_is_relaxed_anew_and_comes_out_the_same() -> None:
    whole, record = on_the_twin()
    with fresh_cache():
        here = recompute([record], forget_tables)[0]
    found = replay([(whole, here)], physics=1)
    assert (found.compared, found.scratch, found.table, found.differing) == (1, 1, 0, [])


def test_numbers_that_are_the_same() -> None:
    assert not apart(1000.0, 1000.0005)
    assert apart(1000.0, 1000.002)
    assert not apart(None, None)
    assert apart(None, 1.0)
    assert apart(float("nan"), 1.0)
