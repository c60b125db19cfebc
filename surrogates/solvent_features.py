"""Numbers that a molecule's graph gives: counted Morgan fingerprints and quick descriptors, remembered by SMILES."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from rdkit import Chem, rdBase
from rdkit.Chem import rdFingerprintGenerator, rdMolDescriptors

from voltgym.surrogates.solvent_sites import SITES, Graph, graph_of, sites

BITS = 1024
"""Fingerprint counts are folded onto so many places."""
RADIUS = 2
DESCRIPTORS = (
    "Molar mass [g.mol-1]",
    "Heavy atoms",
    "C",
    "N",
    "O",
    "F",
    "S",
    "P",
    "Rings",
    "Aromatic rings",
    "Rotatable bonds",
    "Polar surface [A2]",
    "Labute surface [A2]",
    "Hydrogen-bond donors",
    "Fraction sp3",
    "Double bonds",
    "Triple bonds",
    "Chi0v",
    "Chi1v",
    "Kappa2",
)
"""Names of the quick descriptors, in order; chi and kappa are Kier's and Hall's. Log P, which takes as long as all of
them, is left to the fingerprint."""
NUMBERS = (*DESCRIPTORS, *SITES)
"""Names of all numbers that are learned from: the descriptors, then those of the best sites."""

_generator = rdFingerprintGenerator.GetMorganGenerator(radius=RADIUS, fpSize=BITS)
_SYMBOLS = "CNOFSP"


class NotAMolecule(ValueError):
    """RDKit reads no molecule from the text."""


@lru_cache(maxsize=50_000)
def molecule(smiles: str) -> Any:
    """The molecule as RDKit reads it. Shared: do not change it. Raises :class:`NotAMolecule`."""
    with rdBase.BlockLogs():
        found = Chem.MolFromSmiles(smiles) if isinstance(smiles, str) and smiles else None
    if found is None:
        raise NotAMolecule(f"{smiles!r} is no SMILES that RDKit reads; expected one such as 'COC(=O)OC'")
    return found


@lru_cache(maxsize=50_000)
def of_molecule(smiles: str) -> tuple[np.ndarray, np.ndarray]:
    """(1024,) uint8 fingerprint counts and (35,) float32 ``NUMBERS``. Raises :class:`NotAMolecule`."""
    mol = molecule(smiles)
    graph = graph_of(mol)
    counts = np.minimum(_generator.GetCountFingerprintAsNumPy(mol), 255).astype(np.uint8)
    return counts, np.concatenate([_descriptors(mol, graph), sites(mol, graph)])


def _descriptors(mol: Any, graph: Graph) -> np.ndarray:
    out = np.zeros(len(DESCRIPTORS), dtype=np.float32)
    out[0], out[1] = rdMolDescriptors.CalcExactMolWt(mol), len(graph.symbols)
    out[2:8] = [graph.symbols.count(symbol) for symbol in _SYMBOLS]
    rings = mol.GetRingInfo()
    orders = [order for _, _, order in graph.bonds]
    out[8:] = (
        rings.NumRings(),
        rdMolDescriptors.CalcNumAromaticRings(mol),
        rdMolDescriptors.CalcNumRotatableBonds(mol, rdMolDescriptors.NumRotatableBondsOptions.NonStrict),
        rdMolDescriptors.CalcTPSA(mol, includeSandP=True),
        rdMolDescriptors.CalcLabuteASA(mol),
        rdMolDescriptors.CalcNumHBD(mol),
        rdMolDescriptors.CalcFractionCSP3(mol),
        orders.count(2.0),
        orders.count(3.0),
        rdMolDescriptors.CalcChi0v(mol),
        rdMolDescriptors.CalcChi1v(mol),
        min(rdMolDescriptors.CalcKappa2(mol), 30.0),
    )
    return out


def features(designs: Sequence[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(n, 1024) uint8 counts, (n, 35) float32 ``NUMBERS``, and (n,) bool: it is a molecule (else zeros)."""
    counts = np.zeros((len(designs), BITS), dtype=np.uint8)
    numbers = np.zeros((len(designs), len(NUMBERS)), dtype=np.float32)
    good = np.ones(len(designs), dtype=bool)
    for i, smiles in enumerate(designs):
        try:
            counts[i], numbers[i] = of_molecule(smiles)
        except NotAMolecule:
            good[i] = False
    return counts, numbers, good


def count_fingerprints(designs: Sequence[str]) -> np.ndarray:
    """(n, 1024) uint8: how often each environment of radius 2 is in a molecule, folded."""
    return features(designs)[0]


@lru_cache(maxsize=50_000)
def group_of(smiles: str) -> str:
    """What a molecule is grouped by in splits: its scaffold (Bemis and Murcko 1996, J. Med. Chem. 39, 2887).

    A molecule without rings has no scaffold. It is grouped by its functional groups: the sorted heteroatoms, each with
    its neighbours, regardless of the carbon chains between, so that homologues stay together.
    """
    from rdkit.Chem.Scaffolds import MurckoScaffold

    mol = molecule(smiles)
    scaffold = MurckoScaffold.GetScaffoldForMol(mol)
    if scaffold.GetNumAtoms():
        return Chem.MolToSmiles(scaffold)
    parts = {
        f"{atom.GetSymbol()}{atom.GetDegree()}:" + "".join(sorted(a.GetSymbol() for a in atom.GetNeighbors()))
        for atom in mol.GetAtoms()
        if atom.GetSymbol() != "C"
    }
    unsaturated = any(
        b.GetBondTypeAsDouble() > 1 and b.GetBeginAtom().GetSymbol() == b.GetEndAtom().GetSymbol() == "C"
        for b in mol.GetBonds()
    )
    return "chain " + " ".join([*sorted(parts), *(["C=C"] if unsaturated else [])])


def battery_like(smiles: str) -> bool:
    """Aprotic, not aromatic, at most 12 heavy atoms of C, N, O, F, S, P: what an electrolyte might hold."""
    numbers = of_molecule(smiles)[1]
    heavy, elements = numbers[1], numbers[2:8].sum()
    return bool(heavy == elements and heavy <= 12 and numbers[9] == 0 and numbers[13] == 0)
