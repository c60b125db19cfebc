"""Numbers that a molecule's graph gives: counted Morgan fingerprints and quick descriptors, remembered by SMILES."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from rdkit import Chem, rdBase
from rdkit.Chem import rdFingerprintGenerator, rdMolDescriptors

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
"""Names of the descriptors, in order; chi and kappa are Kier's and Hall's. All together take 0.1 ms: log P, which takes
longer than that alone, is left to the fingerprint."""

_generator = rdFingerprintGenerator.GetMorganGenerator(radius=RADIUS, fpSize=BITS)
_PLACES = {symbol: 2 + i for i, symbol in enumerate("CNOFSP")}


class NotAMolecule(ValueError):
    """RDKit reads no molecule from the text."""


@lru_cache(maxsize=50_000)
def of_molecule(smiles: str) -> tuple[np.ndarray, np.ndarray]:
    """(1024,) uint8 fingerprint counts and (20,) float32 descriptors. Raises :class:`NotAMolecule`."""
    with rdBase.BlockLogs():
        molecule = Chem.MolFromSmiles(smiles) if isinstance(smiles, str) and smiles else None
    if molecule is None:
        raise NotAMolecule(f"{smiles!r} is no SMILES that RDKit reads; expected one such as 'COC(=O)OC'")
    counts = np.minimum(_generator.GetCountFingerprintAsNumPy(molecule), 255).astype(np.uint8)
    return counts, _descriptors(molecule)


def _descriptors(molecule: Any) -> np.ndarray:
    out = np.zeros(len(DESCRIPTORS), dtype=np.float32)
    out[0], out[1] = rdMolDescriptors.CalcExactMolWt(molecule), molecule.GetNumHeavyAtoms()
    for atom in molecule.GetAtoms():
        place = _PLACES.get(atom.GetSymbol())
        if place is not None:
            out[place] += 1
    rings = molecule.GetRingInfo()
    orders = [bond.GetBondType() for bond in molecule.GetBonds()]
    out[8:] = (
        rings.NumRings(),
        rdMolDescriptors.CalcNumAromaticRings(molecule),
        rdMolDescriptors.CalcNumRotatableBonds(molecule, rdMolDescriptors.NumRotatableBondsOptions.NonStrict),
        rdMolDescriptors.CalcTPSA(molecule, includeSandP=True),
        rdMolDescriptors.CalcLabuteASA(molecule),
        rdMolDescriptors.CalcNumHBD(molecule),
        rdMolDescriptors.CalcFractionCSP3(molecule),
        sum(order == Chem.BondType.DOUBLE for order in orders),
        sum(order == Chem.BondType.TRIPLE for order in orders),
        rdMolDescriptors.CalcChi0v(molecule),
        rdMolDescriptors.CalcChi1v(molecule),
        min(rdMolDescriptors.CalcKappa2(molecule), 30.0),
    )
    return out


def features(designs: Sequence[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(n, 1024) uint8 counts, (n, 20) float32 descriptors, and (n,) bool: it is a molecule (else zeros)."""
    counts = np.zeros((len(designs), BITS), dtype=np.uint8)
    numbers = np.zeros((len(designs), len(DESCRIPTORS)), dtype=np.float32)
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


def count_tanimoto(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(n, m) similarity of counts (n, f) and (m, f): the sum of the minima over the sum of the maxima.

    The min-max kernel (Ralaivola et al. 2005, Neural Networks 18, 1093-1110; from memory). A minimum of counts is the
    number of levels that both reach, so it is a few matrix products.
    """
    a, b = np.atleast_2d(a), np.atleast_2d(b)
    shared = np.zeros((len(a), len(b)), dtype=np.float32)
    for level in range(1, int(min(a.max(initial=0), b.max(initial=0))) + 1):
        places = np.flatnonzero((a >= level).any(axis=0) & (b >= level).any(axis=0))
        if not places.size:
            break
        one, other = (a[:, places] >= level).astype(np.float32), (b[:, places] >= level).astype(np.float32)
        shared += one @ other.T
    total = a.sum(axis=1, dtype=np.float32)[:, None] + b.sum(axis=1, dtype=np.float32)[None] - shared
    return np.divide(shared, total, out=np.ones_like(total), where=total > 0)


@lru_cache(maxsize=50_000)
def group_of(smiles: str) -> str:
    """What a molecule is grouped by in splits: its scaffold (Bemis and Murcko 1996, J. Med. Chem. 39, 2887).

    A molecule without rings has no scaffold. It is grouped by its functional groups: the sorted heteroatoms, each with
    its neighbours, regardless of the carbon chains between, so that homologues stay together.
    """
    from rdkit.Chem.Scaffolds import MurckoScaffold

    molecule = Chem.MolFromSmiles(smiles)
    scaffold = MurckoScaffold.GetScaffoldForMol(molecule)
    if scaffold.GetNumAtoms():
        return Chem.MolToSmiles(scaffold)
    parts = {
        f"{atom.GetSymbol()}{atom.GetDegree()}:" + "".join(sorted(a.GetSymbol() for a in atom.GetNeighbors()))
        for atom in molecule.GetAtoms()
        if atom.GetSymbol() != "C"
    }
    unsaturated = any(
        b.GetBondTypeAsDouble() > 1 and b.GetBeginAtom().GetSymbol() == b.GetEndAtom().GetSymbol() == "C"
        for b in molecule.GetBonds()
    )
    return "chain " + " ".join([*sorted(parts), *(["C=C"] if unsaturated else [])])


def battery_like(smiles: str) -> bool:
    """Aprotic, not aromatic, at most 12 heavy atoms of C, N, O, F, S, P: what an electrolyte might hold."""
    numbers = of_molecule(smiles)[1]
    heavy, elements = numbers[1], numbers[2:8].sum()
    return bool(heavy == elements and heavy <= 12 and numbers[9] == 0 and numbers[13] == 0)
