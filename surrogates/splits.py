"""Splits of data that say how a model does on what it has not seen: by groups that stay together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np


def group_folds(groups: Sequence[object] | np.ndarray, folds: int, seed: int) -> np.ndarray:
    """(n,) the fold of every row, 0 ... ``folds - 1``; rows of a group are in one fold, folds are of like size.

    Groups are dealt in random order, each to the fold that is smallest so far, so that a group that is larger than a
    fold has one to itself.
    """
    names, rows = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    sizes = np.bincount(rows, minlength=len(names))
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(names))
    order = order[np.argsort(sizes[order] <= len(rows) / folds / 2, kind="stable")]  # the largest first
    filled, fold_of = np.zeros(folds), np.zeros(len(names), dtype=np.int64)
    for name in order:
        smallest = np.flatnonzero(filled == filled.min())
        fold_of[name] = rng.choice(smallest)
        filled[fold_of[name]] += sizes[name]
    return fold_of[rows]


def random_folds(n: int, folds: int, seed: int) -> np.ndarray:
    """(n,) the fold of every row, of like size."""
    return np.random.default_rng(seed).permutation(n) % folds


def each_fold(fold: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(rows to learn from, rows to predict) for every fold."""
    for k in range(int(fold.max()) + 1):
        yield np.flatnonzero(fold != k), np.flatnonzero(fold == k)


class Scaler:
    """Columns to mean 0 and variance 1, as they were in the data it was fitted on; constant columns to 0."""

    def __init__(self, mean: np.ndarray, scale: np.ndarray) -> None:
        self.mean, self.scale = mean, scale

    @classmethod
    def fit(cls, x: np.ndarray) -> Scaler:
        """Of (n, d) data; NaN is left out."""
        spread = np.nanstd(x, axis=0)
        return cls(np.nanmean(x, axis=0), np.where(spread > 1e-12, spread, 1.0))

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """(n, d) scaled."""
        return (x - self.mean) / self.scale
