"""An editing environment for searches: words over ``abcd`` with a known optimum, more of them than a budget."""

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

LETTERS, LONGEST, TARGET = "abcd", 8, "abcdabcd"
"""The value of a word is the share of places where it agrees with the target: 1 for the target alone."""
DROP, STOP = 4, 5


class WordSpace:
    """Append a letter, drop the last, stop; at most eight letters. A word cannot end in ``dd``."""

    n_actions, stop = 6, STOP
    feature_names = tuple(f"{letter}{i}" for i in range(LONGEST) for letter in LETTERS)

    def initial(self, designs: Sequence[str]) -> State:
        return {"word": np.array([self.canonical(d) for d in designs], dtype=object)}

    def apply(self, state: State, action: np.ndarray) -> tuple[State, np.ndarray]:
        new = [edit(word, int(a)) for word, a in zip(state["word"], action, strict=True)]
        return {"word": np.array(new, dtype=object)}, np.zeros(len(new), dtype=np.int8)

    def mask(self, state: State) -> np.ndarray:
        words = state["word"]
        rows = [
            [*(len(w) < LONGEST and w[-1] + c != "dd" for c in LETTERS), len(w) > 1 and w[-3:-1] != "dd", True]
            for w in words
        ]
        return np.array(rows, dtype=bool).reshape(len(words), self.n_actions)

    def keys(self, state: State) -> np.ndarray:
        return state["word"]

    def canonical(self, text: str) -> str:
        word = text.strip().lower() if isinstance(text, str) else ""
        if not word or set(word) - set(LETTERS) or "dd" in word or len(word) > LONGEST:
            raise VoltGymError(f"{text!r} is no word; expected up to {LONGEST} letters of {LETTERS}")
        return word

    def neighbours(self, design: str) -> list[str]:
        state = self.initial([design])
        found = [edit(design, int(a)) for a in np.flatnonzero(self.mask(state)[0])]
        return [word for word in dict.fromkeys(found) if word != design]

    def sample(self, rng: np.random.Generator, n: int) -> list[str]:
        return ["".join(rng.choice(list("abc"), size=rng.integers(1, LONGEST + 1))) for _ in range(n)]

    def features(self, state: State) -> np.ndarray:
        out = np.zeros((len(state["word"]), LONGEST, len(LETTERS)), dtype=np.float32)
        for row, word in zip(out, state["word"], strict=True):
            for i, letter in enumerate(word):
                row[i, LETTERS.index(letter)] = 1
        return out.reshape(len(out), -1)


class CrossingSpace(WordSpace):
    """The same with a crossover and a mutation of its own."""

    def crossover(self, a: str, b: str, rng: np.random.Generator) -> str | None:
        cut = int(rng.integers(LONGEST))
        return (a[:cut] + b[cut:]) or None

    def mutate(self, a: str, rng: np.random.Generator) -> str | None:
        i = int(rng.integers(len(a)))
        return a[:i] + str(rng.choice(list(LETTERS))) + a[i + 1 :]


def edit(word: str, action: int) -> str:
    return word + LETTERS[action] if action < DROP else {DROP: word[:-1], STOP: word}[action]


def agreement(word: str) -> float:
    return sum(a == b for a, b in zip(word, TARGET, strict=False)) / LONGEST


class Agreement:
    """Words with ``bb`` cannot be priced; those with ``ca`` are out of the domain by a half, ``caca`` by one."""

    names = ("Agreement",)

    def __init__(self) -> None:
        self.seen: list[str] = []

    def predict(self, designs: Sequence[str]) -> Prediction:
        self.seen += designs
        failure = np.array([Failure.SOLVER if "bb" in d else Failure.NONE for d in designs], dtype=np.int8)
        mean = np.array([[agreement(d)] for d in designs])
        mean[failure != 0] = np.nan
        domain = np.array([0.5 - d.count("ca") for d in designs])
        return Prediction(mean, np.zeros((len(designs), 1)), domain, failure)


class Agreeing:
    final = True
    scales = {DOMAIN: 1.0}  # noqa: RUF012
    tolerances = {DOMAIN: 0.0}  # noqa: RUF012
    directions = {"Agreement": "max"}  # noqa: RUF012

    def slacks(self, measured: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {DOMAIN: measured[DOMAIN].copy()}

    def broken(self, measured: dict[str, np.ndarray]) -> np.ndarray:
        return np.zeros(len(measured[DOMAIN]), dtype=bool)

    def value(self, measured: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {"Agreement": measured["Agreement"].copy()}

    def reward(self, before: Any, after: Any, goal: np.ndarray, failure: np.ndarray) -> np.ndarray:
        return np.where(failure != 0, -2.0 - before["Agreement"], after["Agreement"] - before["Agreement"])


def parts(split: str = "train", start: str | None = None, crossing: bool = True, shown: bool = True) -> Parts:
    """The environment's parts; ``shown=False`` hides the mask from the observation."""

    def draw(rng: np.random.Generator) -> dict[str, Any]:
        return {START: start or str(rng.choice(["a", "b", "ba", "cb"]))}

    space = CrossingSpace() if crossing else WordSpace()
    twin = EditTwin(space, Agreement(), embed=lambda designs: np.array([[len(d)] for d in designs], dtype=np.float32))
    references = {"three": "abc", "six": "abcdab"}
    task = EditTask(space, {"Agreement": (0, 1)}, {}, embedding=1, max_steps=8, references=references)
    if not shown:
        task = Hidden(task)  # type: ignore[assignment]
    splits = ("train", "validation", "test", "nominal")
    return Parts(twin, task, Agreeing(), pick_split(dict.fromkeys(splits, draw), split))


class Hidden:
    """A task whose observation lacks the mask."""

    def __init__(self, task: EditTask) -> None:
        self.inner, self.action_space, self.decode = task, task.action_space, task.decode
        self.done, self.mask = task.done, task.mask
        size = task.mask_slice.start
        self.observation_space = gym.spaces.Box(-np.inf, np.inf, (size,), np.float32)

    def observe(self, state: State, measured: dict[str, np.ndarray]) -> np.ndarray:
        return self.inner.observe(state, measured)[:, : self.inner.mask_slice.start]


def register() -> str:
    """Register the environment; returns its id."""
    env_id = "Toy/SearchedWords-v0"
    make, make_vec = entry_points(parts, env_id=env_id, max_steps=8)
    gym.registry.pop(env_id, None)
    gym.register(env_id, entry_point=make, vector_entry_point=make_vec)
    return env_id
