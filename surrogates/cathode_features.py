"""From the key of a cathode, ``LiNi0.8Mn0.1Co0.1O2@0.7``, to numbers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from voltgym.surrogates.cathode_names import FARADAY, HOUR, MASSES, METALS

_KEY = re.compile(r"Li((?:[A-Z][a-z]?\d*\.?\d*)+?)O2@(\d*\.?\d+)")
_PART = re.compile(r"([A-Z][a-z]?)(\d*\.?\d*)")

ELEMENTS: Mapping[str, tuple[float, float, float]] = {
    "Ni": (1.91, 0.56, 3.0),
    "Mn": (1.55, 0.53, 4.0),
    "Co": (1.88, 0.545, 3.0),
    "Al": (1.61, 0.535, 3.0),
    "Mg": (1.31, 0.72, 2.0),
    "Ti": (1.54, 0.605, 4.0),
}
"""Pauling's electronegativity, Shannon's radius in sixfold coordination [Angstrom] (low spin) and the charge of the ion
that it is for: Ni(3+), Mn(4+), Co(3+), Al(3+), Mg(2+), Ti(4+). A test compares them with pymatgen's tables."""
NUMBERS = (*(f"Fraction {metal}" for metal in METALS), "Lithium taken out")
DESCRIPTORS = ("Mean electronegativity", "Mean radius [A]", "Mean charge", "Spread of radii [A]", "Inactive metal")
"""What is known of a metal that no data had: for designs of an unseen dopant."""


@lru_cache(maxsize=20_000)
def of_design(key: str) -> tuple[float, ...] | None:
    """The seven ``NUMBERS`` of a key, or None if it is none."""
    found = _KEY.fullmatch(key) if isinstance(key, str) else None
    if not found:
        return None
    fractions = dict.fromkeys(METALS, 0.0)
    for element, number in _PART.findall(found[1]):
        if element not in fractions:
            return None
        fractions[element] += float(number) if number not in ("", ".") else 1.0
    removed = float(found[2])
    if abs(sum(fractions.values()) - 1) > 1e-6 or not 0 < removed <= 1:
        return None
    return (*fractions.values(), removed)


def numbers(designs: Sequence[Any] | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n, 7) ``NUMBERS``, and (n,) bool: it is a design (else zeros)."""
    rows = [of_design(key) for key in designs]
    good = np.array([row is not None for row in rows], dtype=bool)
    table = np.array([row or (0.0,) * len(NUMBERS) for row in rows], dtype=float)
    return table.reshape(-1, len(NUMBERS)), good


def described(table: np.ndarray) -> np.ndarray:
    """(n, 5) ``DESCRIPTORS`` of (n, 7) ``NUMBERS``."""
    fractions = table[:, : len(METALS)]
    elements = np.array([ELEMENTS[metal] for metal in METALS])
    mean = np.column_stack([weighted(fractions, column) for column in elements.T])
    spread = np.sqrt(np.maximum(weighted(fractions, elements[:, 1] ** 2) - mean[:, 1] ** 2, 0.0))
    inactive = fractions[:, METALS.index("Al")] + fractions[:, METALS.index("Mg")]
    return np.column_stack([mean, spread, inactive])


def weighted(table: np.ndarray, weights: Sequence[float] | np.ndarray) -> np.ndarray:
    """(n,) of (n, m) times (m,), added one by one: the same bits for a row however many there are."""
    columns = (table[:, j] * weight for j, weight in enumerate(weights))
    return sum(columns, np.zeros(len(table)))


def capacity(table: np.ndarray) -> np.ndarray:
    """(n,) [A.h.kg-1], the same as mA.h/g, of (n, 7) ``NUMBERS``: per mass of the lithiated oxide."""
    masses = weighted(table[:, : len(METALS)], [MASSES[metal] for metal in METALS])
    return table[:, -1] * FARADAY / HOUR * 1000 / (MASSES["Li"] + 2 * MASSES["O"] + masses)
