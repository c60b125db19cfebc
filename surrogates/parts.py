"""A surrogate on the disk: calibrated models of some of its properties each, and the card that says how good it is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from voltgym.surrogates.calibration import combined
from voltgym.surrogates.ensemble import Ensemble
from voltgym.surrogates.files import WeightsError, read_arrays, write_arrays
from voltgym.surrogates.gp import GaussianProcess

CARD, DOMAIN_FILE = "card.json", "domain.npz"
BLOCK = 16
"""Designs are predicted so many at a time, whatever the batch: matrix products of one shape round alike, so that a
design's numbers do not depend, not even in the last bit, on the company that it is in."""
_KINDS: Mapping[str, Any] = {kind.__name__: kind for kind in (GaussianProcess, Ensemble)}


class Part(NamedTuple):
    """A model of some of the properties and how far to trust it."""

    names: tuple[str, ...]
    model: GaussianProcess | Ensemble
    factor: np.ndarray
    """(m,) what its spread is multiplied with, from conformal calibration."""
    base: np.ndarray
    """(m,) what is added to an ensemble's spread, in squares."""
    numbers: int
    """How many of the features' numbers it takes, from the first on."""
    curve: tuple[float, float] | None = None
    """Slope and offset that make a score a probability."""


def trusted(part: Part, mean: np.ndarray, spread: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n, m) means and calibrated standard deviations of a part's properties, of what its model says."""
    if part.curve is None:
        return mean, combined(spread, part.base) * part.factor
    slope, offset = part.curve
    chance = 1 / (1 + np.exp(-np.clip(slope * mean + offset, -30, 30)))
    # A chance says itself how sure it is; what is added is how much the members differ about it.
    return chance, np.maximum(slope * spread * chance * (1 - chance), 0.01)


def blocks(n: int) -> list[np.ndarray]:
    """The rows 0 to n - 1, ``BLOCK`` at a time; the last one is filled up with its last row."""
    return [np.minimum(np.arange(start, start + BLOCK), n - 1) for start in range(0, n, BLOCK)]


def digest(parts: Sequence[Part]) -> str:
    """A hash of everything that predicts."""
    found = hashlib.sha256()
    for part in parts:
        for name, array in sorted(part.model.arrays().items()):
            found.update(name.encode() + np.ascontiguousarray(array).tobytes())
        found.update(part.factor.tobytes() + part.base.tobytes() + repr(part.curve).encode())
    return found.hexdigest()[:16]


def save(
    path: Path, version: int, parts: Sequence[Part], domain: Mapping[str, np.ndarray], card: Mapping[str, Any]
) -> None:
    """Write npz files and ``card.json``, with their hashes, into the folder ``path``."""
    path.mkdir(parents=True, exist_ok=True)
    write_arrays(path / DOMAIN_FILE, domain)
    described, hashes = [], {DOMAIN_FILE: _hash(path / DOMAIN_FILE)}
    for i, part in enumerate(parts):
        file = f"{i}.npz"
        part.model.save(path / file)
        hashes[file] = _hash(path / file)
        kind = type(part.model).__name__
        trust = {"factor": part.factor.tolist(), "base": part.base.tolist(), "curve": part.curve}
        described.append({"file": file, "kind": kind, "names": part.names, "numbers": part.numbers, **trust})
    about = {"version": version, "parts": described, "hashes": hashes, "card": card}
    (path / CARD).write_text(json.dumps(about, indent=1), encoding="utf-8")


def load(path: Path, version: int, name: str) -> tuple[list[Part], dict[str, np.ndarray], dict[str, Any]]:
    """The parts, domain and card that :func:`save` wrote, of the surrogate ``name``.

    Raises `WeightsError` for what is missing, damaged or of another version.
    """
    again = f"make it again with `voltgym fit surrogate={name}`"
    about = _read_card(path, version, again)
    for file, expected in about["hashes"].items():
        if not (path / file).is_file():
            raise WeightsError(f"{path / file} is missing; {again}")
        if _hash(path / file) != expected:
            raise WeightsError(f"{path / file} is damaged; {again}")
    parts = [
        Part(
            tuple(d["names"]),
            _KINDS[d["kind"]].load(path / d["file"]),
            np.array(d["factor"]),
            np.array(d["base"]),
            int(d["numbers"]),
            None if d["curve"] is None else tuple(d["curve"]),
        )
        for d in about["parts"]
    ]
    return parts, read_arrays(path / DOMAIN_FILE), about["card"]


def _read_card(path: Path, version: int, again: str) -> dict[str, Any]:
    try:
        about = json.loads((path / CARD).read_text(encoding="utf-8"))
        found = about["version"]
    except FileNotFoundError:
        raise WeightsError(f"there is no surrogate in {path}: {CARD} is missing; {again}") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WeightsError(f"{path / CARD} is damaged ({type(error).__name__}); {again}") from None
    if found != version:
        raise WeightsError(f"{path} is of version {found!r}, this voltgym reads version {version}; {again}")
    return about


def _hash(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
