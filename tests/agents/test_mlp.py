"""The numpy actor is the network it was taken from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3 import DQN, PPO, SAC, TD3
from stable_baselines3.common.vec_env import DummyVecEnv

from voltgym.agents.base import Policy, load_policy, save_policy
from voltgym.agents.mlp import MlpPolicy, describe_space, from_network
from voltgym.envs.errors import VoltGymError

PHYSICAL = gym.spaces.Box(np.array([0.0, -2.0], np.float32), np.array([3.0, 5.0], np.float32))
DISCRETE = gym.spaces.Discrete(4)


class Dummy(gym.Env):
    """Spaces, and nothing behind them."""

    observation_space = gym.spaces.Box(-np.inf, np.inf, (5,), np.float32)

    def __init__(self, discrete: bool = False) -> None:
        self.action_space = DISCRETE if discrete else gym.spaces.Box(-1.0, 1.0, (2,), np.float32)


def network(kind: Any, discrete: bool = False, **shape: Any) -> Any:
    env = DummyVecEnv([lambda: Dummy(discrete)])
    return kind("MlpPolicy", env, seed=3, policy_kwargs={"net_arch": [32, 16], **shape}, device="cpu").policy


@pytest.mark.parametrize("kind", [PPO, SAC, TD3])
def test_box_actions_equal_the_deterministic_prediction(kind: Any) -> None:
    policy = network(kind)
    observation = np.random.default_rng(0).normal(size=(200, 5), scale=3).astype(np.float32)
    expected, _ = policy.predict(observation, deterministic=True)
    action, memory = from_network(policy, PHYSICAL, "bms")(observation)
    low, high = PHYSICAL.low, PHYSICAL.high
    assert memory is None
    assert action.dtype == np.float32
    np.testing.assert_allclose(action, low + (expected + 1) / 2 * (high - low), atol=1e-5)
    assert PHYSICAL.contains(action[0])


@pytest.mark.parametrize("kind", [PPO, DQN])
def test_discrete_actions_equal_the_deterministic_prediction(kind: Any) -> None:
    policy = network(kind, discrete=True)
    observation = np.random.default_rng(0).normal(size=(200, 5), scale=3).astype(np.float32)
    expected, _ = policy.predict(observation, deterministic=True)
    actor = from_network(policy, gym.spaces.Discrete(4, start=2), "full")
    assert (actor(observation)[0] == expected + 2).all()
    mask = np.ones((200, 4), dtype=bool)
    mask[np.arange(200), expected] = False
    masked, _ = actor(observation, mask=mask)
    assert mask[np.arange(200), masked - 2].all()


def test_a_row_does_not_depend_on_the_others() -> None:
    actor = from_network(network(PPO), PHYSICAL, "full")
    observation = np.random.default_rng(1).normal(size=(64, 5))
    alone = np.concatenate([actor(row[None])[0] for row in observation])
    np.testing.assert_array_equal(actor(observation)[0], alone)


def test_saved_and_loaded_it_acts_the_same(tmp_path: Path) -> None:
    actor = from_network(network(SAC), PHYSICAL, "bms")
    save_policy(actor, tmp_path, env_id="Any-v0", env_kwargs={})
    again = load_policy(tmp_path)
    observation = np.random.default_rng(2).normal(size=(9, 5))
    np.testing.assert_array_equal(actor(observation)[0], again(observation)[0])
    assert isinstance(again, Policy)
    assert again.information == "bms"
    assert not list(tmp_path.glob("*.pkl"))


def test_damaged_files_are_an_error_of_ours(tmp_path: Path) -> None:
    save_policy(from_network(network(PPO), PHYSICAL, "bms"), tmp_path, env_id="Any-v0", env_kwargs={})
    (tmp_path / "weights.npz").write_bytes(b"PK\x03\x04 cut short")
    with pytest.raises(VoltGymError, match="damaged"):
        load_policy(tmp_path)


def test_what_it_cannot_be_is_said() -> None:
    with pytest.raises(VoltGymError, match="Did you mean 'Tanh'"):
        MlpPolicy(["tanh"], describe_space(PHYSICAL), "full")
    with pytest.raises(VoltGymError, match="finite bounds"):
        describe_space(gym.spaces.Box(-np.inf, np.inf, (1,)))
    from torch.nn import Softplus

    with pytest.raises(VoltGymError, match="layer Softplus"):
        from_network(network(PPO, activation_fn=Softplus), PHYSICAL, "full")
    assert json.dumps(from_network(network(PPO), PHYSICAL, "full").about())
