"""The learned twin on the disk: weights as npz, and a card that says what they are of and how good they are."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from voltgym.surrogates.charging_step import Weights
from voltgym.surrogates.files import WeightsError, read_arrays, write_arrays

VERSION = 1
FILE, CARD = "weights.npz", "card.json"
Card = Mapping[str, Any]
PREDICTS = ("cell", "range", "factor", "base")
"""Parts of a card that predictions depend on."""


def arrays(w: Weights) -> dict[str, np.ndarray]:
    """The weights by name."""
    layers = {f"{kind} {i}": a for i, pair in enumerate(w.layers) for kind, a in zip("wb", pair, strict=True)}
    scales = {"mean": w.mean, "scale": w.scale, "change": w.change}
    return {**layers, **scales, "rest": w.rest, "ampere": np.array(w.ampere)}


def digest(w: Weights, card: Card) -> str:
    """A hash of everything that predicts."""
    found = hashlib.sha256(json.dumps({name: card[name] for name in PREDICTS}, sort_keys=True).encode())
    for name, values in sorted(arrays(w).items()):
        found.update(name.encode() + np.ascontiguousarray(values).tobytes())
    return found.hexdigest()[:16]


def save(path: Path, w: Weights, card: Card) -> None:
    """Both files, each whole or not at all."""
    write_arrays(path / FILE, arrays(w))
    text = json.dumps({**card, "version": VERSION, "digest": digest(w, card)}, indent=2) + "\n"
    half = (path / CARD).with_suffix(".part")
    half.write_text(text, encoding="utf-8")
    half.replace(path / CARD)


def load(path: Path) -> tuple[Weights, dict[str, Any]]:
    """What :func:`save` wrote. Raises `WeightsError`."""
    again = "make it again with `voltgym fit surrogate=charging`"
    try:
        card = json.loads((path / CARD).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WeightsError(f"{path / CARD} cannot be read ({error}); {again}") from None
    if card.get("version") != VERSION:
        raise WeightsError(f"{path} is of version {card.get('version')}; expected {VERSION}; {again}")
    a = read_arrays(path / FILE)
    try:
        count = sum(name.startswith("w ") for name in a)
        layers = [(a[f"w {i}"], a[f"b {i}"]) for i in range(count)]
        w = Weights(layers, a["mean"], a["scale"], a["change"], a["rest"], float(a["ampere"]))
    except KeyError as error:
        raise WeightsError(f"{path / FILE} lacks {error}; {again}") from None
    if digest(w, card) != card.get("digest"):
        raise WeightsError(f"{path}: {FILE} and {CARD} do not belong together; {again}")
    return w, card
