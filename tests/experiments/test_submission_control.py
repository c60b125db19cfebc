"""A shipped control track, from a trained network to a place on the private split, by the commands."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from voltgym.envs.scenario import SALT_VARIABLE
from voltgym.experiments import cli, configs, results, standings, submission_verify, tracks, train


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
    assert [run.entry for run in kept] == ["five_stage_cc", "greedy", "net"]
    found = {s.entry: s for s in standings.standings(kept, replace(track, split="private"))}
    assert found["net"].score.value < 0 < found["greedy"].score.value
    assert found["net"].section == "ranked"
    again = submission_verify.verify(Path("net.voltgym.zip"), track).runs
    assert again[0].records == kept[-1].records, "the same policy on the same episodes"
