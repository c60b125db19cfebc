"""Reproduction: equal to the last bit, or it says what is not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from voltgym.experiments import cli, configs, train
from voltgym.experiments.manifest import data_hashes
from voltgym.experiments.records import read_records, write_records
from voltgym.experiments.reproduce import curve_differences, surroundings

pytestmark = pytest.mark.usefixtures("no_report")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A small run of PPO that really learns."""
    small = ["agent.num_envs=4", "agent.hyperparameters.n_steps=32", "agent.hyperparameters.batch_size=64"]
    whole = configs.compose("train", ["env=thevenin", "agent=ppo", "evaluation=nominal", "quiet=true", *small])
    whole["evaluation"]["recheck"]["episodes"] = 0
    whole["agent"]["validate_every"] = 200
    train.run_training({**whole, "name": "ppo", "budget": 640}, tmp_path / "run")
    return tmp_path / "run"


def test_the_same_seed_gives_the_same_curve_and_the_same_episodes(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cli.run_command("reproduce", [str(run)])
    assert "1 of 1 episodes are equal to the last bit; the curve is the same" in capsys.readouterr().out
    cli.run_command("reproduce", [str(run), "only=evaluation"])
    assert "1 of 1 episodes are equal" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        cli.run_command("reproduce", [str(run)])
    assert "already holds a run; choose another folder with out=" in capsys.readouterr().err


def test_what_differs_is_said(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    records = read_records(run / "episodes.jsonl")
    records[0]["return"] += 1e-12
    write_records(run / "episodes.jsonl", records)
    lines = (run / "curve.jsonl").read_text().splitlines()
    first = json.loads(lines[0])
    lines[0] = json.dumps({**first, "return": 9.0})
    (run / "curve.jsonl").write_text("\n".join(lines) + "\n")
    manifest = json.loads((run / "manifest.json").read_text())
    manifest["versions"]["numpy"], manifest["data"]["surrogates/data"] = "1.0", "another"
    (run / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(SystemExit) as end:
        cli.run_command("reproduce", [str(run)])
    assert end.value.code == 1
    told = capsys.readouterr().out
    assert "versions: numpy was 1.0, is " in told
    assert "data: surrogates/data was another, is " in told
    assert "nominal episode 0: return was" in told
    assert "curve.jsonl, line 1: was " in told
    assert "0 of 1 episodes are equal to the last bit; the curve is not the same" in told


def test_curves_are_compared_without_their_times(tmp_path: Path) -> None:
    for name, seconds, value in (("a", 1.0, 0.5), ("b", 2.0, 0.5), ("c", 1.0, 0.6)):
        (tmp_path / name).mkdir()
        line = {"steps": 1, "total": 2, "seconds": seconds, "left": seconds, "reward": value}
        (tmp_path / name / "learning.jsonl").write_text(json.dumps(line) + "\n")
    assert curve_differences(tmp_path / "a", tmp_path / "b") == []
    assert len(curve_differences(tmp_path / "a", tmp_path / "c")) == 1


def test_surroundings_are_compared_part_by_part() -> None:
    then = {"git": {"commit": "a", "dirty": True}, "python": "3.11.0", "machine": {"cores": 2}, "versions": {}}
    now = {"git": {"commit": "b", "dirty": False}, "python": "3.11.1", "machine": {"cores": 4}, "versions": {}}
    assert surroundings(then, now) == [
        "machine: cores was 2, is 4",
        "Python was 3.11.0, is 3.11.1",
        "commit was a, is b",
        "then the checkout had changes",
    ]
    assert surroundings(then, then) == ["then the checkout had changes", "now the checkout had changes"]


def test_data_are_hashed_by_folder() -> None:
    found = data_hashes()
    assert {"surrogates/data", "surrogates/models/cathode", "envs/charging/data"} <= found.keys()
    assert all(len(text) == 16 for text in found.values())


def test_what_cannot_be_compared_is_said_before_training(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    again = run.parent / "run-again"
    (run / "curve.jsonl").write_text("no json\n{}\n")
    with pytest.raises(SystemExit):
        cli.run_command("reproduce", [str(run)])
    assert "curve.jsonl, line 1: not valid JSON" in capsys.readouterr().err
    (run / "episodes.jsonl").write_text("")
    with pytest.raises(SystemExit):
        cli.run_command("reproduce", [str(run)])
    assert "has no records to compare with" in capsys.readouterr().err
    assert not again.exists()
    run.rename(run.parent / "a=b")  # a name with a = is a folder all the same
    (run.parent / "a=b" / "policy" / "policy.json").unlink()
    with pytest.raises(SystemExit):
        cli.run_command("evaluate", ["a=b"])
    assert "policy is gone; restore it, or train again" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["a", "b"], ["a", "out="], ["a", "only=training"], ["a", "seed=3"]])
def test_wrong_arguments_say_how(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.run_command("reproduce", arguments)
    assert "usage: voltgym reproduce RUN" in capsys.readouterr().err
