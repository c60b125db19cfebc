"""State of charge from a history of voltage, temperature, current and counted charge, with a standard deviation.

Learned from simulated cells, so agreement with a twin, not with a cell. Coulomb counting does most of the work; what is
learned is how far it is off, from how the cell answers. See ``docs/states.md``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache, cached_property
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np

from voltgym.surrogates import state_files
from voltgym.surrogates.base import Failure, Prediction
from voltgym.surrogates.calibration import combined
from voltgym.surrogates.files import WeightsError
from voltgym.surrogates.soc_network import Gru, update
from voltgym.surrogates.state_inputs import shaped
from voltgym.surrogates.state_sensors import COLUMNS, COUNTED

OUTSIDE = 10.0
"""By how much a standard deviation grows with every width of the learned range that a history is outside of it."""


class Following(NamedTuple):
    """What is known of n histories so far: all that the next sample needs."""

    memory: np.ndarray
    """(n, members, hidden) float32."""
    domain: np.ndarray
    """(n,) the least so far."""
    samples: np.ndarray
    """(n,) how many there were."""


class Estimate(NamedTuple):
    """What is said of n cells now."""

    soc: np.ndarray
    """(n,) of the cell's own capacity."""
    std: np.ndarray
    """(n,) calibrated; wider outside the domain."""
    domain: np.ndarray
    """(n,) >= 0 within the ranges that were learned from, in widths of them."""


class SocEstimator:
    """SOC at the end of histories: ``surrogates.base.Surrogate``; or sample by sample, by :meth:`follow`.

    A history is (L, 4): voltage [V], temperature [K], C-rate of the step that ended with the sample (positive on
    charge) and counted SOC, every 30 s from a cell at rest on, all as measured. Counted SOC is a guess of the start
    plus the measured charge over nominal capacity.

    Args:
        weights: the networks; None for an estimator that has yet to learn.
        card: the ranges that were learned from (``range``), the calibration (``factor``, ``base``), where it is from.
        plan: how :meth:`fit` trains, a ``soc_fit.Plan``; None for a short training.
    """

    names: tuple[str, ...] = ("SOC",)

    def __init__(self, weights: Gru | None = None, card: Mapping[str, Any] | None = None, plan: Any = None) -> None:
        self.weights, self.card, self.plan = weights, dict(card or {}), plan

    def fit(self, designs: Sequence[Any] | np.ndarray, values: np.ndarray) -> Self:
        """Learn from measured histories (n, L, 4) and (n, 1) SOC at their end. Returns a new estimator.

        ``voltgym fit surrogate=soc`` does more: it knows the SOC at every sample, and draws other noise every epoch.
        """
        from voltgym.surrogates.soc_fit import learned  # what fits is not needed to predict

        return type(self)(*learned(shaped(designs, COLUMNS, 2), np.asarray(values, dtype=float), self.plan))

    def predict(self, designs: Sequence[Any] | np.ndarray) -> Prediction:
        """The SOC at the end of histories (n, L, 4).

        A row that is not finite fails by itself, with ``DOMAIN``, a mean of 0 and a domain of -1.

        Raises:
            ValueError: the shape is another; the message says which.
        """
        table = shaped(designs, COLUMNS, 2)
        good = np.isfinite(table).all(axis=(1, 2))
        now = self.begin(len(table))
        found = Estimate(*np.zeros((3, len(table))))
        for j in range(table.shape[1]):
            now, found = self.follow(now, np.where(good[:, None], table[:, j], 0.0))
        failure = np.where(good, Failure.NONE, Failure.DOMAIN).astype(np.int8)
        mean, std = np.where(good, found.soc, 0.0), np.where(good, found.std, 0.0)
        return Prediction(mean[:, None], std[:, None], np.where(good, found.domain, -1.0), failure)

    def begin(self, n: int) -> Following:
        """Of n histories nothing is known."""
        return Following(np.zeros((n, *self._w.size), np.float32), np.full(n, np.inf), np.zeros(n))

    def follow(self, before: Following, sample: np.ndarray) -> tuple[Following, Estimate]:
        """One sample more, (n, 4) of ``state_sensors.COLUMNS``. A row depends on that row alone, bit for bit."""
        sample = np.asarray(sample, np.float32)
        memory, off, std = update(self._w, before.memory, sample)
        count = before.samples + 1
        inside = np.minimum(before.domain, self._inside(sample, count))
        spread = np.sqrt((std.astype(float) ** 2).mean(axis=1) + off.astype(float).var(axis=1))
        std = self.card["factor"] * combined(spread, self.card["base"]) * (1 + OUTSIDE * np.maximum(-inside, 0))
        soc = sample[:, COUNTED].astype(float) + off.astype(float).mean(axis=1)
        return Following(memory, inside, count), Estimate(soc, std, inside)

    def _inside(self, sample: np.ndarray, count: np.ndarray) -> np.ndarray:
        """(n,) how far within every range that was learned from, in widths of it; the longest history is one, too."""
        low, high = (np.array([self.card["range"][name][i] for name in COLUMNS]) for i in (0, 1))
        found = (np.minimum(sample - low, high - sample) / (high - low)).min(axis=1)
        longest = self.card["samples"]
        return np.minimum(found, (longest - count) / longest)

    @property
    def _w(self) -> Gru:
        if self.weights is None:
            raise ValueError("this SOC estimator has learned nothing yet; fit it, or take load_shipped()")
        return self.weights

    @cached_property
    def digest(self) -> str:
        """A hash of everything that predicts."""
        return state_files.digest(self._w._asdict(), {**self.card, "predicts": ("range", "samples", "factor", "base")})

    def save(self, path: Path) -> None:
        """Write ``0.npz`` and ``card.json`` into the folder ``path``."""
        halves = {name: values.astype(np.float16) for name, values in self._w._asdict().items()}  # lossless
        state_files.save(Path(path), halves, self.card)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what :meth:`save` wrote. Raises `WeightsError` for what is missing, damaged or of another version."""
        arrays, card = state_files.load(Path(path), "soc")
        if set(arrays) != set(Gru._fields):
            raise WeightsError(f"{path} holds {', '.join(sorted(arrays))}; expected the arrays of an SOC estimator")
        return cls(Gru(**{name: values.astype(np.float32) for name, values in arrays.items()}), card)


def shipped() -> Path:
    """Where the estimator is that comes with the package."""
    return Path(str(resources.files("voltgym.surrogates") / "models" / "soc"))


@cache
def load_shipped() -> SocEstimator:
    """The estimator that comes with the package; read once a process."""
    return SocEstimator.load(shipped())
