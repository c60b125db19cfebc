"""Learners that only take valid actions, and budgets of designs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import design_toys as toys
import numpy as np
import pytest
import torch

from voltgym.agents.base import Silent
from voltgym.agents.mlp import MlpPolicy
from voltgym.agents.sb3 import SB3Agent, make_training_env
from voltgym.agents.sb3.dqn import MaskedDQN
from voltgym.envs.core import make_episodes
from voltgym.envs.errors import VoltGymError

WORDS = toys.register()
BOTH: dict[str, Any] = {"num_envs": 4, "policy_kwargs": {"net_arch": [32]}, "unit": "unique_designs"}
PPO: dict[str, Any] = {
    **BOTH,
    "algorithm": "sb3_contrib.MaskablePPO",
    "hyperparameters": {"n_steps": 16, "batch_size": 32, "n_epochs": 2, "gamma": 1.0},
}
DQN: dict[str, Any] = {
    **BOTH,
    "algorithm": "voltgym.agents.sb3.dqn.MaskedDQN",
    "hyperparameters": {
        "train_freq": 2,
        "learning_starts": 32,
        "buffer_size": 500,
        "batch_size": 16,
        "gamma": 1.0,
        "exploration_fraction": 0.8,
    },
}
SETTINGS = pytest.mark.parametrize("settings", [PPO, DQN], ids=["PPO", "DQN"])


def train(out: Path, settings: dict[str, Any], budget: int = 150, progress: Any = None, **kwargs: Any) -> Any:
    agent = SB3Agent(**settings)
    out.mkdir(exist_ok=True)
    policy = agent.train(WORDS, kwargs, budget=budget, seed=0, out=out, progress=progress or Silent())
    return agent, policy


class Watch:
    """Keeps what is reported, and interrupts after so many designs."""

    def __init__(self, at: int = 10**9) -> None:
        self.at, self.seen = at, list[int]()

    def update(self, done: int, total: int, **numbers: float) -> None:
        assert 0 <= done <= total == 150
        assert all(np.isfinite(number) for number in numbers.values())
        self.seen.append(done)
        if done >= self.at:
            raise KeyboardInterrupt


@SETTINGS
def test_the_budget_is_of_different_designs(settings: dict[str, Any], tmp_path: Path) -> None:
    watch = Watch()
    agent, policy = train(tmp_path, settings, progress=watch)
    assert agent.unit == "unique_designs"
    spent = agent.ledger.spent
    assert 150 - 4 < spent["unique_designs"] == len(agent.designs) <= 150  # a step of four rows may not fit
    assert len(set(agent.designs)) == len(agent.designs)
    assert spent["env_steps"] <= 20 * 150
    lines = [json.loads(line) for line in (tmp_path / "designs.jsonl").read_text().splitlines()]
    assert [line["key"] for line in lines] == agent.designs
    assert all(line["value"] == toys.agreement(line["key"]) for line in lines if line["failure"] == 0)
    assert any(line["failure"] for line in lines)
    assert watch.seen[-1] == len(lines)
    assert isinstance(policy, MlpPolicy)


@SETTINGS
def test_it_only_takes_valid_actions(settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from voltgym.envs.episodes import Episodes

    step, taken = Episodes.step, 0

    def checked(self: Episodes, idx: np.ndarray, actions: np.ndarray) -> Any:
        nonlocal taken
        result = step(self, idx, actions)
        assert not result[-1]["invalid_action"].any()
        taken += len(idx)
        return result

    monkeypatch.setattr(Episodes, "step", checked)
    train(tmp_path, settings)
    assert taken >= 150


@SETTINGS
def test_steps_are_limited_where_nothing_new_is_found(settings: dict[str, Any], tmp_path: Path) -> None:
    agent, _ = train(tmp_path, {**settings, "max_steps_per_design": 1}, start="a")
    assert agent.ledger.spent["env_steps"] <= 150
    with pytest.raises(VoltGymError, match="max_steps_per_design"):
        train(tmp_path / "small", {**settings, "max_steps_per_design": 1}, budget=5)


@SETTINGS
def test_what_was_priced_before_an_interrupt_stays_spent(settings: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, settings, progress=Watch(at=70))
    log = tmp_path / "checkpoint" / "designs.jsonl"
    before = log.read_text()
    with log.open("a") as file:
        file.write('{"key": "half')
    watch = Watch()
    agent, _ = train(tmp_path, settings, progress=watch)
    assert (tmp_path / "designs.jsonl").read_text().startswith(before)
    assert watch.seen[0] >= 70
    assert len(set(agent.designs)) == len(agent.designs) <= 150
    with pytest.raises(VoltGymError, match="another search"):
        train(tmp_path, settings, start="a")


@SETTINGS
def test_the_policy_masks(settings: dict[str, Any], tmp_path: Path) -> None:
    _, policy = train(tmp_path, settings)
    observation = np.random.default_rng(0).normal(size=(40, 32 + 1 + 2 + 1 + 6))
    mask = np.zeros((40, 6), dtype=bool)
    mask[:, [1, 3]] = True
    assert set(policy(observation, mask=mask)[0]) <= {1, 3}


def test_learning_helps(tmp_path: Path) -> None:
    tuned = {"n_steps": 8, "batch_size": 128, "n_epochs": 4, "learning_rate": 3e-3, "ent_coef": 0.02, "gamma": 0.0}
    settings = {**PPO, "num_envs": 32, "hyperparameters": tuned, "unit": "env_steps", "validate_every": 2000}
    _, policy = train(tmp_path, settings, budget=5000, start="a")
    core, row = make_episodes(WORDS, 1, start="a"), np.array([0])
    observation, _ = core.reset(row, [np.random.default_rng(0)])
    over = np.array([False])
    while not over[0]:
        action, _ = policy(observation, mask=core.masks(row))
        observation, _, terminated, truncated, info = core.step(row, action)
        over = terminated | truncated
    assert toys.agreement(info["design"][0]) >= 0.625  # random words have a quarter at most


def test_episodes_may_begin_with_the_best_designs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from voltgym.envs.edits import EditTwin

    initial, begun = EditTwin.initial, list[str]()

    def watched(self: EditTwin, scenarios: Any) -> Any:
        begun.extend(scenarios["Start design"])
        return initial(self, scenarios)

    monkeypatch.setattr(EditTwin, "initial", watched)
    settings = {**PPO, "elite": 3, "elite_share": 0.9, "episode_steps": 2, "max_steps_per_design": 60}
    agent, _ = train(tmp_path, settings, start="a")
    assert begun[0] == "a"
    assert 0.8 < np.mean([design != "a" for design in begun[4:]]) < 1.0
    late = [toys.agreement(design) for design in begun[-40:] if design != "a"]
    assert min(late) >= sorted((toys.agreement(design) for design in agent.designs), reverse=True)[20]
    assert not any("bb" in design for design in begun)  # one without a price is no start


def test_dqn_needs_the_mask_in_the_observation(tmp_path: Path) -> None:
    with pytest.raises(VoltGymError, match="observation ends with the mask"):
        train(tmp_path / "hidden", DQN, shown=False)
    train(tmp_path / "ppo", PPO, shown=False)


def test_a_mask_or_an_editing_environment_that_is_not_there(tmp_path: Path) -> None:
    kwargs: dict[str, Any] = {"budget": 200, "seed": 0, "out": tmp_path, "progress": Silent()}
    with pytest.raises(VoltGymError, match="edits no designs"):
        SB3Agent(**PPO).train("CartPole-v1", {}, **kwargs)
    steps = {**PPO, "unit": "env_steps"}
    with pytest.raises(VoltGymError, match="needs an environment with `action_masks`"):
        SB3Agent(**steps).train("CartPole-v1", {}, **kwargs)
    with pytest.raises(VoltGymError, match="unknown unit 'designs'"):
        SB3Agent(**{**PPO, "unit": "designs"})
    with pytest.raises(VoltGymError, match=r"elite_share is 1.5; expected a share"):
        SB3Agent(**{**PPO, "elite_share": 1.5})


def test_maskable_ppo_on_a_budget_of_steps_is_validated(tmp_path: Path) -> None:
    agent, _ = train(tmp_path, {**PPO, "unit": "env_steps", "validate_every": 64, "validation_episodes": 2})
    assert agent.ledger.spent["env_steps"] == 128
    assert agent.ledger.spent["validation_steps"] > 0
    assert agent.designs == []


class TestMaskedDQN:
    def model(self) -> Any:
        env = make_training_env(WORDS, {}, 3)
        return MaskedDQN("MlpPolicy", env, seed=0, buffer_size=100, policy_kwargs={"net_arch": [8]}), env

    def test_the_target_is_of_valid_actions(self) -> None:
        model, env = self.model()
        model.q_net_target.load_state_dict(model.q_net.state_dict())
        observation = torch.from_numpy(env.reset())
        observation[:, -6:] = torch.tensor([0, 1, 0, 0, 0, 0])
        values = model.q_net(observation)
        assert model.q_net.best(observation)[0].tolist() == values[:, 1].tolist()

        class Data:
            next_observations, rewards = observation, torch.tensor([[1.0], [2.0], [3.0]])
            dones, discounts = torch.tensor([[0.0], [0.0], [1.0]]), None

        expected = Data.rewards[:, 0] + model.gamma * torch.tensor([1, 1, 0]) * values[:, 1]
        torch.testing.assert_close(model._target(Data)[:, 0], expected.detach())

    def test_it_explores_among_valid_actions_row_by_row(self) -> None:
        model, env = self.model()
        observation = np.repeat(env.reset()[:1], 400, axis=0)
        observation[:, -6:] = [1, 0, 0, 1, 0, 1]
        model.exploration_rate = 1.0
        assert set(model.predict(observation)[0]) == {0, 3, 5}
        greedy = model.predict(observation, deterministic=True)[0]
        assert len(set(greedy)) == 1
        model.exploration_rate = 0.5
        share = np.mean(model.predict(observation)[0] == greedy)
        assert 0.5 < share < 0.85
