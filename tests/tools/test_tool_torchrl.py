"""TorchRL: every environment passes ``check_env_specs``; the info is read by name, and masks are kept."""

from __future__ import annotations

import gymnasium as gym
import pytest

import voltgym.envs  # noqa: F401  # registers the ids

pytestmark = pytest.mark.tools
envs = pytest.importorskip("torchrl.envs")

IDS = sorted(env_id for env_id in gym.registry if env_id.startswith("VoltGym/"))
MASKED = ["VoltGym/Cathode-v0", "VoltGym/Solvent-v0", "VoltGym/SolventRediscovery-v0"]


@pytest.mark.parametrize("env_id", IDS)
def test_specs(env_id: str) -> None:
    env = envs.GymEnv(env_id)
    envs.check_env_specs(env, seed=0)
    rollout = env.rollout(5)
    assert len(rollout) >= 1
    assert rollout["next", "reward"].isfinite().all()


@pytest.mark.parametrize("env_id", IDS)
def test_the_cost_is_read_from_the_info(env_id: str) -> None:
    """By name: numpy scalars and arrays. Molecules and nested dicts beside them do no harm."""
    env = envs.GymEnv(env_id)
    env.set_info_dict_reader(envs.libs.gym.default_info_dict_reader(["cost"]))
    cost = env.rollout(3)["next", "cost"]
    assert cost.dtype.is_floating_point
    assert (cost >= 0).all()


@pytest.mark.parametrize("env_id", MASKED)
def test_masked_actions(env_id: str) -> None:
    env = envs.GymEnv(env_id)
    env.set_info_dict_reader(envs.libs.gym.default_info_dict_reader(["action_mask", "invalid_action"]))
    rollout = envs.TransformedEnv(env, envs.ActionMask()).rollout(20, break_when_any_done=False)
    assert len(rollout) == 20
    assert not rollout["next", "invalid_action"].any()
    plain = envs.GymEnv(env_id)
    plain.set_info_dict_reader(envs.libs.gym.default_info_dict_reader(["invalid_action"]))
    assert plain.rollout(20, break_when_any_done=False)["next", "invalid_action"].any()  # without it some are invalid


def test_batched_collection() -> None:
    env = envs.SerialEnv(2, lambda: envs.GymEnv("VoltGym/Thevenin-v0"))
    assert env.rollout(4).shape == (2, 4)
