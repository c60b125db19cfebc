"""CleanRL's calling convention: its SAC and TD3 scripts for continuous actions, written down as short loops.

CleanRL is scripts, not a package. What theirs ask of an environment: ``gym.make(env_id)`` under
``RecordEpisodeStatistics`` in a ``SyncVectorEnv``, ``single_*_space.shape/low/high/sample``, float32 observations,
``final_obs`` for truncated rows and ``final_info["episode"]`` for returns. In Gymnasium 1 that is ``SAME_STEP``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

ENV = "voltgym.envs:VoltGym/Thevenin-v0"
SAME_STEP = gym.vector.AutoresetMode.SAME_STEP


def make_env(env_id: str, seed: int) -> Callable[[], gym.Env]:
    def thunk() -> gym.Env:
        env = gym.wrappers.RecordEpisodeStatistics(gym.make(env_id))
        env.action_space.seed(seed)
        return env

    return thunk


def in_python() -> gym.vector.VectorEnv:
    return gym.vector.SyncVectorEnv([make_env(ENV, seed) for seed in (1, 2)], autoreset_mode=SAME_STEP)


def native() -> gym.vector.VectorEnv:
    envs = gym.make_vec(ENV, 2, "vector_entry_point", autoreset_mode="SameStep")
    return gym.wrappers.vector.RecordEpisodeStatistics(envs)


def network(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, outputs))


class Actor(nn.Module):
    """Actions between the bounds of the space, which its buffers are made of."""

    def __init__(self, envs: gym.vector.VectorEnv, outputs: int) -> None:
        super().__init__()
        space: Any = envs.single_action_space
        self.net = network(int(np.prod(envs.single_observation_space.shape)), outputs * int(np.prod(space.shape)))
        self.register_buffer("scale", torch.tensor((space.high - space.low) / 2, dtype=torch.float32))
        self.register_buffer("bias", torch.tensor((space.high + space.low) / 2, dtype=torch.float32))

    def bounded(self, raw: torch.Tensor) -> torch.Tensor:
        return torch.tanh(raw) * self.scale + self.bias


class TD3(Actor):
    """Deterministic, with noise on top."""

    def __init__(self, envs: gym.vector.VectorEnv) -> None:
        super().__init__(envs, 1)

    def act(self, observation: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        action = self.bounded(self.net(observation))
        noise = torch.randn_like(action) * 0.1 * self.scale
        return torch.clamp(action + noise, self.bias - self.scale, self.bias + self.scale), torch.zeros(len(action), 1)


class SAC(Actor):
    """A squashed Gaussian, and the logarithm of its density."""

    def __init__(self, envs: gym.vector.VectorEnv) -> None:
        super().__init__(envs, 2)

    def act(self, observation: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        mean, spread = self.net(observation).chunk(2, dim=1)
        normal = torch.distributions.Normal(mean, torch.exp(-1.5 + 3.5 * torch.tanh(spread)))
        raw = normal.rsample()
        squash = torch.log(self.scale * (1 - torch.tanh(raw) ** 2) + 1e-6)
        return self.bounded(raw), (normal.log_prob(raw) - squash).sum(dim=1, keepdim=True)


Row = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def collect(envs: gym.vector.VectorEnv, actor: Actor, steps: int) -> tuple[list[Row], list[float], int]:
    """Transitions, the returns of finished episodes, and how many rows were cut by the time limit."""
    rows: list[Row] = []
    returns: list[float] = []
    cut = 0
    observation, _ = envs.reset(seed=1)
    for step in range(steps):
        if step < 20:
            action = np.array([envs.single_action_space.sample() for _ in range(envs.num_envs)])
        else:
            with torch.no_grad():
                action = actor.act(torch.Tensor(observation))[0].numpy()
        after, reward, terminated, truncated, infos = envs.step(action)
        real_after = after.copy()
        for i in np.flatnonzero(terminated | truncated):
            real_after[i] = infos["final_obs"][i]
            assert not np.array_equal(real_after[i], after[i])  # the last of the old episode, not the first of the new
        ended = infos.get("final_info", {})
        episode = (ended if "episode" in ended else infos).get("episode", {"r": np.zeros(0)})
        returns += [float(r) for r in np.asarray(episode["r"])[terminated | truncated]] if len(episode["r"]) else []
        cut += int(truncated.sum())
        rows.append((observation, action, reward, terminated, real_after))
        observation = after
    return rows, returns, cut


def update(actor: Actor, rows: list[Row], alpha: float) -> float:
    """A few steps on the critic and the actor; the last loss of the critic."""
    observation, action, reward, terminated, after = (
        torch.tensor(np.concatenate([row[k] for row in rows]), dtype=torch.float32) for k in range(5)
    )
    critic = network(observation.shape[1] + action.shape[1], 1)
    critic_optimizer = torch.optim.Adam(critic.parameters(), lr=1e-3)
    actor_optimizer = torch.optim.Adam(actor.parameters(), lr=1e-3)
    for _ in range(30):
        with torch.no_grad():
            following, log_prob = actor.act(after)
            value = critic(torch.cat([after, following], dim=1)) - alpha * log_prob
            target = reward + (1 - terminated) * 0.99 * value[:, 0]
        loss = functional.mse_loss(critic(torch.cat([observation, action], dim=1))[:, 0], target)
        critic_optimizer.zero_grad()
        loss.backward()
        critic_optimizer.step()
        chosen, log_prob = actor.act(observation)
        actor_loss = (alpha * log_prob - critic(torch.cat([observation, chosen], dim=1))).mean()
        actor_optimizer.zero_grad()
        actor_loss.backward()
        actor_optimizer.step()
    return float(loss.detach())


@pytest.mark.parametrize("make", [in_python, native])
@pytest.mark.parametrize(("kind", "alpha"), [(SAC, 0.05), (TD3, 0.0)])
def test_the_scripts_loop(make: Callable[[], gym.vector.VectorEnv], kind: type, alpha: float) -> None:
    torch.manual_seed(0)
    envs = make()
    assert isinstance(envs.single_action_space, gym.spaces.Box)
    assert envs.single_observation_space.dtype == np.float32
    actor = kind(envs)
    low, high = envs.single_action_space.low, envs.single_action_space.high
    rows, returns, _ = collect(envs, actor, 150)
    assert all(row[0].dtype == np.float32 and row[4].dtype == np.float32 for row in rows)
    assert all((row[1] >= low - 1e-6).all() and (row[1] <= high + 1e-6).all() for row in rows)
    assert len(returns) == sum(int(row[3].sum()) for row in rows) > 0
    loss = update(actor, rows, alpha)
    assert np.isfinite(loss)
    assert np.isfinite(collect(envs, actor, 30)[0][-1][2]).all()
    envs.close()


@pytest.mark.parametrize("make", [in_python, native])
def test_time_limits_truncate_and_give_the_last_observation(make: Callable[[], gym.vector.VectorEnv]) -> None:
    """The smallest current takes longer than the limit: no row may terminate, all are cut, at the same step."""
    envs = make()
    observation, _ = envs.reset(seed=5)
    for _step in range(120):
        observation, _reward, terminated, truncated, infos = envs.step(np.full((2, 1), 0.1, np.float32))
        assert not terminated.any()
    assert truncated.all()
    left = [float(row[-1]) for row in infos["final_obs"]]
    assert left == [0.0, 0.0]  # no steps left at the end of the old episode; all of them at the start of the new
    assert observation[:, -1].tolist() == [1.0, 1.0]
    envs.close()
