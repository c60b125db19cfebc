"""The groups that an edit attaches whole: what battery solvents and additives are made of."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np

from voltgym.envs.solvent.elements import INDEX

FRAGMENTS = (
    "OC",
    "OCC",
    "COC",
    "CCOC",
    "OC(=O)OC",
    "C(=O)OC",
    "OC(C)=O",
    "C(=O)N(C)C",
    "C#N",
    "CC#N",
    "C=C",
    "C(F)F",
    "C(F)(F)F",
    "CC(F)(F)F",
    "OCC(F)(F)F",
    "C(F)(F)C(F)F",
    "S(=O)(=O)C",
    "S(=O)(=O)F",
    "OS(=O)OC",
    "OP(=O)(OC)OC",
    "C1COC(=O)O1",
    "C1CCCO1",
)
"""SMILES. The first atom is the one that is bound, by a single bond."""


class Fragment(NamedTuple):
    """One of them."""

    smiles: str
    atoms: np.ndarray
    """(k,) int8 element indices."""
    bonds: np.ndarray
    """(k, k) int8 orders."""


@cache
def fragments() -> tuple[Fragment, ...]:
    """All of them, in order."""
    from rdkit import Chem

    out = []
    for smiles in FRAGMENTS:
        mol = Chem.MolFromSmiles(smiles)
        Chem.Kekulize(mol, clearAromaticFlags=True)
        atoms = np.array([INDEX[atom.GetAtomicNum()] for atom in mol.GetAtoms()], dtype=np.int8)
        out.append(Fragment(smiles, atoms, Chem.GetAdjacencyMatrix(mol, useBO=True).astype(np.int8)))
    return tuple(out)
