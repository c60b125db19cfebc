"""What a solvent molecule is worth, learned: nine properties with intervals that hold, and where they may be trusted.

Flash point, viscosity and permittivity have a thousand measurements or fewer, the electronic properties come from some
two thousand xTB calculations of ours: Gaussian processes, each with a kernel of its own. Boiling and melting have
thousands of measurements: ensembles. All are calibrated on molecules of groups that the model did not learn from
(``solvent_fit.py``).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cache, cached_property
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np

from voltgym.surrogates.base import Failure, Prediction
from voltgym.surrogates.calibration import combined
from voltgym.surrogates.ensemble import Ensemble
from voltgym.surrogates.files import WeightsError
from voltgym.surrogates.gp import GaussianProcess
from voltgym.surrogates.solvent_features import BITS, DESCRIPTORS, features
from voltgym.surrogates.solvent_names import NAMES
from voltgym.surrogates.tanimoto import Known

VERSION = 2
CARD, DOMAIN_FILE = "card.json", "domain.npz"
MOST_COUNTED = 8
"""Counts above this are all the same to an ensemble."""
FOLDED = 256
"""Places of the fingerprint in an environment's observation."""
LEAST_SIMILARITY = 0.35
"""Of :meth:`SolventSurrogate.similarity`, below which a molecule is outside the domain; the model card shows why."""
MARGIN = 0.05
BLOCK = 16
"""Molecules are predicted so many at a time, whatever the batch: matrix products of one shape round alike, so that a
molecule's numbers do not depend, not even in the last bit, on the company that it is in."""


class Part(NamedTuple):
    """A model of some of the properties and how far to trust it."""

    names: tuple[str, ...]
    model: GaussianProcess | Ensemble
    factor: np.ndarray
    """(m,) what its spread is multiplied with, from conformal calibration."""
    base: np.ndarray
    """(m,) what is added to an ensemble's spread, in squares."""
    curve: tuple[float, float] | None = None
    """Slope and offset that make a score a probability."""
    numbers: int = len(DESCRIPTORS)
    """How many of the features' ``NUMBERS`` it takes, from the first on."""


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
        parts: models that together have all names.
        measured, computed: (m, 1024) counts of the molecules that were learned from.
        low, high: (20,) the range of the descriptors of those molecules.
        card: what it was fitted on and how good it is.
    """

    names: tuple[str, ...] = NAMES
    least_similarity = LEAST_SIMILARITY
    embedding = FOLDED + len(DESCRIPTORS)
    """The length of :meth:`embed`."""

    def __init__(
        self,
        parts: Sequence[Part],
        measured: np.ndarray,
        computed: np.ndarray,
        low: np.ndarray,
        high: np.ndarray,
        card: Mapping[str, Any],
    ) -> None:
        self.parts, self.card = tuple(parts), dict(card)
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
        blocks = [np.minimum(np.arange(start, start + BLOCK), n - 1) for start in range(0, n, BLOCK)]

        def put(part: Part, block: np.ndarray, found: tuple[np.ndarray, np.ndarray]) -> None:
            at = [NAMES.index(name) for name in part.names]
            mean[block[:, None], at], std[block[:, None], at] = found

        for part, model, rows in self._processes:
            for block in blocks:
                numbers, similar = seen.numbers[block, : part.numbers], seen.similar[block].take(rows, axis=1)
                put(part, block, trusted(part, *model.predict(seen.counts[block], numbers, similar)))
        for part, ensemble in self._ensembles:
            first = ensemble.first(inputs(seen.counts, seen.numbers[:, : part.numbers]))
            for block in blocks:
                put(part, block, trusted(part, *ensemble.rest(first[:, block])))
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

    # -- on the disk -----------------------------------------------------------------------------------------------

    @cached_property
    def digest(self) -> str:
        """A hash of everything that predicts."""
        found = hashlib.sha256()
        for part in self.parts:
            for name, array in sorted(part.model.arrays().items()):
                found.update(name.encode() + np.ascontiguousarray(array).tobytes())
            found.update(part.factor.tobytes() + part.base.tobytes() + repr(part.curve).encode())
        return found.hexdigest()[:16]

    def save(self, path: Path) -> None:
        """Write npz files and ``card.json``, with their hashes, into the folder ``path``."""
        from voltgym.surrogates.files import write_arrays

        path.mkdir(parents=True, exist_ok=True)
        ranges = {"low": self._low, "high": self._high}
        write_arrays(path / DOMAIN_FILE, {**self._counts, **ranges})
        described, hashes = [], {DOMAIN_FILE: _hash(path / DOMAIN_FILE)}
        for i, part in enumerate(self.parts):
            file = f"{i}.npz"
            part.model.save(path / file)
            hashes[file] = _hash(path / file)
            kind = type(part.model).__name__
            trust = {"factor": part.factor.tolist(), "base": part.base.tolist(), "curve": part.curve}
            described.append({"file": file, "kind": kind, "names": part.names, "numbers": part.numbers, **trust})
        about = {"version": VERSION, "parts": described, "hashes": hashes, "card": self.card}
        (path / CARD).write_text(json.dumps(about, indent=1), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what :meth:`save` wrote. Raises `WeightsError` for what is missing, damaged or of another version."""
        about = _read_card(path)
        for file, expected in about["hashes"].items():
            if not (path / file).is_file():
                raise WeightsError(f"{path / file} is missing; make it again with `voltgym fit surrogate=solvent`")
            if _hash(path / file) != expected:
                raise WeightsError(f"{path / file} is damaged; make it again with `voltgym fit surrogate=solvent`")
        from voltgym.surrogates.files import read_arrays

        domain = read_arrays(path / DOMAIN_FILE)
        kinds: dict[str, Any] = {kind.__name__: kind for kind in (GaussianProcess, Ensemble)}
        parts = [
            Part(
                tuple(d["names"]),
                kinds[d["kind"]].load(path / d["file"]),
                np.array(d["factor"]),
                np.array(d["base"]),
                None if d["curve"] is None else tuple(d["curve"]),
                int(d["numbers"]),
            )
            for d in about["parts"]
        ]
        return cls(parts, domain["measured"], domain["computed"], domain["low"], domain["high"], about["card"])


