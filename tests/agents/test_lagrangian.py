"""PPO-Lagrangian: the multiplier, the advantages of the cost, a checkpoint that has everything, and the errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.logger import configure

from voltgym.agents.base import Silent
from voltgym.agents.sb3 import SB3Agent, make_training_env
from voltgym.agents.sb3.lagrangian import LagrangianPPO, Multiplier, generalised_advantages
from voltgym.envs.errors import VoltGymError
from voltgym.envs.thevenin import Fast

THEVENIN = "VoltGym/Thevenin-v0"
SMALL: dict[str, Any] = {
    "algorithm": "voltgym.agents.sb3.lagrangian.LagrangianPPO",
    "num_envs": 4,
    "hyperparameters": {"n_steps": 32, "batch_size": 64, "n_epochs": 2, "cost_limit": 0.1, "multiplier": 0.5},
    "policy_kwargs": {"net_arch": [16]},
    "validate_every": 10_000,
    "validation_episodes": 2,
    "checkpoint_every": 128,
}


def train(out: Path, budget: int = 512, progress: Any = None, env: str = THEVENIN, **changes: Any) -> SB3Agent:
    hyperparameters = {**SMALL["hyperparameters"], **changes}
    agent = SB3Agent(**{**SMALL, "hyperparameters": hyperparameters})
    kwargs = {"max_steps": 40} if env == THEVENIN else {}
    agent.train(env, kwargs, budget=budget, seed=0, out=out, progress=progress or Silent())
    return agent


def kept(out: Path) -> dict[str, Any]:
    return torch.load(out / "checkpoint" / "training.pt", weights_only=True)["parameters"]


# -- the multiplier --------------------------------------------------------------------------------------------------


def test_it_rises_above_the_limit_and_falls_below() -> None:
    multiplier = Multiplier(0.2, (0.0, 0.1, 0.0), 1.0)
    assert [multiplier.update(0.3) for _ in range(3)] == pytest.approx([1.05, 1.10, 1.15])
    assert multiplier.update(1e6) == pytest.approx(1.25)  # a gross cost counts as twice the limit
    assert multiplier.update(0.2) == pytest.approx(1.25)
    assert [multiplier.update(0.0) for _ in range(20)][-1] == 0
    assert multiplier.update(0.4) == pytest.approx(0.1)  # nothing below zero was summed up


def test_the_other_gains_answer_at_once() -> None:
    assert Multiplier(0.2, (0.3, 0.0, 0.0), 1.0).update(0.3) == pytest.approx(1.15)
    jump = Multiplier(0.2, (0.0, 0.0, 2.0), 0.0)
    assert [jump.update(cost) for cost in (0.3, 0.3, 0.1)] == pytest.approx([1.0, 0.0, 0.0])


def test_without_a_limit_any_cost_counts() -> None:
    multiplier = Multiplier(0.0, (0.0, 0.1, 0.0), 1.0)
    assert multiplier.update(0.01) == pytest.approx(1.1)
    assert multiplier.update(0.0) == pytest.approx(1.1)


@pytest.mark.parametrize(("limit", "rises"), [(1e-3, True), (1e6, False)])
def test_in_training_it_follows_the_cost(limit: float, rises: bool, tmp_path: Path) -> None:
    train(tmp_path, cost_limit=limit)
    assert (kept(tmp_path)["multiplier"]["value"] > 0.5) == rises
    assert (kept(tmp_path)["multiplier"]["total"] > 0.5) == rises


# -- the cost critic -------------------------------------------------------------------------------------------------


def test_the_advantages_are_those_of_stable_baselines() -> None:
    rng, steps, rows = np.random.default_rng(0), 12, 3
    space: Any = make_training_env(THEVENIN, {}, rows)
    buffer = RolloutBuffer(steps, space.observation_space, space.action_space, "cpu", 0.9, 0.97, n_envs=rows)
    observation, action = np.zeros((rows, *space.observation_space.shape)), np.zeros((rows, 1))
    starts = rng.random((steps + 1, rows)) < 0.2
    for t in range(steps):
        value = torch.as_tensor(rng.normal(size=rows))
        buffer.add(observation, action, rng.random(rows), starts[t], value, value)
    last = rng.normal(size=rows)
    buffer.compute_returns_and_advantage(torch.as_tensor(last), starts[-1])
    values, going = np.concatenate([buffer.values, [last]]), 1.0 - starts[1:]
    advantages, returns = generalised_advantages(buffer.rewards, values, going, 0.97, 0.9)
    np.testing.assert_allclose(advantages, buffer.advantages, atol=1e-5)
    np.testing.assert_allclose(returns, buffer.returns, atol=1e-5)


def model(tmp_path: Path, **parameters: Any) -> LagrangianPPO:
    env: Any = make_training_env(THEVENIN, {"max_steps": 10}, 4)
    shape = {"net_arch": [32], "log_std_init": 0.0}
    made = LagrangianPPO("MlpPolicy", env, n_steps=20, batch_size=40, seed=0, policy_kwargs=shape, **parameters)
    made.set_logger(configure(str(tmp_path), ["csv"]))
    return made


def test_the_costs_of_a_rollout_are_those_of_the_environment(tmp_path: Path) -> None:
    learner = model(tmp_path, gae_lambda=1.0, gamma=1.0)
    learner.learn(80)
    assert np.stack(learner._costs).shape == (20, 4)
    assert sum(learner._ended) == pytest.approx(np.sum(learner._costs), rel=1e-5)  # two episodes of ten steps a row
    assert len(learner._cut) == len(learner._ended) == 8
    assert {t for t, _, _ in learner._cut} == {9, 19}


def test_the_critic_learns_what_is_to_come(tmp_path: Path) -> None:
    learner = model(tmp_path, learning_rate=1e-2, n_epochs=20)
    observations = torch.rand(200, learner.observation_space.shape[0])  # type: ignore[index]
    returns = 3 * observations[:, 0] - observations[:, 1]
    losses = [learner._fit(observations, returns) for _ in range(4)]
    assert losses[-1] < 0.05 * losses[0]
    np.testing.assert_allclose(learner._cost_ahead(observations), returns, atol=0.3)


def test_a_heavy_multiplier_makes_it_careful(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def progress(self: Fast, before: Any, after: Any, goal: np.ndarray, failure: np.ndarray) -> np.ndarray:
        return after["SOC"] - before["SOC"]

    monkeypatch.setattr(Fast, "reward", progress)  # without a penalty: the limit is the multiplier's affair
    careless = model(tmp_path / "a", learning_rate=3e-3, multiplier=0.0, gains=(0, 0, 0))
    careful = model(tmp_path / "b", learning_rate=3e-3, multiplier=10.0, gains=(0, 0, 0))
    for learner in (careless, careful):
        learner.learn(80 * 20)
    assert np.sum(careful._costs) < 0.3 * np.sum(careless._costs)


# -- resuming --------------------------------------------------------------------------------------------------------


def test_a_checkpoint_has_the_multiplier_and_the_critic(tmp_path: Path) -> None:
    class Stop:
        def update(self, done: int, total: int, **numbers: float) -> None:
            if done > 300:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, progress=Stop(), cost_limit=1e-3)
    before = kept(tmp_path)
    env: Any = make_training_env(THEVENIN, {"max_steps": 40}, 4)
    settings = {**SMALL, "hyperparameters": {**SMALL["hyperparameters"], "cost_limit": 1e-3}}
    again: Any = SB3Agent(**settings)._model(env, 0)
    again.set_parameters(before)
    assert float(again.multiplier.value) == before["multiplier"]["value"] > 0.5
    for name, tensor in again.cost_critic.state_dict().items():
        torch.testing.assert_close(tensor, before["cost_critic"][name])
    assert again.cost_optimizer.state_dict()["state"]
    train(tmp_path, budget=1024, cost_limit=1e-3)
    assert kept(tmp_path)["multiplier"]["total"] > before["multiplier"]["total"]


# -- errors ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cost_limit": -1}, "cost_limit is -1; expected a number >= 0"),
        ({"gains": [0.1, 0.2]}, r"gains is .*0\.1, 0\.2.*; expected three numbers >= 0"),
        ({"gains": [0.1, 0.2, -3]}, "gains is -3"),
        ({"gains": 3}, "gains is 3; expected three numbers"),
        ({"multiplier": "much"}, "multiplier is 'much'"),
        ({"cost_limt": 0}, "Did you mean 'cost_limit'"),
        ({"n_stps": 3}, "Did you mean 'n_steps'"),
        ({"gamma": 2}, "gamma is 2"),
    ],
)
def test_a_bad_argument_is_one_line(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(VoltGymError, match=message) as error:
        train(tmp_path, **changes)
    assert "\n" not in str(error.value)


def test_an_environment_without_costs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(VoltGymError, match="needs a voltgym environment"):
        train(tmp_path, env="CartPole-v1")
