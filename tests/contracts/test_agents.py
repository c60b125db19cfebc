"""Every agent that is configured keeps the contract: it builds, trains within its budget, and its policy is kept."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from voltgym.agents.base import Agent, Policy, load_policy, save_policy
from voltgym.envs.core import make_episodes
from voltgym.experiments.configs import choices, compose
from voltgym.experiments.train import build_agent

sys.path.append(str(Path(__file__).parents[1] / "agents"))
import design_toys

THEVENIN = "VoltGym/Thevenin-v0"
WORDS = design_toys.register()
CONFIGS = sorted(choices("agent"))

SMALL: dict[str, tuple[int, dict[str, Any]]] = {
    "random": (0, {}),
    "ppo": (700, {"num_envs": 4, "hyperparameters": {"n_steps": 32, "batch_size": 64}, "validate_every": 300}),
    "ppo_full": (700, {"num_envs": 4, "hyperparameters": {"n_steps": 32, "batch_size": 64}, "training_kwargs": None}),
    "ppo_bms": (700, {"num_envs": 4, "hyperparameters": {"n_steps": 32, "batch_size": 64}, "training_kwargs": None}),
    "sac": (700, {"num_envs": 4, "hyperparameters": {"learning_starts": 200}, "validate_every": 300}),
    "td3": (700, {"num_envs": 4, "hyperparameters": {"learning_starts": 200}, "validate_every": 300}),
    "tqc": (700, {"num_envs": 4, "hyperparameters": {"learning_starts": 200, "batch_size": 32}, "validate_every": 300}),
    "ppo_recurrent": (
        700,
        {"num_envs": 4, "hyperparameters": {"n_steps": 32, "batch_size": 64}, "validate_every": 300},
    ),
    "ppo_lagrangian": (
        700,
        {"num_envs": 4, "hyperparameters": {"n_steps": 32, "batch_size": 64}, "training_kwargs": None},
    ),
    "botorch": (10, {"design": None, "iterations": 5, "restarts": 1, "episodes": 2}),
    "botorch_direct": (10, {"iterations": 5, "restarts": 1}),
    "slack_greedy": (800, {"num_envs": 4, "rounds": 4, "updates": 80, "validation_episodes": 4}),
    "random_points": (12, {"batch_size": 5}),
    "cma": (12, {"population": 4}),
    "tpe": (12, {"initial": 5}),
    "turbo": (12, {"initial": 4, "batch_size": 2, "candidates": 50}),
    "scbo": (12, {"initial": 4, "batch_size": 2, "candidates": 50}),
}
"""The agents that apply to any environment with a Box: a budget in their unit, and what makes them small."""
DESIGNERS: dict[str, tuple[int, dict[str, Any]]] = {
    "random_designs": (60, {}),
    "random_walk": (60, {"rows": 4}),
    "graph_ga": (60, {"population": 20, "offspring": 10}),
    "botorch_tanimoto": (60, {"initial": 20, "children": 20, "parents": 10, "batch_size": 10}),
    "ppo_masked": (60, {"num_envs": 4, "hyperparameters": {"n_steps": 8, "batch_size": 32}}),
    "dqn_masked": (60, {"num_envs": 4, "hyperparameters": {"learning_starts": 20, "buffer_size": 500}}),
}
"""The same of those that edit or propose designs; their budget is different designs."""
LISTED: dict[str, tuple[int, dict[str, Any]]] = {
    "botorch_grid": (16, {"mc_samples": 8}),
    "botorch_pareto": (16, {"mc_samples": 8}),
    "sac_designs": (40, {"hyperparameters": {"learning_starts": 16, "batch_size": 16}, "validate_every": 64}),
}
"""The same of those that need a space that lists its designs, or an action that is one: cathodes."""
EVERY = {**SMALL, **DESIGNERS, **LISTED}
VECTORS = ("sac_designs",)


def env_of(name: str) -> tuple[str, dict[str, Any]]:
    if name in LISTED:
        return "VoltGym/Cathode-v0", {"action": "continuous"} if name in VECTORS else {}
    return (WORDS, {}) if name in DESIGNERS else (THEVENIN, {"max_steps": 40})


def build(name: str) -> Any:
    config = compose("train", [f"agent={name}"])["agent"]
    for key, value in EVERY.get(name, (0, {}))[1].items():
        config[key] = {**config[key], **value} if isinstance(value, dict) else value
    return build_agent(config)


class Interrupt:
    """Stops the training after so many units."""

    def __init__(self, at: int) -> None:
        self.at, self.first = at, -1

    def update(self, done: int, total: int, **numbers: float) -> None:
        self.first = done if self.first < 0 else self.first
        assert 0 <= done <= total
        assert all(np.isfinite(number) for number in numbers.values())
        if done >= self.at:
            raise KeyboardInterrupt


NEVER = 10**9


def train(name: str, out: Path, progress: Interrupt) -> tuple[Any, Policy]:
    agent = build(name)
    out.mkdir(exist_ok=True)
    budget, (env_id, kwargs) = EVERY[name][0], env_of(name)
    policy = agent.train(env_id, kwargs, budget=budget, seed=3, out=out, progress=progress)
    return agent, policy


def actions(policy: Any, env_id: str, kwargs: dict[str, Any]) -> np.ndarray:
    """The actions of the first steps of a few episodes."""
    core = make_episodes(env_id, 5, **kwargs, split="test")
    rows = np.arange(5)
    observation, _ = core.reset(rows, [None] * 5, list(range(5)))
    if hasattr(policy, "bind"):
        policy.bind(core)
    taken, memory = [], None
    for step in range(8):
        mask = core.masks(rows) if hasattr(core.task, "mask") else None
        action, memory = policy(observation, memory, np.full(5, step == 0), mask)
        assert mask is None or mask[rows, action].all()
        taken.append(action)
        observation, *_ = core.step(rows, action)
    return np.stack(taken)


@pytest.mark.parametrize("name", CONFIGS)
def test_it_is_an_agent(name: str) -> None:
    agent = build(name)
    assert isinstance(agent, Agent)
    assert agent.unit in ("env_steps", "evaluations", "unique_designs")
    assert (agent.unit == "unique_designs") == (name in DESIGNERS or name in LISTED)
    assert isinstance(agent.default_budget, int)


@pytest.mark.parametrize("name", EVERY)
def test_it_trains_within_its_budget_and_its_policy_is_kept(name: str, tmp_path: Path) -> None:
    agent, policy = train(name, tmp_path / "run", Interrupt(NEVER))
    assert isinstance(policy, Policy)
    assert policy.information in ("bms", "full")
    spent = getattr(agent, "ledger", None)
    assert spent is None or 0 < spent.spent[agent.unit] <= EVERY[name][0]
    env_id, kwargs = env_of(name)
    save_policy(policy, tmp_path / "policy", env_id=env_id, env_kwargs=kwargs)
    kept = load_policy(tmp_path / "policy", env_id=env_id)
    first, again = actions(policy, env_id, kwargs), actions(kept, env_id, kwargs)
    shape = make_episodes(env_id, 1, **kwargs).task.action_space.shape
    assert first.shape == (8, 5, *shape)
    np.testing.assert_array_equal(first, again)
    assert not [file for file in (tmp_path / "policy").rglob("*") if file.suffix in (".pkl", ".pt", ".zip")]


@pytest.mark.parametrize("name", [name for name in EVERY if EVERY[name][0]])
def test_interrupted_it_goes_on(name: str, tmp_path: Path) -> None:
    budget = EVERY[name][0]
    with pytest.raises(KeyboardInterrupt):
        train(name, tmp_path, Interrupt(budget // 2))
    goes_on = Interrupt(NEVER)
    agent, _ = train(name, tmp_path, goes_on)
    assert budget // 2 <= goes_on.first <= budget
    assert agent.ledger.spent[agent.unit] <= budget
