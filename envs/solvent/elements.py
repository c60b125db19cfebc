"""Which atoms a molecule may have, and how many bonds each: the valence arithmetic of the whole design space.

An atom is neutral and closed-shell: what its bonds leave of its capacity is filled with hydrogen. Sulfur and phosphorus
may go beyond their capacity only as chemistry's stable oxides do, with doubly bonded oxygens and without hydrogen:

    S    two single bonds and one or two =O    (sulfoxide, sulfite; sulfone, sulfonate, sulfate)
    P    three single bonds and one =O         (phosphate, phosphonate, phosphine oxide)
"""

from __future__ import annotations

import numpy as np

MAX_ATOMS, MIN_ATOMS = 14, 2
"""Heavy atoms of a molecule."""

ELEMENTS = ("C", "N", "O", "F", "S", "P")
"""By index, from 1 on; 0 is an empty place."""
C, N, O, F, S, P = range(1, 7)  # noqa: E741
NUMBERS = (0, 6, 7, 8, 9, 16, 15)
"""Atomic numbers, by index."""
INDEX = {number: index for index, number in enumerate(NUMBERS)}

CAPACITY = np.array([0, 4, 3, 2, 1, 2, 3], dtype=np.int8)
"""Bonds of an atom, hydrogens included, by index: the lowest valence of its element."""
SINGLES = np.array([0, 0, 0, 0, 0, 2, 3], dtype=np.int8)
"""Single bonds of an atom beyond its capacity."""
MOST_OXO = np.array([0, 0, 0, 0, 0, 2, 1], dtype=np.int8)
"""Doubly bonded oxygens that it may have."""

RING_SIZES = range(3, 8)
"""Of rings that an edit closes. Opening a bond that two rings share may leave a larger one."""


def oxide(element: np.ndarray, valence: np.ndarray, degree: np.ndarray, oxo: np.ndarray) -> np.ndarray:
    """Whether atoms have exactly the bonds of an allowed sulfur or phosphorus oxide. All (...), by atom.

    Args:
        element: the index of the element.
        valence: the sum of the orders of its bonds.
        degree: how many bonds.
        oxo: how many of them go to a doubly bonded oxygen.
    """
    singles = SINGLES[element]
    right = (degree - oxo == singles) & (valence - 2 * oxo == singles)
    return (singles > 0) & right & (oxo >= 1) & (oxo <= MOST_OXO[element])
