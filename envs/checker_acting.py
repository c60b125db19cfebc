"""What the checks of agents look at: an agent's trainings, and the first actions of the policies that they give."""

from __future__ import annotations

import inspect
import tempfile
from collections.abc import Callable, Mapping
from copy import deepcopy
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import gymnasium as gym
import numpy as np
from gymnasium.utils import seeding

from voltgym.envs.checker_tools import Absent, expect
from voltgym.envs.episodes import Episodes
from voltgym.envs.making import make_episodes
from voltgym.envs.single import DesignEnv

ROWS, STEPS = 5, 8


class Watch:
    """Progress that notes what it is told, and interrupts the training when ``stop`` of the budget is done."""

    def __init__(self, stop: float = np.inf) -> None:
        self.stop = stop
        self.told: list[tuple[int, int, dict[str, float]]] = []

    def update(self, done: int, total: int, **numbers: float) -> None:
        """Note it."""
        self.told.append((done, total, numbers))
        if done >= self.stop:
            raise KeyboardInterrupt


class Trial:
    """An agent under test, with the environment that it is trained on. Trains when a check first needs it.

    Args:
        agent: an agent, copied for every training, or a function that makes one.
        env_id, env_kwargs: what it is trained on; small is enough.
        budget: in the agent's unit; 0 for one that learns nothing.
        seed: of the trainings.
    """

    def __init__(
        self, agent: Any, env_id: str, env_kwargs: Mapping[str, Any] | None, budget: int, seed: int = 0
    ) -> None:
        made = hasattr(agent, "train") and not inspect.isclass(agent)
        self.new: Callable[[], Any] = (lambda: deepcopy(agent)) if made else agent
        self.env_id, self.env_kwargs, self.budget, self.seed = env_id, dict(env_kwargs or {}), budget, seed

    def __enter__(self) -> Self:
        """Make a folder for the trainings."""
        self._folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self.folder = Path(self._folder.name)
        return self

    def __exit__(self, *error: object) -> None:
        """Leave nothing behind."""
        self._folder.cleanup()

    def train(self, name: str, watch: Watch) -> tuple[Any, Any]:
        """A new agent, and the policy that it trains in the folder ``name``."""
        agent, out = self.new(), self.folder / name
        out.mkdir(exist_ok=True)
        kwargs = deepcopy(self.env_kwargs)
        policy = agent.train(self.env_id, kwargs, budget=self.budget, seed=self.seed, out=out, progress=watch)
        expect(kwargs == self.env_kwargs, f"train changed env_kwargs to {kwargs}; copy what you change")
        return agent, policy

    @cached_property
    def trained(self) -> tuple[Any, Any, Watch]:
        """The agent after its training, its policy, and what it told on the way."""
        watch = Watch()
        return *self.train("whole", watch), watch

    @cached_property
    def actions(self) -> np.ndarray:
        """What the policy does first."""
        return acting(self.trained[1], self.env_id, self.env_kwargs)

    @cached_property
    def resumed(self) -> tuple[Any, Watch]:
        """The agent that went on in the folder of a training that was interrupted half-way, and what it told."""
        try:
            self.train("broken", Watch(stop=self.budget / 2))
        except KeyboardInterrupt:
            watch = Watch()
            return self.train("broken", watch)[0], watch
        raise Absent("the training told no progress at which it could be interrupted")


def acting(policy: Any, env_id: str, env_kwargs: Mapping[str, Any]) -> np.ndarray:
    """(steps, rows, ...) actions at the start of a few episodes; of a plain Gymnasium environment, of one."""
    env = gym.make(env_id, **env_kwargs)
    if not isinstance(env.unwrapped, DesignEnv):
        return _alone(policy, env)
    env.close()
    return _together(policy, make_episodes(env_id, ROWS, **env_kwargs))


def _together(policy: Any, core: Episodes) -> np.ndarray:
    rows = np.arange(ROWS)
    observation, _ = core.reset(rows, [seeding.np_random(i)[0] for i in range(ROWS)])
    if hasattr(policy, "bind"):
        policy.bind(core)
    taken, memory = [], None
    for step in range(min(STEPS, core.max_steps)):
        mask = core.masks(rows) if hasattr(core.task, "mask") else None
        kept = observation.copy()
        action, memory = policy(observation, memory, np.full(ROWS, step == 0), mask)
        expect(np.array_equal(kept, observation), "the policy changed the observations; copy what you change")
        taken.append(_looked_at(action, core.task.action_space, ROWS))
        at = taken[-1] - getattr(core.task.action_space, "start", 0)
        expect(mask is None or mask[rows, at].all(), "the policy took an action that its mask rules out")
        observation, *_ = core.step(rows, taken[-1])
    return np.stack(taken)


def _alone(policy: Any, env: gym.Env) -> np.ndarray:
    observation, _ = env.reset(seed=0)
    taken, memory = [], None
    for step in range(STEPS):
        action, memory = policy(np.asarray(observation)[None], memory, np.array([step == 0]), None)
        taken.append(_looked_at(action, env.action_space, 1))
        observation, _, terminated, truncated, _ = env.step(taken[-1][0])
        if terminated or truncated:
            break
    env.close()
    return np.stack(taken)


def _looked_at(action: Any, space: gym.Space, n: int) -> np.ndarray:
    shape = (n, *(space.shape or ()))
    found = np.asarray(action)
    expect(found.shape == shape, f"actions have shape {found.shape}; expected {shape}: one a row of the batch")
    if isinstance(space, gym.spaces.Box):
        fine = np.isfinite(found.astype(float)).all() and (found >= space.low).all() and (found <= space.high).all()
    else:
        fine = all(space.contains(np.asarray(one).astype(space.dtype)) for one in found)
    expect(fine, f"actions such as {found[0]} are not in {space}; clip them, or choose among what there is")
    return found
