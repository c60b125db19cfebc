"""Stable-Baselines3: the adapter, exact budgets, checkpoints, and an optimum that is known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch

import voltgym.envs  # noqa: F401
from voltgym.agents.base import Silent
from voltgym.agents.sb3 import PlainVecEnv, SB3Agent, VoltGymVecEnv, make_training_env
from voltgym.agents.validation import Validation
from voltgym.envs.core import DesignVectorEnv, make_episodes
from voltgym.envs.errors import VoltGymError
from voltgym.envs.ledger import BudgetExhausted
from voltgym.envs.thevenin import best_rate

THEVENIN = "VoltGym/Thevenin-v0"
NOMINAL = {"split": "nominal"}
OPTIMUM = 20.379  # [min] from SOC 0.1 on the nominal cell: what `best_rate` takes, see tests/envs/test_thevenin.py
TINY_PPO: dict[str, Any] = {
    "num_envs": 4,
    "hyperparameters": {"n_steps": 16, "batch_size": 32, "n_epochs": 2},
    "policy_kwargs": {"net_arch": [16]},
    "validate_every": 200,
    "validation_episodes": 2,
    "checkpoint_every": 100,
}
TINY_SAC: dict[str, Any] = {
    **TINY_PPO,
    "algorithm": "stable_baselines3.SAC",
    "hyperparameters": {"train_freq": 4, "gradient_steps": 1, "learning_starts": 64, "batch_size": 32},
}


def train(out: Path, settings: dict[str, Any], budget: int = 640, progress: Any = None, seed: int = 0) -> Any:
    agent = SB3Agent(**settings)
    out.mkdir(exist_ok=True)
    kwargs = {"budget": budget, "seed": seed, "out": out, "progress": progress or Silent()}
    return agent, agent.train(THEVENIN, {"max_steps": 40}, **kwargs)


# -- the adapter -----------------------------------------------------------------------------------------------------


def adapter(n: int = 3, **kwargs: Any) -> VoltGymVecEnv:
    env = make_training_env(THEVENIN, {"max_steps": 30} | kwargs, n)
    assert isinstance(env, VoltGymVecEnv)
    return env


def test_it_steps_as_the_vector_environment_does() -> None:
    env = adapter()
    twin: Any = gym.make_vec(THEVENIN, num_envs=3, max_steps=30, autoreset_mode="SameStep").unwrapped
    env.seed(7)
    np.testing.assert_array_equal(env.reset(), twin.reset(seed=7)[0])
    rng, returns, ended = np.random.default_rng(0), np.zeros(3), 0
    for _ in range(80):
        share = rng.uniform(-1, 1, (3, 1)).astype(np.float32)
        observation, reward, done, infos = env.step(share)
        same, gained, terminated, truncated, info = twin.step((3.0 * (share + 1) / 2).astype(np.float32))
        np.testing.assert_allclose(observation, same, atol=1e-5)
        np.testing.assert_allclose(reward, gained, atol=1e-5)
        np.testing.assert_array_equal(done, terminated | truncated)
        np.testing.assert_allclose(env.costs, info.get("final_info", info)["cost"], atol=1e-4)
        returns += gained
        for i in range(3):
            assert bool(infos[i]) == done[i]
            if done[i]:
                np.testing.assert_allclose(infos[i]["terminal_observation"], info["final_obs"][i], atol=1e-5)
                assert infos[i]["TimeLimit.truncated"] == truncated[i]
                assert infos[i]["episode"]["r"] == pytest.approx(returns[i], abs=1e-4)
                returns[i] = 0
                ended += 1
    assert ended > 3
    assert reward.dtype == np.float32


@pytest.mark.parametrize(
    ("rate", "success", "feasible"),
    [(2.0, True, False), (0.7, True, True), (0.02, False, False)],
    ids=["too fast", "slow enough", "never there"],
)
def test_it_says_how_an_episode_ended(rate: float, success: bool, feasible: bool) -> None:
    env = adapter(2, split="nominal", max_steps=130)
    env.reset()
    infos: list[dict[str, Any]] = [{}]
    while not infos[0]:
        *_, infos = env.step(np.full((2, 1), 2 * rate / 3 - 1, dtype=np.float32))
    assert (infos[0]["is_success"], infos[0]["feasible"]) == (success, feasible)
    assert infos[0]["TimeLimit.truncated"] is not success
    assert (infos[0]["cost"] > 0) == (rate == 2.0)


def test_attributes_and_methods_are_reached() -> None:
    env = adapter()
    assert env.get_attr("max_steps") == [30] * 3
    assert env.has_attr("num_envs")
    assert not env.has_attr("action_masks")
    plain: Any = gym.make_vec(THEVENIN, num_envs=1).unwrapped
    assert isinstance(plain, DesignVectorEnv)
    with pytest.raises(VoltGymError, match="SameStep"):
        VoltGymVecEnv(plain)


def test_the_ledger_stops_the_environment() -> None:
    env = adapter()
    env.ledger.limit(env_steps=5)
    env.reset()
    env.step(np.zeros((3, 1), np.float32))
    with pytest.raises(BudgetExhausted):
        env.step(np.zeros((3, 1), np.float32))


# -- training --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("settings", [TINY_PPO, TINY_SAC], ids=["PPO", "SAC"])
def test_the_same_seed_gives_the_same_policy(settings: dict[str, Any], tmp_path: Path) -> None:
    policies = [train(tmp_path / str(i), settings, seed=seed)[1] for i, seed in enumerate((0, 0, 1))]
    first, again, other = (np.concatenate([a.ravel() for a in p.arrays().values()]) for p in policies)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_the_budget_is_kept_to_whole_rollouts(tmp_path: Path) -> None:
    agent, _ = train(tmp_path, TINY_PPO, budget=300)
    assert agent.ledger.spent["env_steps"] == 256  # four rollouts of 64
    assert agent.ledger.spent["validation_steps"] > 0
    with pytest.raises(VoltGymError, match="less than one rollout of 64"):
        train(tmp_path / "small", TINY_PPO, budget=63)


def test_the_curve_and_the_logs_are_kept(tmp_path: Path) -> None:
    train(tmp_path, TINY_PPO)
    lines = [json.loads(line) for line in (tmp_path / "curve.jsonl").read_text().splitlines()]
    assert [line["steps"] for line in lines] == [256, 512, 640]
    assert set(lines[0]) == {"steps", "return", "feasible", "value"}
    assert list((tmp_path / "tensorboard").rglob("events.*"))


@pytest.mark.parametrize("settings", [TINY_PPO, TINY_SAC], ids=["PPO", "SAC"])
def test_an_interrupt_leaves_a_checkpoint_to_go_on_from(settings: dict[str, Any], tmp_path: Path) -> None:
    class Stop:
        def update(self, done: int, total: int, **numbers: float) -> None:
            if done > 400:
                raise KeyboardInterrupt

    class Seen:
        first = last = 0

        def update(self, done: int, total: int, **numbers: float) -> None:
            self.first, self.last = self.first or done, done

    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, settings, progress=Stop())
    kept = torch.load(tmp_path / "checkpoint" / "training.pt", weights_only=True)
    assert kept["spent"]["env_steps"] > 400
    seen = Seen()
    agent, _ = train(tmp_path, settings, progress=seen)
    assert seen.first > 400
    assert 640 - 64 < seen.last <= 640
    assert agent.ledger.spent["env_steps"] == seen.last
    again, _ = train(tmp_path, settings)  # finished: there is nothing left to do
    assert again.ledger.spent["env_steps"] == seen.last
    steps = [json.loads(line)["steps"] for line in (tmp_path / "curve.jsonl").read_text().splitlines()]
    assert steps == sorted(set(steps))


def test_a_checkpoint_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    train(tmp_path, TINY_PPO)
    with pytest.raises(VoltGymError, match="another training: its seed is 0"):
        train(tmp_path, TINY_PPO, seed=1)
    (tmp_path / "checkpoint" / "training.pt").write_bytes(b"not a checkpoint")
    with pytest.raises(VoltGymError, match="damaged"):
        train(tmp_path, TINY_PPO)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"algorithm": "stable_baselines3.PP0"}, "Did you mean 'stable_baselines3.PPO'"),
        ({"algorithm": "torch.nn.Linear"}, "not a BaseAlgorithm"),
        ({"hyperparameters": {"learning_rte": 1e-3}}, "Did you mean 'learning_rate'"),
        ({"policy_kwargs": {"net_arc": [8]}}, "Did you mean 'net_arch'"),
        ({"policy_kwargs": {"activation_fn": "torch.nn.Tahn"}}, "Did you mean 'torch.nn.Tanh'"),
        ({"hyperparameters": {"batch_size": 1}}, "cannot be built"),
        ({"num_envs": 0}, "num_envs is 0"),
        ({"validate_every": 0}, "validate_every is 0"),
        ({"hyperparameters": {"gamma": 7}}, "gamma is 7; expected a number in"),
    ],
)
def test_a_typo_is_one_line(settings: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(VoltGymError, match=message):
        train(tmp_path, {**TINY_PPO, **settings})


def test_environments_of_others_train_too(tmp_path: Path) -> None:
    assert isinstance(make_training_env("CartPole-v1", {}, 2), PlainVecEnv)
    agent = SB3Agent(**TINY_PPO)
    kwargs: dict[str, Any] = {"budget": 200, "seed": 0, "out": tmp_path, "progress": Silent()}
    policy = agent.train("CartPole-v1", {}, **kwargs)
    assert agent.ledger.spent["env_steps"] == 192
    assert set(np.unique(policy(np.random.default_rng(0).normal(size=(50, 4)))[0])) <= {0, 1}


def test_a_masked_environment_trains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent.parent / "contracts"))
    toys = __import__("contract_toys")
    env = make_training_env(toys.WORDS, {}, 2)
    env.reset()
    assert np.stack(env.env_method("action_masks")).shape == (2, 4)
    agent = SB3Agent(**TINY_PPO)
    kwargs: dict[str, Any] = {"budget": 64, "seed": 0, "out": tmp_path, "progress": Silent()}
    policy = agent.train(toys.WORDS, {}, **kwargs)
    mask = np.array([[False, False, False, True]] * 5)
    assert set(policy(np.zeros((5, 4)), mask=mask)[0]) == {5}


# -- how good --------------------------------------------------------------------------------------------------------


def test_the_validation_knows_the_optimum() -> None:
    class Best:
        def __call__(self, observation: np.ndarray, *rest: Any) -> tuple[np.ndarray, None]:
            going = core.measured["Steps left"] > 0
            return best_rate(core.measured)[going, None][: len(observation)].astype(np.float32), None

    core = make_episodes(THEVENIN, 1, **NOMINAL)
    score = Validation(core, 0.0)(Best())  # type: ignore[arg-type]
    assert score.feasible == 1
    assert -score.merit == pytest.approx(OPTIMUM, abs=0.002)
    assert Validation(core, 1.0)(Best()).feasible == 0  # type: ignore[arg-type]  # 50 mV inside, it is not


def test_ppo_comes_within_three_percent_of_the_optimum(tmp_path: Path) -> None:
    agent = SB3Agent(
        hyperparameters={
            "n_steps": 32,
            "batch_size": 512,
            "n_epochs": 10,
            "learning_rate": 5e-3,
            "gamma": 0.85,  # what the largest feasible rate gains comes at once
            "clip_range": 0.2,
        },
        policy_kwargs={"net_arch": [64, 64], "log_std_init": -1.0},
        final_learning_rate=1e-4,
        num_envs=64,
        validate_every=2000,
    )
    policy = agent.train(THEVENIN, NOMINAL, budget=160_000, seed=1, out=tmp_path, progress=Silent())
    score = Validation(make_episodes(THEVENIN, 1, **NOMINAL), 0.0)(policy)  # type: ignore[arg-type]
    assert score.feasible == 1
    assert OPTIMUM - 0.01 < -score.merit < 1.03 * OPTIMUM
