"""The genetic algorithm and the Bayesian one: exact budgets, exact continuation, and an optimum that is known."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import design_toys as toys
import numpy as np
import pytest

from voltgym.agents.base import Silent
from voltgym.agents.botorch_designs import TanimotoAgent
from voltgym.agents.genetic import Breeder, GeneticAgent, mating_pool
from voltgym.agents.sampling import RandomDesignsAgent
from voltgym.agents.walk import RandomWalkAgent
from voltgym.envs.edit_problem import EditProblem
from voltgym.envs.errors import VoltGymError

WORDS = toys.register()
SMALL: dict[str, tuple[Any, dict[str, Any]]] = {
    "random": (RandomDesignsAgent, {}),
    "walk": (RandomWalkAgent, {}),
    "genetic": (GeneticAgent, {"population": 20, "offspring": 10}),
    "botorch": (TanimotoAgent, {"initial": 20, "batch_size": 8, "children": 20, "parents": 10, "refit": 3}),
}


def train(name: str, out: Path, budget: int = 90, seed: int = 0, progress: Any = None, **kwargs: Any) -> Any:
    kind, settings = SMALL[name]
    agent = kind(**settings)
    policy = agent.train(WORDS, kwargs, budget=budget, seed=seed, out=out, progress=progress or Silent())
    return agent, policy, (out / "designs.jsonl").read_text()


class Stop:
    """Interrupts after so many designs."""

    def __init__(self, at: int) -> None:
        self.at = at

    def update(self, done: int, total: int, **numbers: float) -> None:
        assert 0 <= done <= total
        if done >= self.at:
            raise KeyboardInterrupt


@pytest.mark.parametrize("name", SMALL)
def test_the_budget_is_spent_to_the_last_design(name: str, tmp_path: Path) -> None:
    agent, policy, found = train(name, tmp_path)
    assert agent.ledger.spent["unique_designs"] == len(found.splitlines()) == 90
    assert 0 < len(policy.designs) <= 20


@pytest.mark.parametrize("crossing", [True, False])
@pytest.mark.parametrize("name", SMALL)
def test_what_was_stopped_goes_on_exactly(name: str, crossing: bool, tmp_path: Path) -> None:
    _, policy, whole = train(name, tmp_path / "whole", crossing=crossing)
    for at in (30, 61):
        with pytest.raises(KeyboardInterrupt):
            train(name, tmp_path / "cut", progress=Stop(at), crossing=crossing)
        assert whole.startswith((tmp_path / "cut" / "checkpoint" / "designs.jsonl").read_text())
    _, again, found = train(name, tmp_path / "cut", crossing=crossing)
    assert found == whole
    assert again.designs == policy.designs
    assert train(name, tmp_path / "other", seed=1, crossing=crossing)[2] != whole


def test_the_ga_finds_the_optimum_where_a_walk_does_not(tmp_path: Path) -> None:
    best = {}
    for name in ("walk", "genetic"):
        policies = [train(name, tmp_path / f"{name} {s}", budget=500, seed=s)[1] for s in range(3)]
        best[name] = [toys.agreement(policy.designs[0]) for policy in policies]
    assert max(best["genetic"]) == 1.0
    assert np.mean(best["genetic"]) > np.mean(best["walk"])


def test_the_gp_beats_the_walk(tmp_path: Path) -> None:
    best = {}
    for name in ("walk", "botorch"):
        policies = [train(name, tmp_path / f"{name} {s}", budget=120, seed=s)[1] for s in range(3)]
        best[name] = [np.mean([toys.agreement(design) for design in policy.designs[:10]]) for policy in policies]
    assert np.mean(best["botorch"]) > np.mean(best["walk"])


def test_a_small_space_ends_the_search_early(tmp_path: Path) -> None:
    class Tiny(GeneticAgent):
        def _evolve(self, oracle: Any, *rest: Any) -> None:
            oracle.problem.space.sample = lambda rng, n: ["a"] * n
            oracle.problem.space.crossover = lambda a, b, rng: "b"
            super()._evolve(oracle, *rest)

    agent = Tiny(patience=4)
    agent.train(WORDS, {"start": "a"}, budget=50, seed=0, out=tmp_path, progress=Silent())
    assert agent.ledger.spent["unique_designs"] < 10


# -- breeding ------------------------------------------------------------------------------------------------------


def test_children_are_new_and_of_the_space() -> None:
    problem = EditProblem(WORDS)
    breeder, rng = Breeder(problem, 0.5), np.random.default_rng(0)
    found = breeder.children(["abcd", "ddca"[1:], "cb"], 30, {"abca": None}, rng)
    assert len(found) == len(set(found)) == 30
    assert "abca" not in found
    assert all(problem.key(word) == word for word in found)


def test_a_space_without_moves_of_its_own_has_neighbours() -> None:
    problem = EditProblem(WORDS, crossing=False)
    breeder, rng = Breeder(problem, 0.5), np.random.default_rng(0)
    near = set(problem.neighbours("ab")) | set(problem.neighbours("c"))
    assert set(breeder.children(["ab", "c"], 50, {}, rng)) == near


def test_what_the_space_refuses_is_no_child(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toys.CrossingSpace, "crossover", lambda *_: "add")
    monkeypatch.setattr(toys.CrossingSpace, "mutate", lambda *_: None)
    assert Breeder(EditProblem(WORDS), 0.5).children(["a", "b"], 5, {}, np.random.default_rng(0)) == []


def test_the_mating_pool_is_in_proportion_to_fitness() -> None:
    rng = np.random.default_rng(0)
    drawn = Counter(mating_pool(["a", "b", "c"], np.array([-1.0, 0.0, 2.0]), 4000, rng))
    assert drawn["a"] == 0
    assert drawn["c"] / drawn["b"] == pytest.approx(3, rel=0.1)
    assert set(mating_pool(["a", "b"], np.array([1.0, 1.0]), 50, rng)) == {"a", "b"}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"population": 0}, "population is 0; expected a whole number >= 1"),
        ({"mutation_rate": 1.5}, "mutation_rate is 1.5; expected a share"),
        ({"penalty": -1}, "penalty is -1; expected a number >= 0"),
    ],
)
def test_numbers_that_make_no_sense(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(VoltGymError, match=message):
        GeneticAgent(**settings)
    if "population" not in settings:
        with pytest.raises(VoltGymError, match=message):
            TanimotoAgent(**settings)


# -- the model -----------------------------------------------------------------------------------------------------


class TestTanimotoGP:
    def model(self, n: int = 60) -> Any:
        from voltgym.agents.botorch_gp import TanimotoGP
        from voltgym.agents.designs import grams

        words = list(dict.fromkeys(toys.WordSpace().sample(np.random.default_rng(0), n)))
        model = TanimotoGP(grams)
        model.learn(words, np.array([toys.agreement(word) for word in words]))
        return model, words

    def test_the_kernel_is_tanimoto_of_counts(self) -> None:
        from voltgym.agents.botorch_gp import Levels, Tanimoto
        from voltgym.surrogates.tanimoto import min_max

        counts = np.random.default_rng(0).integers(0, 4, (12, 8)).astype(np.uint8)
        counts[3] = 0
        levels = Levels(counts[:7])
        kernel = Tanimoto()(levels(counts[:7]), levels(counts)).to_dense().numpy()
        np.testing.assert_allclose(kernel, min_max(counts[:7], counts), rtol=1e-6)

    def test_it_interpolates_and_knows_where_it_is_ignorant(self) -> None:
        model, words = self.model()
        mean, std = model.predict(words)
        truth = np.array([toys.agreement(word) for word in words])
        assert np.corrcoef(mean, truth)[0, 1] > 0.9
        assert model.predict(["dcdcdcdc"])[1] > 2 * std.mean()

    def test_the_log_improvement_is_botorchs(self) -> None:
        from botorch.acquisition import LogExpectedImprovement

        model, _ = self.model()
        record, new = 0.5, ["abcda", "dcdc", "ab"]
        theirs = LogExpectedImprovement(model.model, (record - model._offset) / model._scale)
        x = model._levels(model.counts(new))[:, None]
        np.testing.assert_allclose(
            model.log_improvement(new, record), theirs(x).detach().numpy() + np.log(model._scale), rtol=1e-3
        )

    def test_a_batch_is_of_different_designs_that_promise_most(self) -> None:
        model, _ = self.model()
        rng = np.random.default_rng(0)
        pool = list(dict.fromkeys(toys.WordSpace().sample(rng, 80)))
        pool = sorted(pool, key=dict(zip(pool, model.log_improvement(pool, 0.5), strict=True)).__getitem__)[::-1]
        chosen = model.batch(pool, 0.5, 5, rng)
        assert len(set(chosen)) == 5
        assert chosen[0] in pool[:10]
        assert model.batch(pool[:3], 0.5, 5, rng) == pool[:3]
        assert model.batch(pool, 99.0, 5, rng) == pool[:5]  # nothing improves: in the order given
