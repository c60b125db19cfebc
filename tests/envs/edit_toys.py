"""A small editing environment on the real ``EditTwin``: words over ``abc``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np

from voltgym.envs.contracts import Parts
from voltgym.envs.core import entry_points
from voltgym.envs.edit_task import EditTask
from voltgym.envs.edits import DOMAIN, START, EditTwin
from voltgym.envs.errors import VoltGymError
from voltgym.envs.scenario import pick_split
from voltgym.surrogates.base import Failure, Prediction, State

LONGEST = 6


class WordSpace:
    """Words over ``abc``, at most six letters, no letter twice in a row: append a letter, drop the last, stop."""

    letters = "abc"
    n_actions, stop = 5, 4
    feature_names = ("a", "b", "c")

    def initial(self, designs: Sequence[str]) -> State:
        return {"word": np.array([self.canonical(d) for d in designs], dtype=object)}

    def apply(self, state: State, action: np.ndarray) -> tuple[State, np.ndarray]:
        edits = [*(lambda w, c=c: w + c for c in self.letters), lambda w: w[:-1], lambda w: w]
        new = [edits[a](w) for w, a in zip(state["word"], action, strict=True)]
        return {"word": np.array(new, dtype=object)}, np.zeros(len(new), dtype=np.int8)

    def mask(self, state: State) -> np.ndarray:
        rows = [[*(len(w) < LONGEST and w[-1] != c for c in self.letters), len(w) > 1, True] for w in state["word"]]
        return np.array(rows, dtype=bool)

    def keys(self, state: State) -> np.ndarray:
        return state["word"]

    def canonical(self, text: str) -> str:
        if not text or set(text) - set(self.letters):
            raise VoltGymError(f"{text!r} is no word; expected letters of {self.letters}")
        return text

    def neighbours(self, design: str) -> list[str]:
        state = self.initial([design])
        actions = np.flatnonzero(self.mask(state)[0])
        found = [self.apply(state, np.array([a]))[0]["word"][0] for a in actions]
        return [word for word in dict.fromkeys(found) if word != design]

    def sample(self, rng: np.random.Generator, n: int) -> list[str]:
        return ["".join(rng.choice(list("abc"), size=rng.integers(1, LONGEST))) for _ in range(n)]

    def features(self, state: State) -> np.ndarray:
        return np.array([[w.count(c) for c in self.letters] for w in state["word"]], dtype=np.float32)


class Worth:
    """``c`` is worth most; words with ``bab`` cannot be priced; its domain ends at five letters."""

    names = ("Worth",)

    def __init__(self) -> None:
        self.calls = 0

    def predict(self, designs: Sequence[str]) -> Prediction:
        self.calls += len(designs)
        mean = np.array([[sum(ord(c) - 96 for c in d) / 10] for d in designs])
        failure = np.array([Failure.SOLVER if "bab" in d else Failure.NONE for d in designs], dtype=np.int8)
        mean[failure != 0] = np.nan
        domain = np.array([5.0 - len(d) for d in designs])
        return Prediction(mean, np.full((len(designs), 1), 0.1), domain, failure)


class Worthy:
    """Worth, within the domain; judged at the end."""

    final = True
    scales = {DOMAIN: 1.0}  # noqa: RUF012
    tolerances = {DOMAIN: 0.0}  # noqa: RUF012
    directions = {"Worth": "max"}  # noqa: RUF012

    def slacks(self, measured: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {DOMAIN: measured[DOMAIN].copy()}

    def broken(self, measured: dict[str, np.ndarray]) -> np.ndarray:
        return np.zeros(len(measured[DOMAIN]), dtype=bool)

    def value(self, measured: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {"Worth": measured["Worth"].copy()}

    def reward(self, before: Any, after: Any, goal: np.ndarray, failure: np.ndarray) -> np.ndarray:
        return np.where(failure != 0, -5.0 - before["Worth"], after["Worth"] - before["Worth"])


def parts(split: str = "train", start: str | None = None) -> Parts:
    """The environment's parts."""

    def draw(rng: np.random.Generator) -> dict[str, Any]:
        return {START: start or str(rng.choice(["a", "b", "ca"]))}

    space = WordSpace()
    twin = EditTwin(
        space,
        Worth(),
        describe=lambda designs: {"Length": np.array([len(d) for d in designs], dtype=float)},
        embed=lambda designs: np.array([[len(d)] for d in designs], dtype=np.float32),
        reasons=lambda designs, measured: ["too long" if n > 5 else "" for n in measured["Length"]],
    )
    task = EditTask(space, {"Worth": (0, 1)}, {"Length": (0, 6)}, embedding=1, max_steps=8, references={"most": "caca"})
    splits = ("train", "validation", "test", "nominal")
    return Parts(twin, task, Worthy(), pick_split(dict.fromkeys(splits, draw), split))


def register() -> str:
    """Register the environment; returns its id."""
    env_id = "Toy/EditedWords-v0"
    make, make_vec = entry_points(parts, env_id=env_id, max_steps=8)
    gym.registry.pop(env_id, None)
    gym.register(env_id, entry_point=make, vector_entry_point=make_vec)
    return env_id
