"""Desirabilities, pessimism and reward of the solvent objective, on made-up properties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voltgym.envs.edits import DOMAIN
from voltgym.envs.errors import VoltGymError
from voltgym.envs.solvent.goals import GOALS, find_goal
from voltgym.envs.solvent.objective import (
    DESCRIPTORS,
    MEAN_SCORE,
    MIXTURE_PERMITTIVITY,
    MIXTURE_VISCOSITY,
    SCORE,
    SIMILARITY,
    SYNTHESIS,
    UNSTABLE,
    SolventObjective,
)
from voltgym.surrogates.solvent_names import (
    AFFINITY,
    BINDING,
    BOILING,
    DIPOLE,
    FLASH,
    IONIZATION,
    LIQUID,
    NAMES,
    PERMITTIVITY,
    VISCOSITY,
)

EC = {IONIZATION: 11.0, AFFINITY: -1.0, BINDING: 200.0}
GOOD = {
    BOILING: 430.0,
    FLASH: 360.0,
    VISCOSITY: 0.0,
    PERMITTIVITY: 1.9,
    LIQUID: 0.9,
    IONIZATION: 11.0,
    AFFINITY: -1.5,
    BINDING: 200.0,
    DIPOLE: 4.0,
}


def measured(std: float = 0.0, **changed: float) -> dict[str, np.ndarray]:
    values = {**GOOD, **changed}
    out = {name: np.array([value]) for name, value in values.items()}
    out |= {f"{name} std": np.array([std * abs(EC.get(name, 1.0)) / 10]) for name in NAMES}
    rest = {SIMILARITY: 0.2, DESCRIPTORS: 0.0, UNSTABLE: 0.0, SYNTHESIS: 3.0, DOMAIN: 0.2}
    return out | {name: np.array([changed.get(name, value)]) for name, value in rest.items()}


def objective(goal: str = "solvent", **kwargs: float) -> SolventObjective:
    aim = GOALS[goal]
    return SolventObjective(aim.terms, EC, share=aim.share, **kwargs)


def score(found: dict[str, np.ndarray], goal: str = "solvent", **kwargs: float) -> float:
    return float(objective(goal, **kwargs).value(found)[SCORE][0])


def test_everything_full_scores_one_and_one_zero_scores_zero() -> None:
    assert score(measured()) == pytest.approx(1.0)
    assert score(measured(**{FLASH: 250.0})) == 0.0
    half = score(measured(**{FLASH: 303.15}))
    assert half == pytest.approx(0.5 ** (1 / 8))


def test_the_mixture_is_ideal() -> None:
    found = objective().value(measured(**{VISCOSITY: 1.0, PERMITTIVITY: 2.0}))
    assert found[MIXTURE_VISCOSITY][0] == pytest.approx(10**0.3 * 0.65**0.7)
    assert found[MIXTURE_PERMITTIVITY][0] == pytest.approx(0.3 * 100 + 0.7 * 2.96)


@pytest.mark.parametrize("goal", GOALS)
@given(k=st.floats(0, 3), std=st.floats(0, 1), shift=st.floats(-1, 1))
@settings(max_examples=30, deadline=None)
def test_doubt_never_helps(goal: str, k: float, std: float, shift: float) -> None:
    """Pessimism goes against the goal whichever way it points, windows included."""
    changed = {name: value * (1 + 0.3 * shift) for name, value in GOOD.items()}
    aim = objective(goal)
    sure, doubted = (aim.desirabilities(measured(s, **changed), k) for s in (0.0, std))
    for name in sure:
        assert doubted[name] <= sure[name] + 1e-12


def test_the_score_at_the_mean_knows_no_doubt() -> None:
    found = objective(k=2.0).value(measured(std=1.0))
    assert found[MEAN_SCORE][0] == pytest.approx(1.0)
    assert found[SCORE][0] < 1.0


def test_the_goals_differ_in_what_they_want() -> None:
    reduced = measured(**{AFFINITY: -0.4})  # above EC's: good for an additive, bad for a solvent
    assert score(reduced, "additive") > score(measured(), "additive")
    assert score(reduced) < score(measured())


@given(before=st.floats(-1, 1), after=st.floats(-1, 1), groups=st.integers(0, 4))
@settings(max_examples=50, deadline=None)
def test_the_return_is_what_the_end_is_better_and_failing_never_pays(before: float, after: float, groups: int) -> None:
    aim = objective()
    a, b = (measured(**{FLASH: 303 + 30 * x, UNSTABLE: float(n)}) for x, n in ((before, 0), (after, groups)))
    none, failed = np.zeros(1, np.int8), np.ones(1, np.int8)
    there, back = (aim.reward(x, y, none, none)[0] for x, y in ((a, b), (b, a)))
    assert there + back == pytest.approx(0.0)
    worst = measured(**{FLASH: 0.0, LIQUID: 0.0, UNSTABLE: 99.0})
    assert aim.reward(a, b, none, failed)[0] < aim.reward(a, worst, none, none)[0]


def test_slacks_say_what_is_wrong() -> None:
    slacks = objective().slacks(measured(**{UNSTABLE: 2.0, SYNTHESIS: 5.5, SIMILARITY: -0.1}))
    assert {name: round(float(s[0]), 3) for name, s in slacks.items()} == {
        SIMILARITY: -0.1,
        DESCRIPTORS: 0.0,
        UNSTABLE: -2.0,
        SYNTHESIS: -0.5,
    }


@pytest.mark.parametrize(
    ("name", "terms", "message"),
    [
        ("solvents", None, "Did you mean 'solvent'"),
        ("solvent", {"Flash point": [0, 1]}, r"Did you mean 'Flash point \[K\]'"),
        ("solvent", {FLASH: 3}, "expected two numbers"),
        ("solvent", {FLASH: [300, 300]}, "two different finite numbers"),
        ("solvent", {FLASH: ["a", 1]}, "expected two numbers"),
    ],
)
def test_mistakes_are_one_line(name: str, terms: dict | None, message: str) -> None:
    with pytest.raises(VoltGymError, match=message):
        find_goal(name, terms)


def test_points_can_be_changed() -> None:
    changed = find_goal("solvent", {FLASH: [200, 250]}).terms
    assert next(term for term in changed if term.name == FLASH)[1:3] == (200.0, 250.0)
