"""The largest action that keeps the limits, found by asking a model: what greedy controllers are made of."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.optimize.elementwise import find_root

Margin = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""(rows, values) -> (len(rows),) how far inside the limits these values leave the rows; NaN where the model failed."""


def largest_feasible(
    margin: Margin, n: int, low: float, high: float | np.ndarray, *, tolerance: float = 3e-4, slip: float = 0.01
) -> np.ndarray:
    """(n,) the largest value in [low, high] with ``margin >= 0``, where the margin falls as the value rises.

    All rows at once with Chandrupatla's method (SciPy's ``elementwise.find_root``), until the bracket is narrower than
    ``tolerance``; the feasible end is returned, or ``low`` if nothing is feasible. A row in which the model fails
    counts as infeasible. Where even ``low`` is infeasible by less than ``slip``, as when the last step ended on a limit
    and rounding put it just beyond, the value may be as bad as ``low`` is.
    """
    lows, highs = np.full(n, float(low)), np.broadcast_to(np.asarray(high, dtype=float), (n,)).copy()
    everything = np.arange(n)
    at_high = _failed_is_bad(margin(everything, highs))
    rows = np.flatnonzero(at_high < 0)
    result = highs.copy()
    if not rows.size:
        return result
    at_low = np.zeros(n)
    at_low[rows] = _failed_is_bad(margin(rows, lows[rows]))
    floor = np.where((at_low < 0) & (at_low > -slip), at_low - 1e-6, 0.0)
    result[rows] = low
    rows = rows[at_low[rows] >= floor[rows]]
    if not rows.size:
        return result

    def beyond_floor(value: np.ndarray, row: np.ndarray) -> np.ndarray:
        at = np.where(value == lows[row], at_low[row], at_high[row])
        new = np.flatnonzero((value != lows[row]) & (value != highs[row]))
        if new.size:
            at[new] = _failed_is_bad(margin(row[new], value[new]))
        return at - floor[row] + 1e-12  # a margin of exactly zero is feasible

    found = find_root(
        beyond_floor,
        (lows[rows], highs[rows]),
        args=(rows,),
        tolerances={"xatol": tolerance, "xrtol": 0, "fatol": 0, "frtol": 0},
    )
    left, right = found.bracket
    at_left, _ = found.f_bracket
    result[rows] = np.where(at_left >= 0, left, right)
    return result


def _failed_is_bad(margin: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(margin), margin, -1e3)
