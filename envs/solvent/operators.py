"""Crossover and mutation of molecules: the moves of the graph GA.

The kinds of moves and their chances are those of Jensen 2019, Chem. Sci. 10, 3567 (doi 10.1039/C8SC05372C) as its code
has them; here they act on the arrays of the design space, in place of reaction SMARTS. What differs: the elements and
the limits are this space's, an oxygen may be appended to S and P as =O, rings have up to seven atoms, and a crossover
of rings joins by single bonds more often than by double ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import pairwise, product
from typing import NamedTuple

import numpy as np

from voltgym.envs.solvent.elements import CAPACITY, MAX_ATOMS, MIN_ATOMS, RING_SIZES, C, F, N, O, P, S
from voltgym.envs.solvent.graph import Graph
from voltgym.envs.solvent.molecules import Arrays, read, write
from voltgym.surrogates.solvent_features import molecule

TRIES = 10
"""Times that a crossover or a mutation is tried before there is none."""


class Parent(NamedTuple):
    """A molecule of n heavy atoms to be cut or changed."""

    atoms: np.ndarray
    """(n,) int8 element indices."""
    bonds: np.ndarray
    """(n, n) int8 Kekulé orders, symmetric."""
    ring: np.ndarray
    """(n, n) bool: bonds in rings."""


def crossover(a: str, b: str, rng: np.random.Generator) -> str | None:
    """A molecule of a piece of ``a`` and a piece of ``b`` (canonical SMILES), as a canonical SMILES.

    Both are cut at a single bond outside rings, or both across a ring, at even chances. None where no such molecule
    that is new and in the space is found.
    """
    one, other = _parent(a), _parent(b)
    for _ in range(TRIES):
        cut, join = (_cut_chain, _join_chain) if rng.random() < 0.5 else (_cut_ring, _join_ring)
        left, right = cut(one, rng), cut(other, rng)
        if left is None or right is None:
            continue
        pairs = list(product(left, right))
        for i in rng.permutation(len(pairs)):
            for child in join(one, pairs[i][0], other, pairs[i][1], rng):
                found = _finished(child)
                if found is not None and found not in (a, b):
                    return found
    return None


def mutate(a: str, rng: np.random.Generator) -> str | None:
    """``a`` (canonical SMILES) with an atom inserted, deleted, changed or appended, a bond's order changed, a ring
    opened or closed. None where no such molecule that is new and in the space is found.
    """
    graph = _parent(a)
    for _ in range(TRIES):
        child = MUTATIONS[rng.choice(len(MUTATIONS), p=CHANCES)](graph, rng)
        found = None if child is None else _finished(child)
        if found is not None and found != a:
            return found
    return None


# -- pieces of molecules -----------------------------------------------------------------------------------------------

Piece = tuple[np.ndarray, tuple[int, ...]]
"""(n,) bool: the atoms of a piece; and which of them were cut off, one a bond."""


def _cut_chain(graph: Parent, rng: np.random.Generator) -> tuple[Piece, Piece] | None:
    """Both sides of a random single bond that is in no ring."""
    pair = _one_of(np.argwhere((graph.bonds == 1) & ~graph.ring), rng)
    if pair is None:
        return None
    i, j = pair.tolist()
    side = _connected(_without(graph.bonds, (i, j)), i)
    return (side, (i,)), (~side, (j,))


def _cut_ring(graph: Parent, rng: np.random.Generator) -> tuple[Piece, Piece] | None:
    """Two parts of a random ring: an atom that is more than a link, or two neighbours, and the rest."""
    pairs = np.argwhere(graph.ring)
    for k in rng.permutation(len(pairs)):
        i, j = pairs[k].tolist()
        before = int(rng.choice([k for k in np.flatnonzero(graph.ring[i]) if k != j]))
        after = int(rng.choice([k for k in np.flatnonzero(graph.ring[j]) if k != i]))
        if rng.random() < 0.5 and (graph.bonds[i] > 0).sum() > 2:
            inner, outer = (i, i), (before, j)
        else:
            inner, outer = (i, j), (before, after)
        part = _connected(_without(graph.bonds, *zip(inner, outer, strict=True)), i)
        if part[list(inner)].all() and not part[list(outer)].any():
            return (part, inner), (~part, outer)
    return None


def _join_chain(one: Parent, left: Piece, other: Parent, right: Piece, rng: np.random.Generator) -> Iterator[Arrays]:
    yield _joined(one, left, other, right, (0,), (1,))


def _join_ring(one: Parent, left: Piece, other: Parent, right: Piece, rng: np.random.Generator) -> Iterator[Arrays]:
    ways = [(ends, orders) for ends in ((0, 1), (1, 0)) for orders in ((1, 1), (1, 2), (2, 1))]
    for i in rng.permutation(len(ways)):
        yield _joined(one, left, other, right, *ways[i])


def _joined(
    one: Parent, left: Piece, other: Parent, right: Piece, ends: tuple[int, ...], orders: tuple[int, ...]
) -> Arrays:
    """The two pieces as one molecule; open atom k of the left is bonded to open atom ``ends[k]`` of the right."""
    keep, take = np.flatnonzero(left[0]), np.flatnonzero(right[0])
    n, total = len(keep), len(keep) + len(take)
    bonds = np.zeros((total, total), dtype=np.int8)
    bonds[:n, :n] = one.bonds[np.ix_(keep, keep)]
    bonds[n:, n:] = other.bonds[np.ix_(take, take)]
    for k, (end, order) in enumerate(zip(ends, orders, strict=True)):
        i, j = np.searchsorted(keep, left[1][k]), n + np.searchsorted(take, right[1][end])
        bonds[i, j] = bonds[j, i] = bonds[i, j] + order
    return Arrays(np.concatenate([one.atoms[keep], other.atoms[take]]), bonds)


# -- mutations ---------------------------------------------------------------------------------------------------------

Mutation = Callable[[Parent, np.random.Generator], Arrays | None]
_ORDERS, _ORDER_CHANCES = (1, 2, 3), (0.60, 0.35, 0.05)
_APPENDED = {1: (C, N, O, F, S, P), 2: (C, N, O), 3: (C, N)}
_INSERTED = {1: (C, N, O, S), 2: (C, N), 3: (C,)}
_RINGS, _RING_CHANCES = (3, 4, 5, 6), (0.05, 0.05, 0.45, 0.45)


def _append(graph: Parent, rng: np.random.Generator) -> Arrays | None:
    order = int(rng.choice(_ORDERS, p=_ORDER_CHANCES))
    element = int(rng.choice(_APPENDED[order]))
    fits = _room(graph) >= order
    if (order, element) == (2, O):
        fits |= np.isin(graph.atoms, (S, P))
    at = _one_of(np.flatnonzero(fits), rng)
    if at is None:
        return None
    atoms, bonds = _with_atom(graph, element)
    bonds[at, -1] = bonds[-1, at] = order
    return Arrays(atoms, bonds)


def _insert(graph: Parent, rng: np.random.Generator) -> Arrays | None:
    order = int(rng.choice(_ORDERS, p=_ORDER_CHANCES))
    element = int(rng.choice(_INSERTED[order]))
    pair = _one_of(np.argwhere(graph.bonds > 0), rng)
    if pair is None:
        return None
    atoms, bonds = _with_atom(graph, element)
    i, j = pair
    bonds[i, j] = bonds[j, i] = 0
    bonds[i, -1] = bonds[-1, i] = order
    bonds[j, -1] = bonds[-1, j] = 1
    return Arrays(atoms, bonds)


def _change_order(graph: Parent, rng: np.random.Generator) -> Arrays | None:
    bonds, room = graph.bonds, _room(graph)
    both = np.minimum(room[:, None], room[None, :])
    kinds = (
        (1, bonds > 1),
        (2, (bonds == 1) & (both >= 1)),
        (2, bonds == 3),
        (3, ~graph.ring & (bonds > 0) & (bonds < 3) & (both >= 3 - bonds)),
    )
    order, where = kinds[rng.choice(4, p=(0.45, 0.45, 0.05, 0.05))]
    pair = _one_of(np.argwhere(where), rng)
    return None if pair is None else Arrays(graph.atoms, _with_bond(bonds, pair, order))


def _open_ring(graph: Parent, rng: np.random.Generator) -> Arrays | None:
    pair = _one_of(np.argwhere(graph.ring), rng)
    return None if pair is None else Arrays(graph.atoms, _with_bond(graph.bonds, pair, 0))


def _close_ring(graph: Parent, rng: np.random.Generator) -> Arrays | None:
    size = int(rng.choice(_RINGS, p=_RING_CHANCES))
    free = (_room(graph) >= 1) & ~graph.ring.any(axis=1)
    pair = _one_of(np.argwhere((_distances(graph.bonds) == size - 1) & free[:, None] & free[None, :]), rng)
    return None if pair is None else Arrays(graph.atoms, _with_bond(graph.bonds, pair, 1))


def _delete(graph: Parent, rng: np.random.Generator) -> Arrays | None:
    """Take an atom out: what it held together becomes a chain, or (four neighbours, sometimes) a star."""
    kind = rng.choice(5, p=(0.25, 0.25, 0.25, 0.1875, 0.0625))
    at = _one_of(np.flatnonzero((graph.bonds > 0).sum(axis=1) == min(kind + 1, 4)), rng)
    if at is None:
        return None
    around = rng.permutation(np.flatnonzero(graph.bonds[at]))
    links = [(around[1], k) for k in around if k != around[1]] if kind == 4 else list(pairwise(around))
    bonds = graph.bonds.copy()
    for i, j in links:
        if bonds[i, j]:
            return None
        bonds[i, j] = bonds[j, i] = 1
    keep = np.arange(len(bonds)) != at
    return Arrays(graph.atoms[keep], bonds[np.ix_(keep, keep)])


def _change_atom(graph: Parent, rng: np.random.Generator) -> Arrays | None:
    old = int(rng.choice(np.unique(graph.atoms)))
    new = int(rng.choice([element for element in (C, N, O, F, S, P) if element != old]))
    atoms = graph.atoms.copy()
    atoms[rng.choice(np.flatnonzero(atoms == old))] = new
    return Arrays(atoms, graph.bonds)


MUTATIONS: tuple[Mutation, ...] = (_insert, _change_order, _open_ring, _close_ring, _delete, _change_atom, _append)
CHANCES = (0.15, 0.14, 0.14, 0.14, 0.14, 0.14, 0.15)


# -- graphs ------------------------------------------------------------------------------------------------------------


def _finished(graph: Arrays) -> str | None:
    """The design that a connected graph is, None if it is not of the space, or a ring is too large or too strained."""
    size = len(graph.atoms)
    if not MIN_ATOMS <= size <= MAX_ATOMS:
        return None
    atoms, bonds = np.zeros(MAX_ATOMS, np.int8), np.zeros((MAX_ATOMS, MAX_ATOMS), np.int8)
    atoms[:size], bonds[:size, :size] = graph
    whole = Graph(atoms[None], bonds[None])
    if (whole.hyper & ~whole.oxides).any() or (whole.linear & whole.ring.any(axis=2)).any():
        return None
    (written,) = write(atoms[None], bonds[None])
    if written is None:
        return None
    smiles = written[0]
    mol = molecule(smiles)
    rings = mol.GetRingInfo()
    sizes = [rings.MinBondRingSize(bond.GetIdx()) for bond in mol.GetBonds() if bond.GetBondTypeAsDouble() > 1]
    large = any(len(ring) >= RING_SIZES.stop for ring in rings.AtomRings())
    return None if large or {3, 4} & set(sizes) else smiles


@lru_cache(maxsize=10_000)
def _parent(smiles: str) -> Parent:
    atoms, bonds = read(smiles)
    n = int((atoms > 0).sum())
    ring = np.zeros((n, n), dtype=bool)
    for bond in molecule(smiles).GetBonds():
        i, j = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
        ring[i, j] = ring[j, i] = bond.IsInRing()
    return Parent(atoms[:n], bonds[:n, :n], ring)


def _room(graph: Parent) -> np.ndarray:
    """(n,) hydrogens of every atom."""
    return np.maximum(CAPACITY[graph.atoms] - graph.bonds.sum(axis=1), 0)


def _with_atom(graph: Parent, element: int) -> tuple[np.ndarray, np.ndarray]:
    """Atoms and bonds with one more atom, last and not bonded yet."""
    return np.append(graph.atoms, np.int8(element)), np.pad(graph.bonds, ((0, 1), (0, 1)))


def _with_bond(bonds: np.ndarray, pair: np.ndarray, order: int) -> np.ndarray:
    out = bonds.copy()
    out[pair[0], pair[1]] = out[pair[1], pair[0]] = order
    return out


def _without(bonds: np.ndarray, *pairs: tuple[int, int]) -> np.ndarray:
    out = bonds.copy()
    for i, j in pairs:
        out[i, j] = out[j, i] = 0
    return out


def _distances(bonds: np.ndarray) -> np.ndarray:
    """(n, n) bonds between every two atoms on the shortest way; n where there is none."""
    n, links = len(bonds), (bonds > 0).astype(np.float32)
    reached, out = np.eye(n, dtype=bool), np.where(np.eye(n, dtype=bool), 0, n)
    for length in range(1, n):
        more = reached | (reached.astype(np.float32) @ links > 0)
        out[more & ~reached], reached = length, more
    return out


def _connected(bonds: np.ndarray, start: int) -> np.ndarray:
    """(n,) bool: the atoms that hang together with ``start``."""
    links = [np.flatnonzero(row).tolist() for row in bonds]
    reached, new = {start}, [start]
    while new:
        new = [k for i in new for k in links[i] if k not in reached]
        reached.update(new)
    out = np.zeros(len(bonds), dtype=bool)
    out[list(reached)] = True
    return out


def _one_of(choices: np.ndarray, rng: np.random.Generator) -> np.ndarray | None:
    return choices[rng.integers(len(choices))] if len(choices) else None
