"""Crossover and mutation: whatever comes out is a molecule of the space."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rdkit import Chem

from voltgym.envs.solvent.molecules import Arrays
from voltgym.envs.solvent.operators import MUTATIONS, _finished, _parent, crossover, mutate
from voltgym.envs.solvent.parse import canonical
from voltgym.envs.solvent.space import MoleculeSpace

KNOWN = [
    canonical(smiles)
    for smiles in (
        "CCOC(=O)OC",
        "O=C1OCCO1",
        "O=c1occo1",
        "COCCOC",
        "C1COCO1",
        "CC#N",
        "CS(C)(=O)=O",
        "O=S1(=O)CCCC1",
        "COP(=O)(OC)OC",
        "FC(F)(F)COCC(F)(F)F",
        "CN1CCCC1=O",
        "c1ccccc1C",
        "C1CC2CCC1O2",
        "CC",
    )
]
SEEDS = st.integers(0, 2**32 - 1)
NAMES = {mutation.__name__: mutation for mutation in MUTATIONS}


WALKED = MoleculeSpace().sample(np.random.default_rng(0), 80)
"""Molecules that random edits lead to."""
MOLECULES = st.sampled_from([*KNOWN, *WALKED])


@settings(max_examples=150)
@given(MOLECULES, MOLECULES, SEEDS)
def test_a_child_is_of_the_space_and_new(a: str, b: str, seed: int) -> None:
    child = crossover(a, b, np.random.default_rng(seed))
    assert child == crossover(a, b, np.random.default_rng(seed))
    if child is not None:
        assert canonical(child) == child
        assert child not in (a, b)
        allowed = {atom.GetSymbol() for parent in (a, b) for atom in Chem.MolFromSmiles(parent).GetAtoms()}
        assert {atom.GetSymbol() for atom in Chem.MolFromSmiles(child).GetAtoms()} <= allowed


@settings(max_examples=150)
@given(MOLECULES, SEEDS)
def test_a_mutant_is_of_the_space_and_new(a: str, seed: int) -> None:
    mutant = mutate(a, np.random.default_rng(seed))
    assert mutant == mutate(a, np.random.default_rng(seed))
    if mutant is not None:
        assert canonical(mutant) == mutant != a
        sizes = [Chem.MolFromSmiles(smiles).GetNumAtoms() for smiles in (a, mutant)]
        assert abs(sizes[0] - sizes[1]) <= 1
        mol = Chem.MolFromSmiles(mutant)  # its rings do not outlive it
        assert all(len(ring) <= 7 for ring in mol.GetRingInfo().AtomRings())


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ("CCOC(=O)OC", "CC#N", "COC(=O)OC#N"),
        ("COCCOC", "CS(C)(=O)=O", "COCCS(C)(=O)=O"),
        ("O=C1OCCO1", "C1CCCC1", "O=C1CCCO1"),  # a part of a ring of each
    ],
)
def test_pieces_of_both_are_joined(a: str, b: str, expected: str) -> None:
    rng = np.random.default_rng(0)
    found = {crossover(canonical(a), canonical(b), rng) for _ in range(400)}
    assert expected in found


@pytest.mark.parametrize(
    ("kind", "start", "expected"),
    [
        ("_insert", "COC", {"COCC", "COOC"}),
        ("_change_order", "CC", {"C=C", "C#C"}),
        ("_open_ring", "O=C1OCCO1", {"COC(=O)OC", "CCOC(=O)O"}),
        ("_close_ring", "CCOC(=O)O", {"O=C1OCCO1"}),
        ("_delete", "CC(C)C", {"CCC", "CCCC"}),
        ("_change_atom", "COC", {"CSC", "CCC"}),
        ("_append", "CSC", {"CS(C)=O", "CSCF"}),
    ],
)
def test_each_kind_of_mutation(kind: str, start: str, expected: set[str]) -> None:
    rng, graph = np.random.default_rng(0), _parent(canonical(start))
    children = (NAMES[kind](graph, rng) for _ in range(250))
    found = {_finished(child) for child in children if child is not None}
    assert {canonical(smiles) for smiles in expected - {"CCCC"}} <= found


@pytest.mark.parametrize(
    "smiles",
    ["C1=CC1", "C1CCCCCCC1", "CS(C)(C)C", "C" * 15, "C", "C1CC#CC1", "C=S(=C)(C)C"],
    ids=["strained", "ring of eight", "sulfurane", "too large", "too small", "linear in a ring", "no oxide"],
)
def test_what_is_not_of_the_space_is_refused(smiles: str) -> None:
    mol = Chem.MolFromSmiles(smiles, sanitize=False)
    bonds = Chem.GetAdjacencyMatrix(mol, useBO=True).astype(np.int8)
    index = {"C": 1, "S": 5}
    atoms = np.array([index[atom.GetSymbol()] for atom in mol.GetAtoms()], dtype=np.int8)
    assert _finished(Arrays(atoms, bonds)) is None


def test_molecules_without_a_cut_have_no_children() -> None:
    rng = np.random.default_rng(0)
    assert crossover("C=C", "C#N", rng) is None


def test_most_tries_succeed() -> None:
    rng = np.random.default_rng(0)
    pairs = [(KNOWN[i], KNOWN[j]) for i, j in rng.integers(len(KNOWN), size=(150, 2))]
    assert np.mean([crossover(a, b, rng) is not None for a, b in pairs]) > 0.5  # CC and CC#N hardly have pieces to give
    assert np.mean([mutate(a, rng) is not None for a, _ in pairs]) > 0.9
