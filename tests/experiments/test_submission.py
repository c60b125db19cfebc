"""Bundles of actions, designs and policies: made, verified, kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import submission_toys as toys

from voltgym.envs.errors import VoltGymError
from voltgym.envs.scenario import SALT_VARIABLE
from voltgym.experiments import results
from voltgym.experiments.records import read_records
from voltgym.experiments.standings import standings
from voltgym.experiments.submission_bundle import read_bundle
from voltgym.experiments.submission_keep import keep, keep_verified
from voltgym.experiments.submission_submit import submit
from voltgym.experiments.submission_text import SubmissionError
from voltgym.experiments.submission_verify import verify

SALT = "a secret of more than sixteen characters"
ABOUT = {"entry": "net", "author": "Jane Doe", "description": "a toy", "licence": "MIT"}


@pytest.fixture
def runs(no_report: list[Path], tmp_path: Path) -> list[Path]:
    return [toys.net_run(tmp_path / f"run {seed}", seed).path for seed in (0, 1)]


def bundle(folders: list[Path], track: toys.Track, kind: str = "") -> Path:
    file = folders[0].parent / f"{kind or 'net'}.voltgym.zip"
    file.write_bytes(submit(folders, track, ABOUT, kind))
    return file


def test_logs_of_actions_come_back_as_they_were_and_are_open_loop(runs: list[Path]) -> None:
    track = toys.track()
    found = verify(bundle(runs, track, "actions"), track)
    assert found.notes == []
    assert [(r.seed, r.trust, r.author, r.information) for r in found.runs] == [
        (seed, "replayed", "Jane Doe", "bms") for seed in (0, 1)
    ]
    said = read_records(runs[0] / "episodes.jsonl")
    here = found.runs[0].records
    assert [r["actions"] for r in here] == [r["actions"] for r in said]
    assert [r["values"] for r in here] == [r["values"] for r in said]
    assert found.runs[0].spent == {"env_steps": 100.0}


def test_a_search_of_numbers_hands_in_designs_and_shows_no_curve(no_report: list[Path], tmp_path: Path) -> None:
    numbers = ["agent=cma", "+agent.unit=unique_designs", "env.kwargs.action=continuous", "budget=12"]
    found = toys.design_run(tmp_path / "cma", agent=numbers).path
    (run,) = verify(bundle([found], toys.design_track()), toys.design_track()).runs
    assert (run.unit, run.spent["unique_designs"], run.trust) == ("unique_designs", 12.0, "replayed")
    assert run.curve == ()  # of what it priced, only what it hands in is known
    assert run.records[0]["feasible"] is not None


def test_an_entry_is_one_agent(runs: list[Path], tmp_path: Path) -> None:
    other = toys.net_run(tmp_path / "other", 1, rate=0.3).path
    with pytest.raises(SubmissionError, match=r"other was trained otherwise than .*run 0: agent .*'rate': 0.3"):
        submit([runs[0], other], toys.track(), ABOUT)


def test_the_same_runs_make_the_same_bytes(runs: list[Path]) -> None:
    first, again = (submit(runs, toys.track(), ABOUT) for _ in range(2))
    assert first == again


def test_a_policy_is_run_again_on_episodes_that_nobody_has_seen(
    runs: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    track, out = toys.track(), tmp_path / "verified"
    file = bundle(runs, track)
    assert read_bundle(file, track).about["kind"] == "policy"
    with pytest.raises(SubmissionError, match=f"{SALT_VARIABLE} is not set"):
        verify(file, track)
    monkeypatch.setenv(SALT_VARIABLE, "short")
    with pytest.raises(SubmissionError, match="at least 16 characters"):
        verify(file, track)
    monkeypatch.setenv(SALT_VARIABLE, SALT)
    found = verify(file, track)
    assert {run.trust for run in found.runs} == {"re-run"}
    records = found.runs[0].records
    assert [r["episode"] for r in records] == [0, 1, 2]
    assert all((r["split"], r["scenario"], r["actions"]) == ("private", {}, []) for r in records)
    assert records[0]["values"] != read_records(runs[0] / "episodes.jsonl")[0]["values"]
    assert SALT not in str(records)
    assert keep_verified(out, found.runs, track) == [out / "private"]
    kept = results.read(out / "private")
    assert [(r.entry, r.seed, r.trust) for r in kept] == [
        ("fast", 0, "re-run"), ("net", 0, "re-run"), ("net", 1, "re-run"), ("slow", 0, "re-run")
    ]  # fmt: skip
    ranked = {s.entry: s for s in standings(kept, replace(track, split="private"))}
    assert {s.section for s in ranked.values()} == {"ranked"}
    assert ranked["slow"].score.value == pytest.approx(0)
    assert ranked["fast"].score.value == pytest.approx(1)
    assert 0 < ranked["net"].score.value < 1
    keep_verified(out, found.runs, track)
    monkeypatch.setenv(SALT_VARIABLE, SALT[::-1])
    with pytest.raises(SubmissionError, match="another private split"):
        keep_verified(out, verify(file, track).runs, track)


def test_without_the_salt_a_policy_is_only_replayed(runs: list[Path]) -> None:
    found = verify(bundle(runs, toys.track()), toys.track(), private=False)
    assert {run.trust for run in found.runs} == {"replayed"}


def test_designs_are_counted_and_priced_again(no_report: list[Path], tmp_path: Path) -> None:
    track = toys.design_track()
    file = bundle([toys.design_run(tmp_path / "run").path], track)
    found = verify(file, track)
    (run,) = found.runs
    assert (found.notes, run.trust, len(run.records), len(run.curve)) == ([], "replayed", 3, 12)
    assert [r["env_kwargs"]["start"] for r in run.records] == [r["design"] for r in run.records]
    assert run.surrogate_gap == pytest.approx(0)
    keep(tmp_path / "out", [run])
    assert results.read(tmp_path / "out") == [run]


def test_another_installation_is_listed_apart_when_asked(runs: list[Path]) -> None:
    track = toys.track()
    file = bundle(runs[:1], track, "actions")
    data = toys.with_about(file.read_bytes(), lambda about: about.update(fingerprint="0123456789ab"))
    file.write_bytes(toys.with_lines(data, toys.EPISODES, lambda lines: lines[0].update({"return": 9.0})))
    with pytest.raises(SubmissionError, match="other numbers, which do not compare"):
        verify(file, track)
    found = verify(file, track, other_fingerprint=True)
    assert len(found.notes) == 2
    assert "0123456789ab" in found.notes[0]
    assert "episode 0: return is 9.0, found" in found.notes[1]
    assert found.runs[0].records[0]["return"] != 9.0
    assert found.runs[0].fingerprint != "0123456789ab"


def test_kept_runs_take_the_place_of_their_own_and_leave_others(runs: list[Path], tmp_path: Path) -> None:
    track, out = toys.track(), tmp_path / "out"
    both = verify(bundle(runs, track, "actions"), track).runs
    keep(out, [replace(run, author="Ann") for run in both])
    keep(out, both)
    keep(out, both[:1])
    assert sorted((r.author, r.seed) for r in results.read(out)) == [("Ann", 0), ("Ann", 1), ("Jane Doe", 0)]


def test_runs_that_are_not_of_the_track_are_not_submitted(runs: list[Path]) -> None:
    with pytest.raises(VoltGymError, match="3 of the 4 episodes of toy_control"):
        submit(runs, toys.track(episodes=4), ABOUT)
    with pytest.raises(SubmissionError, match="100 env_steps; toy_control allows 99"):
        submit(runs, toys.track(budget={"env_steps": 99}), ABOUT)
    with pytest.raises(SubmissionError, match="takes actions or policy"):
        submit(runs, toys.track(), ABOUT, "designs")
    with pytest.raises(SubmissionError, match="seed 0 is there twice"):
        submit([runs[0], runs[0]], toys.track(), ABOUT)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"entry": "a b"}, "entry"),
        ({"entry": "../x"}, "entry"),
        ({"author": "<script>"}, "author"),
        ({"author": "Jane\nDoe"}, "author"),
        ({"author": "Jane Doe\n"}, "author"),
        ({"description": "<b>"}, "description"),
    ],
)
def test_names_are_plain_text(changes: dict[str, str], says: str, runs: list[Path]) -> None:
    with pytest.raises(SubmissionError, match=says):
        submit(runs, toys.track(), {**ABOUT, **changes}, "actions")
