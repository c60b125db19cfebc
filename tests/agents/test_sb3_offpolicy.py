"""TD3 and TQC: the noise that a YAML describes, the numpy actor, the errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from sb3_contrib import TQC
from stable_baselines3 import TD3
from stable_baselines3.common.noise import NormalActionNoise

from voltgym.agents.base import Silent
from voltgym.agents.mlp import from_network
from voltgym.agents.sb3 import SB3Agent, make_training_env
from voltgym.envs.errors import VoltGymError

THEVENIN = "VoltGym/Thevenin-v0"
SMALL: dict[str, Any] = {
    "num_envs": 4,
    "hyperparameters": {"train_freq": 4, "gradient_steps": 1, "learning_starts": 64, "batch_size": 32},
    "policy_kwargs": {"net_arch": [16]},
    "validate_every": 200,
    "validation_episodes": 2,
}
NOISY = {**SMALL, "algorithm": "stable_baselines3.TD3", "action_noise": 0.2}


def trained(out: Path, **settings: Any) -> tuple[SB3Agent, Any]:
    agent = SB3Agent(**settings)
    return agent, agent.train(THEVENIN, {"max_steps": 40}, budget=480, seed=0, out=out, progress=Silent())


def test_the_noise_is_gaussian_and_as_wide_as_asked() -> None:
    env: Any = make_training_env(THEVENIN, {}, 4)
    noise = SB3Agent(**NOISY)._model(env, 0).action_noise  # type: ignore[attr-defined]
    assert isinstance(noise, NormalActionNoise)
    drawn = np.array([noise() for _ in range(2000)])
    assert drawn.shape == (2000, 1)
    assert drawn.std() == pytest.approx(0.2, abs=0.02)
    assert SB3Agent(**{**NOISY, "action_noise": None})._model(env, 0).action_noise is None  # type: ignore[attr-defined]


def test_the_noise_explores(tmp_path: Path) -> None:
    weights = [trained(tmp_path / str(s), **{**NOISY, "action_noise": s})[1].arrays() for s in (0.2, 0.2, 0.4)]
    first, again, other = (np.concatenate([array.ravel() for array in arrays.values()]) for arrays in weights)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_training_with_other_noise_does_not_go_on(tmp_path: Path) -> None:
    trained(tmp_path, **NOISY)
    with pytest.raises(VoltGymError, match="another training"):
        trained(tmp_path, **{**NOISY, "action_noise": 0.3})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"algorithm": "stable_baselines3.PPO", "hyperparameters": {}}, "action_noise"),
        ({"action_noise": -1}, "action_noise is -1; expected a number >= 0"),
        ({"action_noise": "wide"}, "action_noise is 'wide'"),
        ({"policy": "MlpPolcy"}, "Did you mean 'MlpPolicy'"),
        ({"policy": "MlpLstmPolicy"}, "policy of stable_baselines3.TD3"),
    ],
)
def test_a_bad_argument_is_one_line(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(VoltGymError, match=message) as error:
        SB3Agent(**{**NOISY, **settings})
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("kind", [TD3, TQC])
def test_the_numpy_actor_after_training_is_the_network(kind: Any) -> None:
    env: Any = make_training_env(THEVENIN, {"max_steps": 40}, 4)
    model = kind("MlpPolicy", env, seed=1, learning_starts=64, batch_size=32, policy_kwargs={"net_arch": [16, 8]})
    model.learn(200)
    size = env.observation_space.shape[0]
    observation = np.random.default_rng(0).normal(size=(100, size), scale=2).astype(np.float32)
    expected, _ = model.predict(observation, deterministic=True)
    space: Any = env.physical_space
    assert isinstance(space, gym.spaces.Box)
    action, _ = from_network(model.policy, space, "full")(observation)
    np.testing.assert_allclose(action, space.low + (expected + 1) / 2 * (space.high - space.low), atol=1e-5)
    assert np.ptp(action) > 0
