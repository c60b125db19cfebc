"""Every agent that is configured keeps the contract: it builds, trains within its budget, and its policy is kept."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from voltgym.agents.base import Agent
from voltgym.envs.checker import assert_contract, check_agent_contract
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
    "ppo_recurrent_bms": (
        700,
        {
            "num_envs": 4,
            "hyperparameters": {"n_steps": 32, "batch_size": 64},
            "validate_every": 300,
            "training_kwargs": None,
        },
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
    "botorch_grid": (12, {"mc_samples": 8}),
    "botorch_pareto": (12, {"mc_samples": 8}),
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


@pytest.mark.parametrize("name", CONFIGS)
def test_it_is_an_agent(name: str) -> None:
    agent = build(name)
    assert isinstance(agent, Agent)
    assert agent.unit in ("env_steps", "evaluations", "unique_designs")
    assert (agent.unit == "unique_designs") == (name in DESIGNERS or name in LISTED)
    assert isinstance(agent.default_budget, int)


@pytest.mark.parametrize("name", EVERY)
def test_it_keeps_the_contract(name: str) -> None:
    env_id, kwargs = env_of(name)
    findings = check_agent_contract(lambda: build(name), env_id, kwargs, budget=EVERY[name][0], seed=3)
    assert_contract(finding._replace(required=True) for finding in findings)  # ours lack nothing
