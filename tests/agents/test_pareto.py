"""Several objectives at once: fronts and hypervolumes against brute force and areas known by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voltgym.agents.oracle import Verdict
from voltgym.agents.pareto import Goals, front, hypervolume, hypervolume_curve
from voltgym.envs.edit_problem import EditProblem
from voltgym.envs.errors import VoltGymError

GOALS = Goals(("Energy", "Cost"), (1.0, -1.0), [0.0, -10.0])


def found(*pairs: tuple[float, float], feasible: bool = True) -> list[Verdict]:
    return [
        Verdict(f"d{i}", energy, {}, feasible, 0, i + 1, {"Energy": energy, "Cost": cost})
        for i, (energy, cost) in enumerate(pairs)
    ]


def test_the_area_by_hand() -> None:
    some = found((2.0, 6.0), (4.0, 8.0), (1.0, 7.0), (5.0, 11.0))
    assert [v.key for v in front(some, GOALS)] == ["d0", "d1"]  # d2 is dominated, d3 costs more than the reference
    assert hypervolume(some, GOALS) == pytest.approx(2 * 4 + 2 * 2)
    np.testing.assert_allclose(hypervolume_curve(some, GOALS), [8, 12, 12, 12])
    assert hypervolume(found((2.0, 6.0), feasible=False), GOALS) == 0.0
    assert hypervolume([], GOALS) == 0.0


@given(st.lists(st.tuples(st.integers(-2, 9), st.integers(-2, 12)), min_size=1, max_size=25))
def test_the_area_is_that_of_the_squares_that_are_dominated(pairs: list[tuple[int, int]]) -> None:
    some = found(*[(float(a), float(b)) for a, b in pairs])
    squares = {(e, c) for energy, cost in pairs for e in range(max(energy, 0)) for c in range(max(cost, -5), 10)}
    assert hypervolume(some, GOALS) == pytest.approx(len(squares))
    curve = hypervolume_curve(some, GOALS)
    assert (np.diff(curve) >= 0).all()
    assert curve[-1] == pytest.approx(len(squares))


def test_one_goal_is_the_first_value_and_several_need_a_reference_point() -> None:
    cathode = EditProblem("VoltGym/Cathode-v0").objective
    assert Goals.of(cathode, False).names == ("Score",)
    several = Goals.of(cathode, True)
    assert dict(zip(several.names, several.sign, strict=True)) == {
        "Specific energy [W.h.kg-1]": 1.0,
        "Cost [USD.kWh-1]": -1.0,
        "Exothermic peak [C]": 1.0,
    }
    with pytest.raises(VoltGymError, match="names no reference_point"):
        Goals.of(EditProblem("VoltGym/SolventRediscovery-v0").objective, True)
