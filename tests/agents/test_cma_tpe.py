"""CMA-ES and TPE: exact budgets, searches that go on, and an optimum that is known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from designs import TheveninRates

import voltgym.envs  # noqa: F401
from voltgym.agents.base import Silent
from voltgym.agents.cma import CmaAgent
from voltgym.agents.tpe import TpeAgent
from voltgym.envs.errors import VoltGymError

THEVENIN = "VoltGym/Thevenin-v0"


AGENTS = {"cma": CmaAgent, "tpe": TpeAgent}


def train(out: Path, name: str, budget: int, progress: Any = None, seed: int = 0) -> tuple[Any, list[dict[str, Any]]]:
    agent = AGENTS[name](TheveninRates())
    how = {"budget": budget, "seed": seed, "out": out, "progress": progress or Silent()}
    agent.train(THEVENIN, {"split": "nominal"}, **how)
    return agent, [json.loads(line) for line in (out / "curve.jsonl").read_text().splitlines()]


@pytest.mark.parametrize(("name", "budget", "close"), [("cma", 403, 1.05), ("tpe", 150, 1.15)])
def test_it_comes_close_to_the_best_rates(tmp_path: Path, name: str, budget: int, close: float) -> None:
    """The best feasible time of four rates is 24.25 min, see the test of BoTorch's agent."""
    agent, curve = train(tmp_path, name, budget, seed=1)
    assert len(curve) == agent.ledger.spent["evaluations"] == budget
    assert curve[-1]["best"] < close * 24.25


@pytest.mark.parametrize("name", AGENTS)
def test_stopped_anywhere_it_goes_on_where_it_was(tmp_path: Path, name: str) -> None:
    class Stop:
        def update(self, done: int, total: int, **numbers: float) -> None:
            if done >= 16:
                raise KeyboardInterrupt

    _, whole = train(tmp_path / "whole", name, 40)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "broken", name, 40, Stop())
    file = tmp_path / "broken" / "checkpoint" / "points.jsonl"
    file.write_text("".join(file.read_text().splitlines(keepends=True)[:13]))  # in the middle of a generation
    _, resumed = train(tmp_path / "broken", name, 40)
    assert [line["x"] for line in resumed] == [line["x"] for line in whole]


def test_bad_settings() -> None:
    with pytest.raises(VoltGymError, match="population"):
        CmaAgent(population=1)
    with pytest.raises(VoltGymError, match="step"):
        CmaAgent(step=0.0)
    with pytest.raises(VoltGymError, match="initial"):
        TpeAgent(initial=0)
