"""What a charging protocol does, learned from the twin: minutes, and the worst voltage, temperature, anode potential.

A Gaussian process for the minutes and for every extreme of every stage, on the C-rates and on how long they take by
arithmetic alone. What need not be learned is not: the worst of the stages is a worst of several, and what a stage does
depends on no later one. It says what the twin would say of one cell in one scenario, by interpolation, and nothing of
an experiment.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache, cached_property
from importlib import resources
from pathlib import Path
from typing import Any, Self

import numpy as np

from voltgym.surrogates import parts
from voltgym.surrogates.base import Failure, Prediction
from voltgym.surrogates.growing import Joint, grown, joint, marginal
from voltgym.surrogates.parts import Part

VERSION = 1
MINUTES = "Time to target [min]"
LOSS = "Capacity loss [A.h]"
"""In some cycles of the protocol, on a twin that ages; the card says how many."""
WORST: Mapping[str, Any] = {
    "Maximum voltage [V]": np.argmax,
    "Maximum temperature [K]": np.argmax,
    "Minimum anode potential [V]": np.argmin,
}
"""The extremes, and which of several is the worst."""


def of_stage(name: str, stage: int) -> str:
    """What an extreme is called where it is that of a stage, counted from 1."""
    quantity, bracket, unit = name.partition(" [")
    return f"{quantity} of stage {stage}{bracket}{unit}"


def latent(stages: int) -> tuple[str, ...]:
    """What is learned of protocols of so many stages: minutes, and every extreme of every stage."""
    return (MINUTES, *(of_stage(name, i + 1) for name in WORST for i in range(stages)))


class ProtocolSurrogate:
    """Properties of protocols, (n, stages) C-rates: ``surrogates.base.Surrogate``.

    ``domain`` is how far every C-rate is within the range that was learned from [C]; 0 at its edge is inside.

    Args:
        models: of one property each, in the order of ``latent`` and, where it is known, ``LOSS``.
        low, high: (stages,) the range of the C-rates that was learned from.
        card: what it was fitted on and how good it is.
    """

    def __init__(self, models: Sequence[Part], low: np.ndarray, high: np.ndarray, card: Mapping[str, Any]) -> None:
        self.parts, self.card = tuple(models), dict(card)
        self.low, self.high = np.asarray(low, dtype=float), np.asarray(high, dtype=float)
        self.latent: tuple[str, ...] = tuple(part.names[0] for part in self.parts)
        self.names: tuple[str, ...] = (MINUTES, *WORST, *((LOSS,) if LOSS in self.latent else ()))

    @property
    def stages(self) -> int:
        """How many C-rates a protocol has."""
        return len(self.low)

    @classmethod
    def fit(cls, designs: Sequence[Any] | np.ndarray, values: np.ndarray, **options: Any) -> ProtocolSurrogate:
        """Learn from ``designs`` (n, stages) and ``values`` in the order of ``latent``; NaN where one is not known.

        One more column is the capacity loss. Options: ``low`` and ``high`` (stages,), the range where it is to be
        trusted, in place of that of the data; ``card``.

        Raises:
            ValueError: the shapes do not fit, or there are too few rows.
        """
        x, y = np.asarray(designs, dtype=float), np.asarray(values, dtype=float)
        names = (*latent(x.shape[-1]), LOSS)
        if x.ndim != 2 or len(y) != len(x) or y.ndim != 2 or y.shape[1] not in (len(names) - 1, len(names)):
            raise ValueError(
                f"designs {x.shape} and values {y.shape}; expected (n, stages) and (n, 1 + 3 stages), or one more"
            )
        models = []
        for j, name in enumerate(names[: y.shape[1]]):
            known = np.isfinite(y[:, j])
            table = features(x[known])[:, : _width(j, x.shape[1])]
            models.append(grown(name, _nothing(len(table)), table, y[known, j]))
        low, high = options.get("low", x.min(axis=0)), options.get("high", x.max(axis=0))
        return cls(models, low, high, options.get("card", {}))

    def predict(self, designs: Sequence[Any] | np.ndarray) -> Prediction:
        """(n, m) means and standard deviations of ``designs`` (n, stages). What is not finite fails with ``DOMAIN``.

        Of an extreme those of the stage that is expected to be the worst.
        """
        x = self._rows(designs)
        good = np.isfinite(x).all(axis=1)
        mean, std = self._worst(*self._each(features(np.where(good[:, None], x, self.low))))
        mean[~good], std[~good] = 0.0, 0.0
        inside = np.minimum(x - self.low, self.high - x).min(axis=1)
        failure = np.where(good, Failure.NONE, Failure.DOMAIN).astype(np.int8)
        return Prediction(mean, std, np.where(good, inside + 1e-9, -1.0), failure)

    def _each(self, table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(n, k) twice, of ``latent``."""
        mean, std = np.zeros((len(table), len(self.parts))), np.zeros((len(table), len(self.parts)))
        for j, part in enumerate(self.parts):
            for block in parts.blocks(len(table)):
                mean[block, j], std[block, j] = marginal(part, _nothing(len(block)), table[block])
        return mean, std

    def _worst(self, mean: np.ndarray, std: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(n, m) twice, of ``names``."""
        rows = np.arange(len(mean))
        places = [np.zeros(len(mean), dtype=int)]
        for j, find in enumerate(WORST.values()):
            first = 1 + j * self.stages
            places.append(first + find(mean[:, first : first + self.stages], axis=1))
        if LOSS in self.latent:
            places.append(np.full(len(mean), len(self.latent) - 1))
        at = np.stack(places, axis=1)
        return mean[rows[:, None], at], std[rows[:, None], at]

    def joint(self, designs: Sequence[Any] | np.ndarray) -> list[Joint]:
        """What is expected of ``designs`` (n, stages) together, of each of ``latent``."""
        table = features(self._rows(designs))
        return [joint(part, _nothing(len(table)), table) for part in self.parts]

    def _rows(self, designs: Sequence[Any] | np.ndarray) -> np.ndarray:
        x = np.array(designs, dtype=float).reshape(len(designs), -1 if len(designs) else self.stages)
        if x.shape[1] != self.stages:
            raise ValueError(f"the protocols have {x.shape[1]} C-rates; this surrogate is of {self.stages} stages")
        return x

    @cached_property
    def digest(self) -> str:
        """A hash of everything that predicts."""
        return parts.digest(self.parts)

    def save(self, path: Path) -> None:
        """Write npz files and ``card.json``, with their hashes, into the folder ``path``."""
        parts.save(path, VERSION, self.parts, {"low": self.low, "high": self.high}, self.card)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what :meth:`save` wrote. Raises `WeightsError` for what is missing, damaged or of another version."""
        found, domain, card = parts.load(path, VERSION, "protocol")
        return cls(found, domain["low"], domain["high"], card)


def features(x: np.ndarray) -> np.ndarray:
    """(n, stages + 1) of (n, stages) C-rates: they, and the mean of their inverses, which is what a charge takes."""
    slowness = sum((1 / np.maximum(column, 1e-3) for column in x.T), np.zeros(len(x))) / x.shape[1]
    return np.column_stack([x, slowness])


def _width(j: int, stages: int) -> int:
    """How many features the j-th of ``latent`` depends on: an extreme of a stage on the C-rates up to it."""
    return (j - 1) % stages + 1 if 1 <= j <= len(WORST) * stages else stages + 1


def _nothing(n: int) -> np.ndarray:
    return np.zeros((n, 0), np.uint8)


@cache
def load_shipped() -> ProtocolSurrogate:
    """The surrogate that comes with the package; read once a process."""
    return ProtocolSurrogate.load(Path(str(resources.files("voltgym.surrogates") / "models" / "protocol")))
