"""The design space, held against RDKit: ``by_rdkit.py`` does every edit once more, a molecule at a time."""

from __future__ import annotations

import csv
from importlib import resources

import numpy as np
import pytest
from by_rdkit import in_space, product
from hypothesis import given, settings
from hypothesis import strategies as st
from rdkit import Chem

from voltgym.envs.edits import DesignSpace
from voltgym.envs.errors import VoltGymError
from voltgym.envs.solvent.goals import GOALS
from voltgym.envs.solvent.memory import Memory
from voltgym.envs.solvent.molecules import write
from voltgym.envs.solvent.naive import EnumeratedStep
from voltgym.envs.solvent.space import SEEDS, MoleculeSpace
from voltgym.experiments.benchmark_solvent import main
from voltgym.surrogates.base import Failure, take

SPACE = MoleculeSpace()
SOLVENTS = [
    "CCOC(=O)OC",
    "O=C1OCCO1",
    "CC1COC(=O)O1",
    "O=C1OCC(F)O1",
    "O=c1occo1",
    "C=CC1COC(=O)O1",
    "COC(=O)OC",
    "CCOC(=O)OCC",
    "COCCOC",
    "COCCOCCOC",
    "C1COCO1",
    "C1CCOC1",
    "CC1CCCO1",
    "O=C1CCCO1",
    "COC(C)=O",
    "COC(=O)C(F)F",
    "CC#N",
    "N#CCCC#N",
    "N#CCCCCC#N",
    "CS(C)(=O)=O",
    "O=S1(=O)CCCC1",
    "CS(C)=O",
    "O=S1OCCO1",
    "O=S1(=O)CCCO1",
    "O=S1(=O)OCCO1",
    "COP(=O)(OC)OC",
    "CN1CCCC1=O",
    "FC(F)C(F)(F)COC(F)(F)C(F)F",
    "CS(=O)(=O)F",
    "Cc1ccccc1",
]


def repeat(smiles: str, n: int) -> dict[str, np.ndarray]:
    return {name: np.repeat(x, n, axis=0) for name, x in SPACE.initial([smiles]).items()}


def disagreements(smiles: str, actions: np.ndarray) -> list[str]:
    """Where mask and product differ from RDKit's."""
    allowed = SPACE.mask(SPACE.initial([smiles]))[0]
    after, failure = SPACE.apply(repeat(smiles, len(actions)), actions)
    out = []
    for action, key, failed in zip(actions.tolist(), after["smiles"], failure, strict=True):
        expected, found = product(smiles, SPACE, action), None if failed else key
        if expected != found or allowed[action] != (expected is not None):
            out.append(f"{smiles}, {SPACE.describe(action, SPACE.initial([smiles]))}: {expected} but {found}")
    return out


def test_it_is_a_design_space_with_stop_last():
    space: DesignSpace = SPACE
    assert space.stop == space.n_actions - 1 == len(SPACE.actions) - 1
    assert SPACE.mask(SPACE.initial(["CC"])).shape == (1, space.n_actions)


@pytest.mark.parametrize("smiles", SOLVENTS)
def test_everything_that_the_mask_allows_a_known_solvent_is_what_rdkit_makes_of_it(smiles):
    key = SPACE.canonical(smiles)
    allowed = np.flatnonzero(SPACE.mask(SPACE.initial([key]))[0, : SPACE.stop])
    assert len(allowed) > 10
    assert disagreements(key, allowed) == []


@pytest.mark.parametrize("seed", range(12))
def test_the_mask_is_what_rdkit_says_for_random_molecules_and_any_action(seed):
    rng = np.random.default_rng(seed)
    for smiles in SPACE.sample(rng, 5):
        allowed = SPACE.mask(SPACE.initial([smiles]))[0, : SPACE.stop]
        some = rng.choice(np.flatnonzero(~allowed), 60, replace=False)
        size = int((SPACE.initial([smiles])["atoms"] > 0).sum())
        near = np.concatenate([np.arange(12 * size), SPACE.blocks["bond"].start + rng.integers(0, 364, 40)])
        assert disagreements(smiles, np.unique(np.concatenate([some, near, np.flatnonzero(allowed)[::4]]))) == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_every_action_of_random_molecules(seed):
    for smiles in SPACE.sample(np.random.default_rng(100 + seed), 50):
        assert disagreements(smiles, np.arange(SPACE.stop)) == []


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1))
def test_walks_stay_in_the_space(seed):
    rng = np.random.default_rng(seed)
    state = SPACE.initial(list(rng.choice(SOLVENTS, 8)))
    for _ in range(8):
        mask = SPACE.mask(state)
        action = np.array([rng.choice(np.flatnonzero(row[:-1])) for row in mask])
        new, failure = SPACE.apply(state, action)
        assert (failure == Failure.NONE).all()
        assert (new["smiles"] != state["smiles"]).all()
        for smiles in new["smiles"]:
            mol = Chem.MolFromSmiles(smiles)
            assert in_space(mol)
            assert Chem.MolToSmiles(mol) == smiles
        state = new


