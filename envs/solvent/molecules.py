"""Molecules as RDKit knows them, as canonical SMILES, and as the arrays that the design space edits.

A design is a canonical SMILES. Its arrays follow from it alone: atoms in the order of the SMILES, bonds in RDKit's
Kekulé form of it. What a user writes becomes a design in ``parse.py``.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from rdkit import Chem

from voltgym.envs.solvent.elements import INDEX, MAX_ATOMS, NUMBERS

_ATOMS = [Chem.Atom(number) for number in NUMBERS]
_ORDERS = (Chem.BondType.ZERO, Chem.BondType.SINGLE, Chem.BondType.DOUBLE, Chem.BondType.TRIPLE)
_FLAGS = Chem.SanitizeFlags
_SANITIZE = (
    _FLAGS.SANITIZE_PROPERTIES | _FLAGS.SANITIZE_SYMMRINGS | _FLAGS.SANITIZE_SETAROMATICITY | _FLAGS.SANITIZE_ADJUSTHS
)
"""What a neutral Kekulé graph needs before its SMILES is canonical: valences, rings, aromaticity, and [nH] for n."""


class Arrays(NamedTuple):
    """A molecule's graph."""

    atoms: np.ndarray
    """(14,) int8 element indices, 0 where empty."""
    bonds: np.ndarray
    """(14, 14) int8 Kekulé orders, symmetric."""


# -- arrays and SMILES ---------------------------------------------------------------------------------------------


def write(atoms: np.ndarray, bonds: np.ndarray) -> list[tuple[str, Arrays] | None]:
    """The canonical SMILES of n graphs, (n, 14) and (n, 14, 14), each with its own arrays; None for no molecule."""
    row, left, right = np.nonzero(np.triu(bonds))
    edges = list(zip(left.tolist(), right.tolist(), bonds[row, left, right].tolist(), strict=True))
    ends = np.searchsorted(row, np.arange(len(atoms) + 1))
    places = np.tile(np.arange(MAX_ATOMS), (len(atoms), 1))
    written: list[str | None] = []
    for k, elements in enumerate(atoms.tolist()):
        smiles, order = _write_one([e for e in elements if e], edges[ends[k] : ends[k + 1]])
        places[k, : len(order)] = order
        written.append(smiles)
    atoms = np.take_along_axis(atoms, places, axis=1)
    bonds = bonds[np.arange(len(atoms))[:, None, None], places[:, :, None], places[:, None, :]]
    return [s if s is None else (s, _own(s, atoms[k], bonds[k])) for k, s in enumerate(written)]


def _write_one(elements: list[int], edges: list[tuple[int, int, int]]) -> tuple[str | None, list[int]]:
    """The SMILES of a graph, and which of its atoms come first, second ... in it."""
    mol = Chem.RWMol()
    for element in elements:
        mol.AddAtom(_ATOMS[element])
    for i, j, order in edges:
        mol.AddBond(i, j, _ORDERS[order])
    try:
        Chem.SanitizeMol(mol, sanitizeOps=_SANITIZE)
    except Chem.MolSanitizeException:
        return None, []
    smiles = Chem.MolToSmiles(mol)
    return smiles, list(mol.GetPropsAsDict(True, True)["_smilesAtomOutputOrder"])


def _own(smiles: str, atoms: np.ndarray, bonds: np.ndarray) -> Arrays:
    """The arrays of a SMILES: those that it was written from, in its order, but for the double bonds of aromatics.

    Which bonds of an aromatic ring are double must depend on the SMILES alone, and not on how it was reached.
    """
    return Arrays(atoms.copy(), bonds.copy() if smiles.isupper() else _read_bonds(smiles))


def read(smiles: str) -> Arrays:
    """The arrays of a canonical SMILES, as :func:`write` gives it."""
    mol = Chem.MolFromSmiles(smiles, sanitize=False)
    atoms = np.array([INDEX[atom.GetAtomicNum()] for atom in mol.GetAtoms()], dtype=np.int8)
    return Arrays(padded(atoms), _read_bonds(smiles))


def _read_bonds(smiles: str) -> np.ndarray:
    mol = Chem.MolFromSmiles(smiles, sanitize=False)
    Chem.Kekulize(mol, clearAromaticFlags=True)
    return padded(Chem.GetAdjacencyMatrix(mol, useBO=True))


def padded(part: np.ndarray) -> np.ndarray:
    """(k,) or (k, k) numbers as int8 in the places of 14 atoms, zeros behind."""
    out = np.zeros((MAX_ATOMS,) * part.ndim, dtype=np.int8)
    out[tuple(slice(size) for size in part.shape)] = part
    return out
