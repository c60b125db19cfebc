"""Scores of records that were made up: what is 0, what is 1, what counts where something is infeasible."""

from __future__ import annotations

import numpy as np
import pytest
from test_results import record, run

from voltgym.experiments import metrics
from voltgym.experiments.metrics import MetricError
from voltgym.experiments.scores import Hypervolume, Times, Values

TIME = "Time to target [min]"


def of_times(*times: float | None, name: str = "a") -> object:
    rows = [record(episode=k, feasible=t is not None, values={TIME: t}, scenario={"k": k}) for k, t in enumerate(times)]
    return run(entry=name, records=rows)


ANCHORS = {"base": of_times(40, 60), "best": of_times(20, 30)}
TIMES = Times(TIME, 90, "base", "best")


def test_times_are_0_at_the_baseline_and_1_at_the_reference() -> None:
    np.testing.assert_allclose(TIMES(ANCHORS["base"], ANCHORS), [0, 0])
    np.testing.assert_allclose(TIMES(ANCHORS["best"], ANCHORS), [1, 1])


def test_their_mean_is_the_score_of_the_design() -> None:
    mine = of_times(25, None)
    groups = [r.records for r in (mine, ANCHORS["base"], ANCHORS["best"])]
    assert TIMES(mine, ANCHORS).mean() == pytest.approx(metrics.score(*groups, TIME, 90))
    assert TIMES(mine, ANCHORS)[1] == pytest.approx(np.log(60 / 90) / np.log(2))  # infeasible: the maximal time


def test_other_episodes_are_no_comparison() -> None:
    with pytest.raises(MetricError, match="different episodes"):
        TIMES(of_times(25), ANCHORS)


def test_a_reference_that_is_slower_is_said() -> None:
    with pytest.raises(MetricError, match="not faster"):
        Times(TIME, 90, "best", "base")(of_times(25, 30), ANCHORS)


def of_design(value: float | None, feasible: bool = True) -> object:
    return run(records=[record(values={"Score": value}, feasible=feasible), record(episode=1, values={"Score": 9.0})])


def test_values_are_linear_and_the_first_design_counts() -> None:
    score = Values("Score", 0.4, 0.9)
    assert score(of_design(0.4), {})[0] == pytest.approx(0)
    assert score(of_design(0.9), {})[0] == pytest.approx(1)
    assert score(of_design(0.9, feasible=False), {})[0] == 0
    assert score(of_design(None), {})[0] == 0


def test_values_of_times_are_logarithmic() -> None:
    score = Values(TIME, 40, 10, direction="min", logarithm=True)
    assert score.of_value(20) == pytest.approx(0.5)
    with pytest.raises(MetricError, match="not better"):
        Values(TIME, 10, 40, direction="min")


def test_hypervolume_of_what_was_handed_in() -> None:
    score = Hypervolume("HV", {"E": 1.0, "C": 10.0}, {"E": "max", "C": "min"}, reference=16.0)
    designs = [
        record(values={"E": 3.0, "C": 8.0}),  # 2 x 2 beyond the reference point
        record(episode=1, values={"E": 5.0, "C": 8.0}),  # 4 x 2: dominates the first
        record(episode=2, values={"E": 9.0, "C": 1.0}, feasible=False),
        record(episode=3, values={"E": 0.5, "C": 1.0}),  # outside
    ]
    assert score(run(records=designs), {})[0] == pytest.approx(0.5)
    assert score(run(records=designs[2:]), {})[0] == 0
