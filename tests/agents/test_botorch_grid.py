"""Bayesian optimisation of a listed space: a hard budget, a search that goes on, and an optimum that is proven."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import design_toys as toys
import numpy as np
import pytest

from voltgym.agents.base import Silent
from voltgym.agents.botorch_grid import GridAgent
from voltgym.agents.oracle import Verdict, verdicts
from voltgym.agents.pareto import Goals, hypervolume
from voltgym.envs.edit_problem import EditProblem
from voltgym.envs.errors import VoltGymError

CATHODE = "VoltGym/Cathode-v0"
NOMINAL = {"split": "nominal"}


def search(out: Path, budget: int, progress: Any = None, seed: int = 0, **settings: Any) -> tuple[Any, list[Verdict]]:
    agent = GridAgent(**{"mc_samples": 16, **settings})
    how = {"budget": budget, "seed": seed, "out": out, "progress": progress or Silent()}
    policy = agent.train(CATHODE, NOMINAL, **how)
    assert agent.ledger.spent["unique_designs"] == budget
    lines = (out / "designs.jsonl").read_text().splitlines()
    return policy, [Verdict(**json.loads(line)) for line in lines]


def test_it_finds_the_best_of_the_grid(tmp_path: Path) -> None:
    policy, log = search(tmp_path, 30)
    problem = EditProblem(CATHODE)
    grid = list(problem.space.designs)  # type: ignore[attr-defined]
    best = max(v.value or 0.0 for v in verdicts(grid, problem.evaluate(grid), problem.objective, 1) if v.feasible)
    assert max(v.value or 0.0 for v in log if v.feasible) > 0.97 * best
    assert policy.designs[0] == max((v for v in log if v.feasible), key=lambda v: v.value or 0.0).key
    assert len({v.key for v in log}) == 30


def test_several_objectives_at_once(tmp_path: Path) -> None:
    policy, log = search(tmp_path, 24, pareto=True, batch_size=2)
    problem = EditProblem(CATHODE)
    goals = Goals.of(problem.objective, True)
    grid = list(problem.space.designs)  # type: ignore[attr-defined]
    whole = hypervolume(verdicts(grid, problem.evaluate(grid), problem.objective, 1), goals)
    drawn = problem.sample(np.random.default_rng(0), 24)
    chance = hypervolume(verdicts(drawn, problem.evaluate(drawn), problem.objective, 1), goals)
    assert max(0.9 * whole, chance) < hypervolume(log, goals) <= whole * (1 + 1e-9)
    assert set(policy.designs) <= {v.key for v in log if v.feasible}


def test_stopped_it_goes_on_where_it_was(tmp_path: Path) -> None:
    class Stop:
        def update(self, done: int, total: int, **numbers: float) -> None:
            if done >= 9:
                raise KeyboardInterrupt

    _, whole = search(tmp_path / "whole", 12)
    with pytest.raises(KeyboardInterrupt):
        search(tmp_path / "broken", 12, Stop())
    _, resumed = search(tmp_path / "broken", 12)
    assert [v.key for v in resumed] == [v.key for v in whole]


def test_a_space_without_a_list_is_refused(tmp_path: Path) -> None:
    how: dict[str, Any] = {"budget": 5, "seed": 0, "out": tmp_path, "progress": Silent()}
    with pytest.raises(VoltGymError, match="lists no `designs`"):
        GridAgent().train(toys.register(), {}, **how)
