"""The cheap spread of a process against the exact one."""

from __future__ import annotations

import numpy as np
import pytest

from voltgym.surrogates.gp_spread import explained, pivots, projection

RNG = np.random.default_rng(0)
X, NEW = RNG.normal(size=(60, 2)), RNG.normal(size=(20, 2))
NOISE = 0.05


def kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.exp(-0.5 * ((a[:, None] - b[None]) ** 2).sum(axis=2))


def exact() -> np.ndarray:
    k = kernel(NEW, X)
    return np.einsum("ij,ji->i", k, np.linalg.solve(kernel(X, X) + NOISE * np.eye(len(X)), k.T))


def test_with_all_rows_it_is_the_exact_variance() -> None:
    kept = projection(kernel(X, X), NOISE, len(X))  # in single precision, with a jitter of 1e-6
    np.testing.assert_allclose(
        explained(kernel(NEW, X), kept), exact(), atol=1e-2
    )  # single precision and a jitter of 1e-6


@pytest.mark.parametrize(("rank", "most"), [(5, 0.7), (15, 0.1), (30, 0.02)])
def test_more_rows_are_nearer_to_it(rank: int, most: float) -> None:
    kept = projection(kernel(X, X), NOISE, rank)
    assert kept["factor"].shape == (rank, rank)
    assert np.abs(explained(kernel(NEW, X), kept) - exact()).max() < most


def test_a_row_that_is_there_twice_is_chosen_once() -> None:
    twice = np.concatenate([X[:5], X[:5]])
    assert sorted(pivots(kernel(twice, twice), 10) % 5) == list(range(5))
