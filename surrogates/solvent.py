"""What a solvent molecule is worth, learned: nine properties with intervals that hold, and where they may be trusted.

Flash point, viscosity and permittivity have a thousand measurements or fewer, the electronic properties come from some
two thousand xTB calculations of ours: Gaussian processes, each with a kernel of its own. Boiling and melting have
thousands of measurements: ensembles. All are calibrated on molecules of groups that the model did not learn from
(``solvent_fit.py``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache, cached_property
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np

from voltgym.surrogates import parts
from voltgym.surrogates.base import Failure, Prediction
from voltgym.surrogates.ensemble import Ensemble
from voltgym.surrogates.gp import GaussianProcess
from voltgym.surrogates.growing import Joint, joint
from voltgym.surrogates.parts import Part
from voltgym.surrogates.solvent_features import BITS, DESCRIPTORS, features
from voltgym.surrogates.solvent_names import ELECTRONIC, NAMES
from voltgym.surrogates.tanimoto import Known

VERSION = 2
MOST_COUNTED = 8
"""Counts above this are all the same to an ensemble."""
FOLDED = 256
"""Places of the fingerprint in an environment's observation."""
LEAST_SIMILARITY = 0.35
"""Of :meth:`SolventSurrogate.similarity`, below which a molecule is outside the domain; the model card shows why."""
MARGIN = 0.05


class Seen(NamedTuple):
    """Of n molecules."""

    counts: np.ndarray
    numbers: np.ndarray
    good: np.ndarray
    """(n,) bool: it is a molecule."""
    similar: np.ndarray
    """(n, m) to all that were learned from."""


