"""``EditTwin``, ``EditTask`` and ``EditProblem`` on a small space of words."""

from __future__ import annotations

from typing import Any

import edit_toys as toys
import gymnasium as gym
import numpy as np
import pytest

from voltgym.agents.validation import kept
from voltgym.envs.checker import check_env_contract
from voltgym.envs.core import Failure, make_episodes
from voltgym.envs.edit_problem import EditProblem
from voltgym.envs.edits import EditTwin
from voltgym.envs.episodes import counted, reached
from voltgym.envs.errors import VoltGymError
from voltgym.envs.ledger import BudgetExhausted

WORDS = toys.register()
A, B, C, DROP, STOP = range(5)


@pytest.fixture
def env() -> Any:
    env: Any = gym.make(WORDS, start="a").unwrapped
    env.reset(seed=0)
    return env


def test_it_keeps_the_contract() -> None:
    assert [f"{f.name}: {f.explanation}" for f in check_env_contract(WORDS) if f.required and not f.ok] == []


def test_an_episode(env: Any) -> None:
    observation, reward, terminated, _, info = env.step(C)
    assert info["design"] == "ac"
    assert reward == pytest.approx(0.3)
    assert info["reasons"] == ""
    task = env.core.task
    assert task.read(observation[None], "Length")[0] == pytest.approx(2)
    assert task.read(observation[None], "Worth std")[0] == pytest.approx(0.1)
    np.testing.assert_array_equal(observation[task.mask_slice].astype(bool), env.action_masks())
    assert not terminated
    *_, terminated, truncated, info = env.step(STOP)
    assert (terminated, truncated, info["design"]) == (True, False, "ac")


def test_the_time_limit_hands_in_what_is_there(env: Any) -> None:
    for step in range(8):
        *_, terminated, truncated, info = env.step(C if step % 2 == 0 else DROP)
    assert (terminated, truncated) == (False, True)
    ends = np.array([terminated]), np.array([truncated]), np.array([info["failure"]])
    assert reached(toys.Worthy(), *ends).all()
    assert not reached(env.core.twin, *ends).any()  # whatever is not `final`


def test_a_design_without_a_price_fails_its_row_alone() -> None:
    core = make_episodes(WORDS, 2, start="ba")
    core.reset(np.arange(2), [np.random.default_rng(i) for i in range(2)])
    *_, info = core.step(np.arange(2), np.array([B, C]))
    assert info["failure"].tolist() == [Failure.SOLVER, Failure.NONE]
    assert info["design"].tolist() == ["ba", "bac"]


def test_a_start_without_a_price_is_an_error() -> None:
    with pytest.raises(VoltGymError, match=r"'bab' has no properties here \(SOLVER\)"):
        gym.make(WORDS, start="bab").reset(seed=0)


def test_a_drawn_start_without_a_price_gives_way_to_a_neighbour() -> None:
    core = make_episodes(WORDS, 2, start="bab")
    core.twin.substitute = True
    _, info = core.reset(np.arange(2), [np.random.default_rng(i) for i in range(2)])
    assert info["design"].tolist() == ["ba", "ba"]
    assert core.ledger.spent["unique_designs"] >= 2  # the one that failed was asked for, too


def test_only_the_design_handed_in_is_judged() -> None:
    objective = toys.Worthy()
    slacks = {"Domain": np.array([-1.0, -1.0])}
    judged = kept(counted(objective, slacks, np.array([False, True])), objective.tolerances)
    assert judged.tolist() == [True, False]


def test_each_design_is_priced_once(env: Any) -> None:
    twin = env.core.twin
    calls = twin.model.calls
    env.step(C)
    env.step(DROP)
    assert twin.model.calls == calls + 1
    assert twin.history == ["a", "ac"]
    assert env.ledger.spent["unique_designs"] == 2


def test_forgotten_designs_are_priced_again_but_not_charged() -> None:
    twin = EditTwin(toys.WordSpace(), toys.Worth(), remember=2)
    first, _ = twin.price(["a", "b", "c"])
    again, _ = twin.price(["a"])
    assert first["Worth"][0] == again["Worth"][0]
    assert twin.model.calls == 4
    assert twin.ledger.spent["unique_designs"] == 3
    assert twin.history == ["a", "b", "c"]


class TestProblem:
    def test_values_slacks_and_failures(self) -> None:
        problem = EditProblem(WORDS, start="a")
        found = problem.evaluate(["ac", "bab", "acacac"])
        assert found.values["Worth"][0] == pytest.approx(0.4)
        assert np.isnan(found.values["Worth"][1])
        assert found.failure.tolist() == [0, Failure.SOLVER, 0]
        assert found.slacks["Domain"][[0, 2]].tolist() == [3, -1]
        assert problem.start == "a"

    def test_the_budget_is_of_unique_designs(self) -> None:
        problem = EditProblem(WORDS)
        problem.ledger.limit(unique_designs=3)
        problem.evaluate(["a", "a", "b"])
        problem.evaluate(["a"])
        with pytest.raises(BudgetExhausted):
            problem.evaluate(["c", "ca"])
        problem.evaluate(["c"])

    def test_moves_and_features(self) -> None:
        problem = EditProblem(WORDS)
        assert problem.neighbours("ab") == ["aba", "abc", "a"]
        assert len(problem.sample(np.random.default_rng(0), 4)) == 4
        assert problem.embed(["ab"]).tolist() == [[2.0]]
        with pytest.raises(VoltGymError, match="no word"):
            problem.key("xyz")

    def test_other_environments_have_none(self) -> None:
        with pytest.raises(VoltGymError, match="edits no design"):
            EditProblem("VoltGym/Thevenin-v0")
