"""The molecules of the shipped data: of the design space, unique, the same every time."""

from __future__ import annotations

from rdkit import Chem

from voltgym.envs.solvent import library


def test_molecules_by_hand_are_of_the_space_and_of_one_family() -> None:
    found = library.battery_molecules()
    assert len(found) >= 140
    for smiles in found:
        assert library.family_of(smiles)
        assert Chem.MolFromSmiles(smiles).GetNumHeavyAtoms() <= library.HEAVIEST
    texts = [Chem.CanonSmiles(s) for text in library.FAMILIES.values() for s in text.split()]
    assert len(texts) == len(set(texts))


def test_the_list_is_unique_and_canonical_and_edits_are_the_same_every_time() -> None:
    found = [smiles for smiles, _ in library.xtb_molecules(400)]
    assert len(set(found)) == 400
    assert library.edited(found[:150], 20, seed=3) == library.edited(found[:150], 20, seed=3)
    assert all(Chem.CanonSmiles(smiles) == smiles for smiles in found)
    elements = {atom.GetSymbol() for smiles in found for atom in Chem.MolFromSmiles(smiles).GetAtoms()}
    assert elements == library.SYMBOLS


def test_dft_molecules_are_of_every_family() -> None:
    found = library.dft_molecules()[:84]
    assert len({smiles for smiles, _ in found}) == 84
    for family in library.FAMILIES:
        assert sum(name == family for _, name in found) >= 5, family
