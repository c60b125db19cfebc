"""How fast a battery wears out: the formula that stands for the physics here, as a property model.

Its designs are rows of (state of charge, C-rate); a property model says what a design is worth, and how sure it is.
The form (calendar wear that grows with charge, cyclic wear with current) is usual, the numbers are this example's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from voltgym.surrogates.base import Failure, Prediction

NAMES = ("Fade [%/h]",)
LOW, HIGH = np.array([0.0, 0.0]), np.array([1.0, 1.0])
"""The range of charge and C-rate in which wear is known."""


def split(designs: Sequence[Any] | np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Designs as numbers (n, 2), how far inside the range each is (n,), and the failures (n,) of what is none."""
    x = np.asarray(designs, dtype=float).reshape(-1, 2)
    bad = ~np.isfinite(x).all(axis=1)
    x = np.where(bad[:, None], 0.5, x)
    domain = np.where(bad, -1.0, np.minimum(x - LOW, HIGH - x).min(axis=1))
    return x, domain, np.where(bad, Failure.DOMAIN, Failure.NONE).astype(np.int8)


class FadeFormula:
    """Wear by the formula: exact, so its spread is zero."""

    names = NAMES

    def predict(self, designs: Sequence[Any] | np.ndarray) -> Prediction:
        """(n, 1) percent of the capacity an hour."""
        x, domain, failure = split(designs)
        fade = 5e-4 * np.exp(1.2 * x[:, 0]) + 2e-3 * x[:, 1] * (1 + x[:, 1])
        return Prediction(fade[:, None], np.zeros((len(x), 1)), domain, failure)
