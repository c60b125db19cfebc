"""What the checks of ``checker.py`` share: findings, the environment under test, and comparing bit for bit."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping
from copy import deepcopy
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
from gymnasium.utils import seeding

from voltgym.envs.contracts import Parts
from voltgym.envs.episodes import Episodes
from voltgym.envs.single import DesignEnv
from voltgym.envs.vector import DesignVectorEnv


class Finding(NamedTuple):
    """What one check found."""

    ok: bool
    name: str
    explanation: str
    """What was found; where it is not fine, also what was expected and what to do."""
    required: bool = True
    """False for what an environment may lack."""


class Mend(Exception):
    """A check found something wrong: what was found, what was expected, what to do."""


class Absent(Exception):
    """There was nothing to check, and that is fine."""


class Step(NamedTuple):
    """One step of a batch of rows: what ``Episodes.step`` took and gave, and the measurements before it."""

    rows: np.ndarray
    before: dict[str, np.ndarray]
    actions: np.ndarray
    observation: np.ndarray
    reward: np.ndarray
    terminated: np.ndarray
    truncated: np.ndarray
    info: dict[str, Any]


class Subject:
    """A voltgym-composed environment under test: its parts, in whatever shell and number a check needs."""

    def __init__(self, env_id: str, kwargs: Mapping[str, Any], env: DesignEnv) -> None:
        self.env_id, self.kwargs = env_id, dict(kwargs)
        core = env.core
        self.parts = Parts(core.twin, core.task, core.objective, core.scenario, env.viewer)
        self.name, self.split, self.max_steps = core.env_id, core.split, core.max_steps
        self.space = core.task.action_space

    def make(self, **more: Any) -> DesignEnv:
        """The environment as users make it."""
        return gym.make(self.env_id, **{**self.kwargs, **more}).unwrapped  # type: ignore[return-value]

    def make_vec(self, n: int, **more: Any) -> DesignVectorEnv:
        """The vector environment as users make it."""
        made = gym.make_vec(self.env_id, num_envs=n, vectorization_mode="vector_entry_point", **{**self.kwargs, **more})
        return made.unwrapped  # type: ignore[return-value]

    def single(self, max_steps: int | None = None) -> DesignEnv:
        """One environment around the same parts: parts that hold an episode will be seen."""
        return DesignEnv(self.parts, env_id=self.name, max_steps=max_steps or self.max_steps, split=self.split)

    def episodes(self, n: int, max_steps: int | None = None) -> Episodes:
        """``n`` rows around the same parts, not started."""
        steps = max_steps or self.max_steps
        return Episodes(*self.parts[:4], n=n, env_id=self.name, max_steps=steps, split=self.split)

    def started(self, n: int, seed: int = 0, *, alike: bool = False, max_steps: int | None = None) -> Episodes:
        """``n`` rows, started from ``seed``, ``seed + 1`` ..., or all from ``seed``."""
        core = self.episodes(n, max_steps)
        core.reset(np.arange(n), [seeding.np_random(seed + (0 if alike else i))[0] for i in range(n)])
        return core

    def random_actions(self, rng: np.random.Generator, n: int, mask: np.ndarray | None = None) -> np.ndarray:
        """(n, ...) samples of the action space, mostly of valid ones where there is a mask (n, n_actions)."""
        space = deepcopy(self.space)
        space.seed(int(rng.integers(2**31)))
        actions = np.stack([np.asarray(space.sample()) for _ in range(n)])
        if mask is None or not isinstance(space, gym.spaces.Discrete):
            return actions
        valid = [rng.choice(np.flatnonzero(row)) + space.start if row.any() else space.start for row in mask]
        return np.where(rng.random(n) < 0.9, valid, actions)

    def extreme(self, which: str) -> np.ndarray:
        """The ``"low"`` or the ``"high"`` end of the action space; of an unbounded one, a sample's worth away."""
        if isinstance(self.space, gym.spaces.Box):
            end = getattr(self.space, which).astype(float)
            return np.where(np.isfinite(end), end, -10.0 if which == "low" else 10.0).astype(self.space.dtype)
        if isinstance(self.space, gym.spaces.Discrete):
            return np.asarray(self.space.start + (0 if which == "low" else self.space.n - 1))
        return np.zeros(self.space.shape or (), dtype=np.int64)

    def play(self, core: Episodes, rng: np.random.Generator, most: int) -> list[Step]:
        """Rows 0 and 1 act with the low and the high end of the action space, the others at random, until they end."""
        rows = np.arange(core.n)
        steps: list[Step] = []
        while rows.size and len(steps) < most:
            mask = core.masks(rows) if hasattr(core.task, "mask") else None
            actions = self.random_actions(rng, len(rows), mask)
            for row, which in ((0, "low"), (1, "high")):
                actions[rows == row] = self.extreme(which)
            before = {name: values[rows] for name, values in core.measured.items()}
            steps.append(Step(rows, before, actions, *core.step(rows, actions)))
            rows = rows[~(steps[-1].terminated | steps[-1].truncated)]
        return steps

    @cached_property
    def rollouts(self) -> list[Step]:
        """Eight whole episodes of random and extreme actions, at most 60 steps of them."""
        return self.play(self.started(8, seed=100), np.random.default_rng(1), most=60)


