"""Statistics of runs: against values by hand, against laws that hold for any data, and that intervals cover."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from voltgym.experiments import statistics
from voltgym.experiments.metrics import MetricError
from voltgym.experiments.statistics import interval, iqm, probability_of_improvement, profile, rank_intervals

FINITE = st.floats(-100, 100)


def test_the_middle_half_by_hand() -> None:
    assert iqm(np.array([-1000.0, 2.0, 4.0, 1000.0])) == 3.0
    np.testing.assert_allclose(iqm(np.arange(8.0).reshape(2, 4)), [1.5, 5.5])
    assert statistics.optimality_gap(np.array([0.5, 2.0])) == 0.25


@given(st.lists(FINITE, min_size=1, max_size=30))
def test_the_middle_lies_in_the_middle(values: list[float]) -> None:
    found = np.array(values)
    assert iqm(found) == pytest.approx(stats.trim_mean(found, 0.25))
    assert found.min() - 1e-9 <= iqm(found) <= found.max() + 1e-9
    assert iqm(found + 3.0) == pytest.approx(iqm(found) + 3.0, abs=1e-6)


@given(st.lists(FINITE, min_size=1, max_size=12), st.lists(FINITE, min_size=1, max_size=12))
def test_one_or_the_other_is_better(a: list[float], b: list[float]) -> None:
    x, y = [np.array(a)[:, None]], [np.array(b)[:, None]]
    assert probability_of_improvement(x, y) + probability_of_improvement(y, x) == pytest.approx(1.0)
    assert probability_of_improvement(x, x) == pytest.approx(0.5)


def test_a_profile_falls_from_one_to_none() -> None:
    found = profile(np.array([[0.1, 0.5], [0.9, 0.5]]), np.array([0.0, 0.3, 0.5, 0.9]))
    np.testing.assert_allclose(found, [1.0, 0.75, 0.25, 0.0])


@pytest.mark.parametrize("statistic", [statistics.mean, iqm])
def test_intervals_cover_the_truth(statistic: object) -> None:
    """Ten runs from a normal distribution, many times: at least 92 % of the 95 % intervals hold its middle."""
    rng, times = np.random.default_rng(0), 600
    hits = 0
    for k in range(times):
        found = interval([rng.normal(1.0, 1.0, size=(10, 1))], statistic, resamples=400, seed=k)  # type: ignore[arg-type]
        hits += found.low <= 1.0 <= found.high
    assert hits / times >= 0.92


def test_runs_are_drawn_whole() -> None:
    """Fifty episodes of three seeds that differ are no hundred and fifty runs."""
    table = np.repeat([[0.0], [1.0], [2.0]], 50, axis=1)
    found = interval([table], statistics.mean)
    assert found.value == 1.0
    assert found.high - found.low > 1.5


def test_several_environments_keep_their_weight() -> None:
    found = interval([np.zeros((5, 2)), np.ones((5, 2))], statistics.mean)
    assert found == (0.5, 0.5, 0.5)


def test_one_run_has_no_interval() -> None:
    found = interval([np.ones((1, 3))])
    assert found.value == 1.0
    assert np.isnan([found.low, found.high]).all()


def test_ranks_of_agents_that_are_clearly_apart() -> None:
    rng = np.random.default_rng(1)
    weather = rng.normal(size=20)  # what all agents share: pairing takes it out
    made = {
        name: middle + weather + 0.05 * rng.normal(size=(10, 20)) for name, middle in {"a": 2, "b": 1, "c": 0}.items()
    }
    assert {name: tuple(rank)[:2] for name, rank in rank_intervals(made).items()} == {
        "a": (1, 1), "b": (2, 2), "c": (3, 3),
    }  # fmt: skip
    found = rank_intervals(made, below=["a"])
    assert found["a"][:2] == (3, 3)
    assert found["b"][:2] == (1, 1)


def test_agents_that_are_alike_share_ranks() -> None:
    rng = np.random.default_rng(2)
    made = {name: rng.normal(size=(10, 5)) for name in "ab"}
    for rank in rank_intervals(made).values():
        assert rank[:2] == (1, 2)
    same = np.ones((3, 2))
    assert rank_intervals({"a": same, "b": same}) == {"a": (1, 1, 1.0), "b": (1, 1, 1.0)}


def test_what_cannot_be_counted() -> None:
    with pytest.raises(MetricError, match="not finite"):
        interval([np.array([[1.0], [np.nan]])])
    with pytest.raises(MetricError, match="no scores"):
        statistics.optimality_gap(np.array([]))
    with pytest.raises(MetricError, match="the same ones"):
        rank_intervals({"a": np.ones((2, 3)), "b": np.ones((2, 4))})
    with pytest.raises(MetricError, match="the same ones"):
        probability_of_improvement([np.ones((2, 3))], [np.ones((2, 4))])


def test_a_resample_is_the_statistic_over_drawn_runs_of_means_over_drawn_episodes() -> None:
    rng = np.random.default_rng(3)
    tables = [rng.normal(size=(runs, 7)) for runs in (1, 5, 5, 3)]
    columns = rng.integers(7, size=(20, 7))
    rows = {n: rng.integers(n, size=(20, n)) for n in (1, 3, 5)}
    found = statistics._drawn(statistics.iqm, tables, rows, columns)
    for k in range(20):
        for j, table in enumerate(tables):
            means = np.array([table[r][columns[k]].mean() for r in rows[len(table)][k]])
            assert found[k, j] == pytest.approx(float(statistics.iqm(means)))
