"""From a SMILES to three-dimensional structures, and to where a lithium ion could sit."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from rdkit import Chem
from rdkit.Chem import rdDistGeom, rdForceFieldHelpers
from rdkit.Chem.rdchem import Mol

SEED = 7
CONFORMERS = 6
"""Generated; the ``KEPT`` lowest of the force field go on: a chelate needs another conformer than the free molecule."""
KEPT = 4
DONORS = {7: 2.0, 8: 1.9, 9: 1.9, 15: 2.5, 16: 2.4}
"""Atomic number -> the distance [A] from the donor at which Li+ is put at the start."""
COVALENT = {1: 0.31, 3: 1.28, 6: 0.76, 7: 0.71, 8: 0.66, 9: 0.57, 15: 1.07, 16: 1.05}
"""Covalent radii [A]: Cordero et al. 2008, Dalton Trans. 2832 (from memory)."""
LOOSE = 1.3
"""Two atoms are bonded if they are nearer than this times the sum of their radii."""


class Structure(NamedTuple):
    """A molecule in space."""

    numbers: np.ndarray
    """(n,) atomic numbers."""
    positions: np.ndarray
    """(n, 3) [A]."""


class Unbuildable(Exception):
    """No three-dimensional structure could be made."""


def embed(smiles: str) -> tuple[Mol, list[Structure]]:
    """The molecule with hydrogens, and its lowest conformers by MMFF94 (UFF where it has no parameters), lowest first.

    Raises:
        Unbuildable: none could be made.
    """
    molecule = Chem.AddHs(Chem.MolFromSmiles(smiles))
    parameters: Any = rdDistGeom.ETKDGv3()
    parameters.randomSeed = SEED
    made = list(rdDistGeom.EmbedMultipleConfs(molecule, CONFORMERS, parameters))
    if not made:
        parameters.useRandomCoords = True
        made = list(rdDistGeom.EmbedMultipleConfs(molecule, CONFORMERS, parameters))
    if not made:
        raise Unbuildable("no conformer could be embedded")
    mmff = rdForceFieldHelpers.MMFFHasAllMoleculeParams(molecule)
    relax = rdForceFieldHelpers.MMFFOptimizeMoleculeConfs if mmff else rdForceFieldHelpers.UFFOptimizeMoleculeConfs
    energies = [energy for _, energy in relax(molecule, maxIters=500)]
    order = np.argsort(energies)[:KEPT]
    numbers = np.array([atom.GetAtomicNum() for atom in molecule.GetAtoms()])
    return molecule, [Structure(numbers, molecule.GetConformer(made[i]).GetPositions()) for i in order]


def intact(molecule: Mol, structure: Structure) -> bool:
    """Whether the bonds that distances show are those of the molecule; atoms beyond its own (Li) are not looked at."""
    n = molecule.GetNumAtoms()
    radii = np.array([COVALENT[z] for z in structure.numbers[:n].tolist()])
    positions = structure.positions[:n]
    apart = np.linalg.norm(positions[:, None] - positions[None], axis=2)
    near = apart < LOOSE * (radii[:, None] + radii[None])
    np.fill_diagonal(near, False)
    bonded = np.zeros((n, n), dtype=bool)
    for bond in molecule.GetBonds():
        i, j = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
        bonded[i, j] = bonded[j, i] = True
    # a four-ring's diagonal looks like a bond: only what is lost, or what hydrogen has moved to, counts
    lost = bonded & ~near
    hydrogen = structure.numbers[:n] == 1
    moved = near & ~bonded & hydrogen[:, None]
    return not (lost.any() or moved.any())


def lithium_sites(structure: Structure, bonds: np.ndarray) -> list[np.ndarray]:
    """Positions (3,) [A] for Li+: at each donor away from its neighbours, and between two donors that can chelate.

    ``bonds`` (n, n) bool.
    """
    x, z = structure.positions, structure.numbers
    donors = [i for i in range(len(z)) if int(z[i]) in DONORS]
    sites: list[np.ndarray] = []
    for i in donors:
        away = x[i] - x[bonds[i]].mean(axis=0) if bonds[i].any() else np.array([1.0, 0, 0])
        sites.append(x[i] + DONORS[int(z[i])] * away / max(float(np.linalg.norm(away)), 1e-6))
    for a, i in enumerate(donors):
        for j in donors[a + 1 :]:
            gap = float(np.linalg.norm(x[i] - x[j]))
            if not 2.2 < gap < 4.0:
                continue
            middle = (x[i] + x[j]) / 2
            out = middle - x.mean(axis=0)
            axis = (x[j] - x[i]) / gap
            out = out - axis * (out @ axis)
            height = np.sqrt(max(1.95**2 - (gap / 2) ** 2, 0.25))
            sites.append(middle + height * out / max(np.linalg.norm(out), 1e-6))
    free = [site for site in sites if float(np.linalg.norm(x - site, axis=1).min()) > 1.3]
    return free or [x.mean(axis=0) + np.array([0, 0, 3.0])]


def bond_matrix(molecule: Mol) -> np.ndarray:
    """(n, n) bool."""
    return np.asarray(Chem.GetAdjacencyMatrix(molecule), dtype=bool)
