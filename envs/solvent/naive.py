"""A step of molecule design as MolDQN takes it: every next molecule is made with RDKit, then one is chosen.

Zhou, Kearnes, Li, Zare and Riley 2019, Sci. Rep. 9, 10752: from a molecule, the actions are all atom additions, bond
additions and bond removals that give a valid molecule, and the agent sees the Morgan fingerprint of each. Written anew
after the paper and its published code, as what the design space is timed against; nothing else uses it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import combinations

import numpy as np
from rdkit import Chem
from rdkit.Chem import rdFingerprintGenerator

from voltgym.envs.solvent.elements import CAPACITY, ELEMENTS, INDEX, MAX_ATOMS, NUMBERS, RING_SIZES

ORDERS = (Chem.BondType.ZERO, Chem.BondType.SINGLE, Chem.BondType.DOUBLE, Chem.BondType.TRIPLE)
RADIUS, BITS = 3, 2048
"""Of the fingerprints, as in the paper."""


class EnumeratedStep:
    """One molecule at a time.

    Args:
        elements: that may be added.
        ring_sizes: that a bond addition may close.
    """

    def __init__(
        self, elements: Sequence[str] = ELEMENTS, ring_sizes: Collection[int] = RING_SIZES, seed: int = 0
    ) -> None:
        self.numbers = [NUMBERS[ELEMENTS.index(element) + 1] for element in elements]
        self.ring_sizes = ring_sizes
        self.rng = np.random.default_rng(seed)
        self._fingerprints = rdFingerprintGenerator.GetMorganGenerator(radius=RADIUS, fpSize=BITS)

    def step(self, smiles: str) -> tuple[str, np.ndarray]:
        """A random one of the next molecules, and what an agent sees of all of them, (n, 2048) uint8."""
        around = self.neighbours(smiles)
        if not around:
            return smiles, np.zeros((0, BITS), dtype=np.uint8)
        seen = np.stack([self._fingerprints.GetFingerprintAsNumPy(Chem.MolFromSmiles(text)) for text in around])
        return around[int(self.rng.integers(len(around)))], seen

    def neighbours(self, smiles: str) -> list[str]:
        """Every valid molecule that an atom addition, a bond addition or a bond removal leads to, each once."""
        mol = Chem.MolFromSmiles(smiles)
        room = [atom.GetTotalNumHs() for atom in mol.GetAtoms()]
        edited = [*self._atom_additions(mol, room), *self._bond_additions(mol, room), *self._bond_removals(mol)]
        return sorted({text for text in map(_finished, edited) if text is not None})

    def _atom_additions(self, mol: Chem.Mol, room: list[int]) -> Iterator[Chem.RWMol]:
        if mol.GetNumAtoms() >= MAX_ATOMS:
            return
        for i, free in enumerate(room):
            for number in self.numbers:
                for order in range(1, min(free, int(CAPACITY[INDEX[number]]), 3) + 1):
                    new = _kekule(mol)
                    new.AddBond(i, new.AddAtom(Chem.Atom(number)), ORDERS[order])
                    yield new

    def _bond_additions(self, mol: Chem.Mol, room: list[int]) -> Iterator[Chem.RWMol]:
        for i, j in combinations([i for i, free in enumerate(room) if free], 2):
            bond = mol.GetBondBetweenAtoms(i, j)
            old = 0 if bond is None else int(bond.GetBondTypeAsDouble())
            if bond is None and len(Chem.GetShortestPath(mol, i, j)) not in self.ring_sizes:
                continue
            if bond is not None and bond.GetIsAromatic():
                continue
            for order in range(old + 1, min(old + min(room[i], room[j]), 3) + 1):
                new = _kekule(mol)
                if bond is None:
                    new.AddBond(i, j, ORDERS[order])
                else:
                    new.GetBondBetweenAtoms(i, j).SetBondType(ORDERS[order])
                yield new

    def _bond_removals(self, mol: Chem.Mol) -> Iterator[Chem.RWMol]:
        for bond in mol.GetBonds():
            if bond.GetIsAromatic():
                continue
            for order in range(int(bond.GetBondTypeAsDouble())):
                new = _kekule(mol)
                if order:
                    new.GetBondWithIdx(bond.GetIdx()).SetBondType(ORDERS[order])
                else:
                    new.RemoveBond(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx())
                yield new


def _kekule(mol: Chem.Mol) -> Chem.RWMol:
    new = Chem.RWMol(mol)
    Chem.Kekulize(new, clearAromaticFlags=True)
    return new


def _finished(mol: Chem.RWMol) -> str | None:
    """The SMILES, None if it is no molecule; an atom that a removed bond set free is dropped."""
    if Chem.SanitizeMol(mol, catchErrors=True):
        return None
    parts = sorted(Chem.MolToSmiles(mol).split("."), key=len)
    lone = len(parts) == 2 and Chem.MolFromSmiles(parts[0]).GetNumAtoms() == 1
    return parts[-1] if len(parts) == 1 or lone else None
