"""TuRBO and SCBO: a trust region that follows from the points, known optima, searches that go on."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from designs import TheveninRates

import voltgym.envs  # noqa: F401
from voltgym.agents.base import Silent
from voltgym.agents.botorch_parts import outcomes, squash
from voltgym.agents.botorch_turbo import LONGEST, SHORTEST, Region, TrustRegionAgent, candidates, replay
from voltgym.agents.points import Point, best_of, fitness
from voltgym.envs.episodes import COMPLETED
from voltgym.envs.errors import VoltGymError

THEVENIN = "VoltGym/Thevenin-v0"
VOLTAGE = "Voltage [V]"
QUICK: dict[str, Any] = {"candidates": 200}
KINDS = {"turbo": False, "scbo": True}
HOW: dict[str, Any] = {"initial": 2, "batch": 1, "length": 0.8, "patience": 4}


def train(out: Path, constrained: bool, budget: int, progress: Any = None, **settings: Any) -> list[dict[str, Any]]:
    agent = TrustRegionAgent(TheveninRates(2), constrained=constrained, **{**QUICK, **settings})
    how: dict[str, Any] = {"budget": budget, "seed": 0, "out": out, "progress": progress or Silent()}
    agent.train(THEVENIN, {"split": "nominal"}, **how)
    assert agent.ledger.spent["evaluations"] == budget
    return [json.loads(line) for line in (out / "curve.jsonl").read_text().splitlines()]


# -- the trust region ------------------------------------------------------------------------------------------------


def test_three_successes_double_it_up_to_the_longest() -> None:
    rising = np.arange(1.0, 12.0)
    assert replay(rising[:2], **HOW) == Region(0, 2, 0.8, 0, 0)
    assert replay(rising[:4], **HOW) == Region(0, 4, 0.8, 2, 0)
    assert replay(rising[:5], **HOW) == Region(0, 5, LONGEST, 0, 0)
    assert replay(rising[:8], **HOW) == Region(0, 8, LONGEST, 0, 0)


def test_failures_halve_it_and_the_too_short_is_given_up() -> None:
    assert replay(np.ones(5), **HOW) == Region(0, 5, 0.8, 0, 3)
    assert replay(np.ones(6), **HOW) == Region(0, 6, 0.4, 0, 0)
    halvings = int(np.ceil(np.log2(0.8 / SHORTEST)))
    end = 2 + 4 * halvings
    assert replay(np.ones(end - 1), **HOW).length > SHORTEST
    assert replay(np.ones(end), **HOW) == Region(end, end + 2, 0.8, 0, 0)
    assert replay(np.append(np.ones(end), [0.0, 0.1, 0.2]), **HOW) == Region(end, end + 3, 0.8, 1, 0)


def test_a_success_breaks_a_row_of_failures_and_the_other_way_round() -> None:
    assert replay(np.array([1, 1, 1, 1, 2]), **HOW) == Region(0, 5, 0.8, 1, 0)
    assert replay(np.array([1, 1, 2, 3, 3]), **HOW) == Region(0, 5, 0.8, 0, 1)
    assert replay(np.array([1, 1, 2, 2.001]), **HOW) == Region(0, 4, 0.8, 0, 1)  # by less than a thousandth


def test_a_batch_counts_when_it_is_whole() -> None:
    how = {**HOW, "batch": 3}
    assert replay(np.array([1.0, 1, 5, 6]), **how) == Region(0, 2, 0.8, 0, 0)
    assert replay(np.array([1.0, 1, 5, 6, 0]), **how) == Region(0, 5, 0.8, 1, 0)


def test_less_violation_is_a_success_while_nothing_is_feasible() -> None:
    def broken(*slacks: float) -> np.ndarray:
        return fitness([Point([0.0], 1.0, {VOLTAGE: slack}, False) for slack in slacks], toy_problem())

    assert replay(broken(-3, -3, -2.9), **HOW).successes == 1
    assert replay(broken(-3, -3, -2.9995), **HOW).successes == 0


def test_candidates_lie_in_the_box_and_few_numbers_of_each_move() -> None:
    centre = np.full(100, 0.5)
    box = np.array([[0.4] * 100, [0.7] * 100])
    x = candidates(centre, box, 256, seed=1)
    assert x.shape == (256, 100)
    assert (x >= box[0]).all()
    assert (x <= box[1]).all()
    moved = (x != centre).sum(axis=1)
    assert moved.min() >= 1
    assert 18 < moved.mean() < 23
    assert (candidates(centre[:5], box[:, :5], 256, seed=1) != 0.5).mean() > 0.99


# -- known optima ----------------------------------------------------------------------------------------------------


def toy_problem() -> Any:
    objective = SimpleNamespace(directions={"Sum": "min"}, scales={"wave": 1.0, "circle": 1.0, VOLTAGE: 1.0})
    return SimpleNamespace(bounds=np.array([[0.0, 0.0], [1.0, 1.0]]), objective=objective)


def constrained(x: np.ndarray) -> Point:
    """The toy of Gramacy et al. 2016, Technometrics 58, 1-11: its best feasible sum is 0.5998 (from memory)."""
    a, b = x
    wave = a + 2 * b + 0.5 * np.sin(2 * np.pi * (a**2 - 2 * b)) - 1.5
    slacks = {"wave": float(wave), "circle": float(1.5 - a**2 - b**2)}
    return Point([float(a), float(b)], float(a + b), slacks, min(slacks.values()) >= 0)


def branin(x: np.ndarray) -> Point:
    """Without a constraint: three minima of 0.3979 (from memory)."""
    a, b = 15 * x[0] - 5, 15 * x[1]
    bowl = b - 5.1 / (4 * np.pi**2) * a**2 + 5 / np.pi * a - 6
    return Point([float(x[0]), float(x[1])], float(bowl**2 + 10 * (1 - 1 / (8 * np.pi)) * np.cos(a) + 10), {}, True)


@pytest.mark.parametrize(
    ("kind", "toy", "best", "close"),
    [("turbo", branin, 0.3979, 0.02), ("scbo", branin, 0.3979, 0.02), ("scbo", constrained, 0.5998, 0.01)],
)
def test_it_finds_the_best_of_a_toy(kind: str, toy: Any, best: float, close: float) -> None:
    """Within 44 points; a grid says what the best is."""
    grid = np.stack(np.meshgrid(*[np.linspace(0, 1, 201)] * 2), axis=-1).reshape(-1, 2)
    assert best_of([toy(x) for x in grid], toy_problem()).value == pytest.approx(best, abs=0.02)
    problem, points = toy_problem(), list[Point]()
    propose = TrustRegionAgent(constrained=KINDS[kind], candidates=500)._proposer(0)
    while len(points) < 44:
        points += [toy(x) for x in propose(problem, points, 44 - len(points), 44)]
    found = best_of(points, problem)
    assert len(points) == 44
    assert found.feasible
    assert found.value == pytest.approx(best, abs=close)


@pytest.mark.parametrize("kind", KINDS)
def test_it_comes_close_to_the_best_rates(tmp_path: Path, kind: str) -> None:
    """The best feasible time of four rates is 24.25 min, see the test of BoTorch's agent; TuRBO knows no edge."""
    agent = TrustRegionAgent(TheveninRates(), constrained=KINDS[kind], **QUICK)
    how: dict[str, Any] = {"budget": 60, "seed": 0, "out": tmp_path, "progress": Silent()}
    agent.train(THEVENIN, {"split": "nominal"}, **how)
    last = json.loads((tmp_path / "curve.jsonl").read_text().splitlines()[-1])
    assert last["best"] < {"turbo": 1.2, "scbo": 1.05}[kind] * 24.25