Check = Callable[[Any], str]
"""Looks at one thing and says in words what it found; raises :class:`Mend` or :class:`Absent`."""


def expect(fine: Any, explanation: str) -> None:
    """Nothing if ``fine``, else :class:`Mend` with the explanation."""
    if not fine:
        raise Mend(explanation)


PICKLES = (".pkl", ".pickle", ".joblib", ".pt", ".pth")


def no_pickles(path: Path) -> None:
    """:class:`Mend` if something that was saved at ``path``, or below, is a pickle, or has one in it."""
    saved = [file for file in (path, *path.rglob("*")) if file.is_file()] if path.is_dir() else [*path.parent.iterdir()]
    expect(saved, f"save wrote nothing at {path.name}; expected files there")
    for file in saved:
        inside = zipfile.ZipFile(file).namelist() if zipfile.is_zipfile(file) else []
        found = [name for name in (file.name, *inside) if name.endswith(PICKLES)]
        if not found and (file.read_bytes()[:1] == b"\x80" or _has_objects(file)):
            found = [file.name]
        expect(not found, f"save wrote {found[:1]}, a pickle, which runs what it holds; write npz, safetensors or JSON")


def _has_objects(file: Path) -> bool:
    if file.suffix not in (".npz", ".npy"):
        return False
    try:
        loaded = np.load(file, allow_pickle=False)
        return any(loaded[name] is None for name in loaded.files) if file.suffix == ".npz" else False
    except ValueError:  # an array of objects
        return True


def difference(one: Any, other: Any, where: str = "") -> str:
    """Where two values first differ in type, shape or any bit; empty if nowhere. Dicts are compared name by name."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        if set(one) != set(other):
            return f"{where or 'names'}: {sorted(set(one) ^ set(other), key=str)} on one side only"
        found = (difference(one[name], other[name], f"{where}[{name!r}]") for name in one)
        return next((text for text in found if text), "")
    a, b = np.asarray(one), np.asarray(other)
    same = a.dtype == b.dtype and a.shape == b.shape
    same = same and (a.tobytes() == b.tobytes() if a.dtype != object else bool(np.all(a == b)))
    return "" if same else f"{where or 'value'}: {_short(a)} against {_short(b)}"


def row_of(info: Mapping[str, Any], i: int) -> dict[str, Any]:
    """Row ``i`` of a vector environment's info, of the keys that its ``_key`` masks give to it."""
    out = {}
    for name, value in info.items():
        if not name.startswith("_") and info.get(f"_{name}", np.ones(i + 1, dtype=bool))[i]:
            out[name] = row_of(value, i) if isinstance(value, Mapping) else value[i]
    return out


def arrays(info: Mapping[str, Any]) -> list[np.ndarray]:
    """Every array of a nested info."""
    found = [arrays(v) if isinstance(v, Mapping) else [v] for v in info.values()]
    return [array for part in found for array in part if isinstance(array, np.ndarray)]


def _short(value: np.ndarray) -> str:
    text = " ".join(np.array2string(value, precision=17, threshold=6).split())
    return f"{value.dtype} {text if len(text) < 80 else text[:77] + '...'}"
