"""A search of numbers pays for different designs where a track counts those, and for nothing twice when it goes on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import voltgym.envs  # noqa: F401
from voltgym.agents.base import Silent
from voltgym.agents.botorch import BoTorchAgent
from voltgym.agents.cma import CmaAgent
from voltgym.agents.random_points import RandomPointsAgent
from voltgym.agents.search import IDLE, MOST_ASKED
from voltgym.agents.tpe import TpeAgent
from voltgym.envs.errors import VoltGymError

CATHODE = "VoltGym/Cathode-v0"
KWARGS = {"action": "continuous", "split": "nominal"}
AGENTS: dict[str, Any] = {
    "cma": lambda: CmaAgent(unit="unique_designs"),
    "tpe": lambda: TpeAgent(unit="unique_designs"),
    "random": lambda: RandomPointsAgent(unit="unique_designs"),
    "botorch": lambda: BoTorchAgent(unit="unique_designs", initial=8),
}


class Stop:
    def __init__(self, after: int) -> None:
        self.after = after

    def update(self, done: int, total: int, **numbers: float) -> None:
        assert done <= total
        if done >= self.after:
            raise KeyboardInterrupt


def train(out: Path, agent: Any, budget: int, progress: Any = None, seed: int = 0) -> list[dict[str, Any]]:
    agent.train(CATHODE, KWARGS, budget=budget, seed=seed, out=out, progress=progress or Silent())
    return [json.loads(line) for line in (out / "curve.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("name", AGENTS)
def test_the_budget_is_of_different_designs_to_the_last(tmp_path: Path, name: str) -> None:
    agent = AGENTS[name]()
    assert agent.unit == "unique_designs"
    curve = train(tmp_path, agent, 12)
    steps = [line["steps"] for line in curve]
    assert steps == sorted(steps)
    assert steps[0] == 2, "the design that an episode begins with is paid for, too"
    assert steps[-1] == agent.ledger.spent["unique_designs"] == 12
    assert agent.ledger.spent["evaluations"] == len(curve) >= 11


@pytest.mark.parametrize("name", [name for name in AGENTS if name != "botorch"])
def test_gone_on_with_it_has_spent_what_it_would_have(tmp_path: Path, name: str) -> None:
    agents = [AGENTS[name]() for _ in range(3)]
    whole = train(tmp_path / "whole", agents[0], 24)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "broken", agents[1], 24, Stop(13))
    assert train(tmp_path / "broken", agents[2], 24) == whole
    spent = [{k: v for k, v in agent.ledger.spent.items() if k != "solver_ms"} for agent in (agents[0], agents[2])]
    del spent[0]["surrogate_calls"], spent[1]["surrogate_calls"]  # a new process asks the surrogate again for the start
    assert spent[0] == spent[1]


@pytest.mark.parametrize(("name", "budget"), [("cma", 2), ("cma", 6), ("random", 10)])
def test_a_first_batch_as_large_as_the_budget_fits(tmp_path: Path, name: str, budget: int) -> None:
    agent = AGENTS[name]()
    assert train(tmp_path, agent, budget)[-1]["steps"] == agent.ledger.spent["unique_designs"] == budget


@pytest.mark.parametrize("kept", [9, 12, 17])
def test_a_batch_that_was_paid_for_and_not_kept_whole_is_paid_for_once(tmp_path: Path, kept: int) -> None:
    whole, broken = CmaAgent(), CmaAgent()
    curve = train(tmp_path / "whole", whole, 40)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "broken", CmaAgent(), 40, Stop(18))
    points = tmp_path / "broken" / "checkpoint" / "points.jsonl"
    points.write_text(
        "".join(points.read_text().splitlines(keepends=True)[:kept])
    )  # as a kill between the two leaves it
    assert train(tmp_path / "broken", broken, 40) == curve
    kinds = ("evaluations", "env_steps", "unique_designs", "duplicates")
    assert [broken.ledger.spent[kind] for kind in kinds] == [whole.ledger.spent[kind] for kind in kinds]


def test_a_search_that_asks_for_nothing_new_ends(tmp_path: Path) -> None:
    agent = CmaAgent(unit="unique_designs", step=1e-4)  # a few neighbours are all that it asks for
    curve = train(tmp_path, agent, 20)
    assert MOST_ASKED * 20 <= len(curve) < MOST_ASKED * 20 + 20
    assert agent.ledger.spent["unique_designs"] < 20
    again = CmaAgent(unit="unique_designs", step=1e-6)
    assert IDLE < len(train(tmp_path / "longer", again, 100)) < IDLE + 30


def test_what_is_not_counted_cannot_be_a_budget(tmp_path: Path) -> None:
    how: dict[str, Any] = {"budget": 20, "seed": 0, "out": tmp_path, "progress": Silent()}
    with pytest.raises(VoltGymError, match="this environment does not count; expected 'evaluations'"):
        CmaAgent(unit="unique_designs").train(
            "VoltGym/ProtocolDesign-v0", {"split": "nominal", "fidelity": "SPM"}, **how
        )
    with pytest.raises(VoltGymError, match="unit"):
        CmaAgent(unit="designs")


def test_a_damaged_tally_is_told(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, CmaAgent(), 40, Stop(9))
    (tmp_path / "checkpoint" / "ledger.jsonl").write_text('{"entries": 9}\n')
    with pytest.raises(VoltGymError, match=r"ledger.jsonl is damaged"):
        train(tmp_path, CmaAgent(), 40)
