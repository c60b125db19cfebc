"""The largest action that keeps the limits, found by asking a model: what greedy controllers are made of."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Margin = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""(rows, values) -> (len(rows),) how far inside the limits these values leave these rows; NaN where the model failed."""


def largest_feasible(
    margin: Margin, n: int, low: float, high: float | np.ndarray, *, tolerance: float = 3e-4, slip: float = 0.01, most: int = 40
) -> np.ndarray:
    """(n,) the largest value in [low, high] with ``margin >= 0``, where the margin falls as the value rises.

    A bracketed secant (the Illinois method: Dowell and Jarratt, BIT 11, 168-174, 1971; cited from memory), all rows at
    once, until the bracket is narrower than ``tolerance``; the feasible end is returned, or ``low`` if nothing is feasible.
    A row in which the model fails counts as infeasible. Where even ``low`` is infeasible by less than ``slip``, as when
    the last step ended on a limit and rounding put it just beyond, the value may be as bad as ``low`` is.
    """
    good, bad = np.full(n, float(low)), np.broadcast_to(np.asarray(high, dtype=float), (n,)).copy()
    result = bad.copy()
    rows = np.arange(n)
    at_bad = margin(rows, bad)
    rows = rows[~(at_bad >= 0)]
    if not rows.size:
        return result
    result[rows] = low
    at_bad, at_good = at_bad.copy(), np.full(n, np.nan)
    at_good[rows] = margin(rows, good[rows])
    floor = np.where((at_good < 0) & (at_good > -slip), at_good - 1e-6, 0.0)
    at_good, at_bad = at_good - floor, at_bad - floor
    rows = rows[at_good[rows] >= 0]
    same_side = np.zeros(n, dtype=int)
    for _ in range(most):
        rows = rows[bad[rows] - good[rows] > tolerance]
        if not rows.size:
            break
        value = _between(good[rows], bad[rows], at_good[rows], at_bad[rows], tolerance)
        found = margin(rows, value) - floor[rows]
        inside = found >= 0
        _narrow(rows[inside], value[inside], found[inside], good, at_good, at_bad, same_side, +1)
        _narrow(rows[~inside], value[~inside], found[~inside], bad, at_bad, at_good, same_side, -1)
        result[rows] = good[rows]
    return result


def _between(good: np.ndarray, bad: np.ndarray, at_good: np.ndarray, at_bad: np.ndarray, tolerance: float) -> np.ndarray:
    """The next value: the secant's zero, nearly ``tolerance`` inside the bracket; its middle where the model failed."""
    width = bad - good
    with np.errstate(invalid="ignore", divide="ignore"):
        share = at_good / (at_good - at_bad)
    share = np.where(np.isfinite(share), share, 0.5)
    step = np.clip(share * width, 0.9 * tolerance, width - 0.9 * tolerance)  # a step past the zero closes the bracket
    return good + step


def _narrow(
    rows: np.ndarray,
    value: np.ndarray,
    found: np.ndarray,
    end: np.ndarray,
    at_end: np.ndarray,
    at_other: np.ndarray,
    same_side: np.ndarray,
    side: int,
) -> None:
    """Move one end of the bracket; an end kept twice has its value halved, which makes the secant come to it."""
    end[rows], at_end[rows] = value, found
    again = rows[same_side[rows] == side]
    at_other[again] /= 2
    same_side[rows] = side
