"""Uncertainty that can be relied on: spreads that cover what they say, probabilities that come true as often.

Spreads are widened as split-conformal prediction does it (Vovk, Gammerman and Shafer 2005; Angelopoulos and Bates 2021,
arXiv:2107.07511): the quantile of the normalised residuals on data that the model did not learn from.
"""

from __future__ import annotations

import numpy as np

LEVEL = 0.9
Z90 = 1.6448536269514722
"""A normal distribution has ``LEVEL`` within so many standard deviations."""


def conformal_factor(error: np.ndarray, std: np.ndarray, level: float = LEVEL) -> float:
    """What to multiply ``std`` (n,) with so that ``mean +- Z90 * std`` covers ``level`` of the truth.

    ``error`` (n,) are residuals on rows that were not learned from. The quantile is the conformal one, of rank
    ``ceil((n + 1) level)``: new rows of the same kind are covered at least so often.
    """
    if not len(error):
        return 1.0
    ratio = np.sort(np.abs(error) / np.maximum(std, 1e-12))
    rank = min(int(np.ceil((len(ratio) + 1) * level)), len(ratio))
    return float(ratio[rank - 1] / Z90)


def coverage(error: np.ndarray, std: np.ndarray, z: float = Z90) -> float:
    """The share of residuals within ``z`` standard deviations."""
    return float(np.mean(np.abs(error) <= z * std)) if len(error) else float("nan")


def combined(spread: np.ndarray, base: float | np.ndarray) -> np.ndarray:
    """(n,) a model's own ``spread`` with what it never falls below, added in squares.

    An ensemble agrees with itself in places where it is wrong; its spread alone, widened, would be absurd in others.
    """
    return np.sqrt(spread**2 + base**2)


def platt(score: np.ndarray, truth: np.ndarray, steps: int = 50) -> tuple[float, float]:
    """(slope, offset) of the logistic curve from scores (n,) to the chance of ``truth`` (n,) in {0, 1}.

    Platt 1999, with his smoothed targets, by Newton's method.
    """
    positive, negative = float(truth.sum()), float(len(truth) - truth.sum())
    target = np.where(truth > 0.5, (positive + 1) / (positive + 2), 1 / (negative + 2))
    w = np.array([1.0, np.log((positive + 1) / (negative + 1))])
    x = np.column_stack([score, np.ones_like(score)])
    for _ in range(steps):
        p = 1 / (1 + np.exp(-np.clip(x @ w, -30, 30)))
        hessian = x.T @ (x * (p * (1 - p))[:, None]) + 1e-6 * np.eye(2)
        step = np.linalg.solve(hessian, x.T @ (target - p))
        w = w + np.clip(step, -2, 2)
        if np.abs(step).max() < 1e-8:
            break
    return float(w[0]), float(w[1])


def auc(score: np.ndarray, truth: np.ndarray) -> float:
    """The chance that a positive scores above a negative, ties counting half."""
    from scipy.stats import rankdata

    positive = truth > 0.5
    n, m = int(positive.sum()), int((~positive).sum())
    if not n or not m:
        return float("nan")
    return float((rankdata(score)[positive].sum() - n * (n + 1) / 2) / (n * m))
