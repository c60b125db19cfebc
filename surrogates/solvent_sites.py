"""What the best site of a molecule is like: its frontier levels and how it may hold a lithium ion.

Counts of groups add up; an ionization energy, an electron affinity and a binding energy do not: the easiest site
decides. These numbers name that site from the graph alone. They are descriptors, in no unit, and no physics.
"""

from __future__ import annotations

from functools import cache
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from rdkit import Chem

SITES = (
    "Lowest empty level",
    "Highest filled level",
    "Low empty levels",
    "Best donor",
    "Second donor",
    "Third donor",
    "All donors",
    "Donors 1 bond apart",
    "Donors 2 bonds apart",
    "Donors 3 bonds apart",
    "Donors 4 bonds apart",
    "Donors 5 bonds apart",
    "Donors 6 bonds apart",
    "Donors further apart",
    "Donor pairs",
)
"""Names of the numbers of :func:`sites`, in order."""
EMPTY, FILLED, LOW = -9.0, 3.0, -0.6
"""Levels of a molecule without a pi system, and what counts as a low empty one [beta]."""
_PI = {"N": 0.5, "O": 1.0, "S": 0.5, "P": 0.2}
_PAIR = {"N": 1.5, "O": 2.0, "F": 3.0, "S": 1.0, "P": 0.6, "Cl": 2.0}
"""Hueckel's Coulomb integrals of an atom that gives one electron or two, relative to carbon [beta], near those of
Streitwieser, Molecular Orbital Theory for Organic Chemists, 1961 (from memory)."""
FURTHEST = 7
"""Donors so many bonds apart or more are all the same."""
_SINGLE, _MULTIPLE = 0.8, 1.0
"""Resonance integrals of the two kinds of bonds [beta]; bonds of the third row and of fluorine are weaker."""
_WEAK = {"S": 0.7, "P": 0.7, "F": 0.7}


class Graph(NamedTuple):
    """A molecule as plain lists: what RDKit's objects are asked for once."""

    symbols: list[str]
    bonds: list[tuple[int, int, float]]
    near: list[list[int]]
    pi: list[float]
    """Bond orders beyond single ones, by atom."""
    partner: list[int]
    """The neighbour by a multiple bond, or -1."""


@cache
def _symbol(number: int) -> str:
    return str(Chem.GetPeriodicTable().GetElementSymbol(number))


def graph_of(molecule: Any) -> Graph:
    """The lists of a molecule."""
    size = range(molecule.GetNumAtoms())
    symbols = [_symbol(molecule.GetAtomWithIdx(i).GetAtomicNum()) for i in size]
    # One matrix costs less than asking every bond.
    orders = Chem.GetAdjacencyMatrix(molecule, useBO=True).tolist()
    near: list[list[int]] = [[] for _ in size]
    pi, partner, bonds = [0.0] * len(size), [-1] * len(size), []
    for i in size:
        for j, order in enumerate(orders[i]):
            if order:
                near[i].append(j)
                if order > 1:
                    pi[i] += order - 1
                    partner[i] = j
                if i < j:
                    bonds.append((i, j, order))
    return Graph(symbols, bonds, near, pi, partner)


def sites(molecule: Any, graph: Graph) -> np.ndarray:
    """(15,) float32 of :data:`SITES`."""
    return np.array([*frontier(graph), *donors(graph, Chem.GetDistanceMatrix(molecule))], dtype=np.float32)


def frontier(graph: Graph) -> tuple[float, float, float]:
    """Lowest empty and highest filled level of Hueckel's matrix, and how many empty ones are low [beta]."""
    place: dict[int, int] = {}
    diagonal, electrons = [], 0
    for i, symbol in enumerate(graph.symbols):
        single = graph.pi[i] > 0.4
        if single or symbol in _PAIR:
            place[i] = len(place)
            diagonal.append(_PI.get(symbol, 0.0) if single else _PAIR[symbol])
            electrons += 1 if single else 2
    if not place:
        return EMPTY, FILLED, 0.0
    matrix = np.diag(diagonal)
    for i, j, order in graph.bonds:
        if i in place and j in place:
            strength = _MULTIPLE if order > 1 else _SINGLE
            for kind in {graph.symbols[i], graph.symbols[j]}:
                strength *= _WEAK.get(kind, 1.0)
            matrix[place[i], place[j]] = matrix[place[j], place[i]] = strength
    levels = np.linalg.eigvalsh(matrix)[::-1].tolist()
    filled = min(electrons // 2, len(levels))
    empty = levels[filled:]
    lowest = empty[0] if empty else -2.5
    return lowest, levels[filled - 1] if filled else FILLED, float(sum(level > LOW for level in empty))


def donors(graph: Graph, apart: np.ndarray) -> list[float]:
    """The strengths of the donor atoms, and of the strongest pair of them so many bonds ``apart`` (n, n)."""
    strength = {i: s for i in range(len(graph.symbols)) if (s := _strength(graph, i))}
    distance = apart.tolist()
    pairs, chelate = [0.0] * FURTHEST, 0.0
    for i, j in combinations(strength, 2):
        both, bonds = strength[i] * strength[j], int(distance[i][j])
        pairs[min(bonds, FURTHEST) - 1] = max(pairs[min(bonds, FURTHEST) - 1], both)
        if 2 <= bonds <= 5:
            chelate += both
    best = sorted([*strength.values(), 0.0, 0.0, 0.0], reverse=True)
    return [*best[:3], sum(strength.values()), *pairs, chelate]


def _strength(graph: Graph, i: int) -> float:
    """How well an atom holds a lithium ion, 1 being a strong donor: an ordering of kinds, by judgement."""
    rule = _DONORS.get(graph.symbols[i])
    return rule(graph, i) if rule else 0.0


def _oxygen(graph: Graph, i: int) -> float:
    j = graph.partner[i]
    if j < 0:
        return 0.35 if _conjugated(graph, i) else 0.75
    symbol = graph.symbols[j]
    if symbol != "C":
        return 1.15 if symbol in "PS" else 0.8
    return 1.15 if any(graph.symbols[k] == "N" for k in graph.near[j]) else 0.9


def _nitrogen(graph: Graph, i: int) -> float:
    return 0.2 if graph.partner[i] < 0 and _conjugated(graph, i) else 0.8


def _conjugated(graph: Graph, i: int) -> bool:
    return any(graph.pi[j] > 0.4 for j in graph.near[i])


_DONORS = {
    "O": _oxygen,
    "N": _nitrogen,
    "F": lambda graph, i: 0.25,
    "S": lambda graph, i: 0.35 if len(graph.near[i]) < 3 else 0.0,
}
