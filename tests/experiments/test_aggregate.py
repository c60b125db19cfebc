"""Aggregation: runs that differ in their seed alone are one group; what is missing is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from voltgym.envs.errors import VoltGymError
from voltgym.experiments import aggregate, cli, configs, train
from voltgym.experiments.aggregated import gather, groups
from voltgym.experiments.records import read_records, write_records

pytestmark = pytest.mark.usefixtures("no_report")


def run(folder: Path, seed: int, rate: float) -> None:
    whole = configs.compose("train", ["env=thevenin", "agent=random", "evaluation=nominal", "quiet=true"])
    whole["evaluation"]["recheck"]["episodes"] = 0
    train.run_training(
        {**whole, "name": "toy", "seed": seed, "agent": {"_target_": "toys.Agent", "rate": rate}}, folder
    )
    file = folder / ".hydra" / "overrides.yaml"
    file.parent.mkdir()
    file.write_text(json.dumps([f"seed={seed}", f"+agent.rate={rate}", "hydra.run.dir=x"]))


@pytest.fixture
def swept(tmp_path: Path) -> Path:
    for i, (seed, rate) in enumerate([(0, 0.5), (1, 0.5), (0, 0.9), (1, 0.9), (2, 0.9)]):
        run(tmp_path / "sweep" / str(i), seed, rate)
    return tmp_path / "sweep"


def test_seeds_are_aggregated_with_intervals(swept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cli.run_command("aggregate", [str(swept)])
    told = capsys.readouterr().out
    assert "rate=0.5" in told
    assert "2*" in told
    found, unfinished = gather(swept)
    assert (len(found), unfinished) == (5, [])
    table = groups(found)["VoltGym/Thevenin-v0", "nominal"]
    assert [(g.label, len(g.runs)) for g in table] == [("rate=0.9", 3), ("rate=0.5", 2)], "the faster one first"
    rows = pq.read_table(swept / "aggregate.parquet").to_pylist()
    assert [(row["agent.rate"], row["seeds"]) for row in rows] == [("0.9", 3), ("0.5", 2)]
    single = pq.read_table(swept / "runs.parquet").to_pylist()
    values = [row["value"] for row in single if row["setting"] == "rate=0.9"]
    assert rows[0]["value"] == pytest.approx(np.mean(values))
    assert rows[0]["value low"] <= rows[0]["value"] <= rows[0]["value high"]
    text = (swept / "aggregate.csv").read_text()
    assert text.startswith("env_id,split,setting,")
    assert len(text.splitlines()) == 3
    page = (swept / "aggregate.html").read_text()
    assert "rate=0.9" in page
    assert "<svg" in page
    assert 'src="http' not in page


def test_what_is_not_finished_is_counted_apart(swept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change(swept / "4", status="training")
    cli.run_command("aggregate", [str(swept), f"out={swept / 'out'}"])
    assert "1 run(s) are not finished" in capsys.readouterr().out
    assert (swept / "out" / "aggregate.csv").exists()
    for i in range(5):
        change(swept / str(i), status="failed")
    with pytest.raises(SystemExit):
        cli.run_command("aggregate", [str(swept)])
    assert "none of the 5 runs" in capsys.readouterr().err


def change(folder: Path, **changes: Any) -> None:
    file = folder / "manifest.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def test_runs_of_a_sweep_are_those_of_its_jobs(swept: Path) -> None:
    """A run that was reproduced beside them is none."""
    from voltgym.experiments.sweep_plan import Job, Sweep

    Sweep(swept, jobs=tuple(Job(i, (), str(i), str(i)) for i in range(5))).write()
    run(swept / "0-again", 0, 0.5)
    assert len(gather(swept)[0]) == 5
    assert len(gather(swept.parent)[0]) == 5


def test_other_settings_are_other_groups_and_labels_say_what_differs_there(swept: Path) -> None:
    records = read_records(swept / "3" / "episodes.jsonl")
    write_records(swept / "3" / "episodes.jsonl", [*records, {**records[0], "env_kwargs": {"max_steps": 9}}])
    cart = read_records(swept / "4" / "episodes.jsonl")
    write_records(swept / "4" / "episodes.jsonl", [{**cart[0], "env_id": "CartPole-v1", "feasible": None}])
    tables = groups(gather(swept)[0])
    here = [(group.label, len(group.runs)) for group in tables["VoltGym/Thevenin-v0", "nominal"]]
    assert sorted(here) == [("rate=0.5", 2), ("rate=0.9", 2), ("rate=0.9,max_steps=9", 1)]
    assert [group.label for group in tables["CartPole-v1", "nominal"]] == ["toy"]


def test_what_is_not_known_is_not_zero(swept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for i in range(2):
        records = read_records(swept / str(i) / "episodes.jsonl")
        write_records(swept / str(i) / "episodes.jsonl", [{**records[0], "return": None}])
    change(swept / "2", started="yesterday")
    (swept / "3" / "episodes.jsonl").write_text("")
    found, unfinished = gather(swept)
    table = groups(found)["VoltGym/Thevenin-v0", "nominal"]
    assert np.isnan([group.returns.value for group in table if group.label == "rate=0.5"]).all()
    assert unfinished == [swept / "3"]
    cli.run_command("aggregate", [str(swept)])
    assert "1 run(s) are not finished, or have no records" in capsys.readouterr().out


def test_what_somebody_wrote_is_text_on_the_page(swept: Path) -> None:
    for i in range(5):
        (swept / str(i) / ".hydra" / "overrides.yaml").write_text(json.dumps([f"+agent.rate=<script>{i // 2}"]))
        (swept / str(i) / "learning.jsonl").write_text('{"steps":1,"<b>":1}\n{"steps":2,"<b>":2}\n')
    cli.run_command("aggregate", [str(swept)])
    page = (swept / "aggregate.html").read_text()
    assert "&lt;script&gt;" in page
    assert "<script>0" not in page
    assert "<b>" not in page


@pytest.mark.parametrize("text", ["- [a", "{a: 1}", "5"])
def test_damaged_overrides_are_one_line(text: str, swept: Path) -> None:
    (swept / "0" / ".hydra" / "overrides.yaml").write_text(text)
    with pytest.raises(VoltGymError, match=r"overrides.yaml is damaged"):
        groups(gather(swept)[0])


def test_a_seed_counts_once(swept: Path) -> None:
    run(swept / "twice", 0, 0.5)
    with pytest.raises(VoltGymError, match="seed 0 is there more than once"):
        groups(gather(swept)[0])


@pytest.mark.parametrize(("where", "says"), [("nowhere", "there is no folder"), (".", "there is no run in")])
def test_folders_without_runs_say_so(where: str, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.run_command("aggregate", [where])
    assert says in capsys.readouterr().err


def test_csv_and_parquet_hold_what_rows_lack(tmp_path: Path) -> None:
    rows = [{"a": 1, "b": "x"}, {"a": 2, "c": 0.5}]
    aggregate.write_rows(tmp_path / "mixed.parquet", [{"seed": 1, "x": 1}, {"seed": "a", "x": 0.5}])
    assert pq.read_table(tmp_path / "mixed.parquet").to_pylist() == [{"seed": "1", "x": 1.0}, {"seed": "a", "x": 0.5}]
    assert aggregate.csv_text(rows) == "a,b,c\n1,x,\n2,,0.5\n"
    aggregate.write_rows(tmp_path / "rows.parquet", rows)
    assert pq.read_table(tmp_path / "rows.parquet").to_pylist()[1] == {"a": 2, "b": None, "c": 0.5}


def test_jobs_that_never_began_are_counted_as_unfinished(swept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from voltgym.experiments.sweep_plan import Job, Sweep

    jobs = tuple(Job(i, (), str(i), str(i)) for i in range(7))
    Sweep(swept, jobs=jobs).write()
    assert [path.name for path in gather(swept)[1]] == ["5", "6"]
