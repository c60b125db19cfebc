"""Intervals that hold and probabilities that come true, on data whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voltgym.surrogates.calibration import auc, combined, conformal_factor, coverage, platt


@given(seed=st.integers(0, 10_000), wrong=st.floats(0.1, 10.0))
@settings(max_examples=25, deadline=None)
def test_conformal_intervals_cover_new_rows_whatever_the_spread_was(seed: int, wrong: float) -> None:
    rng = np.random.default_rng(seed)
    true = rng.uniform(0.5, 2.0, 3000)
    error, std = true * rng.standard_t(4, 3000), true * wrong
    factor = conformal_factor(error[:1000], std[:1000])
    assert coverage(error[1000:], factor * std[1000:]) == pytest.approx(0.9, abs=0.035)


def test_few_rows_are_covered_carefully() -> None:
    """With five residuals the largest one decides: 90 % cannot be promised with less."""
    error = np.array([0.1, -0.2, 0.3, 0.1, 5.0])
    assert conformal_factor(error, np.ones(5)) * 1.6448536 == pytest.approx(5.0)
    assert conformal_factor(np.zeros(0), np.zeros(0)) == 1.0


def test_combined_spreads_never_fall_below_the_base() -> None:
    assert (combined(np.array([0.0, 3.0]), 4.0) == [4.0, 5.0]).all()


def test_platt_finds_the_chances_that_made_the_data() -> None:
    rng = np.random.default_rng(0)
    score = rng.normal(size=20_000)
    truth = (rng.uniform(size=20_000) < 1 / (1 + np.exp(-(2.0 * score - 0.5)))).astype(float)
    slope, offset = platt(score, truth)
    assert slope == pytest.approx(2.0, abs=0.1)
    assert offset == pytest.approx(-0.5, abs=0.1)


def test_auc() -> None:
    assert auc(np.array([1.0, 2.0, 3.0]), np.array([0.0, 1.0, 1.0])) == 1.0
    assert auc(np.array([1.0, 1.0]), np.array([0.0, 1.0])) == 0.5
    assert np.isnan(auc(np.ones(3), np.ones(3)))
