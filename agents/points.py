"""Designs that were evaluated, each on the disk before the next is asked for, and which of them is the best."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from voltgym.agents.base import DAMAGE, check_same, said
from voltgym.envs.episodes import COMPLETED
from voltgym.envs.errors import VoltGymError
from voltgym.envs.problem import DesignProblem

REACHED = "Goal reached"
"""A slack of our own: +1 where the goal was reached, -1 where it was not; the value alone would not say so."""

MOST_VIOLATED = 10.0
WORST = -1e6
"""Below any value; what an infeasible point is counted down from."""


class Point(NamedTuple):
    """One evaluated design."""

    x: list[float]
    """In its own units."""
    value: float | None
    """The first value of the objective; None where the goal was not reached."""
    slacks: dict[str, float]
    """The lowest slacks, in units of their scales, and ``Goal reached``."""
    feasible: bool
    """The goal was reached, nothing failed, and every slack is at least its margin, less its tolerance."""
    spent: int = 0
    """How much of the budget was spent when it was known, itself included; 0 in logs of earlier versions."""


class Points:
    """All evaluated designs, in order, each on the disk before the next is asked for."""

    def __init__(self, folder: Path, about: Mapping[str, Any]) -> None:
        self.file, self.all = folder / "points.jsonl", list[Point]()
        folder.mkdir(parents=True, exist_ok=True)
        described, label = folder / "about.json", json.loads(json.dumps(dict(about), default=str))
        if self.file.exists() and described.exists():
            try:
                check_same(self.file, json.loads(described.read_text()), label)
                lines = self.file.read_text().splitlines(keepends=True)
                whole = [line for line in lines if line.endswith("}\n")]  # a kill may leave half a line
                self.all = [Point(**json.loads(line)) for line in whole]
            except VoltGymError:
                raise
            except DAMAGE as error:
                raise VoltGymError(f"{folder} is damaged ({said(error)}); delete it to start again") from None
            self.file.write_text("".join(whole))
        else:
            self.file.write_text("")
            described.write_text(json.dumps(label))

    def cut(self, count: int) -> None:
        """Keep the first ``count`` points alone."""
        if count < len(self.all):
            self.all = self.all[:count]
            part = self.file.with_suffix(".part")
            part.write_text("".join(json.dumps(point._asdict()) + "\n" for point in self.all))
            part.replace(self.file)

    def add(self, points: Sequence[Point]) -> None:
        """Keep ``points``, on the disk too."""
        self.all += points
        with self.file.open("a") as file:
            file.writelines(json.dumps(point._asdict()) + "\n" for point in points)


def main_value(problem: DesignProblem) -> tuple[str, str]:
    """The name of the value that counts, and its direction."""
    return next(iter(problem.objective.directions.items()))


def failed(point: Point) -> bool:
    """A failure ended an episode: the slacks are those from before it, which tell little of the design."""
    return point.slacks.get(COMPLETED, 1.0) < 0


def best_of(points: Sequence[Point], problem: DesignProblem) -> Point:
    """The best feasible point, or the one that violates least of those that did not fail."""
    sign = {"max": 1.0, "min": -1.0}[main_value(problem)[1]]

    def merit(point: Point) -> tuple[int, float]:
        if point.feasible and point.value is not None:
            return 2, sign * point.value
        return int(not failed(point)), sum(min(slack, 0.0) for slack in point.slacks.values())

    return max(points, key=merit)


def fitness(points: Sequence[Point], problem: DesignProblem) -> np.ndarray:
    """(n,) larger is better: the signed value of a feasible point; any other comes below all that are feasible.

    Those are ordered by how far they violate their slacks, in scales, at most ``MOST_VIOLATED`` each; where the design
    failed, every slack counts as violated so far.
    """
    sign = {"max": 1.0, "min": -1.0}[main_value(problem)[1]]
    broken = [
        sum(MOST_VIOLATED if failed(p) else min(max(-slack, 0.0), MOST_VIOLATED) for slack in p.slacks.values())
        for p in points
    ]
    return np.array(
        [
            WORST - far if p.value is None or not p.feasible else sign * p.value
            for p, far in zip(points, broken, strict=True)
        ]
    )


def write_curve(points: Sequence[Point], problem: DesignProblem, path: Path) -> None:
    """One line a point: ``steps`` (of the budget, so far), the point, and ``best``, the best feasible value so far."""
    sign = {"max": 1.0, "min": -1.0}[main_value(problem)[1]]
    lines, best = [], None
    for count, point in enumerate(points, 1):
        if point.feasible and point.value is not None and (best is None or sign * point.value > sign * best):
            best = point.value
        lines.append(json.dumps({"steps": point.spent or count, **point._asdict(), "best": best}) + "\n")
    path.write_text("".join(lines))
