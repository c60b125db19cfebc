from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rdkit import Chem

from voltgym.envs.errors import VoltGymError
from voltgym.envs.solvent.elements import MAX_ATOMS
from voltgym.envs.solvent.molecules import read, write
from voltgym.envs.solvent.parse import canonical
from voltgym.envs.solvent.space import MoleculeSpace

WALKS = MoleculeSpace().sample(np.random.default_rng(7), 300)
AROMATIC = ["c1ccccc1", "O=c1occo1", "c1cc[nH]c1", "c1ccpcc1", "Cc1ncco1", "O=c1[nH]cco1"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "expected a SMILES"),
        (None, "expected a SMILES"),
        ("CX", "not a SMILES that RDKit can read"),
        ("CC and more", "not a SMILES that RDKit can read"),
        ("C" * 5000, "5000 characters"),
        ("C", "1 heavy atom; expected 2 to 14"),
        ("C" * 15, "15 heavy atoms; expected 2 to 14"),
        ("C.C", "2 separate pieces"),
        ("CC[Si](C)(C)C", "atom 3 (Si) is not one of C, N, O, F, S, P"),
        ("*CC", "atom 1 (*) is not one of"),
        ("[2H]CC", "atom 1 (H) is not one of"),
        ("C[13CH3]", "atom 2 (C) is an isotope, 13C"),
        ("C[CH2]", "atom 2 (C) is a radical"),
        ("CC(=O)[O-]", "atom 4 (O) has a charge of -1"),
        ("C->C", "bond 1-2 is dative"),
        ("CC(=O)(C)C", "atom 2 (C) has more bonds"),
        ("c1cccc1", "aromatic atoms 1, 2, 3, 4, 5"),
        ("FS(F)(F)(F)(F)F", "atom 2 (S) has bonds of total order 6"),
        ("C[SH](=O)=O", "atom 2 (S)"),
        ("O=S=O", "atom 2 (S)"),
        ("FP(F)(F)(F)F", "atom 2 (P) has bonds of total order 5"),
        ("C[SH3]", "atom 2 (S) has 3 hydrogens; expected 1"),
        ("C1CCC#CCCC1", "in a ring"),
        ("C1CCC=C=CCC1", "in a ring"),
    ],
)
def test_what_is_not_in_the_space_is_said(text, says, capfd):
    with pytest.raises(VoltGymError, match=re.escape(says)):
        canonical(text)
    assert capfd.readouterr().err == ""  # RDKit's own complaints are not shown


@given(st.text(alphabet="CNOFSPcnops[]()=#123H+-@/\\. ", max_size=25))
def test_any_text_is_a_design_or_a_clear_error(text):
    try:
        design = canonical(text)
    except VoltGymError:
        return
    assert canonical(design) == design


def test_stereochemistry_atom_maps_and_the_way_it_is_written_do_not_matter():
    assert canonical("C[C@@H]1COC(=O)O1") == canonical("C[C@H]1COC(=O)O1") == canonical("O=C1OCC(C)O1")
    assert canonical("F/C=C/F") == canonical("F/C=C\\F") == "FC=CF"
    assert canonical("[CH3:7]C") == canonical("[H]C([H])([H])C") == "CC"
    assert canonical("C1=COC(=O)O1") == canonical("O=c1occo1") == "O=c1occo1"


@pytest.mark.parametrize("smiles", [*WALKS[:60], *AROMATIC])
def test_every_way_to_write_a_molecule_is_one_design(smiles):
    mol = Chem.MolFromSmiles(smiles)
    kekule = Chem.Mol(mol)
    Chem.Kekulize(kekule, clearAromaticFlags=True)
    ways = [Chem.MolToSmiles(mol, doRandom=True), Chem.MolToSmiles(kekule, doRandom=True, kekuleSmiles=True)]
    assert {canonical(way) for way in ways} == {smiles} == {Chem.CanonSmiles(smiles)}


@pytest.mark.parametrize("smiles", [*WALKS[60:120], *AROMATIC])
def test_arrays_follow_from_the_smiles_and_the_smiles_from_the_arrays_in_any_order(smiles):
    atoms, bonds = read(smiles)
    assert (bonds == bonds.T).all()
    n = int((atoms > 0).sum())
    shuffled = np.concatenate([np.random.default_rng(n).permutation(n), np.arange(n, MAX_ATOMS)])
    ((again, arrays),) = write(atoms[shuffled][None], bonds[shuffled][:, shuffled][None])
    assert again == smiles
    np.testing.assert_array_equal(arrays.atoms, atoms)
    np.testing.assert_array_equal(arrays.bonds, bonds)


def test_arrays_that_are_no_molecule_are_none_and_the_others_are_written():
    atoms, bonds = (np.stack([x, x]) for x in read("CC"))
    bonds[0, 0, 1] = bonds[0, 1, 0] = 3
    atoms[0, 1] = 3  # C#O has no charge to give
    assert write(atoms, bonds)[0] is None
    assert write(atoms, bonds)[1][0] == "CC"
