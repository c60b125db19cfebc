"""PPO within a limit on the cost of an episode: a Lagrange multiplier weighs cost against reward."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import numpy as np
import torch
from stable_baselines3 import PPO
from torch import nn
from torch.nn import functional

from voltgym.agents.sb3.env import VoltGymVecEnv
from voltgym.envs.errors import VoltGymError, number, shown

SMALLEST = 1e-6
"""What a limit of 0 counts as, where something is divided by it."""


class Multiplier(nn.Module):
    """The Lagrange multiplier of a limit on the cost of an episode, set by a controller.

    ``value = max(P e + max(sum I e, 0) + D max(change of e, 0), 0)`` with the error ``e = (cost - limit) / limit``, as
    Stooke, Achiam and Abbeel 2020 (ICML, arXiv:2007.03964) have it; ``I`` alone is gradient ascent on the multiplier,
    as in PPO-Lagrangian of Ray, Achiam and Amodei 2019 ("Benchmarking safe exploration in deep reinforcement
    learning", OpenAI). The error is clipped to [-1, 1]: the gross costs of a beginner would wind the sum up for long.

    Args:
        limit: cost of an episode that is allowed, >= 0.
        gains: ``P``, ``I`` and ``D``, each >= 0; the change is that since the last update.
        value: where it begins.
    """

    def __init__(self, limit: float, gains: Sequence[float], value: float) -> None:
        super().__init__()
        self.limit = number("cost_limit", limit, "a number >= 0")
        if np.shape(gains) != (3,):
            raise VoltGymError(
                f"gains is {shown(gains)}; expected three numbers >= 0: proportional, integral, derivative"
            )
        self.gains = [number("gains", gain, "three numbers >= 0") for gain in gains]
        start = number("multiplier", value, "a number >= 0")
        for name, content in {"value": start, "total": start, "error": 0.0}.items():
            self.register_buffer(name, torch.tensor(content, dtype=torch.float64))
        self.value: torch.Tensor
        self.total: torch.Tensor
        self.error: torch.Tensor

    def update(self, cost: float) -> float:
        """Follow the mean ``cost`` of the last episodes; returns the new value."""
        proportional, integral, derivative = self.gains
        error = float(np.clip((cost - self.limit) / max(self.limit, SMALLEST), -1, 1))
        change = max(error - float(self.error), 0.0)
        self.error.fill_(error)
        self.total.add_(integral * error).clamp_(min=0)
        self.value.fill_(max(proportional * error + float(self.total) + derivative * change, 0.0))
        return float(self.value)


class LagrangianPPO(PPO):
    """PPO that keeps the mean cost of its episodes near a limit; the costs are those of a ``VoltGymVecEnv``.

    A second critic, shaped like that of the reward, learns what cost is to come. After each rollout the
    :class:`Multiplier` ``m`` follows the mean cost of the episodes that ended in it, and the policy learns from
    ``(A_reward - m A_cost) / (1 + m)`` (Stooke et al. 2020; so a large ``m`` does not make large steps). As in the code
    of Ray et al. 2019, the advantages of the reward are normalised and those of the cost only centred, so that where
    there is hardly any cost there is no noise of it. Both are generalised advantage estimates (Schulman et al. 2016,
    arXiv:1506.02438) with the same ``gamma`` and ``gae_lambda``.

    Args:
        cost_limit: mean cost of an episode that is allowed, >= 0: violations in units of the scales, summed over steps.
        gains, multiplier: of the :class:`Multiplier`, and where it begins.
        parameters: all those of ``stable_baselines3.PPO``.
    """

    def __init__(
        self,
        policy: Any,
        env: Any,
        *,
        cost_limit: float = 0.0,
        gains: Sequence[float] = (0.1, 0.05, 0.0),
        multiplier: float = 1.0,
        **parameters: Any,
    ) -> None:
        if not isinstance(env, VoltGymVecEnv):
            raise VoltGymError("LagrangianPPO needs a voltgym environment, which says what a step costs: use PPO here")
        self.multiplier = Multiplier(cost_limit, gains, multiplier)
        self._costs: list[np.ndarray] = []
        self._cut: list[tuple[int, int, np.ndarray]] = []
        self._ended: list[float] = []
        super().__init__(policy, env, **parameters)

    def _setup_model(self) -> None:
        super()._setup_model()
        parts = deepcopy([self.policy.mlp_extractor.value_net, self.policy.value_net])
        self.cost_critic = nn.Sequential(nn.Flatten(), *parts, nn.Flatten(0)).cpu()
        rate = self.lr_schedule(1)
        self.cost_optimizer = torch.optim.Adam(self.cost_critic.parameters(), lr=rate, eps=1e-5)  # as the policy's

    def _get_torch_save_params(self) -> tuple[list[str], list[str]]:
        modules, variables = super()._get_torch_save_params()
        return [*modules, "cost_critic", "cost_optimizer", "multiplier"], variables

    def _update_info_buffer(self, infos: list[dict[str, Any]], dones: np.ndarray | None = None) -> None:
        """Called after every step: keep what it cost."""
        super()._update_info_buffer(infos, dones)
        self._costs.append(np.array(self.env.costs, dtype=float))  # type: ignore[union-attr]
        for i, info in enumerate(infos):
            if info:
                self._ended.append(info["cost"])
            if info.get("TimeLimit.truncated"):
                self._cut.append((len(self._costs) - 1, i, info["terminal_observation"]))

    def collect_rollouts(self, *args: Any, **kwargs: Any) -> bool:
        """As PPO's, and the costs."""
        self._costs, self._cut, self._ended = [], [], []
        return super().collect_rollouts(*args, **kwargs)

    def train(self) -> None:
        """Update the multiplier, the policy and both critics."""
        if self._ended:
            self.multiplier.update(float(np.mean(self._ended)))
            self.logger.record("rollout/ep_cost_mean", float(np.mean(self._ended)))
        weight, buffer = float(self.multiplier.value), self.rollout_buffer
        observations = torch.as_tensor(buffer.observations).flatten(0, 1)  # before PPO reorders the buffer
        advantages, returns = self._estimate(observations)
        gained = (buffer.advantages - buffer.advantages.mean()) / (buffer.advantages.std() + 1e-8)
        buffer.advantages = ((gained - weight * (advantages - advantages.mean())) / (1 + weight)).astype(np.float32)
        super().train()
        self.logger.record("train/multiplier", weight)
        self.logger.record("train/cost_value_loss", self._fit(observations, torch.as_tensor(returns.ravel())))

    def _estimate(self, observations: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
        """(T, N) advantages and returns of the cost in the last rollout."""
        costs, starts = np.stack(self._costs), self.rollout_buffer.episode_starts
        values = self._cost_ahead(observations).reshape(costs.shape)
        if self._cut:
            step, row, last = zip(*self._cut, strict=True)
            costs[step, row] += self.gamma * self._cost_ahead(torch.as_tensor(np.stack(last)))
        values = np.concatenate([values, [self._cost_ahead(torch.as_tensor(self._last_obs))]])
        going = 1 - np.concatenate([starts[1:], [self._last_episode_starts]])
        return generalised_advantages(costs, values, going, self.gamma, self.gae_lambda)

    def _cost_ahead(self, observations: torch.Tensor) -> np.ndarray:
        """(n,) what the cost critic expects."""
        with torch.no_grad():
            return self.cost_critic(observations.float()).double().numpy()

    def _fit(self, observations: torch.Tensor, returns: torch.Tensor) -> float:
        """Fit the cost critic to (n,) returns in as many batches as the policy had; the mean loss."""
        self._update_learning_rate(self.cost_optimizer)
        losses = []
        for _ in range(self.n_epochs):
            for batch in torch.randperm(len(returns)).split(self.batch_size):
                loss = functional.mse_loss(self.cost_critic(observations[batch].float()), returns[batch].float())
                self.cost_optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(self.cost_critic.parameters(), self.max_grad_norm)
                self.cost_optimizer.step()
                losses.append(loss.item())
        return float(np.mean(losses))


def generalised_advantages(
    gains: np.ndarray, values: np.ndarray, going: np.ndarray, gamma: float, gae_lambda: float
) -> tuple[np.ndarray, np.ndarray]:
    """(T, N) advantages and returns (Schulman et al. 2016, equation 16).

    Args:
        gains: (T, N) what each step gave.
        values: (T + 1, N) what was expected before each step, and after the last.
        going: (T, N) 1 where the episode went on after the step, 0 where it ended.
        gamma: discount of a step.
        gae_lambda: 0 for the error of one step, 1 for that of the whole episode.
    """
    errors = gains + gamma * going * values[1:] - values[:-1]
    advantages, running = np.zeros_like(errors), np.zeros(errors.shape[1])
    for t in reversed(range(len(errors))):
        running = errors[t] + gamma * gae_lambda * going[t] * running
        advantages[t] = running
    return advantages, advantages + values[:-1]
