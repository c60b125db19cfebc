"""The kits for surrogates and agents turn red on what is broken: every check of them, on what breaks just that."""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest

from voltgym.envs import checker, checker_agents, checker_surrogates
from voltgym.envs.checker import Finding, assert_contract, check_agent_contract, check_surrogate_contract
from voltgym.envs.ledger import Ledger
from voltgym.surrogates.base import Failure, Prediction
from voltgym.surrogates.files import read_arrays, write_arrays

X = np.random.default_rng(0).normal(size=(12, 2))
Y = X @ np.array([[1.0], [2.0]]) + 1


class Line:
    """A sound surrogate: a plane through the data."""

    names: Any = ("Height [m]",)

    def __init__(self, weights: np.ndarray | None = None) -> None:
        self.weights = weights

    def fit(self, designs: np.ndarray, values: np.ndarray) -> Self:
        self.weights = np.linalg.lstsq(np.c_[designs, np.ones(len(designs))], values, rcond=None)[0]
        return self

    def predict(self, designs: np.ndarray) -> Prediction:
        assert self.weights is not None
        designs = np.asarray(designs, dtype=float).reshape(-1, 2)
        bad = ~np.isfinite(designs).all(axis=1)
        x = np.where(bad[:, None], 0.0, designs)
        mean = (x * self.weights[:2, 0]).sum(axis=1, keepdims=True) + self.weights[2]
        failure = np.where(bad, Failure.DOMAIN, 0).astype(np.int8)
        return Prediction(mean, np.full_like(mean, 0.1), np.where(bad, -1.0, 3 - abs(x).max(axis=1)), failure)

    def save(self, path: Path) -> None:
        write_arrays(path / "line.npz", {"weights": self.weights})

    @classmethod
    def load(cls, path: Path) -> Self:
        return cls(read_arrays(path / "line.npz")["weights"])


class Nameless(Line):
    names = ("Height [m]", "Height [m]")


class Drawn(Line):
    def fit(self, designs: np.ndarray, values: np.ndarray) -> Self:
        super().fit(designs, values).weights += np.random.default_rng().normal(size=(3, 1)) * 1e-3  # type: ignore[operator]
        return self


class Lazy(Line):
    def fit(self, designs: np.ndarray, values: np.ndarray) -> Self:
        self.weights = np.zeros((3, 1))
        return self


class Unsure(Line):
    def predict(self, designs: np.ndarray) -> Prediction:
        found = super().predict(designs)
        return found._replace(std=np.zeros_like(found.std))


class Flat(Line):
    def predict(self, designs: np.ndarray) -> Prediction:
        found = super().predict(designs)
        return found._replace(mean=found.mean[:, 0])


class Together(Line):
    def predict(self, designs: np.ndarray) -> Prediction:
        found = super().predict(designs)
        return found._replace(mean=found.mean + 1e-12 * len(designs))


class Forgets(Line):
    def predict(self, designs: np.ndarray) -> Prediction:
        self.weights = self.weights * (1 + 1e-12)  # type: ignore[operator]
        return super().predict(designs)


class Scales(Line):
    def predict(self, designs: np.ndarray) -> Prediction:
        found = super().predict(designs.copy())
        designs *= 0.5
        return found


class NeedsOne(Line):
    def predict(self, designs: np.ndarray) -> Prediction:
        assert len(designs), "nothing to predict"
        return super().predict(designs)


class Trusting(Line):
    def predict(self, designs: np.ndarray) -> Prediction:
        return super().predict(np.nan_to_num(designs))


class Rounds(Line):
    def save(self, path: Path) -> None:
        write_arrays(path / "line.npz", {"weights": np.round(self.weights, 3)})  # type: ignore[arg-type]


class Pickles(Line):
    def save(self, path: Path) -> None:
        path.mkdir()
        (path / "line.bin").write_bytes(pickle.dumps(self.weights))

    @classmethod
    def load(cls, path: Path) -> Self:
        return cls(pickle.loads((path / "line.bin").read_bytes()))


class Traceback(Line):
    @classmethod
    def load(cls, path: Path) -> Self:
        with np.load(path / "line.npz") as arrays:
            return cls(arrays["weights"])


SURROGATES: dict[type[Line], str] = {
    Nameless: "is a surrogate",
    Drawn: "fit",
    Lazy: "fit",
    Unsure: "prediction",
    Flat: "prediction",
    Together: "rows are independent",
    Forgets: "inputs are left alone",
    Scales: "inputs are left alone",
    NeedsOne: "no designs",
    Trusting: "no design",
    Rounds: "kept on the disk",
    Pickles: "kept on the disk",
    Traceback: "missing files",
}


def seen(findings: list[Finding], check: str) -> None:
    found = {finding.name: finding for finding in findings}[check]
    assert not found.ok
    assert "\n" not in found.explanation
    if found.required:
        with pytest.raises(AssertionError, match=f"to mend:\n(.*\n)*{check}: "):
            assert_contract(findings)


def test_a_sound_surrogate_is_all_green() -> None:
    assert [f for f in check_surrogate_contract(Line(), X, Y) if not f.ok] == []
    assert [f for f in check_surrogate_contract(Line().fit(X, Y), X) if not f.ok] == []


@pytest.mark.parametrize("kind", SURROGATES)
def test_a_broken_surrogate_turns_its_check_red(kind: type[Line]) -> None:
    seen(check_surrogate_contract(kind(), X.copy(), Y), SURROGATES[kind])


def test_two_designs_are_too_few() -> None:
    with pytest.raises(ValueError, match="expected three or more"):
        check_surrogate_contract(Line(), X[:2])