def trusted(part: Part, mean: np.ndarray, spread: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n, m) means and calibrated standard deviations of a part's properties, of what its model says."""
    if part.curve is None:
        return mean, combined(spread, part.base) * part.factor
    slope, offset = part.curve
    chance = 1 / (1 + np.exp(-np.clip(slope * mean + offset, -30, 30)))
    # A chance says itself how sure it is; what is added is how much the members differ about it.
    return chance, np.maximum(slope * spread * chance * (1 - chance), 0.01)


def inputs(counts: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """(n, 1024 + k) what an ensemble takes, of (n, 1024) counts and (n, k) numbers."""
    return np.concatenate([np.minimum(counts, MOST_COUNTED), numbers], axis=1, dtype=np.float32)


def library(tables: Sequence[np.ndarray]) -> tuple[Known, list[np.ndarray]]:
    """All different fingerprints of some (m, f) tables, and the places of every table's rows among them."""
    places: dict[bytes, int] = {}
    rows = [np.array([places.setdefault(row.tobytes(), len(places)) for row in table]) for table in tables]
    different = np.frombuffer(b"".join(places), dtype=np.uint8).reshape(len(places), -1)
    return Known(different), rows


def _read_card(path: Path) -> dict[str, Any]:
    again = "make it again with `voltgym fit surrogate=solvent`"
    try:
        about = json.loads((path / CARD).read_text(encoding="utf-8"))
        version = about["version"]
    except FileNotFoundError:
        raise WeightsError(f"there is no surrogate in {path}: {CARD} is missing; {again}") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WeightsError(f"{path / CARD} is damaged ({type(error).__name__}); {again}") from None
    if version != VERSION:
        raise WeightsError(f"{path} is of version {version!r}, this voltgym reads version {VERSION}; {again}")
    return about


def _hash(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


@cache
def load_shipped() -> SolventSurrogate:
    """The surrogate that comes with the package; read once a process."""
    return SolventSurrogate.load(Path(str(resources.files("voltgym.surrogates") / "models" / "solvent")))
