"""The numpy actor with a memory is the recurrent network it was taken from, and nobody gets another row's memory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from sb3_contrib import RecurrentPPO
from stable_baselines3.common.vec_env import DummyVecEnv

from voltgym.agents.base import Policy, Silent, load_policy, save_policy
from voltgym.agents.lstm import LstmPolicy, from_network
from voltgym.agents.sb3 import SB3Agent
from voltgym.agents.validation import Validation
from voltgym.envs.core import make_episodes
from voltgym.envs.errors import VoltGymError
from voltgym.experiments.rollout import Acting, play

THEVENIN = "VoltGym/Thevenin-v0"
PHYSICAL = gym.spaces.Box(np.array([0.0, -2.0], np.float32), np.array([3.0, 5.0], np.float32))
SMALL: dict[str, Any] = {
    "algorithm": "sb3_contrib.RecurrentPPO",
    "policy": "MlpLstmPolicy",
    "num_envs": 4,
    "hyperparameters": {"n_steps": 16, "batch_size": 32, "n_epochs": 2},
    "policy_kwargs": {"net_arch": [8], "lstm_hidden_size": 8},
    "validate_every": 200,
    "validation_episodes": 2,
    "checkpoint_every": 100,
}


class Dummy(gym.Env):
    """Spaces, and nothing behind them."""

    observation_space = gym.spaces.Box(-np.inf, np.inf, (5,), np.float32)

    def __init__(self, discrete: bool = False) -> None:
        self.action_space = gym.spaces.Discrete(4) if discrete else gym.spaces.Box(-1.0, 1.0, (2,), np.float32)


def network(discrete: bool = False, **shape: Any) -> Any:
    env = DummyVecEnv([lambda: Dummy(discrete)])
    shape = {"net_arch": [16, 8], "lstm_hidden_size": 12, **shape}
    policy = RecurrentPPO("MlpLstmPolicy", env, seed=3, policy_kwargs=shape, device="cpu").policy
    for weight in policy.parameters():
        weight.data += 0.3 * torch.randn_like(weight)  # or the actions of a fresh network are all but 0
    return policy


def sequences(steps: int = 30, rows: int = 20) -> tuple[np.ndarray, np.ndarray]:
    """(T, N, 5) observations, and (T, N) where an episode begins."""
    rng = np.random.default_rng(0)
    first = rng.random((steps, rows)) < 0.1
    first[0] = True
    return rng.normal(size=(steps, rows, 5), scale=2).astype(np.float32), first


@pytest.mark.parametrize("shape", [{}, {"n_lstm_layers": 2}, {"shared_lstm": True, "enable_critic_lstm": False}])
def test_box_actions_equal_the_deterministic_prediction(shape: dict[str, Any]) -> None:
    policy = network(**shape)
    actor, memory, state, spread = from_network(policy, PHYSICAL, "bms"), None, None, []
    for observation, first in zip(*sequences(), strict=True):
        expected, state = policy.predict(observation, state, first, deterministic=True)
        action, memory = actor(observation, memory, first)
        np.testing.assert_allclose(action, PHYSICAL.low + (expected + 1) / 2 * np.ptp(bounds(), axis=0), atol=2e-5)
        assert memory is not None
        for i in range(len(actor.cells)):
            np.testing.assert_allclose(memory[f"hidden_{i}"], state[0][i], atol=1e-5)
            np.testing.assert_allclose(memory[f"cell_{i}"], state[1][i], atol=1e-5)
        spread.append(expected)
    assert np.mean(np.abs(np.stack(spread)) < 1) > 0.2
    assert np.std(np.stack(spread)) > 0.1


def bounds() -> np.ndarray:
    return np.stack([PHYSICAL.low, PHYSICAL.high])


def test_discrete_actions_equal_the_deterministic_prediction() -> None:
    policy = network(discrete=True)
    actor, memory, state, taken = from_network(policy, gym.spaces.Discrete(4, start=2), "full"), None, None, set()
    for observation, first in zip(*sequences(), strict=True):
        expected, state = policy.predict(observation, state, first, deterministic=True)
        mask = np.ones((len(observation), 4), dtype=bool)
        mask[np.arange(len(observation)), expected] = False
        masked, _ = actor(observation, memory, first, mask)
        assert mask[np.arange(len(observation)), masked - 2].all()
        action, memory = actor(observation, memory, first)
        assert (action == expected + 2).all()
        taken |= set(action)
    assert len(taken) > 1


def test_it_remembers_and_forgets() -> None:
    actor, (observation, _) = from_network(network(), PHYSICAL, "full"), sequences()
    fresh, memory = actor(observation[0])
    later, _ = actor(observation[0], memory)
    assert not np.allclose(fresh, later)
    np.testing.assert_array_equal(actor(observation[0], memory, np.ones(20, dtype=bool))[0], fresh)
    half = np.arange(20) < 10
    np.testing.assert_array_equal(actor(observation[0], memory, half)[0], np.where(half[:, None], fresh, later))


def test_saved_and_loaded_it_acts_the_same(tmp_path: Path) -> None:
    actor, (observation, _) = from_network(network(n_lstm_layers=2), PHYSICAL, "bms"), sequences()
    save_policy(actor, tmp_path, env_id="Any-v0", env_kwargs={})
    again: Any = load_policy(tmp_path)
    memory: Any = None
    for seen in observation[:5]:
        here, there = actor(seen, memory), again(seen, memory)
        np.testing.assert_array_equal(here[0], there[0])
        memory = here[1]
    assert isinstance(again, Policy)
    assert again.information == "bms"
    assert json.loads((tmp_path / "lstm.json").read_text())["cells"] == 2
    assert not list(tmp_path.glob("*.pkl"))
    (tmp_path / "weights.npz").write_bytes(b"PK\x03\x04 cut short")
    with pytest.raises(VoltGymError, match="damaged"):
        load_policy(tmp_path)


def test_a_memory_of_another_kind_is_refused() -> None:
    with pytest.raises(VoltGymError, match="expected a plain LSTM"):
        from_network(network(lstm_kwargs={"bias": False}), PHYSICAL, "full")


# -- in episodes -----------------------------------------------------------------------------------------------------


class Clerk:
    """Charges at a rate of each episode's own, and fails where it is handed another row's memory."""

    information = "full"

    def __call__(self, observation: np.ndarray, memory: Any = None, first: Any = None, mask: Any = None) -> Any:
        n, start = len(observation), observation[:, 4:6].astype(float)  # the resistances, the same all along
        assert (memory is None) == bool(first.all())
        memory = {"start": start, "steps": np.zeros(n)} if memory is None else memory
        np.testing.assert_array_equal(memory["start"], start)
        assert not first.any() or (memory["steps"] == 0).all()
        rate = start[:, :1]
        return rate.astype(np.float32), {**memory, "steps": memory["steps"] + 1}


def test_validation_keeps_the_memory_with_its_episode() -> None:
    core = make_episodes(THEVENIN, 12, split="validation")
    score = Validation(core, 0.0)(Clerk())  # type: ignore[arg-type]
    assert score.reward > 0
    assert len(set(core.steps)) > 3  # rows dropped out at different times


def test_validation_and_evaluation_agree(tmp_path: Path) -> None:
    policy = train(tmp_path)
    score = Validation(make_episodes(THEVENIN, 6, split="validation", max_steps=40), 0.0)(policy)
    core = make_episodes(THEVENIN, 6, split="validation", max_steps=40)
    outcomes = play(core, lambda core: Acting(policy, core), range(6))
    assert score.reward == pytest.approx(np.mean([outcome["return"] for outcome in outcomes]), abs=1e-6)
    assert score.feasible == np.mean([outcome["feasible"] for outcome in outcomes])


def train(out: Path, progress: Any = None, seed: int = 0) -> Any:
    out.mkdir(exist_ok=True)
    kwargs: dict[str, Any] = {"budget": 640, "seed": seed, "out": out, "progress": progress or Silent()}
    return SB3Agent(**SMALL).train(THEVENIN, {"max_steps": 40}, **kwargs)


def test_training_gives_a_policy_with_a_memory(tmp_path: Path) -> None:
    policies = [train(tmp_path / str(i), seed=seed) for i, seed in enumerate((0, 0, 1))]
    assert all(isinstance(policy, LstmPolicy) for policy in policies)
    first, again, other = (np.concatenate([a.ravel() for a in p.arrays().values()]) for p in policies)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_an_interrupted_training_keeps_its_best_policy(tmp_path: Path) -> None:
    class Stop:
        def update(self, done: int, total: int, **numbers: float) -> None:
            if done > 400:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, Stop())
    kept = torch.load(tmp_path / "checkpoint" / "training.pt", weights_only=True)
    assert kept["best"]["kind"] == "voltgym.agents.lstm.LstmPolicy"
    assert isinstance(train(tmp_path), LstmPolicy)
    assert isinstance(train(tmp_path), LstmPolicy)  # finished: what the checkpoint has is all there is


def test_the_kind_of_network_has_to_fit_the_algorithm() -> None:
    with pytest.raises(VoltGymError, match=r"policy of sb3_contrib\.RecurrentPPO") as error:
        SB3Agent(**{**SMALL, "policy": "MlpPolicy"})
    assert "\n" not in str(error.value)