class Constant:
    """A sound policy: the same C-rate, always."""

    information = "bms"

    def __init__(self, rate: float) -> None:
        self.rate = rate

    def __call__(self, observation: np.ndarray, memory: Any = None, first: Any = None, mask: Any = None) -> Any:
        return np.full((len(observation), 1), self.rate, dtype=np.float32), memory

    def save(self, path: Path) -> None:
        (path / "rate.json").write_text(json.dumps(self.rate))

    @classmethod
    def load(cls, path: Path) -> Self:
        return cls(json.loads((path / "rate.json").read_text()))


class Guess:
    """A sound agent: guesses a rate at every step of its budget, keeps the last, and goes on after an interruption."""

    unit = "env_steps"
    default_budget: Any = 10
    policy: Any = Constant

    def train(
        self, env_id: str, env_kwargs: Mapping[str, Any], *, budget: int, seed: int, out: Path, progress: Any
    ) -> Any:
        self.ledger = Ledger().limit(env_steps=budget)
        file = out / "checkpoint.json"
        self.ledger.spent["env_steps"] = json.loads(file.read_text()) if file.exists() else 0
        while self.ledger.left("env_steps"):
            self.ledger.charge("env_steps")
            file.write_text(str(self.ledger.spent["env_steps"]))
            progress.update(self.ledger.spent["env_steps"], budget, rate=1.0)
        return self.policy(self.draw(seed))

    def draw(self, seed: int) -> float:
        return float(np.random.default_rng(seed).uniform(0.5, 1.0))


class Uncounted(Guess):
    unit = "seconds"


class NoDefault(Guess):
    default_budget = "some"


class Silent(Constant):
    information = "all"


class Shapeless(Constant):
    def __call__(self, observation: np.ndarray, *rest: Any) -> Any:
        return np.full(len(observation), self.rate), None


class TooStrong(Constant):
    def __call__(self, observation: np.ndarray, *rest: Any) -> Any:
        return np.full((len(observation), 1), 99.0), None


class Amnesic(Constant):
    @classmethod
    def load(cls, path: Path) -> Self:
        return cls(0.1)


class Keeps(Constant):
    def save(self, path: Path) -> None:
        super().save(path)
        (path / "policy.pkl").write_bytes(pickle.dumps(self.rate))


class Spends(Guess):
    def train(self, *args: Any, **kwargs: Any) -> Any:
        policy = super().train(*args, **kwargs)
        self.ledger.spent["env_steps"] += 1
        return policy


class Boasts(Guess):
    def train(self, *args: Any, progress: Any, **kwargs: Any) -> Any:
        progress.update(99, 10)
        return super().train(*args, progress=progress, **kwargs)


class Random(Guess):
    def draw(self, seed: int) -> float:
        return float(np.random.default_rng().uniform(0.5, 1.0))


class Fragile(Guess):
    def train(self, *args: Any, out: Path, **kwargs: Any) -> Any:
        assert not list(out.iterdir()), "the folder is not empty"
        return super().train(*args, out=out, **kwargs)


class Restarts(Guess):
    def train(self, *args: Any, out: Path, **kwargs: Any) -> Any:
        (out / "checkpoint.json").unlink(missing_ok=True)
        return super().train(*args, out=out, **kwargs)


class NoLedger(Guess):
    def train(self, *args: Any, **kwargs: Any) -> Any:
        policy = super().train(*args, **kwargs)
        del self.ledger
        return policy


class Meddles(Guess):
    def train(self, env_id: str, env_kwargs: Any, **kwargs: Any) -> Any:
        env_kwargs["split"] = "test"
        return super().train(env_id, env_kwargs, **kwargs)


def giving(policy: type[Constant]) -> Guess:
    agent = Guess()
    agent.policy = policy
    return agent


AGENTS: dict[str, tuple[Any, str]] = {
    "another unit": (Uncounted, "is an agent"),
    "no number": (NoDefault, "is an agent"),
    "another class of information": (giving(Silent), "training"),
    "arguments changed": (Meddles, "training"),
    "one too many": (Spends, "budget"),
    "progress beyond the budget": (Boasts, "progress"),
    "actions of another shape": (giving(Shapeless), "actions"),
    "actions out of bounds": (giving(TooStrong), "actions"),
    "another policy from the disk": (giving(Amnesic), "kept on the disk"),
    "a pickle": (giving(Keeps), "kept on the disk"),
    "a policy nobody finds": (giving(type("Hidden", (Constant,), {})), "kept on the disk"),
    "randomness without a seed": (Random, "seeds"),
    "a folder that was used": (Fragile, "interrupted"),
    "begins again": (Restarts, "goes on"),
    "no ledger": (NoLedger, "ledger"),
}


def test_a_sound_agent_is_all_green() -> None:
    for agent in (Guess, Guess()):
        assert [f for f in check_agent_contract(agent, "VoltGym/Thevenin-v0", budget=10) if not f.ok] == []


@pytest.mark.parametrize("what", AGENTS)
def test_a_broken_agent_turns_its_check_red(what: str) -> None:
    agent, check = AGENTS[what]
    seen(check_agent_contract(agent, "VoltGym/Thevenin-v0", {"max_steps": 20}, budget=10), check)


def test_an_agent_of_plain_environments_can_be_checked() -> None:
    from voltgym.agents.random import RandomAgent

    assert_contract(check_agent_contract(RandomAgent, "CartPole-v1", budget=0))


def test_every_check_was_seen_red() -> None:
    assert set(SURROGATES.values()) == {*checker_surrogates.CHECKS, *checker_surrogates.OPTIONAL}
    assert {check for _, check in AGENTS.values()} == {*checker_agents.CHECKS, *checker_agents.OPTIONAL}


def test_what_may_be_lacking_passes() -> None:
    assert_contract([Finding(False, "ledger", "absent", required=False), Finding(True, "budget", "kept")])
    assert checker.assert_contract is assert_contract
