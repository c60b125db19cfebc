"""DQN that only ever considers valid actions."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from stable_baselines3 import DQN
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.dqn.policies import DQNPolicy, QNetwork
from torch.nn import functional

from voltgym.envs.errors import VoltGymError


class MaskedQNetwork(QNetwork):
    """Action values whose greedy action is the best valid one; the observation ends with the mask."""

    def valid(self, observation: Any) -> torch.Tensor:
        """(N, n) bool: the valid actions that an (N, d) observation shows."""
        return observation[:, -int(self.action_space.n) :] > 0.5

    def best(self, observation: Any) -> tuple[torch.Tensor, torch.Tensor]:
        """(N,) the value and the index of the best valid action."""
        values = self(observation).masked_fill(~self.valid(observation), -torch.inf)
        return values.max(dim=1)

    def _predict(self, observation: Any, deterministic: bool = True) -> torch.Tensor:
        return self.best(observation)[1]


class MaskedDQNPolicy(DQNPolicy):
    """DQN's policy on :class:`MaskedQNetwork`."""

    def make_q_net(self) -> MaskedQNetwork:
        """A network of its own, without shared parts."""
        return MaskedQNetwork(**self._update_features_extractor(self.net_args, features_extractor=None)).to(self.device)


class MaskedDQN(DQN):
    """Mnih et al.'s DQN (2015, Nature 518, 529) from Stable-Baselines3, with invalid actions masked out.

    It explores among the valid actions (epsilon-greedy a row, where Stable-Baselines3 tosses one coin for all), takes
    the best valid one, and learns from the best valid one of the next observation, chosen by the network that learns
    and valued by the target network (van Hasselt et al. 2016, AAAI, arXiv:1509.06461).

    The replay buffer knows no masks, so **the observation must end with the mask**, ``observation[:, -n:]``, as that
    of ``EditTask`` does: its ``mask_slice`` says so. Raises `VoltGymError` for an environment that is not like that.
    """

    policy_aliases: ClassVar[dict[str, type[BasePolicy]]] = {"MlpPolicy": MaskedDQNPolicy}
    q_net: MaskedQNetwork
    q_net_target: MaskedQNetwork

    def _setup_model(self) -> None:
        check_mask_is_observed(self.env)
        super()._setup_model()

    def train(self, gradient_steps: int, batch_size: int = 100) -> None:
        """``gradient_steps`` updates on batches of the replay buffer."""
        self.policy.set_training_mode(True)
        self._update_learning_rate(self.policy.optimizer)
        losses = []
        for _ in range(gradient_steps):
            data = self.replay_buffer.sample(batch_size, env=self._vec_normalize_env)  # type: ignore[union-attr]
            target = self._target(data)
            values = self.q_net(data.observations).gather(1, data.actions.long())
            loss = functional.smooth_l1_loss(values, target)
            losses.append(loss.item())
            self.policy.optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.policy.parameters(), self.max_grad_norm)
            self.policy.optimizer.step()
        self._n_updates += gradient_steps
        self.logger.record("train/n_updates", self._n_updates, exclude="tensorboard")
        self.logger.record("train/loss", np.mean(losses))

    def _target(self, data: Any) -> torch.Tensor:
        """(N, 1) what the values of the taken actions should be."""
        discounts = self.gamma if data.discounts is None else data.discounts
        with torch.no_grad():
            action = self.q_net.best(data.next_observations)[1]
            ahead = self.q_net_target(data.next_observations).gather(1, action[:, None])
            return data.rewards + (1 - data.dones) * discounts * ahead

    def predict(
        self, observation: Any, state: Any = None, episode_start: Any = None, deterministic: bool = False
    ) -> tuple[np.ndarray, Any]:
        """(N,) best valid actions; where it explores, a random valid one in their place."""
        action, state = self.policy.predict(observation, state, episode_start, deterministic)
        if deterministic or not self.policy.is_vectorized_observation(observation):
            return action, state
        explore = np.random.rand(len(action)) < self.exploration_rate  # noqa: NPY002  # SB3 seeds this generator
        return np.where(explore, self._random(observation), action), state

    def _sample_action(
        self, learning_starts: int, action_noise: Any = None, n_envs: int = 1
    ) -> tuple[np.ndarray, np.ndarray]:
        assert self._last_obs is not None
        if self.num_timesteps < learning_starts:
            action = self._random(self._last_obs)
        else:
            action, _ = self.predict(self._last_obs, deterministic=False)
        return action, action

    def _random(self, observation: Any) -> np.ndarray:
        """(N,) valid actions at random."""
        n = int(self.action_space.n)  # type: ignore[attr-defined]
        valid = np.asarray(observation)[:, -n:] > 0.5
        return np.where(valid, np.random.rand(*valid.shape), -1.0).argmax(axis=1)  # noqa: NPY002


def check_mask_is_observed(env: Any) -> None:
    """Raise `VoltGymError` if the observations of ``env`` do not end with the mask of its discrete actions."""
    task = getattr(getattr(getattr(env, "venv", None), "core", None), "task", None)
    part, n = getattr(task, "mask_slice", None), getattr(env.action_space, "n", None)
    size = int(np.prod(env.observation_space.shape))
    if n is None or part is None or (part.start, part.stop) != (size - n, size):
        raise VoltGymError(
            "MaskedDQN needs a voltgym environment whose observation ends with the mask of its discrete actions (its "
            "task has `mask_slice`, see EditTask); this one's does not: use sb3_contrib.MaskablePPO, or show the mask"
        )
