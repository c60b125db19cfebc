from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from voltgym.experiments.progress import Lines, Progress, TensorBoard, Thinned, duration, terminal
from voltgym.experiments.records import read_json_lines


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Keep:
    def __init__(self) -> None:
        self.seen: list[tuple[Any, ...]] = []
        self.closed = False

    def update(self, steps: int, total: int, numbers: Mapping[str, float], seconds: float, left: float) -> None:
        self.seen.append((steps, total, dict(numbers), seconds, left))

    def close(self) -> None:
        self.closed = True


def test_the_time_left_counts_only_what_this_process_did() -> None:
    clock, keep = Clock(), Keep()
    with Progress([keep], clock) as progress:
        progress.update(900, 1000)  # resumed here
        clock.now = 10.0
        progress.update(920, 1000, reward=2)
    assert keep.seen[0][4] != keep.seen[0][4]
    assert keep.seen[1] == (920, 1000, {"reward": 2.0}, 10.0, 40.0)
    assert keep.closed


def test_a_sink_is_closed_when_training_breaks() -> None:
    keep = Keep()
    with pytest.raises(RuntimeError), Progress([keep]):
        raise RuntimeError
    assert keep.closed


def test_thinned_drops_what_comes_too_soon_but_never_the_last() -> None:
    keep = Keep()
    thin = Thinned(keep, every=1.0)
    for i in range(25):
        thin.update(i, 100, {}, 0.1 * i, 0.0)
    assert [s[0] for s in keep.seen] == [0, 10, 20]
    thin.close()
    assert [s[0] for s in keep.seen] == [0, 10, 20, 24]
    assert keep.closed


def test_lines_are_few_and_the_last_is_there() -> None:
    said: list[str] = []
    lines = Lines("train", said.append, every=100.0, share=0.25)
    for i in range(1, 101):
        lines.update(i, 100, {"reward": 0.5}, float(i), 100.0 - i)
    assert said[0] == "train: 1/100 reward 0.5  1:39 left"
    assert [line.split()[1] for line in said] == ["1/100", "26/100", "51/100", "76/100", "100/100"]


def test_the_learning_curve_and_tensorboard_are_written(tmp_path: Path) -> None:
    from voltgym.experiments.progress import LearningCurve

    with Progress([LearningCurve(tmp_path / "learning.jsonl"), TensorBoard(tmp_path / "tensorboard")]) as progress:
        progress.update(1, 2, reward=float("nan"))
        progress.update(2, 2, reward=1.5)
    assert [(line["steps"], line["reward"]) for line in read_json_lines(tmp_path / "learning.jsonl")] == [
        (1, None),
        (2, 1.5),
    ]
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [e.step for e in events.Tensors("voltgym/reward")] == [1, 2]


def test_durations() -> None:
    assert [duration(s) for s in (0.2, 61, 3725)] == ["0:00", "1:01", "1:02:05"]


def test_quiet_is_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress(terminal("x", quiet=True)) as progress:
        progress.update(1, 1)
    with Progress(terminal("loud")) as progress:
        progress.update(1, 1)
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "loud: 1/1\n"
