"""A shipped control track, from a trained network to a place on the private split, by the commands."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from voltgym.envs.scenario import SALT_VARIABLE
from voltgym.experiments import (
    benchmark,
    benchmark_tables,
    cli,
    configs,
    results,
    standings,
    submission_verify,
    tracks,
    train,
)


@pytest.fixture
def track(monkeypatch: pytest.MonkeyPatch) -> tracks.Track:
    """``control_bms``, with two episodes."""
    short = replace(tracks.load("control_bms"), episodes=2)
    monkeypatch.setattr(tracks, "load", lambda name: short)
    return short


def voltgym(monkeypatch: pytest.MonkeyPatch, *argv: Any) -> None:
    monkeypatch.setattr(sys, "argv", ["voltgym", *map(str, argv)])
    cli.main()


def test_from_a_network_to_the_board(
    track: tracks.Track, no_report: list[Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = configs.compose("train", [*track.common, "evaluation.episodes=2", "agent=random", "quiet=true"])
    agent = {"_target_": "submission_toys.Net", "rate": 0.4}
    train.run_training({**whole, "name": "net", "agent": agent, "budget": 100}, Path("run"))
    voltgym(monkeypatch, "leaderboard", "submit", "run", "track=control_bms", "entry=net", "author=Jane Doe")
    assert "net.voltgym.zip" in capsys.readouterr().out
    monkeypatch.setenv(SALT_VARIABLE, "a secret of more than sixteen characters")
    voltgym(monkeypatch, "leaderboard", "verify", "net.voltgym.zip", "out=verified")
    assert "net by Jane Doe, seed 0: re-run on the private split" in capsys.readouterr().out
    kept = results.read(Path("verified/private"))
    assert [run.entry for run in kept] == ["cccv", "five_stage_cc", "greedy", "net", "observer"]
    found = {s.entry: s for s in standings.standings(kept, replace(track, split="private"))}
    assert found["net"].score.value < 0 < found["greedy"].score.value
    assert found["net"].section == "ranked"
    again = submission_verify.verify(Path("net.voltgym.zip"), track).runs
    assert again[0].records == kept[3].records, "the same policy on the same episodes"


def test_a_benchmarks_own_entries_are_run_again_once(
    track: tracks.Track, no_report: list[Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    entry = {"_target_": "submission_toys.Net", "rate": 0.4}
    own = replace(track, entries={"net": ("agent=random", "budget=100"), "random": ("agent=random",)}, seeds=1)
    monkeypatch.setattr(tracks, "load", lambda name: own)
    argv = ["benchmark-private", "core", "tracks=[control_bms]", "folder=runs", "results=out"]
    monkeypatch.delenv(SALT_VARIABLE, raising=False)
    with pytest.raises(SystemExit, match="2"):
        voltgym(monkeypatch, *argv)
    assert SALT_VARIABLE in capsys.readouterr().err
    monkeypatch.setenv(SALT_VARIABLE, "a secret of more than sixteen characters")
    with pytest.raises(SystemExit, match="2"):
        voltgym(monkeypatch, *argv)
    assert "runs has no finished runs of control" in capsys.readouterr().err
    for job in benchmark.plan(benchmark.load_benchmark("core", argv[2:])):
        if job.entry in own.entries:
            whole = configs.compose("train", [*job.overrides, "evaluation.episodes=2", "quiet=true"])
            agent = entry if job.entry == "net" else whole["agent"]
            train.run_training({**whole, "name": job.entry, "agent": agent, "budget": 100}, job.path)
    voltgym(monkeypatch, *argv)
    said = capsys.readouterr().out
    assert "net: 1 seeds, " in said
    assert "random: cannot be written as ONNX" in said
    kept = results.read(Path("out/private"))
    assert [(r.entry, r.author, r.trust, r.hidden) for r in kept if r.entry == "net"] == [
        ("net", "voltgym", "re-run", True)
    ]
    voltgym(monkeypatch, *argv)
    assert "net: 1 seeds, there already" in capsys.readouterr().out
    results.write(Path("out"), [replace(run, records=[{**r, "split": "test"} for r in run.records]) for run in kept])
    shown = benchmark_tables.make("control_bms", Path("out"))
    rows = {row[shown.columns.index("entry")]: row for row in shown.rows}
    assert rows["greedy"][shown.columns.index("public score")] == "1.00"
    assert "Private episodes: learned policies as ONNX" in shown.notes[0]
    monkeypatch.setenv(SALT_VARIABLE, "another secret of more than sixteen characters")
    with pytest.raises(SystemExit, match="2"):
        voltgym(monkeypatch, *argv)
    assert "private is of another secret" in capsys.readouterr().err
