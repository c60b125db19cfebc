"""skrl 2: PPO, SAC and DQN for a few hundred steps, on single environments, vector environments and edits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest
import torch
from torch import nn

import voltgym.envs  # noqa: F401  # registers the ids

pytestmark = pytest.mark.tools
pytest.importorskip("skrl")

ENV = "VoltGym/Thevenin-v0"


def models(env: Any) -> tuple[Any, Any, Any]:
    """A Gaussian policy, a value, and a value of state and action, made for the spaces of ``env``."""
    from skrl.models.torch import DeterministicMixin, GaussianMixin, Model

    spaces = {"observation_space": env.observation_space, "action_space": env.action_space, "device": env.device}

    def net(inputs: int, outputs: int) -> nn.Sequential:
        return nn.Sequential(nn.Linear(inputs, 32), nn.ReLU(), nn.Linear(32, outputs))

    class Policy(GaussianMixin, Model):
        def __init__(self) -> None:
            Model.__init__(self, **spaces)
            GaussianMixin.__init__(self, clip_actions=True)
            self.net = net(self.num_observations, self.num_actions)
            self.log_std = nn.Parameter(torch.full((self.num_actions,), -1.0))

        def compute(self, inputs: dict[str, Any], role: str = "") -> Any:
            return self.net(inputs["observations"]), {"log_std": self.log_std}

    class Value(DeterministicMixin, Model):
        def __init__(self, actions: int = 0, outputs: int = 1) -> None:
            Model.__init__(self, **spaces)
            DeterministicMixin.__init__(self)
            self.actions, self.net = actions, net(self.num_observations + actions, outputs)

        def compute(self, inputs: dict[str, Any], role: str = "") -> Any:
            taken = [inputs["taken_actions"]] if self.actions else []
            return self.net(torch.cat([inputs["observations"], *taken], dim=1)), {}

    return Policy, Value, lambda: Value(env.action_space.shape[0])


def train(agent_class: type, found: dict[str, Any], env: Any, cfg: dict[str, Any], steps: int, folder: Path) -> Any:
    from skrl.memories.torch import RandomMemory
    from skrl.trainers.torch import SequentialTrainer

    cfg = {**cfg, "experiment": {"directory": str(folder), "write_interval": 0, "checkpoint_interval": 0}}
    memory = RandomMemory(memory_size=cfg.get("rollouts", 500), num_envs=env.num_envs, device=env.device)
    spaces = {"observation_space": env.observation_space, "action_space": env.action_space, "device": env.device}
    agent = agent_class(models=found, memory=memory, cfg=cfg, **spaces)
    before = [p.detach().clone() for p in next(iter(found.values())).parameters()]
    quiet = {"headless": True, "disable_progressbar": True, "close_environment_at_exit": False}
    SequentialTrainer(env=env, agents=agent, cfg={"timesteps": steps, **quiet}).train()
    env.close()
    after = list(next(iter(found.values())).parameters())
    assert any(not torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert all(p.isfinite().all() for p in after)
    return memory


@pytest.mark.parametrize("how", ["single", "sync", "vector_entry_point"])
def test_ppo(how: str, tmp_path: Path) -> None:
    from skrl.agents.torch.ppo import PPO
    from skrl.envs.wrappers.torch import wrap_env

    env = wrap_env(gym.make(ENV) if how == "single" else gym.make_vec(ENV, 4, how))
    policy, value, _ = models(env)
    train(PPO, {"policy": policy(), "value": value()}, env, {"rollouts": 64, "learning_epochs": 2}, 200, tmp_path)


def test_sac(tmp_path: Path) -> None:
    from skrl.agents.torch.sac import SAC
    from skrl.envs.wrappers.torch import wrap_env

    env = wrap_env(gym.make_vec(ENV, 4, "vector_entry_point"))
    policy, _, q = models(env)
    names = ("critic_1", "critic_2", "target_critic_1", "target_critic_2")
    found = {"policy": policy(), **{name: q() for name in names}}
    train(SAC, found, env, {"learning_starts": 20, "random_timesteps": 20}, 100, tmp_path)


def test_dqn_without_a_mask(tmp_path: Path) -> None:
    """Without masks, which skrl lacks: invalid edits are no-ops that cost a step."""
    from skrl.agents.torch.dqn import DQN
    from skrl.envs.wrappers.torch import wrap_env

    env = wrap_env(gym.make("VoltGym/Cathode-v0"))
    _, value, _ = models(env)
    n = env.action_space.n
    found = {"q_network": value(0, n), "target_q_network": value(0, n)}
    train(DQN, found, env, {"learning_starts": 20, "random_timesteps": 20}, 100, tmp_path)
