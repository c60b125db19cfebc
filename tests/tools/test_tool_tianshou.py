"""Tianshou 2: PPO and SAC on currents, and DQN under a mask on edits, each an epoch."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch

import voltgym.envs  # noqa: F401  # registers the ids

pytestmark = pytest.mark.tools
pytest.importorskip("tianshou")

ENV = "VoltGym/Thevenin-v0"
FEW = {"max_epochs": 1, "epoch_num_steps": 400, "batch_size": 64, "verbose": False, "show_progress": False}


class MaskInObservation(gym.Wrapper):
    """Tianshou wants the mask in the observation: ``{"obs": ..., "mask": ...}``; voltgym has it in the info."""

    def __init__(self, env: gym.Env) -> None:
        super().__init__(env)
        mask = gym.spaces.MultiBinary(int(env.action_space.n))
        self.observation_space = gym.spaces.Dict({"obs": env.observation_space, "mask": mask})

    def reset(self, **kwargs: Any) -> Any:
        observation, info = self.env.reset(**kwargs)
        return {"obs": observation, "mask": info["action_mask"]}, info

    def step(self, action: Any) -> Any:
        observation, reward, terminated, truncated, info = self.env.step(action)
        return {"obs": observation, "mask": info["action_mask"]}, reward, terminated, truncated, info


def collector(algorithm: Any, env: Any, size: int = 2000) -> Any:
    from tianshou.data import Collector, VectorReplayBuffer
    from tianshou.env import DummyVectorEnv

    envs = DummyVectorEnv([env] * 2)
    envs.seed([1, 2])
    return Collector(algorithm, envs, VectorReplayBuffer(size, 2), exploration_noise=True)


def networks(env: gym.Env, spread: bool) -> tuple[Any, Any]:
    from tianshou.utils.net.common import Net
    from tianshou.utils.net.continuous import ContinuousActorProbabilistic, ContinuousCritic

    sizes = {"hidden_sizes": (32, 32)}
    body = Net(state_shape=env.observation_space.shape, **sizes)
    actor = ContinuousActorProbabilistic(
        preprocess_net=body, action_shape=env.action_space.shape, unbounded=True, conditioned_sigma=spread
    )
    action = {"action_shape": env.action_space.shape, "concat": True} if spread else {}
    return actor, ContinuousCritic(preprocess_net=Net(state_shape=env.observation_space.shape, **sizes, **action))


def test_ppo() -> None:
    from tianshou.algorithm import PPO
    from tianshou.algorithm.modelfree.reinforce import ProbabilisticActorPolicy
    from tianshou.algorithm.optim import AdamOptimizerFactory
    from tianshou.trainer import OnPolicyTrainerParams

    env = gym.make(ENV)
    actor, critic = networks(env, spread=False)

    def normal(pair: tuple[torch.Tensor, torch.Tensor]) -> torch.distributions.Distribution:
        return torch.distributions.Independent(torch.distributions.Normal(*pair), 1)

    policy = ProbabilisticActorPolicy(actor=actor, dist_fn=normal, action_space=env.action_space, action_scaling=True)
    algorithm = PPO(policy=policy, critic=critic, optim=AdamOptimizerFactory(lr=1e-3))
    training = collector(algorithm, lambda: gym.make(ENV))
    found = algorithm.run_training(
        OnPolicyTrainerParams(
            training_collector=training, collection_step_num_env_steps=200, update_step_num_repetitions=2, **FEW
        )
    )
    assert found.train_step >= 400
    assert found.update_step > 0


def test_sac() -> None:
    from tianshou.algorithm import SAC
    from tianshou.algorithm.modelfree.sac import SACPolicy
    from tianshou.algorithm.optim import AdamOptimizerFactory
    from tianshou.trainer import OffPolicyTrainerParams

    env = gym.make(ENV)
    actor, critic = networks(env, spread=True)
    adam = AdamOptimizerFactory(lr=1e-3)
    policy = SACPolicy(actor=actor, action_space=env.action_space)
    algorithm = SAC(policy=policy, policy_optim=adam, critic=critic, critic_optim=adam)
    training = collector(algorithm, lambda: gym.make(ENV))
    training.reset()
    training.collect(n_step=100, random=True)
    found = algorithm.run_training(
        OffPolicyTrainerParams(
            training_collector=training,
            collection_step_num_env_steps=20,
            update_step_num_gradient_steps_per_sample=0.1,
            **FEW,
        )
    )
    assert found.train_step >= 400
    assert found.update_step > 0


@pytest.mark.parametrize("env_id", ["VoltGym/Cathode-v0", "VoltGym/SolventRediscovery-v0"])
def test_masked_dqn(env_id: str) -> None:
    from tianshou.algorithm import DQN
    from tianshou.algorithm.modelfree.dqn import DiscreteQLearningPolicy
    from tianshou.algorithm.optim import AdamOptimizerFactory
    from tianshou.trainer import OffPolicyTrainerParams
    from tianshou.utils.net.common import Net

    env = MaskInObservation(gym.make(env_id))
    model = Net(state_shape=env.observation_space["obs"].shape, action_shape=env.action_space.n, hidden_sizes=(32,))
    policy = DiscreteQLearningPolicy(model=model, action_space=env.action_space, eps_training=0.3)
    algorithm = DQN(policy=policy, optim=AdamOptimizerFactory(lr=1e-3), target_update_freq=50)
    training = collector(algorithm, lambda: MaskInObservation(gym.make(env_id)))
    training.reset()
    found = algorithm.run_training(
        OffPolicyTrainerParams(
            training_collector=training,
            collection_step_num_env_steps=20,
            update_step_num_gradient_steps_per_sample=0.1,
            **FEW,
        )
    )
    assert found.update_step > 0
    assert not np.any(training.buffer.info.invalid_action[: len(training.buffer)])
