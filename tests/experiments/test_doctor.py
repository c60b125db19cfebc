"""The doctor: that released numbers are what the code gives, and that it sees and says what differs."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from voltgym.envs.errors import VoltGymError
from voltgym.experiments import doctor
from voltgym.experiments.doctor import Trajectory, differences, fingerprint, play, released

CASES = doctor.cases()
GOOD = Trajectory([1.0, 2.0], {"Voltage [V]": 0.25}, [0.5, 1.5])


@pytest.mark.parametrize("label", CASES)
def test_released_trajectories_are_what_the_code_gives(label: str) -> None:
    env_id, kwargs = CASES[label]
    assert differences(released()["trajectories"][label], play(env_id, kwargs)) == []


def test_every_case_was_released() -> None:
    assert list(released()["trajectories"]) == list(CASES)
    assert all(len(kept["reward"]) > 1 or "Protocol" in label for label, kept in released()["trajectories"].items())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"reward": [1.0, 2.0 + 1e-5]}, "the reward of step 2 is 2.00001, expected 2"),
        ({"reward": [1.0]}, "it took 1 steps, expected 2"),
        ({"slacks": {"Voltage [V]": 0.26}}, "the slack 'Voltage [V]' ends at 0.26, expected 0.25"),
        ({"slacks": {}}, "the slack 'Voltage [V]' is only in one of them"),
        ({"observation": [0.5, 1.6]}, "the last observation differs"),
        ({"observation": [0.5]}, "the observation has 1 numbers, expected 2"),
        ({"reward": [1.0, float("nan")]}, "the reward of step 2 is nan"),
    ],
)
def test_differences_in_words(change: dict[str, Any], said: str) -> None:
    assert any(said in text for text in differences(GOOD._asdict(), GOOD._replace(**change)))
    assert differences(GOOD._asdict(), GOOD) == []
    assert differences(GOOD._asdict(), GOOD._replace(reward=[1.0, 2.0 + 1e-9])) == []


def test_the_fingerprint_sees_eight_digits() -> None:
    kept = {"a": GOOD._asdict()}
    again = copy.deepcopy(kept)
    again["a"]["reward"][0] += 1e-12
    assert fingerprint(again) == fingerprint(kept)
    again["a"]["reward"][0] += 1e-4
    assert fingerprint(again) != fingerprint(kept)
    assert fingerprint(json.loads(json.dumps(kept))) == fingerprint(kept)


def test_it_ends_with_status_1_where_numbers_differ(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = {"versions": {"numpy": "1.0"}, "trajectories": {"good": GOOD._asdict(), "bad": GOOD._asdict()}}
    bad: dict[str, Any] = {"good": GOOD, "bad": GOOD._replace(reward=[0.0, 2.0]), "new": GOOD, "none": "no solver"}
    monkeypatch.setattr(doctor, "released", lambda: kept)
    monkeypatch.setattr(doctor, "examine", lambda quiet: bad)
    with pytest.raises(SystemExit) as ended:
        doctor.main([])
    assert ended.value.code == 1
    out = capsys.readouterr().out
    assert "ok    good" in out
    assert "FAIL  bad" in out
    assert "the reward of step 1 is 0, expected 1" in out
    assert "cannot be played: no solver" in out
    assert "is not in the release" in out
    assert "(released with 1.0)" in out
    monkeypatch.setattr(doctor, "examine", lambda quiet: {"good": GOOD})
    doctor.main(["quiet=true"])
    assert "All environments give the numbers" in capsys.readouterr().out


def test_a_release_is_written_and_bad_input_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "examine", lambda quiet: {"good": GOOD})
    doctor.main([f"write={tmp_path / 'golden.json'}"])
    assert json.loads((tmp_path / "golden.json").read_text())["trajectories"]["good"]["reward"] == [1.0, 2.0]
    monkeypatch.setattr(doctor, "examine", lambda quiet: {"none": "no solver"})
    with pytest.raises(VoltGymError, match="none cannot be played: no solver"):
        doctor.main([f"write={tmp_path / 'golden.json'}"])
    with pytest.raises(VoltGymError):
        doctor.main(["wrte=x"])