def test_margins_are_kept(tmp_path: Path) -> None:
    curve = train(tmp_path, True, 24, margins={VOLTAGE: 0.05})
    for line in curve:
        assert line["feasible"] == (line["value"] is not None and 0.05 * line["slacks"][VOLTAGE] >= 0.05 - 1e-3)
    assert sum(line["feasible"] for line in curve[12:]) >= 4


# -- searches that go on ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("kept", [3, 8, 13])
def test_stopped_anywhere_it_goes_on_where_it_was(tmp_path: Path, kind: str, kept: int) -> None:
    """Among the first points, between two batches, and in a batch of a later region."""
    how: dict[str, Any] = {"initial": 4, "batch_size": 2, "length": 2 * SHORTEST, "patience": 1}
    constrained = KINDS[kind]
    whole = train(tmp_path / "whole", constrained, 18, **how)
    broken = tmp_path / "broken"
    train(broken, constrained, kept, **how)
    resumed = train(broken, constrained, 18, **how)
    assert [line["x"] for line in resumed] == [line["x"] for line in whole]
    merits = np.array([-line["value"] if line["feasible"] else -1e6 for line in whole])
    assert replay(merits[:13], initial=4, batch=2, length=2 * SHORTEST, patience=1).start > 0


def test_the_seed_decides_and_another_kind_is_refused(tmp_path: Path) -> None:
    train(tmp_path, True, 2)
    with pytest.raises(VoltGymError, match="another search: its constrained is True"):
        train(tmp_path, False, 2)


