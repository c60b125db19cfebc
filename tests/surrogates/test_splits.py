"""Splits that keep groups together."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from voltgym.surrogates.splits import Scaler, each_fold, group_folds, random_folds


@given(groups=st.lists(st.integers(0, 12), min_size=10, max_size=80), folds=st.integers(2, 5), seed=st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_groups_stay_together_and_every_row_is_predicted_once(groups: list[int], folds: int, seed: int) -> None:
    fold = group_folds(groups, folds, seed)
    for group in set(groups):
        assert len(set(fold[np.array(groups) == group])) == 1
    rows = np.concatenate([test for _, test in each_fold(fold)])
    assert sorted(rows) == list(range(len(groups)))
    assert (fold == group_folds(groups, folds, seed)).all()


def test_folds_are_of_like_size() -> None:
    sizes = np.bincount(group_folds(np.arange(1000) // 7, 5, 0))
    assert sizes.max() - sizes.min() <= 14
    assert np.bincount(random_folds(103, 5, 0)).tolist() == [21, 21, 21, 20, 20]


def test_a_scaler_leaves_constant_columns_and_missing_values_alone() -> None:
    x = np.array([[1.0, 5.0], [3.0, 5.0], [np.nan, 5.0]])
    assert np.nan_to_num(Scaler.fit(x)(x)).tolist() == [[-1, 0], [1, 0], [0, 0]]
