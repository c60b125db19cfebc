"""Remaining useful life, in cycles until 80 % of nominal capacity, from a cell's first 50 cycles.

Learned from simulated cells, whose ageing was sped up, so agreement with a twin, not with a cell: ``docs/states.md``.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Self

import numpy as np

from voltgym.surrogates.base import Failure, Prediction
from voltgym.surrogates.gp import GaussianProcess
from voltgym.surrogates.rul_features import FEATURES
from voltgym.surrogates.splits import each_fold, group_folds
from voltgym.surrogates.state_inputs import shaped
from voltgym.surrogates.state_table import Shelved, Tabled, bounds, raw

BASE = 0.02
"""A standard deviation of the logarithm of the life never falls below this, before it is calibrated."""
FOLDS = 5


class RulEstimator(Shelved):
    """Remaining cycles of rows of ``rul_features.FEATURES``: ``surrogates.base.Surrogate``.

    The logarithm is learned, since errors of lives are proportional to them; the standard deviation is that of the
    logarithm, times the life.

    Args:
        tabled: what predicts the logarithm; None for an estimator that has yet to learn.
        options: of ``GaussianProcess``, for :meth:`fit`.
    """

    names: tuple[str, ...] = ("Remaining useful life [cycles]",)

    what = "RUL"

    def __init__(self, tabled: Tabled | None = None, **options: Any) -> None:
        self.tabled, self.options = tabled, {"steps": 150, **options}

    def fit(
        self, designs: Sequence[Any] | np.ndarray, values: np.ndarray, groups: np.ndarray | None = None
    ) -> RulEstimator:
        """A new estimator, learned from (n, len(FEATURES)) rows and (n, 1) cycles > 0.

        Calibrated on each fifth of the ``groups`` (cells, (n,)) by what the others say of it; few cells live long
        enough to keep some away.
        """
        from voltgym.surrogates.calibration import combined, conformal_factor
        from voltgym.surrogates.parts import Part

        x, y = shaped(designs, FEATURES), np.log(np.asarray(values, dtype=float).reshape(-1))
        fold = group_folds(np.arange(len(x)) if groups is None else groups, min(FOLDS, len(x)), 0)
        mean, spread = np.zeros(len(x)), np.zeros(len(x))
        for train, test in each_fold(fold):
            found = raw(self._process(x[train], y[train]), x[test])
            mean[test], spread[test] = found[0][:, 0], found[1][:, 0]
        factor = conformal_factor(mean - y, combined(spread, BASE))
        part = Part(self.names, self._process(x, y), np.array([factor]), np.array([BASE]), x.shape[1])
        return type(self)(Tabled(part, *bounds(x), FEATURES, {}), **self.options)

    def _process(self, x: np.ndarray, y: np.ndarray) -> GaussianProcess:
        return GaussianProcess(**self.options).fit(np.zeros((len(x), 0), np.uint8), x, y)

    def predict(self, designs: Sequence[Any] | np.ndarray) -> Prediction:
        """Cycles left of (n, len(FEATURES)) rows; one that is not finite fails by itself. Raises `InputError`."""
        said = self.known.predict(designs)
        good = said.failure == Failure.NONE
        cycles = np.where(good, np.exp(np.minimum(said.mean, 20.0)), 0.0)
        return Prediction(cycles[:, None], (cycles * said.std)[:, None], said.domain, said.failure)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what :meth:`save` wrote. Raises `WeightsError` for what is missing, damaged or of another version."""
        return cls(Tabled.load(path, "rul", FEATURES))


def shipped() -> Path:
    """Where the estimator is that comes with the package."""
    return Path(str(resources.files("voltgym.surrogates") / "models" / "rul"))


@cache
def load_shipped() -> RulEstimator:
    """The estimator that comes with the package; read once a process."""
    return RulEstimator.load(shipped())
