"""The random masked walk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import design_toys as toys
import pytest

from voltgym.agents.base import Silent
from voltgym.agents.walk import RandomWalkAgent
from voltgym.envs.errors import VoltGymError

WORDS = toys.register()


def train(out: Path, budget: int = 100, seed: int = 0, kwargs: Any = None, **settings: Any) -> Any:
    agent = RandomWalkAgent(**settings)
    policy = agent.train(WORDS, kwargs or {}, budget=budget, seed=seed, out=out, progress=Silent())
    return agent, policy, (out / "designs.jsonl").read_text()


def test_it_walks_until_the_budget_is_spent(tmp_path: Path) -> None:
    agent, policy, found = train(tmp_path)
    assert agent.ledger.spent["unique_designs"] == len(found.splitlines()) == 100
    assert len(policy.designs) == 20


def test_the_same_seed_takes_the_same_walk(tmp_path: Path) -> None:
    one, same, other = (train(tmp_path / str(i), seed=seed)[2] for i, seed in enumerate((0, 0, 1)))
    assert one == same != other


def test_every_design_is_one_valid_edit_from_another(tmp_path: Path) -> None:
    *_, found = train(tmp_path, rows=1, steps=4)
    space = toys.WordSpace()
    words = [line.split('"')[3] for line in found.splitlines()]
    near = {other for word in words for other in space.neighbours(word)}
    assert all(word in near or word in ("a", "b", "ba", "cb") for word in words)


def test_a_small_space_ends_it_early(tmp_path: Path) -> None:
    agent, _, _ = train(tmp_path, budget=10_000, kwargs={"start": "a"}, steps=1, patience=20)
    assert agent.ledger.spent["unique_designs"] == 5  # a, and its neighbours aa, ab, ac, ad


@pytest.mark.parametrize("name", ["steps", "rows", "starts", "hand_in", "patience"])
def test_numbers_that_make_no_sense(name: str) -> None:
    with pytest.raises(VoltGymError, match=f"{name} is 0; expected a whole number >= 1"):
        RandomWalkAgent(**{name: 0})


def test_a_budget_of_nothing(tmp_path: Path) -> None:
    with pytest.raises(VoltGymError, match="budget is 0"):
        train(tmp_path, budget=0)
