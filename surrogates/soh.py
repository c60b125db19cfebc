"""State of health, a cell's capacity over the nominal one, from how an ordinary charge went.

Learned from simulated cells, so agreement with a twin, not with a cell. See ``docs/states.md``.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Self

import numpy as np

from voltgym.surrogates.base import Prediction
from voltgym.surrogates.ensemble import Ensemble
from voltgym.surrogates.soh_features import FEATURES
from voltgym.surrogates.state_inputs import shaped
from voltgym.surrogates.state_table import Shelved, Tabled, bounds, calibrated

BASE = 0.004
"""A standard deviation never falls below this SOH, before it is calibrated."""


class SohEstimator(Shelved):
    """SOH of rows of ``soh_features.FEATURES``: ``surrogates.base.Surrogate``.

    Args:
        tabled: what predicts; None for an estimator that has yet to learn.
        options: of ``Ensemble``, for :meth:`fit`.
    """

    names: tuple[str, ...] = ("SOH",)

    what = "SOH"

    def __init__(self, tabled: Tabled | None = None, **options: Any) -> None:
        self.tabled, self.options = tabled, {"hidden": (64, 64), "dropout": 0.0, "epochs": 300, **options}

    def fit(
        self, designs: Sequence[Any] | np.ndarray, values: np.ndarray, groups: np.ndarray | None = None
    ) -> SohEstimator:
        """A new estimator, learned from (n, len(FEATURES)) rows and (n, 1) SOH.

        A fifth of the ``groups`` (cells, (n,); each row its own if None) is kept from training, to calibrate with.
        """
        x, y = shaped(designs, FEATURES), np.asarray(values, dtype=float).reshape(-1)
        group = np.arange(len(x)) if groups is None else np.asarray(groups)
        seed = int(self.options.get("seed", 0))
        every = np.random.default_rng([seed, 5]).permutation(np.unique(group))
        held = np.isin(group, every[: max(1, len(every) // 5)])
        model = Ensemble(**self.options).fit(x[~held], y[~held], group[~held])
        part = calibrated(self.names, model, x[held], y[held], BASE)
        return type(self)(Tabled(part, *bounds(x), FEATURES, {}), **self.options)

    def predict(self, designs: Sequence[Any] | np.ndarray) -> Prediction:
        """SOH of (n, len(FEATURES)) rows; one that is not finite fails by itself. Raises `InputError` for a shape."""
        said = self.known.predict(designs)
        return Prediction(said.mean[:, None], said.std[:, None], said.domain, said.failure)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what :meth:`save` wrote. Raises `WeightsError` for what is missing, damaged or of another version."""
        return cls(Tabled.load(path, "soh", FEATURES))


def shipped() -> Path:
    """Where the estimator is that comes with the package."""
    return Path(str(resources.files("voltgym.surrogates") / "models" / "soh"))


@cache
def load_shipped() -> SohEstimator:
    """The estimator that comes with the package; read once a process."""
    return SohEstimator.load(shipped())
