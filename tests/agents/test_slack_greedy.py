"""Greedy on learned slacks: where the limit is one formula it is learned and kept, and the charge is nearly optimal."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from voltgym.agents.base import Silent
from voltgym.agents.slack_greedy import SlackGreedyAgent
from voltgym.agents.slack_model import SlackGreedy, SlackModel
from voltgym.agents.slack_steps import gather
from voltgym.envs.core import make_episodes
from voltgym.envs.errors import VoltGymError

THEVENIN = "VoltGym/Thevenin-v0"


def small(**changes: object) -> SlackGreedyAgent:
    about = {"num_envs": 16, "rounds": 4, "updates": 1_200, "hidden": [32, 32], "validation_episodes": 20}
    return SlackGreedyAgent(**{**about, **changes})  # type: ignore[arg-type]


def linear(slope: float, offset: float) -> SlackModel:
    """Its slack is ``sinh(offset - slope * share)`` of the action's share of [-1, 1]."""
    return SlackModel([(np.array([[0.0, -slope]]), np.array([offset]))], 0.0, 3.0)


def test_it_takes_the_largest_action_that_keeps_the_margin() -> None:
    observation = np.zeros((3, 1))
    policy = SlackGreedy(linear(2.0, 1.0), 0.0, "full")
    np.testing.assert_allclose(policy(observation)[0][:, 0], 2.25, atol=2e-3)  # share 0.5
    margins = np.sinh([0.0, 1.0, 10.0])
    np.testing.assert_allclose(policy.act(observation, margins)[:, 0], [2.25, 1.5, 0.0], atol=2e-3)


def test_a_model_in_numpy_is_the_network_that_was_trained(tmp_path: Path) -> None:
    import torch

    agent = small(rounds=1, updates=20)
    policy = agent.train(THEVENIN, {"max_steps": 60}, budget=320, seed=0, out=tmp_path, progress=Silent())
    with np.load(tmp_path / "checkpoint" / "round 0.npz") as kept:
        inputs = kept["inputs"][:50]
    layers: list[torch.nn.Module] = []
    for weight, bias in policy.model.layers:
        layer = torch.nn.Linear(weight.shape[1], weight.shape[0])
        layer.load_state_dict({"weight": torch.from_numpy(weight), "bias": torch.from_numpy(bias)})
        layers += [layer, torch.nn.SiLU()]
    with torch.no_grad():
        expected = torch.nn.Sequential(*layers[:-1])(torch.from_numpy(inputs)).numpy()
    action = (inputs[:, -1] + 1) / 2 * policy.model.high
    np.testing.assert_allclose(policy.model(inputs[:, :-1], action), np.sinh(expected), rtol=1e-4, atol=1e-5)


def test_it_charges_nearly_as_fast_as_the_limit_allows(tmp_path: Path) -> None:
    agent = small()
    policy = agent.train(THEVENIN, {"max_steps": 120}, budget=16_000, seed=0, out=tmp_path, progress=Silent())
    assert agent.ledger.spent["env_steps"] <= 16_000
    core = make_episodes(THEVENIN, 30, max_steps=120, split="test")
    rows, good = np.arange(30), np.ones(30, dtype=bool)
    observation, _ = core.reset(rows, [None] * 30, list(range(30)))
    while rows.size:
        observation, _, terminated, truncated, info = core.step(rows, policy(observation)[0])
        for name, slack in info["slacks"].items():
            good[rows] &= slack >= -core.objective.tolerances.get(name, 0.0)
        going = ~(terminated | truncated)
        rows, observation = rows[going], observation[going]
    assert good.mean() >= 0.9
    assert np.nanmean(core.objective.value(core.measured)["Time to target [min]"]) < 50


def test_steps_that_the_twin_cannot_take_count_as_broken_limits() -> None:
    core = make_episodes(THEVENIN, 2, max_steps=20)
    steps = gather(core, None, 40, np.random.default_rng(0))
    assert steps.inputs.shape == (40, (core.task.observation_space.shape or (0,))[0] + 1)
    assert np.isfinite(steps.targets).all()
    assert np.abs(steps.inputs[:, -1]).max() <= 1


def test_what_it_cannot_do_is_said(tmp_path: Path) -> None:
    with pytest.raises(VoltGymError, match="less than 64"):
        small().train(THEVENIN, {}, budget=10, seed=0, out=tmp_path, progress=Silent())
    with pytest.raises(VoltGymError, match="one number an action"):
        small().train("VoltGym/ProtocolDesign-v0", {}, budget=1000, seed=0, out=tmp_path, progress=Silent())
    with pytest.raises(VoltGymError, match="quantile"):
        small(quantile=1.5)
