"""CMA-ES: exact budgets, a search that goes on, and an optimum that is known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from designs import TheveninRates

import voltgym.envs  # noqa: F401
from voltgym.agents.base import Silent
from voltgym.agents.cma import CmaAgent
from voltgym.envs.errors import VoltGymError

THEVENIN = "VoltGym/Thevenin-v0"


def train(
    out: Path, budget: int, progress: Any = None, seed: int = 0, **settings: Any
) -> tuple[CmaAgent, list[dict[str, Any]]]:
    agent = CmaAgent(TheveninRates(), **settings)
    how = {"budget": budget, "seed": seed, "out": out, "progress": progress or Silent()}
    agent.train(THEVENIN, {"split": "nominal"}, **how)
    return agent, [json.loads(line) for line in (out / "curve.jsonl").read_text().splitlines()]


def test_it_comes_close_to_the_best_rates(tmp_path: Path) -> None:
    """The best feasible time of four rates is 24.25 min, see the test of BoTorch's agent."""
    agent, curve = train(tmp_path, 403, seed=1)
    assert len(curve) == agent.ledger.spent["evaluations"] == 403
    assert curve[-1]["best"] < 1.05 * 24.25


def test_stopped_anywhere_it_goes_on_where_it_was(tmp_path: Path) -> None:
    class Stop:
        def update(self, done: int, total: int, **numbers: float) -> None:
            if done >= 16:
                raise KeyboardInterrupt

    _, whole = train(tmp_path / "whole", 40)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "broken", 40, Stop())
    file = tmp_path / "broken" / "checkpoint" / "points.jsonl"
    file.write_text("".join(file.read_text().splitlines(keepends=True)[:13]))  # in the middle of a generation
    _, resumed = train(tmp_path / "broken", 40)
    assert [line["x"] for line in resumed] == [line["x"] for line in whole]


def test_bad_settings() -> None:
    with pytest.raises(VoltGymError, match="population"):
        CmaAgent(population=1)
    with pytest.raises(VoltGymError, match="step"):
        CmaAgent(step=0.0)
