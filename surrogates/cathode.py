"""What a layered cathode is worth, learned from the twin: voltage, energy and volume change, with intervals that hold.

A Gaussian process a property on the fractions of the metals and on how much lithium is taken out; the specific energy
follows from the voltage. It says what the twin would say, by interpolation, and nothing of an experiment.
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
from voltgym.surrogates.cathode_features import NUMBERS, capacity, numbers
from voltgym.surrogates.cathode_names import ENERGY, NAMES, VOLTAGE
from voltgym.surrogates.gp import GaussianProcess
from voltgym.surrogates.growing import Joint, joint
from voltgym.surrogates.parts import Part

VERSION = 1


class CathodeSurrogate:
    """Three properties of cathodes by key, ``LiNi0.8Mn0.1Co0.1O2@0.7``: ``surrogates.base.Surrogate``.

    ``predict`` never raises for a design: a text that is none fails with ``DOMAIN`` and zeros. ``domain`` is how far a
    design is within the range of every fraction that was learned from, at most 0.1; 0 at its edge is inside.

    Args:
        models: of some properties each; together they have voltage and volume.
        low, high: (7,) the range of ``NUMBERS`` that was learned from.
        card: what it was fitted on and how good it is.
    """

    names: tuple[str, ...] = NAMES
    embedding = len(NUMBERS)
    """The length of :meth:`embed`."""

    def __init__(self, models: Sequence[Part], low: np.ndarray, high: np.ndarray, card: Mapping[str, Any]) -> None:
        self.parts, self.card = tuple(models), dict(card)
        self._low, self._high = low, high

    @classmethod
    def fit(cls, designs: Sequence[Any] | np.ndarray, values: np.ndarray, **options: Any) -> CathodeSurrogate:
        """Learn from ``designs`` (n keys) and ``values`` (n, 3)."""
        from voltgym.surrogates.cathode_fit import fit  # what fits is not needed to predict

        return fit(list(designs), np.asarray(values, dtype=float), **options)

    def predict(self, designs: Sequence[Any] | np.ndarray) -> Prediction:
        """(n, 3) means and standard deviations of ``designs`` (n keys)."""
        table, good = numbers(designs)
        n = len(table)
        mean, std = np.zeros((n, len(NAMES))), np.zeros((n, len(NAMES)))
        for part in self.parts:
            at = [NAMES.index(name) for name in part.names]
            for block in parts.blocks(n):
                found = parts.trusted(part, *raw(part, table[block]))
                mean[block[:, None], at], std[block[:, None], at] = found
        per_volt, energy, volt = capacity(table), NAMES.index(ENERGY), NAMES.index(VOLTAGE)
        mean[:, energy], std[:, energy] = mean[:, volt] * per_volt, std[:, volt] * per_volt
        mean[~good], std[~good] = 0.0, 0.0
        inside = np.minimum(table - self._low, self._high - table).min(axis=1, initial=0.1)
        failure = np.where(good, Failure.NONE, Failure.DOMAIN).astype(np.int8)
        return Prediction(mean, std, np.where(good, inside + 1e-9, -1.0), failure)

    @property
    def latent(self) -> tuple[str, ...]:
        """What is learned: the energy follows."""
        return tuple(name for part in self.parts for name in part.names)

    def joint(self, designs: Sequence[Any] | np.ndarray) -> list[Joint]:
        """What is expected of ``designs`` (n keys) together, of each of ``latent``."""
        table, _ = numbers(designs)
        return [joint(part, np.zeros((len(table), 0), np.uint8), table) for part in self.parts]

    def embed(self, designs: Sequence[str]) -> np.ndarray:
        """(n, 7) float32: the numbers of a design, from 0 to 1."""
        return numbers(designs)[0].astype(np.float32)

    @cached_property
    def digest(self) -> str:
        """A hash of everything that predicts."""
        return parts.digest(self.parts)

    def save(self, path: Path) -> None:
        """Write npz files and ``card.json``, with their hashes, into the folder ``path``."""
        parts.save(path, VERSION, self.parts, {"low": self._low, "high": self._high}, self.card)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what :meth:`save` wrote. Raises `WeightsError` for what is missing, damaged or of another version."""
        found, domain, card = parts.load(path, VERSION, "cathode")
        return cls(found, domain["low"], domain["high"], card)


def raw(part: Part, table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n, m) means and uncalibrated spreads of a part, of (n, 7) numbers."""
    if isinstance(part.model, GaussianProcess):
        return part.model.predict(np.zeros((len(table), 0), dtype=np.uint8), table)
    return part.model.predict(table)


@cache
def load_shipped() -> CathodeSurrogate:
    """The surrogate that comes with the package; read once a process."""
    return CathodeSurrogate.load(Path(str(resources.files("voltgym.surrogates") / "models" / "cathode")))