def test_a_state_is_a_function_of_its_smiles():
    rng = np.random.default_rng(3)
    state = SPACE.initial(list(SEEDS) * 8)
    for _ in range(8):
        state, _ = SPACE.apply(state, SPACE._draw(rng, SPACE.mask(state)))
    fresh = MoleculeSpace().initial(list(state["smiles"]))
    for name in ("atoms", "bonds", "smiles"):
        np.testing.assert_array_equal(state[name], fresh[name])


def test_rows_do_not_depend_on_each_other_nor_on_what_is_remembered():
    rng = np.random.default_rng(4)
    smiles = SPACE.sample(rng, 40)
    state = SPACE.initial(smiles)
    mask, action = SPACE.mask(state), rng.integers(SPACE.n_actions, size=40)
    after, failure = SPACE.apply(state, action)
    for row in range(40):
        alone = MoleculeSpace(remember=1)
        one = alone.initial([smiles[row]])
        np.testing.assert_array_equal(alone.mask(one)[0], mask[row])
        np.testing.assert_array_equal(alone.features(one)[0], SPACE.features(state)[row])
        then, failed = alone.apply(one, action[row : row + 1])
        assert (then["smiles"][0], failed[0]) == (after["smiles"][row], failure[row])


def test_stop_and_what_is_forbidden_change_nothing():
    state = repeat("CC", 5)
    before = {name: x.copy() for name, x in state.items()}
    forbidden = int(np.flatnonzero(~SPACE.mask(state)[0])[0])
    after, failure = SPACE.apply(state, np.array([SPACE.stop, forbidden, -1, SPACE.n_actions, 10**12]))
    assert failure.dtype == np.int8
    assert failure.tolist() == [Failure.NONE, *[Failure.ACTION] * 4]
    for name in before:
        np.testing.assert_array_equal(after[name], before[name])
        np.testing.assert_array_equal(state[name], before[name])


def test_if_rdkit_refused_an_allowed_edit_one_row_would_fail(monkeypatch):
    def refuses_oxygen(atoms, bonds):
        return [None if (a == 3).any() else made for a, made in zip(atoms, write(atoms, bonds), strict=True)]

    monkeypatch.setattr("voltgym.envs.solvent.space.write", refuses_oxygen)
    space = MoleculeSpace()
    state = space.initial(["CC", "CC"])
    names = {space.describe(a, state): a for a in np.flatnonzero(space.mask(state)[0])}
    add_o, add_n = (names[f"append {e} to atom 1 (C) by a single bond"] for e in "ON")
    after, failure = space.apply(state, np.array([add_o, add_n]))
    assert failure.tolist() == [Failure.DOMAIN, Failure.NONE]
    assert after["smiles"].tolist() == ["CC", "CCN"]
    np.testing.assert_array_equal(after["atoms"][0], state["atoms"][0])


def test_an_empty_batch_is_a_batch():
    empty = SPACE.initial([])
    assert SPACE.mask(empty).shape == (0, SPACE.n_actions)
    assert SPACE.apply(empty, np.zeros(0, dtype=int))[1].shape == (0,)
    assert SPACE.features(empty).shape == (0, len(SPACE.feature_names))
    assert SPACE.sample(np.random.default_rng(0), 0) == []


def test_a_start_that_is_not_in_the_space_is_refused_with_its_reason():
    with pytest.raises(VoltGymError, match=r"atom 3 \(Si\)"):
        SPACE.initial(["CC", "CC[SiH3]"])


