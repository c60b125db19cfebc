"""Bayesian optimisation: exact budgets, points that survive a kill, and an optimum that is known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from designs import TheveninRates

import voltgym.envs  # noqa: F401
from voltgym.agents.base import Silent, load_policy, save_policy
from voltgym.agents.botorch import BoTorchAgent
from voltgym.agents.points import Point, best_of
from voltgym.agents.policies import DesignPolicy
from voltgym.envs.core import make_episodes
from voltgym.envs.errors import VoltGymError
from voltgym.envs.problem import DesignProblem, run_to_end

THEVENIN = "VoltGym/Thevenin-v0"
NOMINAL = {"split": "nominal"}
TIME, VOLTAGE = "Time to target [min]", "Voltage [V]"
QUICK: dict[str, Any] = {"restarts": 2, "iterations": 10, "raw_samples": 32, "mc_samples": 16, "log_value": True}


def train(out: Path, budget: int, progress: Any = None, seed: int = 0, **settings: Any) -> Any:
    agent = BoTorchAgent(TheveninRates(2), **{**QUICK, **settings})
    kwargs = {"env_kwargs": NOMINAL, "budget": budget, "seed": seed, "out": out}
    policy = agent.train(THEVENIN, progress=progress or Silent(), **kwargs)
    return agent, policy, [json.loads(line) for line in (out / "curve.jsonl").read_text().splitlines()]


def grid_best() -> float:
    """The best feasible time of four rates by SOC window: a grid that closes in on its best point."""
    problem = DesignProblem(THEVENIN, TheveninRates(), split="nominal")
    low, high = problem.bounds
    best, at = np.inf, (low + high) / 2
    for _ in range(5):
        axes = [np.linspace(a, b, 11) for a, b in zip(low, high, strict=True)]
        x = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 4)
        found = problem.evaluate(x)
        time = np.where((found.slacks[VOLTAGE] >= -1e-3) & (found.failure == 0), found.values[TIME], np.inf)
        time = np.nan_to_num(time, nan=np.inf)
        if time.min() < best:
            best, at = float(time.min()), x[time.argmin()]
        half = (high - low) / 5
        low, high = np.maximum(at - half, problem.bounds[0]), np.minimum(at + half, problem.bounds[1])
    return best


def test_it_comes_close_to_the_best_rates(tmp_path: Path) -> None:
    """Four rates, 44 evaluations: within 5 % of the best of a dense search."""
    agent = BoTorchAgent(TheveninRates(), log_value=True, restarts=2, iterations=15)
    policy = agent.train(THEVENIN, NOMINAL, budget=44, seed=0, out=tmp_path, progress=Silent())
    assert isinstance(policy, DesignPolicy)
    problem = DesignProblem(THEVENIN, TheveninRates(), split="nominal")
    found = problem.evaluate(np.array([policy.x]))
    assert found.failure[0] == 0
    assert found.slacks[VOLTAGE][0] >= -1e-3
    best = grid_best()
    assert best == pytest.approx(24.25, abs=0.05)
    assert found.values[TIME][0] < 1.05 * best
    assert agent.ledger.spent["evaluations"] == 44


def test_the_policy_does_what_the_design_says(tmp_path: Path) -> None:
    _, policy, curve = train(tmp_path, 5)
    core = make_episodes(THEVENIN, 2, split="nominal")
    policy.bind(core)
    design: Any = TheveninRates(2)
    x = np.tile(policy.x, (2, 1))
    expected, _, _ = run_to_end(core, x, design, [0, 0])
    design.policy = lambda x, episodes: lambda observation: policy(observation)[0]
    found, _, _ = run_to_end(core, x, design, [0, 0])
    np.testing.assert_array_equal(found[TIME], expected[TIME])
    assert len(curve) == 5


def test_resumed_it_asks_for_the_same_designs(tmp_path: Path) -> None:
    class Stop:
        def update(self, done: int, total: int, **numbers: float) -> None:
            if done >= 6:
                raise KeyboardInterrupt

    _, _, whole = train(tmp_path / "whole", 10, initial=4, batch_size=2)
    broken = tmp_path / "broken"
    with pytest.raises(KeyboardInterrupt):
        train(broken, 10, Stop(), initial=4, batch_size=2)
    kept = (broken / "checkpoint" / "points.jsonl").read_text()
    assert len(kept.splitlines()) >= 6
    (broken / "checkpoint" / "points.jsonl").write_text(kept + '{"x": [1.0')  # the half line that a kill leaves
    agent, _, resumed = train(broken, 10, initial=4, batch_size=2)
    assert [line["x"] for line in resumed] == [line["x"] for line in whole]
    assert agent.ledger.spent["evaluations"] == 10


def test_a_checkpoint_of_another_search_is_refused(tmp_path: Path) -> None:
    train(tmp_path, 2)
    with pytest.raises(VoltGymError, match="another search: its seed is 0"):
        train(tmp_path, 2, seed=1)
    (tmp_path / "checkpoint" / "points.jsonl").write_text('{"y": 1}\n')
    with pytest.raises(VoltGymError, match="damaged"):
        train(tmp_path, 2)


def test_margins_are_kept_and_checked(tmp_path: Path) -> None:
    _, _, curve = train(tmp_path / "a", 16, margins={VOLTAGE: 0.3})
    for line in curve:
        assert line["feasible"] == (line["value"] is not None and 0.05 * line["slacks"][VOLTAGE] >= 0.3 - 1e-3)
    with pytest.raises(VoltGymError, match=r"Did you mean 'Voltage \[V\]'"):
        train(tmp_path / "b", 4, margins={"Voltge [V]": 0.1})


def test_nothing_reached_and_nothing_feasible_still_ends(tmp_path: Path) -> None:
    """Episodes of three steps never reach 80 %: there is no value at all, and the search goes on to the end."""
    agent = BoTorchAgent(TheveninRates(2), **QUICK)
    kwargs = {**NOMINAL, "max_steps": 3}
    policy = agent.train(THEVENIN, kwargs, budget=12, seed=0, out=tmp_path, progress=Silent())
    assert len(policy.x) == 2
    curve = [json.loads(line) for line in (tmp_path / "curve.jsonl").read_text().splitlines()]
    assert [line["best"] for line in curve] == [None] * 12


def test_the_action_itself_can_be_the_design(tmp_path: Path) -> None:
    agent = BoTorchAgent(**QUICK)
    policy = agent.train(THEVENIN, {}, budget=10, seed=0, out=tmp_path / "run", progress=Silent())
    save_policy(policy, tmp_path / "policy", env_id=THEVENIN, env_kwargs={})
    assert load_policy(tmp_path / "policy").x == policy.x
    assert policy.information == "bms"


def test_of_infeasible_designs_the_least_violating_is_taken() -> None:
    problem = DesignProblem(THEVENIN, TheveninRates(2), split="nominal")
    bad = [Point([1.0], 20.0, {VOLTAGE: -3.0}, False), Point([2.0], 30.0, {VOLTAGE: -1.0}, False)]
    assert best_of(bad, problem).x == [2.0]
    assert best_of([*bad, Point([3.0], 90.0, {VOLTAGE: 0.1}, True)], problem).x == [3.0]
