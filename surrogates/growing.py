"""Surrogates that a loop fits anew with every batch: few rows, no folds, spreads calibrated by leaving rows out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np

from voltgym.surrogates.base import Surrogate
from voltgym.surrogates.calibration import conformal_factor
from voltgym.surrogates.gp import GaussianProcess
from voltgym.surrogates.parts import Part, trusted

LEAST, MOST = 0.5, 5.0
"""What a spread may be multiplied with: few residuals say little about it."""
FEWEST = 4
"""Rows that a process can be fitted on."""


class Joint(NamedTuple):
    """What is expected of ``n`` designs together, of one property."""

    mean: np.ndarray
    """(n,)"""
    covariance: np.ndarray
    """(n, n)"""


class Growing(Surrogate, Protocol):
    """A surrogate that says how what it expects of several designs hangs together."""

    latent: tuple[str, ...]
    """What is learned; the rest of ``names`` follows from it."""

    def joint(self, designs: Sequence[object] | np.ndarray) -> list[Joint]:
        """What is expected of ``designs`` (n) together, one a name of ``latent``."""
        ...


def grown(name: str, counts: np.ndarray, numbers: np.ndarray, y: np.ndarray, *, seed: int = 0) -> Part:
    """A Gaussian process of one property, of (n, f) counts, (n, d) numbers and (n,) values.

    Raises:
        ValueError: there are fewer than ``FEWEST`` rows.
    """
    if len(y) < FEWEST:
        raise ValueError(f"there are {len(y)} values of {name!r}; expected at least {FEWEST}")
    model = GaussianProcess(seed=seed, most=300, steps=80, quiet=True).fit(counts, numbers, y)
    error, std = model.left_out()
    factor = float(np.clip(conformal_factor(error[:, 0], std[:, 0]), LEAST, MOST))
    return Part((name,), model, np.array([factor]), np.zeros(1), numbers.shape[1])


def marginal(part: Part, counts: np.ndarray, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n,) means and calibrated standard deviations of a part of one property, a Gaussian process."""
    assert isinstance(part.model, GaussianProcess)
    mean, std = trusted(part, *part.model.predict(counts, numbers[:, : part.numbers]))
    return mean[:, 0], std[:, 0]


def joint(part: Part, counts: np.ndarray, numbers: np.ndarray) -> Joint:
    """What a part of one property, a Gaussian process, expects of (n, f) counts and (n, d) numbers together."""
    assert isinstance(part.model, GaussianProcess)
    mean, covariance = part.model.joint(counts, numbers[:, : part.numbers])
    return Joint(mean[:, 0], covariance[0] * float(part.factor[0]) ** 2)
