"""A state estimator on the disk: weights as npz and a card with their hash, each whole or not there."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from voltgym.surrogates.files import WeightsError, read_arrays, write_arrays

VERSION = 1
FILE, CARD = "0.npz", "card.json"


def save(path: Path, arrays: Mapping[str, np.ndarray], card: Mapping[str, Any]) -> None:
    """Write both files into the folder ``path``."""
    write_arrays(path / FILE, arrays)
    about = {"version": VERSION, "hashes": {FILE: _hash(path / FILE)}, "card": card}
    half = (path / CARD).with_suffix(".part")
    half.write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    half.replace(path / CARD)


def load(path: Path, name: str) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The arrays and the card that :func:`save` wrote, of the estimator ``name``.

    Raises `WeightsError` for what is missing, damaged or of another version.
    """
    again = f"make it again with `voltgym fit surrogate={name}`"
    try:
        about = json.loads((path / CARD).read_text(encoding="utf-8"))
        found, expected = about["version"], about["hashes"][FILE] if about["version"] == VERSION else ""
    except FileNotFoundError:
        raise WeightsError(f"there is no estimator in {path}: {CARD} is missing; {again}") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WeightsError(f"{path / CARD} is damaged ({type(error).__name__}); {again}") from None
    if found != VERSION:
        raise WeightsError(f"{path} is of version {found!r}, this voltgym reads version {VERSION}; {again}")
    if not (path / FILE).is_file():
        raise WeightsError(f"{path / FILE} is missing; {again}")
    if _hash(path / FILE) != expected:
        raise WeightsError(f"{path / FILE} is damaged; {again}")
    return read_arrays(path / FILE), about["card"]


def digest(arrays: Mapping[str, np.ndarray], card: Mapping[str, Any]) -> str:
    """A hash of everything that predicts: the arrays, and of the card what ``predicts`` names."""
    told = {name: card[name] for name in card.get("predicts", ())}
    found = hashlib.sha256(json.dumps(told, sort_keys=True).encode())
    for name, values in sorted(arrays.items()):
        found.update(name.encode() + np.ascontiguousarray(values).tobytes())
    return found.hexdigest()[:16]


def _hash(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
