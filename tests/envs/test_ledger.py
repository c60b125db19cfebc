"""The ledger: what is spent, and what is refused, in every way there is to spend."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from voltgym.envs.core import make_episodes
from voltgym.envs.errors import VoltGymError
from voltgym.envs.ledger import BudgetExhausted, Ledger
from voltgym.envs.problem import DesignProblem

ENV = "VoltGym/Thevenin-v0"


def test_a_refusal_says_what_to_do() -> None:
    ledger = Ledger().limit(env_steps=3)
    ledger.charge("env_steps", 2)
    with pytest.raises(BudgetExhausted, match=r"2 of 3 spent, 2 more asked for; raise it with ledger.limit\(env_steps"):
        ledger.charge("env_steps", 2)
    assert ledger.left("env_steps") == 1
    assert ledger.left("anything else") == float("inf")


@pytest.mark.parametrize("limit", [-1, float("nan")])
def test_limits_are_numbers_from_zero(limit: float) -> None:
    with pytest.raises(VoltGymError, match="expected a number >= 0"):
        Ledger().limit(env_steps=limit)


def test_only_live_rows_are_charged() -> None:
    env: Any = gym.make_vec(ENV, num_envs=3, max_steps=2).unwrapped
    env.reset(seed=0)
    action = np.zeros((3, 1))
    env.step(action)
    env.step(action)  # every row is truncated here
    assert env.ledger.spent["env_steps"] == 6
    env.step(action)  # and reset here, which is no step of anybody's
    assert env.ledger.spent["env_steps"] == 6


def test_looking_ahead_is_charged_for_itself() -> None:
    core, rows = make_episodes(ENV, 2), np.arange(2)
    core.reset(rows, [np.random.default_rng(i) for i in rows])
    core.ledger.limit(lookahead_steps=3)
    core.peek(rows, np.ones((2, 1)))
    with pytest.raises(BudgetExhausted):
        core.peek(rows, np.ones((2, 1)))
    assert core.ledger.spent.pop("solver_ms") > 0  # looking ahead takes the solver's time, too
    assert dict(core.ledger.spent) == {"redraws": 0, "lookahead_steps": 2}
    core.step(rows, np.ones((2, 1)))
    assert core.ledger.spent["env_steps"] == 2


def test_a_problem_stops_exactly_at_its_budget() -> None:
    problem = DesignProblem(ENV, Constant(), split="test")
    problem.ledger.limit(evaluations=5)
    problem.evaluate(np.full((3, 1), 0.9))
    with pytest.raises(BudgetExhausted):
        problem.evaluate(np.full((3, 1), 0.9))
    assert problem.ledger.spent["evaluations"] == 3
    problem.evaluate(np.full((2, 1), 0.9))
    assert problem.ledger.left("evaluations") == 0
    assert problem.ledger.spent["env_steps"] > 5


class Constant:
    """One C-rate."""

    bounds = np.array([[0.0], [3.0]])

    def policy(self, x: np.ndarray, episodes: Any) -> Any:
        return lambda observation: x


def test_the_time_of_the_solver_is_counted_and_not_limited() -> None:
    core, rows = make_episodes(ENV, 2), np.arange(2)
    core.reset(rows, [np.random.default_rng(i) for i in rows])
    core.ledger.limit(solver_ms=0)
    core.step(rows, np.ones((2, 1)))
    once = core.ledger.spent["solver_ms"]
    core.step(rows, np.ones((2, 1)))
    assert 0 < once < core.ledger.spent["solver_ms"]
