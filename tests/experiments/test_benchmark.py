"""A benchmark runs what is missing and no more, keeps every result, and judges designs on the physics."""

from __future__ import annotations

from pathlib import Path

import pytest

from voltgym.envs.errors import VoltGymError
from voltgym.experiments import benchmark, results, tracks, train


def arguments(folder: Path, *more: str) -> list[str]:
    places = [f"folder={folder / 'runs'}", f"results={folder / 'results'}", "workers=2"]
    return ["core", "tracks=[cathode]", "entries=[random_designs,cma]", "seeds=1", *places, *more]


def test_from_nothing_to_a_result_set_and_only_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    benchmark.main(arguments(tmp_path))
    designs, numbers = sorted(results.read(tmp_path / "results"), key=lambda r: r.entry, reverse=True)
    track = tracks.load("cathode")
    assert (designs.entry, len(designs.records), designs.spent["unique_designs"]) == ("random_designs", 10, 200)
    assert designs.spent["solver_ms"] > 200 * 1000  # what the relaxations once took, though they were in the table
    assert [step["spent"] for step in designs.curve] == list(range(1, 201))
    best = max(step["value"] for step in designs.curve if step["value"] is not None)
    assert designs.records[0]["values"]["Score"] == pytest.approx(best, abs=1e-12)
    assert designs.records[0]["env_kwargs"].items() >= track.env_kwargs.items()
    assert (numbers.entry, numbers.unit) == ("cma", "unique_designs")
    assert (
        50 < numbers.spent["unique_designs"] == numbers.curve[-1]["spent"] <= 200
    )  # it may ask for nothing new before
    assert numbers.records[0]["env_kwargs"]["action"] == "edits"  # judged as everybody's
    assert numbers.surrogate_gap is None
    assert 0 < track.score(designs, {})[0] <= 1 + 1e-4
    capsys.readouterr()
    benchmark.main(arguments(tmp_path))
    assert "nothing to do" in capsys.readouterr().out
    jobs = benchmark.plan(benchmark.load_benchmark("core", arguments(tmp_path, "seeds=2")[1:]))
    left = benchmark.todo(jobs, results.read(tmp_path / "results"))
    assert [(job.entry, job.seed) for job in left] == [("random_designs", 1), ("cma", 1)]


def test_another_config_is_another_run(tmp_path: Path) -> None:
    jobs = benchmark.plan(benchmark.load_benchmark("core", arguments(tmp_path)[1:]))
    track = jobs[0].track
    own = (*track.common, "agent=cma", "budget=100")
    other = benchmark.Planned(track, "cma", 0, own, tmp_path, benchmark.configs.compose("train", own))
    assert other.hash not in {job.hash for job in jobs}
    assert other.path.name != jobs[-1].path.name  # nor is a finished run of the one taken for the other's


def test_a_changed_agent_is_another_run_though_the_overrides_are_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = benchmark.load_benchmark("core", arguments(tmp_path)[1:])
    before = {job.entry: (job.hash, job.path) for job in benchmark.plan(settings)}
    compose = benchmark.configs.compose

    def changed(name: str, overrides: tuple[str, ...]) -> dict[str, object]:
        config = compose(name, overrides)
        return {**config, "agent": {**config["agent"], "population": 99}} if "agent=cma" in overrides else config

    monkeypatch.setattr(benchmark.configs, "compose", changed)
    after = {job.entry: (job.hash, job.path) for job in benchmark.plan(settings)}
    assert after["random_designs"] == before["random_designs"]
    assert after["cma"][0] != before["cma"][0]
    assert after["cma"][1] != before["cma"][1]


def test_what_is_the_same_run_in_two_tracks_is_run_once(tmp_path: Path) -> None:
    own = [f"folder={tmp_path}", "tracks=[control_full,safe]", "entries=[ppo,ppo_lagrangian]", "seeds=2"]
    jobs = benchmark.plan(benchmark.load_benchmark("core", own))
    first, again = benchmark.once(jobs)
    named = [[(job.track.name, job.entry, job.seed) for job in group] for group in (first, again)]
    ppo, safe = (("control_full", "ppo"), ("safe", "ppo_lagrangian"))
    assert named[0] == [(*ppo, 0), (*safe, 0), (*ppo, 1), (*safe, 1)]
    assert named[1] == [("safe", "ppo", 0), ("safe", "ppo", 1)]
    assert [job.path for job in again] == [job.path for job in first if job.entry == "ppo"]


def test_fixed_entries_run_once_and_others_with_their_seeds() -> None:
    track = tracks.load("control_bms")
    assert benchmark.seeds_of(track, "greedy") == 1
    assert benchmark.seeds_of(track, "random") == track.seeds
    assert benchmark.seeds_of(track, "random", 3) == 3


def test_train_hands_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []
    monkeypatch.setattr(benchmark, "main", seen.append)
    train.main(["-m", "+benchmark=core", "seeds=2"])
    assert seen == [["core", "seeds=2"]]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (["cor"], "Did you mean 'core'"),
        (["core", "tracks=[cathod]"], "Did you mean 'cathode'"),
        (["core", "tracks=[cathode]", "entries=[cmaa]"], "Did you mean 'cma'"),
        (["core", "seeds=0"], "seeds"),
        (["core", "worker=3"], "Did you mean 'workers'"),
        ([], "which benchmark"),
    ],
)
def test_mistakes_are_one_line(wrong: list[str], message: str) -> None:
    with pytest.raises(VoltGymError, match=message):
        benchmark.main(wrong)
