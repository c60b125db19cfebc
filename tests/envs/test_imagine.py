"""What designs would measure, were what is learned of them this: the physics' own numbers give the physics' answer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from voltgym.envs.edit_problem import EditProblem
from voltgym.envs.errors import VoltGymError
from voltgym.envs.imagine import Imagined, imaginable

CASES: dict[str, tuple[str, dict[str, Any], list[str]]] = {
    "cathode": ("VoltGym/Cathode-v0", {"property_model": "twin"}, ["LiNi0.5Mn0.3Co0.2O2@0.6", "LiCoO2@0.5"]),
    "corrected": ("VoltGym/Cathode-v0", {"property_model": "twin", "corrected": True}, ["LiNi0.5Mn0.3Co0.2O2@0.6"]),
    "solvent": ("VoltGym/Solvent-v0", {"property_model": "xtb"}, ["O=C1OCCO1", "COC(=O)OC", "CC#N"]),
}


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> tuple[EditProblem, list[str]]:
    env_id, kwargs, designs = CASES[request.param]
    problem = EditProblem(env_id, **kwargs)
    return problem, [problem.key(design) for design in designs]


def test_the_physics_own_numbers_give_what_it_measures(case: tuple[EditProblem, list[str]]) -> None:
    problem, designs = case
    measured, failure = problem.twin.price(designs)
    assert not failure.any()
    latent = imaginable(problem.twin).learnable(designs)
    found = Imagined(problem.twin, designs)(latent[None], np.arange(len(designs)))
    assert set(measured) <= set(found)
    for name, values in measured.items():
        assert np.allclose(found[name], values, atol=1e-9), name


def test_learning_costs_nothing_and_places_are_places(case: tuple[EditProblem, list[str]]) -> None:
    problem, designs = case
    problem.twin.price(designs)
    spent = dict(problem.ledger.spent)
    latent = imaginable(problem.twin).learnable(designs)
    imagined = Imagined(problem.twin, designs)
    last = np.array([len(designs) - 1])
    twice = imagined(np.stack([latent[last], latent[last] + 0.1]), last)
    assert dict(problem.ledger.spent) == spent
    name = problem.twin.model.names[-1]
    assert twice[name].shape == (2,)
    assert twice[name][0] != twice[name][1]


def test_a_model_that_cannot_be_asked_so_is_named() -> None:
    problem = EditProblem("VoltGym/Cathode-v0", property_model="surrogate")
    with pytest.raises(VoltGymError, match="Learned has no `latent`, `learnable` and `completion`"):
        imaginable(problem.twin)
