"""The benchmark of design agents on the rediscovery task, small: whose optimum is known."""

from __future__ import annotations

from pathlib import Path

import pytest

from voltgym.experiments import benchmark_designs


def test_agents_are_compared_and_what_is_done_is_not_done_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--env", "rediscovery", "--agents", "random_walk", "graph_ga", "--seeds", "2", "--budget", "60"]
    arguments += ["--workers", "1", "--out", str(tmp_path)]
    benchmark_designs.main(arguments)
    first = capsys.readouterr().out
    assert "random_walk" in first
    assert "graph_ga" in first
    assert "EC" in first.splitlines()[-3]
    assert first.splitlines()[-3].endswith("1.000")  # the target itself
    files = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("designs.jsonl")}
    assert len([file for file in files if file.parent.name != "checkpoint"]) == 4
    benchmark_designs.main(arguments)
    assert capsys.readouterr().out.splitlines()[-6:] == first.splitlines()[-6:]
    assert {file: file.stat().st_mtime_ns for file in tmp_path.rglob("designs.jsonl")} == files
