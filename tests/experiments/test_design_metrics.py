"""Measures of a search, against what they mean."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from voltgym.agents.oracle import Verdict
from voltgym.experiments import design_metrics
from voltgym.experiments.design_metrics import (
    acceleration,
    auc_top,
    calls_to_reach,
    diversity,
    interval,
    scores,
    share_feasible,
    top_curve,
    top_mean,
)
from voltgym.experiments.metrics import MetricError

SCORES = arrays(float, st.integers(0, 40), elements=st.floats(0, 1))
SOME = arrays(float, st.integers(1, 40), elements=st.floats(0, 1))


def test_infeasible_designs_count_as_nothing() -> None:
    found = [
        Verdict("a", 0.5, {}, True, 0, 1),
        Verdict("b", 0.9, {"Domain": -1.0}, False, 0, 2),
        Verdict("c", None, {}, False, 3, 3),
    ]
    assert scores(found).tolist() == [0.5, 0.0, 0.0]
    assert share_feasible(found) == pytest.approx(1 / 3)
    assert np.isnan(share_feasible([]))


@given(SCORES, st.integers(1, 12))
def test_the_curve_is_the_mean_of_the_best_so_far(score: np.ndarray, k: int) -> None:
    curve = top_curve(score, k)
    expected = [sum(sorted(score[: i + 1], reverse=True)[:k]) / k for i in range(len(score))]
    np.testing.assert_allclose(curve, expected, atol=1e-12)
    assert (np.diff(curve) >= -1e-12).all()
    assert top_mean(score, k) == pytest.approx(curve[-1] if len(score) else 0.0)


def test_missing_ones_count_as_zero() -> None:
    assert top_mean(np.array([0.5, 1.0]), 10) == pytest.approx(0.15)


@given(SOME, st.integers(1, 12), st.integers(1, 60))
def test_the_area_is_what_numpy_integrates(score: np.ndarray, k: int, budget: int) -> None:
    curve = [0.0, *top_curve(score[:budget], k)]
    curve += [curve[-1]] * (budget + 1 - len(curve))
    area = auc_top(score, k, budget)
    assert area == pytest.approx(np.trapezoid(curve) / budget)
    assert 0 <= area <= top_mean(score[:budget], k) + 1e-12


@given(SOME, st.integers(1, 12), st.integers(0, 20))
def test_a_run_that_ends_early_keeps_its_last_value(score: np.ndarray, k: int, more: int) -> None:
    padded = np.concatenate([score, np.zeros(more)])
    budget = len(padded)
    assert auc_top(score, k, budget) == pytest.approx(auc_top(padded, k, budget))


@given(SOME, st.integers(1, 12))
def test_what_is_found_sooner_is_worth_more(score: np.ndarray, k: int) -> None:
    best_first = np.sort(score)[::-1]
    assert auc_top(best_first, k, len(score)) >= auc_top(score, k, len(score)) - 1e-12
    assert auc_top(score, k, len(score)) >= auc_top(best_first[::-1], k, len(score)) - 1e-12


def test_the_best_there_can_be() -> None:
    assert auc_top(np.ones(1000), 1, 1000) == pytest.approx(0.9995)
    assert auc_top(np.array([]), 10, 100) == 0.0


def test_bad_numbers_are_refused() -> None:
    with pytest.raises(MetricError, match="below 0 or not a number"):
        auc_top(np.array([0.1, np.nan]), 10, 100)
    with pytest.raises(MetricError, match="budget is 0"):
        auc_top(np.ones(3), 10, 0)


@given(SCORES, st.floats(0, 1))
def test_calls_to_reach(score: np.ndarray, target: float) -> None:
    call = calls_to_reach(score, target)
    if call is None:
        assert not (score >= target).any()
    else:
        assert score[call - 1] >= target
        assert not (score[: call - 1] >= target).any()


def test_acceleration_of_an_agent_that_is_there_at_once() -> None:
    random = [np.array([0.0, 0.1, 0.2, 0.9]), np.array([0.0, 0.9, 0.1, 0.2]), np.array([0.1, 0.2, 0.3, 0.9])]
    fast, slow = [np.array([0.9, 0.0])] * 3, [np.array([0.1, 0.2])] * 3
    assert acceleration(fast, random) == (4.0, False)
    assert acceleration(random, random) == (1.0, False)
    assert acceleration(slow, random) == (2.0, True)


def test_diversity() -> None:
    assert diversity(np.ones((5, 5))) == 0.0
    assert diversity(np.eye(4)) == 1.0
    assert diversity(np.array([[1, 0.5], [0.5, 1]])) == 0.5
    assert np.isnan(diversity(np.ones((1, 1))))


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=10))
def test_the_interval_holds_the_mean(values: list[float]) -> None:
    low, high = interval(values)
    assert min(values) - 1e-12 <= low <= np.mean(values) + 1e-9
    assert np.mean(values) - 1e-9 <= high <= max(values) + 1e-12


def test_the_interval_covers() -> None:
    rng = np.random.default_rng(0)
    hits = [low <= 0 <= high for low, high in (interval(rng.normal(size=30)) for _ in range(60))]
    assert 0.85 <= np.mean(hits) <= 1.0


def test_best_so_far_never_falls_and_begins_at_nothing() -> None:
    assert design_metrics.best_so_far(np.array([-1.0, np.nan, 0.5, 0.2])).tolist() == [0, 0, 0.5, 0.5]


def test_a_sparse_curve_has_the_area_of_the_full_one() -> None:
    full = np.array([0.0, 0.2, 0.2, 0.6, 0.6, 0.6])
    sparse = design_metrics.auc_best(np.array([2, 4]), np.array([0.2, 0.6]), 6)
    assert sparse == pytest.approx(design_metrics.auc_top(full, 1, 6))
    assert design_metrics.auc_best(np.array([7]), np.array([1.0]), 6) == 0.0
    with pytest.raises(MetricError, match="budget"):
        design_metrics.auc_best(np.array([1]), np.array([1.0]), 0)


def test_a_curve_is_read_where_it_was_last_known() -> None:
    calls, best = np.array([2, 4]), np.array([0.2, 0.6])
    assert [design_metrics.at_call(calls, best, k) for k in (1, 2, 3, 4, 9)] == [0.0, 0.2, 0.2, 0.6, 0.6]


def test_regret_is_what_the_best_misses_either_way() -> None:
    assert design_metrics.simple_regret([3.0, 5.0], 8.0, 1) == 3.0
    assert design_metrics.simple_regret([3.0, 5.0], 2.5, -1) == 0.5
    assert np.isnan(design_metrics.simple_regret([], 1.0, 1))


@pytest.mark.parametrize("seeds", [1, 4, 5, 10])
def test_random_search_is_as_fast_as_itself_however_many_runs_there_are(seeds: int) -> None:
    rng = np.random.default_rng(seeds)
    runs = [rng.uniform(size=200) for _ in range(seeds)]
    assert acceleration(runs, runs) == (1.0, False)


def test_calls_are_those_after_which_the_median_run_is_there() -> None:
    random = [np.array([0.1, 0.2, 0.3, 0.4]), np.array([0.1, 0.2, 0.3, 0.8])]  # the median of the best is 0.6
    agent = [np.array([0.7, 0.7]), np.array([0.0, 0.5])]  # together 0.6 after two calls, each alone never or at once
    assert acceleration(agent, random) == (2.0, False)
    assert acceleration([np.array([0.1, 0.5, 0.5])], random) == (pytest.approx(4 / 3), True)
