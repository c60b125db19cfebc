"""What a user writes as a molecule, as a design, or an error that says what keeps it out of the space."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from rdkit import Chem, rdBase

from voltgym.envs.errors import VoltGymError, shown
from voltgym.envs.solvent.elements import CAPACITY, ELEMENTS, INDEX, MAX_ATOMS, MIN_ATOMS
from voltgym.envs.solvent.graph import Graph
from voltgym.envs.solvent.molecules import padded, write

LONGEST = 1000
"""Characters of a SMILES that is read at all; one of 14 heavy atoms needs a tenth of it."""
COVALENT = (Chem.BondType.SINGLE, Chem.BondType.DOUBLE, Chem.BondType.TRIPLE, Chem.BondType.AROMATIC)


def canonical(text: Any) -> str:
    """The design that a SMILES of a user means. Raises `VoltGymError` that says what keeps it out of the space."""
    mol = _parsed(text)
    _check(text, next(_strangers(mol), None))
    size = mol.GetNumAtoms()
    if not MIN_ATOMS <= size <= MAX_ATOMS:
        raise VoltGymError(
            f"{shown(text)} has {size} heavy atom{'s' * (size != 1)}; expected {MIN_ATOMS} to {MAX_ATOMS}"
        )
    kekule = Chem.Mol(mol)
    Chem.Kekulize(kekule, clearAromaticFlags=True)
    atoms = padded(np.array([INDEX[atom.GetAtomicNum()] for atom in mol.GetAtoms()]))
    bonds = padded(Chem.GetAdjacencyMatrix(kekule, useBO=True))
    hydrogens = [atom.GetTotalNumHs() for atom in mol.GetAtoms()]
    _check(text, next(_misfits(Graph(atoms[None], bonds[None]), hydrogens), None))
    written = write(atoms[None], bonds[None])[0]
    if written is None:
        raise VoltGymError(f"{shown(text)} is no valid molecule: RDKit cannot write it")
    return written[0]


def _check(text: Any, problem: str | None) -> None:
    if problem:
        raise VoltGymError(
            f"{shown(text)}: {problem}. Expected one neutral molecule of C, N, O, F, S and P with {MIN_ATOMS} to "
            f"{MAX_ATOMS} heavy atoms"
        )


def _parsed(text: Any) -> Chem.Mol:
    """A sanitised molecule, or an error that says why there is none."""
    if not isinstance(text, str) or not text.strip():
        raise VoltGymError(f"a molecule is {shown(text)}; expected a SMILES such as 'CCOC(=O)OC'")
    if len(text) > LONGEST:
        raise VoltGymError(f"the SMILES {shown(text)} has {len(text)} characters; expected at most {LONGEST}")
    text = text.strip()
    with rdBase.BlockLogs():
        raw = Chem.MolFromSmiles(text, sanitize=False)
        if raw is None or any(c.isspace() for c in text):
            raise VoltGymError(f"{shown(text)} is not a SMILES that RDKit can read; check its brackets and rings")
        problems = Chem.DetectChemistryProblems(raw)
        if problems:
            raise VoltGymError(f"{shown(text)} is no valid molecule: {_problem(raw, problems[0])}")
        mol = Chem.MolFromSmiles(text)
    if mol is None:
        raise VoltGymError(f"{shown(text)} is no valid molecule: RDKit cannot sanitise it")
    return mol


def _problem(mol: Chem.Mol, problem: Any) -> str:
    """What RDKit found, with atoms counted from 1 as everywhere here."""
    if hasattr(problem, "GetAtomIdx"):
        atom = mol.GetAtomWithIdx(problem.GetAtomIdx())
        return f"atom {atom.GetIdx() + 1} ({atom.GetSymbol()}) has more bonds than it can have"
    if hasattr(problem, "GetAtomIndices"):
        atoms = ", ".join(str(i + 1) for i in problem.GetAtomIndices())
        return f"the aromatic atoms {atoms} have no set of double bonds"
    return str(problem.Message())


def _strangers(mol: Chem.Mol) -> Iterator[str]:
    """What is not of this space by its atoms alone, one line each."""
    pieces = len(Chem.GetMolFrags(mol))
    if pieces != 1:
        yield f"it is {pieces} separate pieces" if pieces else "it has no atom"
    for atom in mol.GetAtoms():
        where = f"atom {atom.GetIdx() + 1} ({atom.GetSymbol()})"
        if atom.GetAtomicNum() not in INDEX or atom.GetAtomicNum() == 0:
            yield f"{where} is not one of {', '.join(ELEMENTS)}"
        if atom.GetFormalCharge():
            yield f"{where} has a charge of {atom.GetFormalCharge():+d}"
        if atom.GetIsotope():
            yield f"{where} is an isotope, {atom.GetIsotope()}{atom.GetSymbol()}"
        if atom.GetNumRadicalElectrons():
            yield f"{where} is a radical"
    for bond in mol.GetBonds():
        if bond.GetBondType() not in COVALENT:
            yield f"bond {bond.GetBeginAtomIdx() + 1}-{bond.GetEndAtomIdx() + 1} is {bond.GetBondType().name.lower()}"


def _misfits(graph: Graph, hydrogens: list[int]) -> Iterator[str]:
    """What is not of this space by its bonds, for a batch of one; ``hydrogens`` are those of the user's molecule."""
    valence, room = graph.valence[0], graph.room[0]
    for i, found in enumerate(hydrogens):
        element = graph.atoms[0, i]
        where = f"atom {i + 1} ({ELEMENTS[element - 1]})"
        if graph.hyper[0, i] and not graph.oxides[0, i]:
            yield (
                f"{where} has bonds of total order {valence[i]}, beyond {CAPACITY[element]}: only S with two single "
                "bonds and one or two =O, or P with three single bonds and one =O, may"
            )
        elif found != room[i]:
            yield f"{where} has {found} hydrogens; expected {room[i]}"
        if graph.linear[0, i] and graph.ring[0, i].any():
            yield f"{where} has a triple bond or two double bonds and is in a ring, which would be too strained"