class SolventSurrogate:
    """Nine properties of molecules by canonical SMILES: ``surrogates.base.Surrogate``.

    ``predict`` never raises for a molecule: a text that is no SMILES fails with ``DOMAIN`` and zeros. ``domain`` is
    the smaller of the similarity less ``least_similarity``, and minus the ``descriptor_excess``.

    Args:
        models: of some properties each; together they have all names.
        measured, computed: (m, 1024) counts of the molecules that were learned from.
        low, high: (20,) the range of the descriptors of those molecules.
        card: what it was fitted on and how good it is.
    """

    names: tuple[str, ...] = NAMES
    latent: tuple[str, ...] = ELECTRONIC
    """What physics can compute, and a loop learns from it."""
    least_similarity = LEAST_SIMILARITY
    embedding = FOLDED + len(DESCRIPTORS)
    """The length of :meth:`embed`."""

    def __init__(
        self,
        models: Sequence[Part],
        measured: np.ndarray,
        computed: np.ndarray,
        low: np.ndarray,
        high: np.ndarray,
        card: Mapping[str, Any],
    ) -> None:
        self.parts, self.card = tuple(models), dict(card)
        self._counts = {"measured": measured, "computed": computed}
        gps = [(part, part.model) for part in self.parts if isinstance(part.model, GaussianProcess)]
        tables = [*(model.counts for _, model in gps), measured, computed]
        self._known, (*rows, self._measured, self._computed) = library(tables)
        self._processes = [(part, model, mine) for (part, model), mine in zip(gps, rows, strict=True)]
        self._ensembles = [(part, part.model) for part in self.parts if isinstance(part.model, Ensemble)]
        self._low, self._high = low, high
        self._scale = np.maximum(high - low, 1e-6)
        self._last: tuple[tuple[Any, ...], Seen] = (), Seen(*(np.zeros((0, 0)) for _ in Seen._fields))

    @classmethod
    def fit(cls, designs: Sequence[Any] | np.ndarray, values: np.ndarray, **options: Any) -> SolventSurrogate:
        """Learn from ``designs`` (n SMILES) and ``values`` (n, 9), NaN where one is not known."""
        from voltgym.surrogates.solvent_fit import fit  # what fits is not needed to predict

        return fit(list(designs), np.asarray(values, dtype=float), **options)

    # -- predicting ------------------------------------------------------------------------------------------------

    def predict(self, designs: Sequence[Any] | np.ndarray) -> Prediction:
        """(n, 9) means and standard deviations of ``designs`` (n SMILES)."""
        seen = self._seen(designs)
        mean, std = self._means(seen)
        mean[~seen.good], std[~seen.good] = 0.0, 0.0
        inside = self._nearest(seen.similar) - self.least_similarity
        domain = np.where(seen.good, np.minimum(inside, -self._excess(seen.numbers)), -1.0)
        return Prediction(mean, std, domain, np.where(seen.good, Failure.NONE, Failure.DOMAIN).astype(np.int8))

    def joint(self, designs: Sequence[Any] | np.ndarray) -> list[Joint]:
        """What is expected of ``designs`` (n SMILES) together, of each of ``latent``; not corrected."""
        seen = self._seen(designs)
        of = {part.names[0]: part for part, _, _ in self._processes}
        return [joint(of[name], seen.counts, seen.numbers) for name in self.latent]

    def _seen(self, designs: Sequence[Any] | np.ndarray) -> Seen:
        """What is learned from, of these molecules; those of the last call are kept, since several ask in turn."""
        key = tuple(designs)
        if key != self._last[0]:
            counts, numbers, good = features(key)
            self._last = key, Seen(counts, numbers, good, self._known.similarity(counts))
        return self._last[1]

    def _means(self, seen: Seen) -> tuple[np.ndarray, np.ndarray]:
        n = len(seen.counts)
        mean, std = np.zeros((n, len(NAMES))), np.zeros((n, len(NAMES)))

        def put(part: Part, block: np.ndarray, found: tuple[np.ndarray, np.ndarray]) -> None:
            at = [NAMES.index(name) for name in part.names]
            mean[block[:, None], at], std[block[:, None], at] = found

        for part, model, rows in self._processes:
            for block in parts.blocks(n):
                numbers, similar = seen.numbers[block, : part.numbers], seen.similar[block].take(rows, axis=1)
                put(part, block, parts.trusted(part, *model.predict(seen.counts[block], numbers, similar)))
        for part, ensemble in self._ensembles:
            first = ensemble.first(inputs(seen.counts, seen.numbers[:, : part.numbers]))
            for block in parts.blocks(n):
                put(part, block, parts.trusted(part, *ensemble.rest(first[:, block])))
        return mean, std

    def similarity(self, designs: Sequence[str]) -> np.ndarray:
        """(n,) the mean of the similarities to the nearest measured and to the nearest computed molecule, in [0, 1]."""
        return self._nearest(self._seen(designs).similar)

    def _nearest(self, similar: np.ndarray) -> np.ndarray:
        nearest = similar[:, self._measured].max(axis=1) + similar[:, self._computed].max(axis=1)
        return (nearest / 2).astype(float)

    def descriptor_excess(self, designs: Sequence[str]) -> np.ndarray:
        """(n,) how far the descriptors are outside the range of the data, in widths of it, the worst one; 0 inside.

        The range is that of the middle 99 % of the data, and ``MARGIN`` of its width to either side.
        """
        return self._excess(self._seen(designs).numbers)

    def _excess(self, numbers: np.ndarray) -> np.ndarray:
        numbers = numbers[:, : len(DESCRIPTORS)]
        outside = np.maximum(self._low - numbers, numbers - self._high) / self._scale
        return np.maximum(outside - MARGIN, 0.0).max(axis=1).astype(float)

    def embed(self, designs: Sequence[str]) -> np.ndarray:
        """(n, ``embedding``) float32: folded fingerprint counts, then descriptors within the range of the data."""
        counts, numbers, _, _ = self._seen(designs)
        numbers = numbers[:, : len(DESCRIPTORS)]
        folded = counts.reshape(len(counts), BITS // FOLDED, FOLDED).sum(axis=1)
        return np.concatenate([folded, (numbers - self._low) / self._scale], axis=1).astype(np.float32)

    def replaced(self, models: Sequence[Part], card: Mapping[str, Any]) -> Self:
        """The same with other models: what counts as alike, and the range of descriptors, stay."""
        counts = self._counts
        return type(self)(models, counts["measured"], counts["computed"], self._low, self._high, card)

    # -- on the disk -----------------------------------------------------------------------------------------------

    @cached_property
    def digest(self) -> str:
        """A hash of everything that predicts."""
        return parts.digest(self.parts)

    def save(self, path: Path) -> None:
        """Write npz files and ``card.json``, with their hashes, into the folder ``path``."""
        ranges = {"low": self._low, "high": self._high}
        parts.save(path, VERSION, self.parts, {**self._counts, **ranges}, self.card)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what :meth:`save` wrote. Raises `WeightsError` for what is missing, damaged or of another version."""
        found, domain, card = parts.load(path, VERSION, "solvent")
        return cls(found, domain["measured"], domain["computed"], domain["low"], domain["high"], card)


def inputs(counts: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """(n, 1024 + k) what an ensemble takes, of (n, 1024) counts and (n, k) numbers."""
    return np.concatenate([np.minimum(counts, MOST_COUNTED), numbers], axis=1, dtype=np.float32)


def library(tables: Sequence[np.ndarray]) -> tuple[Known, list[np.ndarray]]:
    """All different fingerprints of some (m, f) tables, and the places of every table's rows among them."""
    places: dict[bytes, int] = {}
    rows = [np.array([places.setdefault(row.tobytes(), len(places)) for row in table]) for table in tables]
    different = np.frombuffer(b"".join(places), dtype=np.uint8).reshape(len(places), -1)
    return Known(different), rows


@cache
def load_shipped() -> SolventSurrogate:
    """The surrogate that comes with the package; read once a process."""
    return SolventSurrogate.load(Path(str(resources.files("voltgym.surrogates") / "models" / "solvent")))
