"""A search for molecules from the command's config to the verdict of xTB, on a few molecules."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from voltgym.agents.oracle import Verdict
from voltgym.envs.errors import VoltGymError
from voltgym.experiments import verdict
from voltgym.experiments.configs import compose
from voltgym.experiments.records import read_records
from voltgym.experiments.runs import RunFolder
from voltgym.experiments.train import run_training


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = tmp_path_factory.mktemp("verdict")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VOLTGYM_CACHE", str(folder / "cache"))
        changes = ["env=solvent", "agent=random_walk", "budget=60", "quiet=true", "evaluation.episodes=2"]
        config = compose("train", [*changes, "evaluation=default", "name=walk"])
        yield run_training(config, folder / "run")


def test_designs_are_handed_in_one_an_episode(run: RunFolder) -> None:
    records = read_records(run.records_file)
    assert len(records) == 2
    starts = [record["env_kwargs"]["start"] for record in records]
    assert len(set(starts)) == 2
    assert all(record["steps"] == 1 and record["feasible"] for record in records)
    values = [record["values"]["Score"] for record in records]
    assert values == sorted(values, reverse=True)
    assert run.report.exists()


def test_the_best_designs_are_judged_by_xtb(run: RunFolder) -> None:
    rows = verdict.run_verdicts(run, top=2, levels=["xtb"], quiet=True)
    assert [row.level for row in rows] == ["surrogate"] * 2 + ["xtb"] * 2
    assert [row.design for row in rows[:2]] == [row.design for row in rows[2:]]
    assert all(row.passes for row in rows[:2])
    assert all(row.feasible or row.failure for row in rows)
    kept = [json.loads(line) for line in (run.path / verdict.VERDICTS_FILE).read_text().splitlines()]
    assert [row["design"] for row in kept] == [row.design for row in rows]
    from voltgym.experiments.report_designs import write_designs

    page = write_designs(run, rows).read_text()
    assert page.count("<svg") >= 2
    assert "of 2 pass at xtb" in page


def test_what_passing_is() -> None:
    good = Verdict("C", 0.5, {}, True, 0, 1)
    assert verdict.passes(good, 0.55, 1.0)
    assert not verdict.passes(good, 0.6, 1.0)
    assert not verdict.passes(good._replace(feasible=False), 0.1, 1.0)
    assert not verdict.passes(good._replace(value=None), 0.1, 1.0)
    assert verdict.passes(good, 0.46, -1.0)
    assert not verdict.passes(good, 0.44, -1.0)


def test_mistakes_are_one_line(run: RunFolder, tmp_path: Path) -> None:
    with pytest.raises(VoltGymError, match="which run"):
        verdict.main([])
    with pytest.raises(VoltGymError, match="top is 0"):
        verdict.main([str(run.path), "top=0"])
    with pytest.raises(VoltGymError, match="Did you mean 'xtb'"):
        verdict.main([str(run.path), "levels=[xbt]"])
    (run.path / "designs.jsonl").rename(run.path / "other")
    with pytest.raises(VoltGymError, match=r"there is no .*designs.jsonl"):
        verdict.main([str(run.path)])
    (run.path / "other").rename(run.path / "designs.jsonl")
