"""The conformance kit turns red on what is broken: every check of it, on the toy that breaks just that."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import contract_toys as toys
import gymnasium as gym
import numpy as np
import pytest

from voltgym.envs import checker
from voltgym.envs.checker_tools import Finding, Subject
from voltgym.envs.core import Measured, State
from voltgym.envs.episodes import Episodes, cost
from voltgym.envs.ledger import Ledger
from voltgym.envs.thevenin import Charge, Circuit, Fast, draw, spread

ALL = {**checker.CHECKS, **checker.OPTIONAL}


def look(check: str, env_id: str) -> Finding:
    env: Any = gym.make(env_id).unwrapped
    return checker.run_check(check, ALL[check], Subject(env_id, {}, env))


class Neighbour(Circuit):
    def advance(self, state: State, action: np.ndarray) -> tuple[State, np.ndarray]:
        new, failure = super().advance(state, action)
        return new | {"SOC": new["SOC"] + 1e-9 * action.mean()}, failure


class Buffered(Charge):
    """Hands out the same memory each time."""

    def __init__(self) -> None:
        self.buffer = np.zeros((100, *self.observation_space.shape), dtype=np.float32)

    def observe(self, state: State, measured: Measured) -> np.ndarray:
        self.buffer[: len(measured["SOC"])] = super().observe(state, measured)
        return self.buffer[: len(measured["SOC"])]


class Writes(Circuit):
    def advance(self, state: State, action: np.ndarray) -> tuple[State, np.ndarray]:
        state["u"] *= 1.5
        return super().advance(state, action)


class Noisy(Circuit):
    def advance(self, state: State, action: np.ndarray) -> tuple[State, np.ndarray]:
        new, failure = super().advance(state, action)
        return new | {"u": new["u"] + 1e-6 * np.random.default_rng().normal(size=len(action))}, failure


class Holds(Circuit):
    """Remembers in itself how often it was asked."""

    def __init__(self) -> None:
        self.count = 0

    def advance(self, state: State, action: np.ndarray) -> tuple[State, np.ndarray]:
        self.count += 1
        new, failure = super().advance(state, action)
        return new | {"u": new["u"] + 1e-6 * self.count}, failure


class WholeSeconds(Circuit):
    """Starts with an integer, so that later fractions would be cut off."""

    def initial(self, scenarios: State) -> State:
        return super().initial(scenarios) | {"Time [s]": np.zeros(len(scenarios["SOC"]), dtype=int)}


class EndsWithTheClock(Charge):
    def done(self, state: State, measured: Measured) -> np.ndarray:
        return super().done(state, measured) | (measured["Steps left"] <= 0)


class Doubles(Charge):
    def observe(self, state: State, measured: Measured) -> np.ndarray:
        return super().observe(state, measured).astype(np.float64)


class PaysFailures(Fast):
    def reward(self, before: Measured, after: Measured, goal: np.ndarray, failure: np.ndarray) -> np.ndarray:
        return super().reward(before, after, goal, np.zeros_like(failure)) - 0.5 * (failure != 0)


class WrongSign(Fast):
    def slacks(self, measured: Measured) -> dict[str, np.ndarray]:
        return {name: -slack for name, slack in super().slacks(measured).items()}


class NoScale(Fast):
    scales: ClassVar = {}


class NotANumber(Fast):
    def reward(self, before: Measured, after: Measured, goal: np.ndarray, failure: np.ndarray) -> np.ndarray:
        return np.where(goal, np.nan, super().reward(before, after, goal, failure))


class NoResult(Fast):
    def value(self, measured: Measured) -> dict[str, np.ndarray]:
        return {name: np.full_like(value, np.nan) for name, value in super().value(measured).items()}


class ChangingMask(toys.Spell):
    def __init__(self, space: toys.Words) -> None:
        super().__init__(space)
        self.asked = 0

    def mask(self, state: State) -> np.ndarray:
        self.asked += 1
        mask = super().mask(state)
        mask[:, 0] = self.asked % 2 == 0
        return mask


def somewhere(rng: np.random.Generator) -> dict[str, Any]:
    return spread(np.random.default_rng())


PARTS: dict[str, tuple[str, Callable[..., Any]]] = {
    "a row that depends on its neighbours": ("rows are independent", toys.circuit(twin=Neighbour())),
    "the same, in a batch": ("vector = single, NEXT_STEP", toys.circuit(twin=Neighbour())),
    "the same, reset at once": ("vector = single, SAME_STEP", toys.circuit(twin=Neighbour())),
    "a buffer that is used again": ("data is new", toys.circuit(task=Buffered())),
    "a twin that writes into its input": ("inputs are left alone", toys.circuit(twin=Writes())),
    "randomness in the twin": ("inputs are left alone", toys.circuit(twin=Noisy())),
    "an episode held by the twin, restored": ("snapshot and restore", toys.circuit(twin=Holds())),
    "an episode held by the twin, looked ahead": ("peek", toys.circuit(twin=Holds())),
    "a state that would be cut": ("layout of the state", toys.circuit(twin=WholeSeconds())),
    "a time limit told as an end": ("time limits truncate", toys.circuit(task=EndsWithTheClock())),
    "observations of another type": ("observations", toys.circuit(task=Doubles())),
    "failures that cost too little": ("failing never pays", toys.circuit(objective=PaysFailures())),
    "a slack of the wrong sign": ("slacks and hard limits", toys.circuit(objective=WrongSign())),
    "a slack without a scale": ("names of slacks and values", toys.circuit(objective=NoScale())),
    "a reward that is not a number": ("rewards", toys.circuit(objective=NotANumber())),
    "a goal without a result": ("goals have values", toys.circuit(objective=NoResult())),
    "a scenario with its own generator": ("seeds", toys.circuit(scenario=somewhere)),
    "a split that is not fixed": ("splits", toys.circuit(scenario=somewhere)),
    "a picture that is none": ("pictures", toys.circuit(viewer=lambda trace: np.zeros((4, 4)))),
    "parts that cannot be pickled": ("pickle", toys.circuit(viewer=lambda trace: draw(trace))),
    "a mask that changes when asked": (
        "masks",
        lambda split="train": toys.words(split=split, task=ChangingMask(toys.Words())),
    ),
}


@pytest.mark.parametrize("what", PARTS)
def test_a_broken_part_turns_its_check_red(what: str) -> None:
    check, parts = PARTS[what]
    finding = look(check, toys.register("Broken", parts))
    assert not finding.ok, finding.explanation
    assert "raised" not in finding.explanation.split(";")[0] or check == "pickle"  # it was seen, not stumbled over


def no_cost(self: Episodes, *args: Any) -> dict[str, Any]:
    return {name: value for name, value in _info(self, *args).items() if name != "cost"}


def any_action(self: Episodes, actions: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    return np.nan_to_num(np.asarray(actions, dtype=float)), np.zeros(n, dtype=bool)


_info = Episodes._info

PATCHES: dict[str, tuple[str, str, Any]] = {
    "info": ("voltgym.envs.episodes.Episodes._info", "info", no_cost),
    "unusable actions": ("voltgym.envs.episodes.Episodes._clean", "unusable actions", any_action),
    "roll-back": ("voltgym.envs.episodes.Episodes._clean", "failures are rolled back", any_action),
    "clipping": ("voltgym.envs.episodes.Episodes._clean", "clipping", any_action),
    "ledger": ("voltgym.envs.ledger.Ledger.charge", "ledger", lambda self, kind, amount=1: Ledger.left(self, kind)),
    "cost": ("voltgym.envs.episodes.cost", "cost", lambda slacks, objective: cost(slacks, objective) + 1),
}


@pytest.mark.parametrize("what", PATCHES)
def test_a_broken_core_turns_its_check_red(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    target, check, broken = PATCHES[what]
    monkeypatch.setattr(target, broken)
    assert not look(check, toys.register("Sound", toys.circuit())).ok


def test_an_entry_point_that_takes_anything_is_red() -> None:
    gym.registry.pop("Toy/Careless-v0", None)
    gym.register("Toy/Careless-v0", entry_point=toys.careless)
    finding = look("mistyped names", "Toy/Careless-v0")
    assert not finding.ok
    assert "UnknownName" in finding.explanation


def test_an_environment_that_no_worker_can_make_is_red() -> None:
    findings = {finding.name: finding for finding in checker.check_env_contract(f"contract_toys:{toys.WORDS}")}
    worker = findings.pop("made in a worker process")
    assert not worker.ok
    assert "contract_toys" in worker.explanation
    assert [f for f in findings.values() if f.required and not f.ok] == []


def test_every_check_was_seen_red() -> None:
    red = {check for check, _ in PARTS.values()} | {check for _, check, _ in PATCHES.values()} | {"mistyped names"}
    assert red == set(ALL)


class Crashes(Circuit):
    def advance(self, state: State, action: np.ndarray) -> tuple[State, np.ndarray]:
        raise RuntimeError("the solver\nis gone")


def test_a_crash_is_a_finding_in_one_line() -> None:
    findings = checker.check_env_contract(toys.register("Crashes", toys.circuit(twin=Crashes())))
    red = [finding for finding in findings if not finding.ok and finding.required]
    assert len(red) > 5
    assert all("\n" not in finding.explanation for finding in red)
    assert any("RuntimeError: the solver is gone" in finding.explanation for finding in red)
