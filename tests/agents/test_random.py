"""Random actions: uniform, seeded, valid."""

from __future__ import annotations

from pathlib import Path

import gymnasium as gym
import numpy as np

from voltgym.agents.base import Silent
from voltgym.agents.mlp import describe_space
from voltgym.agents.random import RandomAgent, RandomPolicy

BOX = describe_space(gym.spaces.Box(np.float32(1.0), np.float32(3.0), (2,)))
OBSERVATION = np.zeros((4000, 1))


def test_draws_are_uniform_and_differ_between_calls_and_seeds() -> None:
    policy = RandomPolicy(BOX, seed=1)
    first, second = policy(OBSERVATION)[0], policy(OBSERVATION)[0]
    assert first.shape == (4000, 2)
    assert 1 <= first.min() < 1.01
    assert 2.99 < first.max() <= 3
    assert abs(first.mean() - 2) < 0.03
    assert not np.array_equal(first, second)
    assert not np.array_equal(first, RandomPolicy(BOX, seed=2)(OBSERVATION)[0])


def test_loaded_it_starts_again(tmp_path: Path) -> None:
    policy = RandomPolicy(BOX, seed=5)
    draws = [policy(OBSERVATION)[0] for _ in range(3)]
    policy.save(tmp_path)
    again = RandomPolicy.load(tmp_path)
    for draw in draws:
        np.testing.assert_array_equal(draw, again(OBSERVATION)[0])


def test_only_valid_discrete_actions_are_drawn() -> None:
    policy = RandomPolicy(describe_space(gym.spaces.Discrete(3, start=2)), seed=0)
    assert set(policy(OBSERVATION)[0]) == {2, 3, 4}
    mask = np.tile([True, False, True], (4000, 1))
    action, _ = policy(OBSERVATION, mask=mask)
    assert set(action) == {2, 4}
    assert abs((action == 2).mean() - 0.5) < 0.03


def test_any_gymnasium_environment_will_do(tmp_path: Path) -> None:
    policy = RandomAgent().train("CartPole-v1", {}, budget=0, seed=0, out=tmp_path, progress=Silent())
    assert set(policy(OBSERVATION)[0]) == {0, 1}
