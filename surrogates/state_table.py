"""What estimators on tables of features share: one calibrated model, the ranges that it learned from, its files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np

from voltgym.surrogates import parts
from voltgym.surrogates.base import Failure
from voltgym.surrogates.calibration import combined, conformal_factor
from voltgym.surrogates.ensemble import Ensemble
from voltgym.surrogates.gp import GaussianProcess
from voltgym.surrogates.parts import Part
from voltgym.surrogates.state_inputs import shaped

VERSION = 1
OUTSIDE = 10.0
"""By how much a standard deviation grows with every width of the learned range that a row is outside of it."""


class Said(NamedTuple):
    """Of n rows, (n,) each."""

    mean: np.ndarray
    """0 where a row failed."""
    std: np.ndarray
    domain: np.ndarray
    """>= 0 within the range of every column that was learned from, in widths of it; -1 where a row failed."""
    failure: np.ndarray


class Tabled:
    """One value of rows of features, by an ensemble or a Gaussian process.

    Args:
        part: the model and its calibration.
        low, high: (d,) the range that was learned from.
        columns: the features, in order.
        card: what it was fitted on and how good it is.
    """

    def __init__(
        self, part: Part, low: np.ndarray, high: np.ndarray, columns: Sequence[str], card: Mapping[str, Any]
    ) -> None:
        self.part, self.low, self.high, self.columns, self.card = part, low, high, tuple(columns), dict(card)

    def predict(self, rows: Any) -> Said:
        """Of (n, d) rows. A row that is not finite fails by itself. Raises `InputError` for another shape."""
        x = shaped(rows, self.columns)
        good = np.isfinite(x).all(axis=1)
        safe = np.where(good[:, None], x, self.low)
        mean, spread = np.zeros(len(x)), np.zeros(len(x))
        for block in parts.blocks(len(x)):
            found = parts.trusted(self.part, *raw(self.part.model, safe[block]))
            mean[block], spread[block] = found[0][:, 0], found[1][:, 0]
        inside = (np.minimum(safe - self.low, self.high - safe) / (self.high - self.low)).min(axis=1, initial=1.0)
        std = spread * (1 + OUTSIDE * np.maximum(-inside, 0))
        failure = np.where(good, Failure.NONE, Failure.DOMAIN).astype(np.int8)
        return Said(np.where(good, mean, 0.0), np.where(good, std, 0.0), np.where(good, inside, -1.0), failure)

    @property
    def digest(self) -> str:
        """A hash of everything that predicts."""
        return parts.digest([self.part])

    def save(self, path: Path) -> None:
        """Write npz files and ``card.json``, with their hashes, into the folder ``path``."""
        parts.save(Path(path), VERSION, [self.part], {"low": self.low, "high": self.high}, self.card)

    @classmethod
    def load(cls, path: Path, name: str, columns: Sequence[str]) -> Self:
        """Read what :meth:`save` wrote, of the estimator ``name``. Raises `WeightsError`."""
        found, domain, card = parts.load(Path(path), VERSION, name)
        return cls(found[0], domain["low"], domain["high"], columns, card)


def raw(model: GaussianProcess | Ensemble, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n, 1) means and uncalibrated spreads of (n, d) numbers."""
    if isinstance(model, GaussianProcess):
        return model.predict(np.zeros((len(x), 0), dtype=np.uint8), x)
    return model.predict(x)


def calibrated(
    names: tuple[str, ...], model: GaussianProcess | Ensemble, x: np.ndarray, y: np.ndarray, base: float
) -> Part:
    """The model with a factor that makes its 90 % intervals cover (n,) values ``y`` that it did not learn from."""
    mean, spread = raw(model, x)
    factor = conformal_factor(mean[:, 0] - y, combined(spread[:, 0], base))
    return Part(names, model, np.array([factor]), np.array([base]), x.shape[1])


def bounds(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(d,) twice: the range of every column, never without width."""
    low, high = x.min(axis=0), x.max(axis=0)
    return low, np.maximum(high, low + 1e-6 * np.maximum(np.abs(low), 1.0))


class Shelved:
    """What the estimators that predict by a :class:`Tabled` share: it is asked for, hashed and kept."""

    what: str
    """The state, in a word."""
    tabled: Tabled | None

    @property
    def known(self) -> Tabled:
        """What predicts. Raises `ValueError` where nothing was learned yet."""
        if self.tabled is None:
            raise ValueError(f"this {self.what} estimator has learned nothing yet; fit it, or take load_shipped()")
        return self.tabled

    @property
    def digest(self) -> str:
        """A hash of everything that predicts."""
        return self.known.digest

    def save(self, path: Path) -> None:
        """Write npz files and ``card.json`` into the folder ``path``."""
        self.known.save(path)
