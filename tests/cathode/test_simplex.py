"""Whole cathodes as numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voltgym.envs.cathode.composition import parse
from voltgym.envs.cathode.simplex import AnyDesign, SimplexTask, action_of, design_of

SPACE = AnyDesign()
TASK = SimplexTask(SPACE, {"Domain": (0.0, 1.0)})


@pytest.mark.parametrize("design", SPACE.designs[::30])
def test_every_design_can_be_said(design: str) -> None:
    assert design_of(action_of(parse(design))) == design


@given(st.lists(st.floats(0, 1, width=32), min_size=7, max_size=7))
def test_every_action_says_a_design(action: list[float]) -> None:
    place = TASK.decode(np.array([action]))[0]
    state, failure = SPACE.apply(SPACE.initial(["LiCoO2@0.5"]), np.array([place]))
    assert failure[0] == 0
    assert state["key"][0] == SPACE.designs[place] == design_of(action)


def test_metals_that_hold_their_lithium_are_not_asked_for_it() -> None:
    assert design_of([0, 0, 0.8, 0, 0.2, 0, 1]) == "LiCo0.8Mg0.2O2@0.6"
    assert design_of([0] * 7) == design_of([1] * 6 + [0])


def test_one_decision_is_an_episode() -> None:
    state = SPACE.initial(["LiCoO2@0.5", "LiNiO2@0.5"])
    measured = {"Domain": np.zeros(2)}
    assert TASK.done(state, measured).all()
    assert TASK.observe(state, measured).shape == (2, *TASK.observation_space.shape)