def test_neighbours_are_one_edit_away_each_once_and_never_the_molecule_itself():
    around = SPACE.neighbours("O=C1OCCO1")
    assert len(around) == len(set(around)) > 50
    assert "O=C1OCCO1" not in around
    for known in ("CC1COC(=O)O1", "O=C1OCC(F)O1", "O=c1occo1", "O=S1OCCO1", "O=C1CCCO1"):  # PC, FEC, VC, ES, GBL
        assert known in around, known
    assert all(SPACE.canonical(smiles) == smiles for smiles in around)


def test_samples_repeat_with_the_seed_and_do_not_with_others():
    first, again, other = (MoleculeSpace().sample(np.random.default_rng(seed), 200) for seed in (5, 5, 6))
    assert first == again != other
    assert len(set(first)) > 150
    letters = set("".join(first))
    assert letters >= set("CNOFSP=#1")  # every element, multiple bonds, rings


def test_an_edit_is_told_in_words():
    state = SPACE.initial(["CCOC(=O)OC", "O=C1OCCO1"])
    told = {SPACE.describe(a, state, row) for row in (0, 1) for a in np.flatnonzero(SPACE.mask(take(state, [row]))[0])}
    for text in (
        "attach OCC(F)(F)F to atom 1 (C)",
        "append F to atom 1 (C) by a single bond",
        "make the bond between atom 1 (C) and atom 2 (C) double",
        "close a ring by a single bond between atom 1 (C) and atom 7 (C)",
        "open the ring between atom 2 (C) and atom 3 (O)",
        "substitute atom 2 (C) by S",
        "delete atom 3 (O)",
        "stop",
    ):
        assert text in told
    with pytest.raises(VoltGymError, match="action is -1"):
        SPACE.describe(-1, state)


def test_features_are_named_and_bounded():
    state = SPACE.initial(["CC#N", "O=C1OCCO1"])
    features = SPACE.features(state)
    assert features.shape == (2, len(SPACE.feature_names))
    assert features.dtype == np.float32
    assert 0 <= features.min() <= features.max() <= 1
    first, second = (dict(zip(SPACE.feature_names, row, strict=True)) for row in features)
    assert first["atom 3 is N"] == first["bond 2-3 order / 3"] == 1
    assert first["atom 1 hydrogens / 4"] == 0.75
    assert first["atom 4 is none"] == 1
    assert second["atom 1 is in a ring"] == 0
    assert second["atom 2 is in a ring"] == 1


def test_all_that_the_goals_and_the_battery_table_name_is_in_the_space():
    named = [s for goal in GOALS.values() for s in (*goal.starts, *goal.test_starts, *goal.references.values())]
    text = (resources.files("voltgym.surrogates.data") / "battery_solvents.csv").read_text(encoding="utf-8")
    table = {row["smiles"] for row in csv.DictReader(text.splitlines())}
    inside = {s for s in table if Chem.MolFromSmiles(s).GetNumAtoms() <= 14}
    assert len(inside) >= 60
    for smiles in {*named, *inside, *SOLVENTS}:
        assert SPACE.canonical(smiles)


def test_memory_forgets_what_was_not_used_for_longest():
    memory: Memory[str, int] = Memory(2)
    memory.put("a", 1)
    memory.put("b", 2)
    assert memory.get("a") == 1
    memory.put("c", 3)
    assert ("a" in memory, "b" in memory, "c" in memory, len(memory)) == (True, False, True, 2)


def test_the_enumeration_it_is_timed_against_gives_molecules_that_are_next_to_it():
    route = EnumeratedStep(seed=1)
    around = route.neighbours("CCO")
    assert {"CCCO", "CCOC", "C=CO", "CC", "CC=O", "C1CO1", "CCOF", "CC(O)S"} <= set(around)
    assert "CCO" not in around
    assert all(Chem.CanonSmiles(smiles) == smiles and "." not in smiles for smiles in around)
    chosen, seen = route.step("CCO")
    assert chosen in around
    assert seen.shape == (len(around), 2048)
    assert seen.any(axis=1).all()
    assert all(Chem.MolFromSmiles(smiles).GetNumAtoms() <= 14 for smiles in route.neighbours("C" * 14))


def test_the_benchmark_prints_its_table(capsys):
    assert main(["--rows", "6", "--steps", "2", "--rounds", "1"]) == 0
    said = capsys.readouterr().out
    assert "edits under a mask" in said
    assert said.count("molecules a step") == 2
