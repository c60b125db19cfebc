from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from test_train import voltgym

from voltgym.envs.errors import VoltGymError
from voltgym.experiments import cli, compare, configs

SUITE = """
folder: runs/toy
workers: 2
common: [env=thevenin, agent=random, agent._target_=toys.Agent, evaluation.episodes=3]
jobs:
  slow: [+agent.rate=0.75]
  fast: [+agent.rate=0.8]
  broken: [+agent.break_at=1]
tables:
  - title: Thevenin
    env_id: VoltGym/Thevenin-v0
    split: test
    scoring: {value: "Time to target [min]", maximum: 60, baseline: slow, reference: fast}
"""


@pytest.mark.parametrize("suite", configs.choices("suite"))
def test_every_suite_has_jobs_that_compose_and_scores_that_are_defined(suite: str) -> None:
    loaded = compare.load_suite(suite)
    names = {job.name for job in compare.make_jobs(loaded)}
    for table in loaded["tables"]:
        if table.get("scoring"):
            assert {table["scoring"]["baseline"], table["scoring"]["reference"]} <= names


def test_a_suite_runs_ranks_and_goes_on() -> None:
    Path("toy.yaml").write_text(SUITE)
    first = voltgym("compare", "toy.yaml")
    assert first.returncode == 1, "one job failed, and it says so"
    assert "broken failed: voltgym train: told to break" in first.stderr
    rows = json.loads(Path("runs/toy/comparison.json").read_text())["tables"][0]["rows"]
    assert [row[2] for row in rows] == ["fast", "slow"]
    assert [row[-2] for row in rows] == ["1.000", "0.000"]
    started = {p.parent.name: json.loads(p.read_text())["started"] for p in Path("runs/toy").rglob("manifest.json")}
    second = voltgym("compare", "toy.yaml")
    assert second.returncode == 0, second.stderr
    assert "slow: finished before" in second.stderr
    again = {p.parent.name: json.loads(p.read_text()) for p in Path("runs/toy").rglob("manifest.json")}
    assert {name: m["started"] for name, m in again.items()} == started, "nothing was begun twice"
    assert again["broken"]["status"] == "finished"
    assert "### Thevenin" in Path("runs/toy/tables.md").read_text()


def test_a_changed_job_is_not_mistaken_for_the_old_one() -> None:
    Path("toy.yaml").write_text(SUITE)
    jobs = compare.make_jobs(compare.load_suite("toy.yaml"))
    jobs[0].path.mkdir(parents=True)
    (jobs[0].path / "job.json").write_text(json.dumps({"overrides": ["seed=1"]}))
    with pytest.raises(VoltGymError, match="holds another job of that name: found seed=1, expected env=thevenin"):
        jobs[0].check()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda s: s.replace("rate=0.8", "rate"), "job fast: cannot read the override"),
        (lambda s: s.replace("env=thevenin", "env=thevnin"), "job slow: unknown env 'thevnin'. Did you mean"),
        (lambda s: s.replace("jobs:", "job:"), "'jobs' is None; expected a dict"),
        (lambda s: s + "  - [", "is not valid YAML"),
    ],
)
def test_a_broken_suite_says_what_is_wrong(change: Any, says: str) -> None:
    Path("toy.yaml").write_text(change(SUITE))
    with pytest.raises(VoltGymError, match=says) as caught:
        compare.make_jobs(compare.load_suite("toy.yaml"))
    assert "\n" not in str(caught.value)


def test_suite_overrides_are_checked() -> None:
    assert compare.load_suite("demo", ["workers=4"])["workers"] == 4
    with pytest.raises(VoltGymError, match="Did you mean 'workers'"):
        compare.load_suite("demo", ["worker=4"])


def test_help_lists_every_command_quickly() -> None:
    import time

    start = time.monotonic()
    done = voltgym("--help")
    assert time.monotonic() - start < 1.0
    for name, text in cli.commands().items():
        assert text, f"{name} has no docstring"
        assert name in done.stdout
        assert text in done.stdout
    assert {"train", "evaluate", "compare", "demo", "list", "check-env"} <= cli.commands().keys()


@pytest.mark.parametrize("command", cli.commands())
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    cli.run_command(command, ["--help"])
    assert capsys.readouterr().out.strip()


def test_list_and_details(capsys: pytest.CaptureFixture[str]) -> None:
    cli.run_command("list", [])
    out = capsys.readouterr().out
    assert {"envs", "agent", "evaluation", "suite", "cells"} <= set(out.splitlines())
    assert "VoltGym/Thevenin-v0" in out
    cli.run_command("list", ["VoltGym/Thevenin-v0"])
    out = capsys.readouterr().out
    assert "Voltage [V] (0.001)" in out
    assert "Time to target [min] (min)" in out
