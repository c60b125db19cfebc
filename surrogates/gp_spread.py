"""Spreads of a Gaussian process at the cost of few of its rows: the projected process.

With K the kernel matrix, R the chosen rows and s2 the noise, what the data explain of the variance at x is
``k_R (K_RR^-1 - (K_RR + K_RN K_NR / s2)^-1) k_R'`` ("DTC" of Quinonero-Candela and
Rasmussen 2005, J. Mach. Learn. Res. 6, 1939; from memory). All rows teach; only what they say along R is used. With
all rows chosen it is the exact variance.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

ENOUGH = 1e-3
"""Rows are chosen until no row's variance is left unexplained by more than this share of the largest."""


def projection(k: np.ndarray, noise: float, rank: int) -> dict[str, np.ndarray]:
    """``pivots`` (r,) and ``factor`` (r, r) float32, r <= ``rank``, of a kernel matrix (n, n) without its noise."""
    rows = pivots(k, rank)
    small = k[np.ix_(rows, rows)]
    lower = np.linalg.cholesky(small + 1e-6 * np.diag(small).max() * np.eye(len(rows)))
    across = np.linalg.solve(lower, k[rows])
    values, vectors = np.linalg.eigh(across @ across.T)
    share = np.maximum(values, 0) / (np.maximum(values, 0) + noise)
    factor = np.linalg.solve(lower.T, vectors * np.sqrt(share))
    return {"pivots": rows.astype(np.int32), "factor": factor.astype(np.float32)}


def explained(k: np.ndarray, kept: Mapping[str, np.ndarray]) -> np.ndarray:
    """(n,) the variance at new rows that the data explain, of their kernel (n, rows learned from)."""
    along = k[:, kept["pivots"]] @ kept["factor"]
    return np.einsum("ij,ij->i", along, along)


def pivots(k: np.ndarray, rank: int) -> np.ndarray:
    """(r,) rows of (n, n) that explain most of the others, one after the other: a pivoted Cholesky factorisation."""
    left = np.diag(k).astype(float).copy()
    least = ENOUGH * left.max()
    factor = np.zeros((len(k), min(rank, len(k))))
    rows: list[int] = []
    while len(rows) < factor.shape[1]:
        best = int(left.argmax())
        if left[best] < least:
            break
        column = k[best] - factor[:, : len(rows)] @ factor[best, : len(rows)]
        factor[:, len(rows)] = column / np.sqrt(left[best])
        left = np.maximum(left - factor[:, len(rows)] ** 2, 0.0)
        left[best] = 0.0
        rows.append(best)
    return np.array(rows)
