"""The masked discrete path: a small environment that designs words."""

from __future__ import annotations

from typing import Any

import contract_toys as toys
import gymnasium as gym
import numpy as np
import pytest

from voltgym.envs.core import Failure, make_episodes
from voltgym.envs.ledger import BudgetExhausted

A, B, C, STOP = 2, 3, 4, 5  # actions are counted from 2


@pytest.fixture
def env() -> Any:
    env: Any = gym.make(toys.WORDS).unwrapped
    _, info = env.reset(seed=0)
    while info["design"] != "a":
        _, info = env.reset()
    return env


def test_masks_agree_everywhere(env: Any) -> None:
    assert env.action_masks().tolist() == [False, True, True, True]
    *_, info = env.step(B)
    assert info["design"] == "ab"
    assert info["action_mask"].tolist() == env.action_masks().tolist() == [True, False, True, True]
    assert not info["invalid_action"]


def test_a_masked_out_action_is_a_costed_no_op(env: Any) -> None:
    before = env.ledger.spent["env_steps"]
    observation, reward, terminated, truncated, info = env.step(A)
    assert info["invalid_action"]
    assert info["design"] == "a"
    assert info["failure"] == Failure.NONE
    assert (reward, terminated, truncated) == (0.0, False, False)
    assert observation[3] == 7
    assert env.ledger.spent["env_steps"] == before + 1


def test_no_ops_still_run_into_the_time_limit(env: Any) -> None:
    for step in range(8):
        _, _, terminated, truncated, _ = env.step(A)
        assert not terminated
        assert truncated == (step == 7)


@pytest.mark.parametrize("action", [1, 6, -3, 2.5, np.nan])
def test_numbers_that_are_no_actions(env: Any, action: float) -> None:
    _, reward, terminated, _, info = env.step(action)
    assert terminated
    assert info["failure"] == Failure.ACTION
    assert np.isfinite(reward)


def test_stopping_reaches_the_goal(env: Any) -> None:
    env.step(C)
    _, _, terminated, truncated, info = env.step(STOP)
    assert terminated
    assert not truncated
    assert info["failure"] == Failure.NONE
    assert info["design"] == "ac"


def test_each_design_is_priced_once() -> None:
    env: Any = gym.make_vec(toys.WORDS, num_envs=4).unwrapped
    _, infos = env.reset(seed=1)
    assert env.ledger.spent["model_calls"] == len(set(infos["design"]))
    env.ledger.limit(model_calls=env.ledger.spent["model_calls"])
    env.step(np.full(4, STOP))  # the same designs again: nothing to pay
    env.reset(seed=1)
    with pytest.raises(BudgetExhausted, match="model_calls"):
        env.step(np.array([row.argmax() for row in env.action_masks()]) + 2)


def test_vector_masks_and_info() -> None:
    env: Any = gym.make_vec(toys.WORDS, num_envs=3, autoreset_mode="SameStep").unwrapped
    env.reset(seed=1)
    masks = env.action_masks()
    assert masks.shape == (3, 4)
    out = np.argmin(masks, axis=1) + 2
    *_, infos = env.step(np.array([out[0], STOP, out[2]]))
    assert infos["invalid_action"].tolist() == [True, False, True]
    assert infos["_final_obs"].tolist() == [False, True, False]
    final = infos["final_info"]
    assert final["_design"].tolist() == [False, True, False]
    assert infos["design"].dtype == object


def test_an_environment_without_a_mask_has_no_action_masks() -> None:
    assert not hasattr(gym.make("VoltGym/Thevenin-v0").unwrapped, "action_masks")
    assert not hasattr(gym.make_vec("VoltGym/Thevenin-v0", num_envs=2).unwrapped, "action_masks")


def test_looking_ahead_at_a_masked_out_action_is_a_no_op_too() -> None:
    core = make_episodes(toys.WORDS, 2)
    rows = np.arange(2)
    core.reset(rows, [np.random.default_rng(i) for i in rows])
    out = np.argmin(core.masks(rows), axis=1) + 2
    measured, _, failure = core.peek(rows, out)
    assert failure.tolist() == [0, 0]
    assert np.array_equal(measured["Worth"], core.measured["Worth"])
