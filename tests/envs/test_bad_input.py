"""What a careless user passes to environments, and the one line that answers."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from voltgym.agents.protocols import RatesBySOC
from voltgym.envs.core import make_episodes
from voltgym.envs.errors import VoltGymError, number, shown, whole_number
from voltgym.envs.ledger import Ledger
from voltgym.envs.problem import DesignProblem

THEVENIN, FAST, PROTOCOL = (f"VoltGym/{name}-v0" for name in ("Thevenin", "FastCharge", "ProtocolDesign"))


def said(caught: pytest.ExceptionInfo[VoltGymError]) -> str:
    text = str(caught.value)
    assert "\n" not in text
    return text


@pytest.mark.parametrize(
    ("env_id", "kwargs", "says"),
    [
        (THEVENIN, {"split": ["test"]}, "unknown split"),
        (THEVENIN, {"split": {}}, "unknown split"),
        (THEVENIN, {"max_steps": 1e300}, "max_steps is 1e+300; expected a whole number >= 1 and <="),
        (THEVENIN, {"max_steps": 10**400}, "expected a whole number"),
        (FAST, {"fidelity": ["SPMe"]}, "unknown fidelity"),
        (FAST, {"observation": np.array([1])}, "unknown observation"),
        (FAST, {"history": 1e300}, "history is 1e+300"),
        (FAST, {"penalty": float("inf")}, "penalty is inf"),
        (FAST, {"margin": 10**400}, "margin is 1000"),
        (FAST, {"cell": "a\0.json"}, "cannot be the path of a cell file"),
        (FAST, {"cell": "~nobody-of-that-name/a.json"}, "cannot be the path of a cell file"),
        (PROTOCOL, {"cells": 1e300}, "cells is 1e+300"),
        (PROTOCOL, {"stages": 10**9}, "stages is 1000000000"),
        (PROTOCOL, {"ageing_cycles": 1e300}, "ageing_cycles is 1e+300"),
        (PROTOCOL, {"penalty": float("inf")}, "penalty is inf"),
    ],
)
@pytest.mark.parametrize("vector", [False, True])
def test_wrong_arguments_are_one_line(env_id: str, kwargs: dict, says: str, vector: bool) -> None:
    with pytest.raises(VoltGymError) as caught:
        gym.make_vec(env_id, num_envs=2, **kwargs) if vector else gym.make(env_id, **kwargs)
    assert says in said(caught)


@pytest.mark.parametrize("value", [True, None, "3", 1.5, 0, -1, float("nan"), 10**400, [3], 3j])
def test_whole_numbers(value: Any) -> None:
    with pytest.raises(VoltGymError, match=r"n is .*; expected a whole number >= 1"):
        whole_number("n", value)


@pytest.mark.parametrize("value", [True, None, "3", -1, float("nan"), float("inf"), 10**400, [3], 3j])
def test_numbers(value: Any) -> None:
    with pytest.raises(VoltGymError, match=r"x is .*; expected a share"):
        number("x", value, "a share")


def test_long_values_are_shown_short() -> None:
    assert len(shown("x" * 10_000)) < 100
    assert "\n" not in shown(np.ones((9, 9)))


@pytest.mark.parametrize("action", [[[1.0], [2.0, 3.0]], None, "x", {}, np.ones((1, 1)), np.array([object()]), [1j]])
def test_actions_that_are_no_actions(action: Any) -> None:
    env = gym.make(THEVENIN).unwrapped
    env.reset(seed=0)
    with pytest.raises(VoltGymError, match=r"the action: found|got actions of shape"):
        env.step(action)


@pytest.mark.parametrize("options", [[1], "episode", 3, {"episod": 1}, {"episode": -1}, {"episode": 10**30}])
def test_reset_options_that_are_none(options: Any) -> None:
    for env in (gym.make(THEVENIN).unwrapped, gym.make_vec(THEVENIN, num_envs=2).unwrapped):
        with pytest.raises(VoltGymError, match=r"reset option|options\['episode'\]"):
            env.reset(options=options)


def test_a_huge_seed_is_the_same_in_one_row_and_in_many() -> None:
    one, many = gym.make(THEVENIN, split="test"), gym.make_vec(THEVENIN, num_envs=2, split="test")
    assert (one.reset(seed=2**70 + 1)[0] == many.reset(seed=2**70)[0][1]).all()


@pytest.mark.parametrize("x", ["x", [[1, 2], [3]], [], {}, object(), [["a"]], np.ones((0, 1))])
def test_designs_that_are_no_numbers(x: Any) -> None:
    problem = DesignProblem(THEVENIN)
    with pytest.raises(VoltGymError, match="designs"):
        problem.evaluate(x)
    assert problem.ledger.spent["evaluations"] == 0


@pytest.mark.parametrize("design", ["rates", RatesBySOC, 3])
def test_a_design_that_is_none(design: Any) -> None:
    with pytest.raises(VoltGymError, match="expected an object with `bounds` and `policy`"):
        DesignProblem(THEVENIN, design)


@pytest.mark.parametrize(
    "arguments", [(0,), (10**6,), (5, "a"), (5, 0.1, float("inf")), (5, 3.0, 1.0), (5, 0, 1, 0.9, 0.1)]
)
def test_a_protocol_that_is_none(arguments: tuple) -> None:
    with pytest.raises(VoltGymError, match="expected"):
        RatesBySOC(*arguments)


def test_episodes_of_what_has_none() -> None:
    for env_id, n in (("CartPole-v1", 1), ("nowhere:X-v0", 1), (None, 1), (THEVENIN, "x"), (THEVENIN, 0)):
        with pytest.raises(VoltGymError):
            make_episodes(env_id, n)  # type: ignore[arg-type]


@pytest.mark.parametrize("amount", [-1, 1.5, float("nan"), "x", None, True])
def test_a_charge_is_a_whole_number(amount: Any) -> None:
    ledger = Ledger().limit(env_steps=3)
    with pytest.raises(VoltGymError, match="expected a whole number >= 0"):
        ledger.charge("env_steps", amount)
    assert ledger.left("env_steps") == 3


@pytest.mark.parametrize("limit", ["x", None, True, [1], float("-inf")])
def test_a_limit_is_a_number(limit: Any) -> None:
    with pytest.raises(VoltGymError, match="expected a number >= 0"):
        Ledger().limit(env_steps=limit)


def test_one_gross_row_leaves_the_others_as_they_are() -> None:
    def run(rate: float | None) -> list[np.ndarray]:
        env = gym.make_vec(FAST, num_envs=4, max_c_rate=50)
        env.reset(seed=0)
        found = []
        for _ in range(3):
            actions = np.full((4, 1), 0.5)
            actions[2] = 0.5 if rate is None else rate
            observation, reward, terminated, _, info = env.step(actions)
            assert np.isfinite(observation).all()
            found.append(np.column_stack([observation, reward, terminated, info["failure"]])[[0, 1, 3]])
        return found

    usual = run(None)
    for rate in (50.0, np.nan):
        assert all((a == b).all() for a, b in zip(usual, run(rate), strict=True))