def test_nothing_reached_and_nothing_feasible_still_ends(tmp_path: Path) -> None:
    """Episodes of three steps never reach 80 %: there is no value at all, and the search goes on to the end."""
    for kind, constrained in KINDS.items():
        agent = TrustRegionAgent(TheveninRates(2), constrained=constrained, **QUICK)
        how: dict[str, Any] = {"budget": 12, "seed": 0, "out": tmp_path / kind, "progress": Silent()}
        assert len(agent.train(THEVENIN, {"split": "nominal", "max_steps": 3}, **how).x) == 2  # type: ignore[attr-defined]


# -- designs that failed ---------------------------------------------------------------------------------------------


def test_what_failed_comes_after_all_that_did_not() -> None:
    """Its slacks are those from before the failure, as good as they may look."""
    problem = toy_problem()
    gone = Point([1.0, 1.0], None, {"wave": 3.0, "circle": 3.0, COMPLETED: -1.0}, False)
    bad = Point([0.5, 0.0], 0.5, {"wave": -9.0, "circle": -4.0, COMPLETED: 1.0}, False)
    good = Point([0.2, 0.4], 0.6, {"wave": 0.1, "circle": 1.0, COMPLETED: 1.0}, True)
    assert list(np.argsort(fitness([bad, good, gone], problem))) == [2, 0, 1]
    assert best_of([gone, bad], problem) == bad
    merit, slacks = outcomes(problem, [bad, good, gone], lambda name: 0.0)
    assert merit[2] == merit.min()
    np.testing.assert_allclose(slacks[2], squash(np.array([-4.5, -2.0, -1.0])))  # medians of what the others violate
    _, worst = outcomes(problem, [bad, good, gone], lambda name: 0.0, lost=0)
    np.testing.assert_allclose(worst[2], squash(np.array([-9.0, -4.0, -1.0])))
    _, left = outcomes(problem, [bad, good, gone], {"wave": 0.2, "circle": 1.0, COMPLETED: 0.0}.__getitem__)
    np.testing.assert_allclose(left[1], squash(np.array([-0.1, 0.0, 1.0])))


def test_bad_settings() -> None:
    for name, value in {"batch_size": 0, "length": 0.0, "patience": 0, "candidates": 1, "initial": 1}.items():
        with pytest.raises(VoltGymError, match=name) as error:
            TrustRegionAgent(**{name: value})
        assert "\n" not in str(error.value)
