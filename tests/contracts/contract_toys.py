"""Small environments for the contract tests: a masked discrete one, a failing one, and many that are broken."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np

from voltgym.envs.core import DesignEnv, Failure, Measured, Parts, State, entry_points
from voltgym.envs.ledger import Ledger
from voltgym.envs.scenario import pick_split
from voltgym.envs.thevenin import SCENARIOS, Charge, Circuit, Fast, draw
from voltgym.surrogates.base import Prediction


def register(name: str, parts: Callable[..., Parts], max_steps: int = 60) -> str:
    """Register an environment of these parts (again); returns its id."""
    env_id = f"Toy/{name}-v0"
    make, make_vec = entry_points(parts, env_id=env_id, max_steps=max_steps)
    gym.registry.pop(env_id, None)
    gym.register(env_id, entry_point=make, vector_entry_point=make_vec)
    return env_id


def circuit(**changed: Any) -> Callable[..., Parts]:
    """The parts of Thevenin with some of them changed."""

    def parts(split: str = "train") -> Parts:
        sound = {"twin": Circuit(), "task": Charge(), "objective": Fast(), "viewer": draw}
        sound["scenario"] = pick_split(SCENARIOS, split)
        return Parts(**{**sound, **changed})

    return parts


class FailingCircuit(Circuit):
    """The solver gives up at 1.0-1.1C and leaves garbage; at 2.0-2.1C a NaN comes back that nobody announced."""

    def advance(self, state: State, action: np.ndarray) -> tuple[State, np.ndarray]:
        new, failure = super().advance(state, action)
        gave_up = (action >= 1.0) & (action <= 1.1)
        silent = (action >= 2.0) & (action <= 2.1)
        new = new | {"u": np.where(silent, np.nan, new["u"]), "SOC": np.where(gave_up, 1e9, new["SOC"])}
        return new, np.where(gave_up, Failure.SOLVER, failure).astype(np.int8)


class Words:
    """A design space of words over ``abc``: an action appends a letter, the last one stops."""

    letters = "abc"
    longest = 5
    n_actions = len(letters) + 1

    def mask(self, designs: np.ndarray) -> np.ndarray:
        """No letter twice in a row, none beyond the longest word; stopping always works."""
        return np.array(
            [[len(d) < self.longest and not d.endswith(c) for c in self.letters] + [True] for d in designs], dtype=bool
        )

    def edit(self, designs: np.ndarray, action: np.ndarray) -> np.ndarray:
        steps = (*self.letters, "")
        return np.array([d + steps[a] for d, a in zip(designs, action, strict=True)], dtype=object)


class Scrabble:
    """A property model: the worth of a word and how sure it is."""

    names = ("Worth",)

    def predict(self, designs: Any) -> Prediction:
        mean = np.array([[sum(ord(c) - 96 for c in d) / 10] for d in designs], dtype=float)
        n = len(designs)
        domain = np.array([4.0 - len(d) for d in designs])
        return Prediction(mean, np.full((n, 1), 0.05), domain, np.zeros(n, dtype=np.int8))


class EditTwin:
    """Designs as states. Prices each design once, on its ledger."""

    def __init__(self, space: Words, model: Scrabble) -> None:
        self.space, self.model, self.ledger = space, model, Ledger()
        self.known: dict[str, tuple[np.ndarray, np.ndarray, float]] = {}

    def initial(self, scenarios: State) -> State:
        return self._state(scenarios["start"], np.zeros(len(scenarios["start"]), dtype=bool))

    def advance(self, state: State, action: np.ndarray) -> tuple[State, np.ndarray]:
        stop = action == self.space.n_actions - 1
        return self._state(self.space.edit(state["design"], action), stop), np.zeros(len(action), dtype=np.int8)

    def measure(self, state: State) -> Measured:
        return {
            "Worth": state["mean"][:, 0].copy(),
            "Worth std": state["std"][:, 0].copy(),
            "Domain": state["domain"].copy(),
        }

    def keys(self, state: State) -> np.ndarray:
        return state["design"].copy()

    def _state(self, designs: np.ndarray, stopped: np.ndarray) -> State:
        new = [d for d in dict.fromkeys(designs) if d not in self.known]
        if new:
            self.ledger.charge("model_calls", len(new))
            found = self.model.predict(new)
            self.known |= {d: (found.mean[i], found.std[i], found.domain[i]) for i, d in enumerate(new)}
        mean, std, domain = (np.array(column) for column in zip(*(self.known[d] for d in designs), strict=True))
        return {"design": designs.copy(), "stopped": stopped, "mean": mean, "std": std, "domain": domain}


class Spell:
    """The task: spell a word. Actions are counted from 2, so that an offset is seen."""

    action_space = gym.spaces.Discrete(Words.n_actions, start=2)
    observation_space = gym.spaces.Box(-np.inf, np.inf, (4,), np.float32)

    def __init__(self, space: Words) -> None:
        self.space = space

    def decode(self, action: np.ndarray) -> np.ndarray:
        return np.asarray(action, dtype=np.int64) - 2

    def observe(self, state: State, measured: Measured) -> np.ndarray:
        names = ("Worth", "Worth std", "Domain", "Steps left")
        return np.stack([measured[name] for name in names], axis=1).astype(np.float32)

    def done(self, state: State, measured: Measured) -> np.ndarray:
        return state["stopped"]

    def mask(self, state: State) -> np.ndarray:
        return self.space.mask(state["design"])


class Worthy:
    """The objective: worth, with ``Domain`` as the one slack."""

    scales: ClassVar = {"Domain": 1.0}
    tolerances: ClassVar = {"Domain": 0.0}
    directions: ClassVar = {"Worth": "max"}

    def slacks(self, measured: Measured) -> dict[str, np.ndarray]:
        return {"Domain": measured["Domain"].copy()}

    def broken(self, measured: Measured) -> np.ndarray:
        return measured["Domain"] < -10

    def value(self, measured: Measured) -> dict[str, np.ndarray]:
        return {"Worth": measured["Worth"].copy()}

    def reward(self, before: Measured, after: Measured, goal: np.ndarray, failure: np.ndarray) -> np.ndarray:
        return np.where(failure != 0, -1.0, after["Worth"] - before["Worth"])


def words(split: str = "train", **changed: Any) -> Parts:
    """The parts of the masked environment."""

    def draw_word(rng: np.random.Generator) -> dict[str, Any]:
        return {"start": str(rng.choice(["a", "b", "ca"]))}

    space = Words()
    scenario = pick_split(dict.fromkeys(("train", "validation", "test"), draw_word), split)
    sound = {"twin": EditTwin(space, Scrabble()), "task": Spell(space), "objective": Worthy(), "scenario": scenario}
    return Parts(**{**sound, **changed})


def careless(**kwargs: Any) -> DesignEnv:
    """An entry point that takes whatever it is given."""
    return DesignEnv(circuit()(), env_id="Toy/Careless-v0", max_steps=60)


WORDS = register("Words", words, max_steps=8)
FAILING = register("Failing", circuit(twin=FailingCircuit()))
