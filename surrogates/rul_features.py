"""Features of a cell's first cycles that tell how long it will live.

The logarithm of the variance of dQ(V), the difference of the discharge curves of two cycles, is the strongest of those
that Severson et al. found: Nature Energy 4 (2019) 383-391, doi:10.1038/s41560-019-0356-8 (their cycles 100 and 10;
cited from memory). Here the two are check-ups, at C/3 and 25 C, after cycles ``FIRST`` and ``LAST``.
"""

from __future__ import annotations

import numpy as np

FIRST, LAST = 10, 50
CHECKS = tuple(range(FIRST, LAST + 1, 10))
"""Cycles after which there must be check-ups."""
GRID = np.round(np.arange(3.0, 4.11, 0.05), 3)
"""[V] at which a check-up's discharge curve is read."""

FEATURES = (
    "log10 variance of dQ(V) [(A.h)2]",
    "log10 largest size of dQ(V) [A.h]",
    "Mean of dQ(V) [A.h]",
    "Capacity after the first check-up [A.h]",
    "Capacity after the last check-up [A.h]",
    "Capacity lost a cycle [A.h]",
    "Bend of the fade [A.h]",
    "C-rate of charge",
    "Temperature [K]",
)
"""The columns of the RUL estimator, in order."""


def features(curves: np.ndarray, capacity: np.ndarray, c_rate: np.ndarray, kelvin: np.ndarray) -> np.ndarray:
    """(n, len(FEATURES)) of n cells.

    Args:
        curves: (n, 2, len(GRID)) [A.h] discharged when the voltage falls to ``GRID``, in the first and last check-up.
        capacity: (n, len(CHECKS)) [A.h] of all check-ups.
        c_rate: (n,) of the charge's last stage at constant current.
        kelvin: (n,) mean temperature [K] of charges meanwhile.
    """
    change = curves[:, 1] - curves[:, 0]
    lost = -slope(capacity)
    bend = capacity[:, len(CHECKS) // 2] - (capacity[:, 0] + capacity[:, -1]) / 2
    columns = [
        np.log10(np.maximum(change.var(axis=1), 1e-12)),
        np.log10(np.maximum(np.abs(change).max(axis=1), 1e-6)),
        change.mean(axis=1),
        capacity[:, 0],
        capacity[:, -1],
        lost,
        bend,
        c_rate,
        kelvin,
    ]
    return np.column_stack(columns)


def slope(capacity: np.ndarray) -> np.ndarray:
    """(n,) [A.h] a cycle: the line through (n, len(CHECKS)) capacities."""
    at = np.array(CHECKS, dtype=float)
    return (capacity - capacity.mean(axis=1, keepdims=True)) @ (at - at.mean()) / ((at - at.mean()) ** 2).sum()


def linear_life(capacity: np.ndarray, end: float) -> np.ndarray:
    """(n,) cycles from the last check-up until the line through the capacities falls to ``end`` [A.h]; the baseline.

    A line that does not fall lives for ever: infinity.
    """
    lost = -slope(capacity)
    left = capacity.mean(axis=1) - lost * (LAST - np.mean(CHECKS)) - end
    with np.errstate(divide="ignore"):
        return np.where(lost > 0, np.maximum(left, 0.0) / np.maximum(lost, 1e-12), np.inf)
