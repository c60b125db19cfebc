"""``DesignProblem``: whole episodes as a function of a vector."""

from __future__ import annotations

import numpy as np
import pytest

from voltgym.agents.protocols import RatesBySOC
from voltgym.envs.core import Failure, make_episodes
from voltgym.envs.errors import VoltGymError
from voltgym.envs.problem import DesignProblem
from voltgym.envs.thevenin import TARGET

ENV = "VoltGym/Thevenin-v0"
MINUTES = "Time to target [min]"


def test_constant_rates_take_the_time_that_arithmetic_says() -> None:
    problem = DesignProblem(ENV, RatesBySOC(stages=2), split="test", episode=3)
    found = problem.evaluate(np.array([[1.0, 1.0], [2.0, 2.0]]))
    soc = start(3)
    assert found.values[MINUTES] == pytest.approx([60 * (TARGET - soc), 30 * (TARGET - soc)])
    assert found.failure.tolist() == [0, 0]


def test_windows_are_windows_of_soc() -> None:
    """Two stages that meet at 45 %: each lasts its window at its rate, up to the step in which it changes."""
    found = DesignProblem(ENV, RatesBySOC(stages=2), split="nominal").evaluate(np.array([[1.5, 0.5]]))
    exact = 60 * ((0.45 - 0.1) / 1.5 + (0.8 - 0.45) / 0.5)
    assert exact - 1 < found.values[MINUTES][0] < exact + 1


def test_several_episodes_give_the_mean_value_and_the_worst_slack() -> None:
    design, x = RatesBySOC(stages=3), np.array([[1.2, 0.9, 0.5], [2.0, 1.0, 0.7]])
    each = [DesignProblem(ENV, design, split="test", episode=k).evaluate(x) for k in (0, 4, 7)]
    together = DesignProblem(ENV, design, split="test", episode=[0, 4, 7]).evaluate(x)
    assert together.values[MINUTES] == pytest.approx(np.mean([e.values[MINUTES] for e in each], axis=0))
    for name, slack in together.slacks.items():
        assert slack == pytest.approx(np.min([e.slacks[name] for e in each], axis=0))


def test_a_batch_is_its_designs_one_by_one() -> None:
    problem = DesignProblem(ENV, RatesBySOC(), split="validation", episode=[1, 2])
    x = np.random.default_rng(0).uniform(*problem.bounds, size=(4, 5))
    batch = problem.evaluate(x)
    for i, row in enumerate(x):
        one = problem.evaluate(row)
        assert one.values[MINUTES].tobytes() == batch.values[MINUTES][[i]].tobytes()
        assert one.slacks["Voltage [V]"].tobytes() == batch.slacks["Voltage [V]"][[i]].tobytes()
        assert one.failure[0] == batch.failure[i]


def test_what_does_not_reach_the_goal_has_no_value() -> None:
    problem = DesignProblem(ENV, RatesBySOC(stages=1), split="nominal", max_steps=5)
    found = problem.evaluate(np.array([[1.0]]))
    assert np.isnan(found.values[MINUTES][0])
    assert found.failure[0] == Failure.NONE


def test_gross_designs_fail_as_limit_and_keep_their_slack() -> None:
    problem = DesignProblem(ENV, RatesBySOC(stages=1), split="test", episode=range(20))
    found = problem.evaluate(np.array([[3.0], [0.5]]))
    assert found.failure.tolist() == [Failure.LIMIT, Failure.NONE]
    assert found.slacks["Voltage [V]"][0] < -0.5
    assert found.slacks["Completed"].tolist() == [1, 1]


def test_the_action_itself_is_the_design_where_none_is_given() -> None:
    problem = DesignProblem(ENV, split="nominal")
    assert problem.bounds.tolist() == [[0.0], [3.0]]
    assert problem.evaluate([1.0]).values[MINUTES] == pytest.approx([42.0])


@pytest.mark.parametrize(
    ("x", "says"),
    [
        ([[1.0, 1.0]], r"expected \(n, 3\)"),
        ([[1.0, 1.0, 9.0]], "clip them first"),
        ([[1.0, np.nan, 1.0]], "must be finite"),
        ([[[1.0, 1.0, 1.0]]], r"expected \(n, 3\)"),
    ],
)
def test_bad_designs_are_refused_before_they_cost(x: list, says: str) -> None:
    problem = DesignProblem(ENV, RatesBySOC(stages=3))
    with pytest.raises(VoltGymError, match=says):
        problem.evaluate(np.array(x))
    assert problem.ledger.spent["evaluations"] == 0


@pytest.mark.parametrize(
    ("env_id", "kwargs", "says"),
    [
        ("VoltGym/Thevenim-v0", {}, "Thevenin"),
        ("CartPole-v1", {}, "not composed of"),
        (ENV, {"episode": -1}, "whole number >= 0"),
        (ENV, {"episode": 1.5}, "whole number >= 0"),
        (ENV, {"episode": []}, "one or more"),
        (ENV, {"split": "tset"}, "Did you mean 'test'"),
        (ENV, {"max_stepz": 4}, "Did you mean 'max_steps'"),
    ],
)
def test_mistakes_are_one_line(env_id: str, kwargs: dict, says: str) -> None:
    with pytest.raises(VoltGymError, match=says) as error:
        DesignProblem(env_id, RatesBySOC(), **kwargs)
    assert "\n" not in str(error.value)


def start(episode: int) -> float:
    core = make_episodes(ENV, 1, split="test")
    core.reset(np.array([0]), [None], [episode])
    return float(core.state["SOC"][0])
