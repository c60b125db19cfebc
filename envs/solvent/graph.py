"""What the masks and the features read off N molecular graphs at once, in NumPy alone.

Atoms are (N, 14) int8 element indices, 0 where a place is empty, filled from the left; bonds are (N, 14, 14) int8
Kekulé orders, symmetric.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from voltgym.envs.solvent.elements import CAPACITY, MAX_ATOMS, RING_SIZES, C, O, oxide

BITS = (1 << np.arange(MAX_ATOMS)).astype(np.uint16)
"""The bit of every place: sets of atoms are 16-bit numbers."""


class Graph:
    """N molecules and what follows from their bonds. Every array is (N, 14) by atom or (N, 14, 14) by pair."""

    def __init__(self, atoms: np.ndarray, bonds: np.ndarray) -> None:
        self.atoms, self.bonds = atoms, bonds
        self.present = atoms > 0
        self.size = self.present.sum(axis=1)
        """(N,) heavy atoms."""
        self.bonded = bonds > 0
        self.valence = bonds.sum(axis=2, dtype=np.int8)
        self.degree = self.bonded.sum(axis=2, dtype=np.int8)
        double = bonds == 2
        self.doubles = double.sum(axis=2, dtype=np.int8)
        self.oxo = (double & (atoms == O)[:, None, :]).sum(axis=2, dtype=np.int8)
        """Doubly bonded oxygens of an atom."""
        spare = CAPACITY[atoms] - self.valence
        self.room = np.maximum(spare, 0)
        """Hydrogens of an atom: what more bonds it can have."""
        self.hyper = spare < 0
        """It is the centre of a sulfur or phosphorus oxide: only its =O may come and go."""
        self.linear = (bonds == 3).any(axis=2) | ((atoms == C) & (self.doubles == 2))
        """It has a triple bond or two double bonds, and so can be in no ring."""

    @cached_property
    def oxides(self) -> np.ndarray:
        """(N, 14) the bonds beyond capacity are an allowed oxide's."""
        return self.hyper & oxide(self.atoms, self.valence, self.degree, self.oxo)

    @cached_property
    def closable(self) -> np.ndarray:
        """(N, 14, 14) a bond between the two would close a ring of an allowed size, free of linear atoms.

        Linear atoms are in no ring, so they are where a molecule falls apart: a path that can close a ring is one that
        is left when they are taken out.
        """
        free = ~self.linear
        links = _sets(self.bonded & free[:, :, None] & free[:, None, :])
        near = _grow(links, links | BITS, RING_SIZES.start - 3)
        within = _grow(links, near, RING_SIZES.stop - RING_SIZES.start)
        return _members(within & ~near)

    @cached_property
    def ring(self) -> np.ndarray:
        """(N, 14, 14) the bond is in a ring: its ends stay connected without it."""
        found = np.zeros(self.bonds.shape, dtype=bool)
        cyclic = np.flatnonzero(self.bonded.sum(axis=(1, 2)) // 2 >= self.size)
        which, i, j = np.nonzero(np.triu(self.bonded[cyclic]))
        rows = cyclic[which]
        links = _sets(self.bonded)[rows]
        edge = np.arange(len(rows))
        links[edge, i] &= ~BITS[j]
        links[edge, j] &= ~BITS[i]
        inside = (_reach(links, BITS[i]) & BITS[j]) > 0
        found[rows, i, j] = found[rows, j, i] = inside
        return found

    def connected(self) -> np.ndarray:
        """(N,) all atoms are one molecule."""
        return _reach(_sets(self.bonded), np.where(self.size > 0, BITS[0], 0)) == _sets(self.present)


def _sets(members: np.ndarray) -> np.ndarray:
    """(..., 14) bool to (...) uint16."""
    return members @ BITS


def _members(sets: np.ndarray) -> np.ndarray:
    """(...) uint16 to (..., 14) bool."""
    return (sets[..., None] & BITS) > 0


def _grow(links: np.ndarray, balls: np.ndarray, times: int) -> np.ndarray:
    """(N, 14) sets of atoms around every atom, larger by ``times`` bonds."""
    for _ in range(times):
        balls = balls | np.bitwise_or.reduce(np.where(_members(links), balls[:, None, :], 0), axis=2)
    return balls


def _reach(links: np.ndarray, start: np.ndarray) -> np.ndarray:
    """(E,) the set of atoms that are connected to the sets ``start`` (E,) by ``links`` (E, 14)."""
    reached = start.astype(np.uint16)
    while True:
        more = reached | np.bitwise_or.reduce(np.where(_members(reached), links, 0), axis=1)
        if np.array_equal(more, reached):
            return reached
        reached = more
