"""How the records of a run become scores: 0 is the baseline, 1 the reference, more is possible.

A track names one of these in its config. Each takes runs and gives an array an episode; nothing here runs anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np

from voltgym.agents.pareto import dominated
from voltgym.envs.errors import check_name, number
from voltgym.experiments import metrics
from voltgym.experiments.metrics import MetricError
from voltgym.experiments.results import Run


class Score(Protocol):
    """What a track judges by."""

    anchors: tuple[str, ...]
    """Entries without which there is no score."""
    sign: int
    """1 where a larger raw value is better, -1 where a smaller one is."""
    value: str
    """The named result that tables show beside the score, with its unit."""

    def __call__(self, run: Run, anchors: Mapping[str, Run]) -> np.ndarray:
        """(episodes,) scores of ``run``. Raises `MetricError` where there can be none."""
        ...

    def of_value(self, value: float) -> float:
        """The score of one raw value, where the anchors are numbers; NaN where they are entries."""
        ...


class Times:
    """Times against two entries: ``log(t_base / t)`` an episode, over the mean of ``log(t_base / t_ref)``.

    The mean over the episodes is the score of `metrics.score`. An infeasible episode counts with ``maximum``.
    """

    sign = -1

    def __init__(self, value: str, maximum: float, baseline: str, reference: str) -> None:
        self.value, self.maximum = value, number("maximum", maximum, "a time > 0", low=1e-9)
        self.baseline, self.reference = baseline, reference
        self.anchors = (baseline, reference)

    def __call__(self, run: Run, anchors: Mapping[str, Run]) -> np.ndarray:
        """See the class."""
        base, best = (anchors[name].records for name in self.anchors)
        t_run, t_base, t_best = (
            metrics.times(group, self.value, self.maximum) for group in metrics.paired(run.records, base, best)
        )
        span = float(np.mean(np.log(t_base / t_best)))
        if not span > 0:
            raise MetricError(f"{self.reference} is not faster than {self.baseline}: the score is not defined")
        return np.log(t_base / t_run) / span

    def of_value(self, value: float) -> float:
        """NaN: a time alone says nothing without its scenario."""
        return float("nan")


class Values:
    """The first design that was handed in, against two numbers: ``(v - baseline) / (reference - baseline)``.

    ``logarithm``: of ratios, for times. An infeasible design scores 0.
    """

    anchors: tuple[str, ...] = ()

    def __init__(
        self, value: str, baseline: float, reference: float, direction: str = "max", logarithm: bool = False
    ) -> None:
        check_name("direction", direction, ("max", "min"))
        self.value, self.baseline, self.reference = value, float(baseline), float(reference)
        self.sign, self.logarithm = {"max": 1, "min": -1}[direction], logarithm
        if not self.sign * (self.reference - self.baseline) > 0:
            raise MetricError(f"the reference {reference} is not better than the baseline {baseline}")

    def __call__(self, run: Run, anchors: Mapping[str, Run]) -> np.ndarray:
        """(1,) see the class."""
        first = run.records[0]
        found = first["values"].get(self.value)
        return np.array([self.of_value(found) if first["feasible"] and found is not None else 0.0])

    def of_value(self, value: float) -> float:
        """The score of one value."""
        move = np.log if self.logarithm else np.asarray
        base, best, here = (float(move(v)) for v in (self.baseline, self.reference, value))
        return (here - base) / (best - base)


class Hypervolume:
    """What the designs that were handed in dominate together, over what the proven or best-known front does.

    Args:
        value: what tables call it, with its unit.
        point: the reference point by objective: what a design must beat to count.
        directions: ``max`` or ``min`` by objective.
        reference: the hypervolume that counts as 1.
    """

    anchors: tuple[str, ...] = ()
    sign = 1

    def __init__(self, value: str, point: Mapping[str, float], directions: Mapping[str, str], reference: float) -> None:
        self.value, self.names, self.reference = value, tuple(point), float(reference)
        self.signs = np.array([{"max": 1.0, "min": -1.0}[directions[name]] for name in point])
        self.point = self.signs * np.array(list(point.values()), dtype=float)

    def __call__(self, run: Run, anchors: Mapping[str, Run]) -> np.ndarray:
        """(1,) see the class."""
        rows = [[r["values"].get(name) for name in self.names] for r in run.records if r["feasible"]]
        whole = np.array([row for row in rows if None not in row], dtype=float).reshape(-1, len(self.names))
        return np.array([self.of_value(dominated(self.signs * whole, self.point.tolist()))])

    def of_value(self, value: float) -> float:
        """The share of the reference."""
        return value / self.reference
