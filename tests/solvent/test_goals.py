"""Start and reference molecules of the goals."""

from __future__ import annotations

import pytest
from rdkit import Chem

from voltgym.envs.solvent.goals import GOALS


@pytest.mark.parametrize("name", GOALS)
def test_molecules_are_canonical_and_starts_are_split(name: str) -> None:
    goal = GOALS[name]
    for smiles in (*goal.starts, *goal.test_starts, goal.nominal, *goal.references.values()):
        assert Chem.CanonSmiles(smiles) == smiles
    assert not set(goal.starts) & set(goal.test_starts)
    assert len(set(goal.references.values())) == len(goal.references) >= 5


def test_the_goals_are_truly_different() -> None:
    one, other = GOALS.values()
    assert {(t.name, t.zero, t.full) for t in one.terms} != {(t.name, t.zero, t.full) for t in other.terms}
    assert set(one.starts) != set(other.starts)
    assert set(one.references.values()) != set(other.references.values())
