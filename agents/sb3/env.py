"""Environments as Stable-Baselines3 wants them: a batch of episodes, and anybody's Gymnasium environment."""

from __future__ import annotations

import inspect
import time
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.envs.registration import load_env_creator
from gymnasium.vector import AutoresetMode
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv, VecEnvWrapper

from voltgym.agents.mlp import describe_space
from voltgym.agents.validation import kept
from voltgym.envs.core import DesignVectorEnv
from voltgym.envs.episodes import counted, reached
from voltgym.envs.errors import VoltGymError
from voltgym.envs.ledger import Ledger


class VoltGymVecEnv(VecEnv):
    """A ``DesignVectorEnv`` in SAME_STEP mode as SB3's ``VecEnv``; no physics and no observation a row in Python.

    Box actions are taken in [-1, 1] and mapped onto the environment's own bounds (``physical_space``), because a
    Gaussian policy starts around zero. ``costs`` (N,) are those of the last step. ``infos`` are filled for finished
    rows only: ``terminal_observation``, ``TimeLimit.truncated``, ``episode`` (``r``, ``l``, ``t``), ``is_success`` (the
    goal was reached), ``feasible`` (and no slack was below its tolerance on the way), ``cost`` (summed over the
    episode). The learner gets ``reward_scale * max(reward, reward_floor)``, less ``repeat_penalty`` where the step led
    to a design that was priced before; what is reported is the reward itself.
    """

    def __init__(
        self,
        venv: DesignVectorEnv,
        *,
        reward_floor: float = -np.inf,
        reward_scale: float = 1.0,
        repeat_penalty: float = 0.0,
    ) -> None:
        self.reward_floor, self.reward_scale, self.repeat_penalty = reward_floor, reward_scale, repeat_penalty
        self._priced: list[str] = getattr(venv.core.twin, "history", [])
        if venv.mode is not AutoresetMode.SAME_STEP:
            raise VoltGymError(f'autoreset_mode is {venv.mode}; make the environment with autoreset_mode="SameStep"')
        self.venv, self.physical_space = venv, venv.single_action_space
        self.tolerances = venv.core.objective.tolerances
        n, self.costs, self.started = venv.num_envs, np.zeros(venv.num_envs, dtype=np.float32), time.monotonic()
        self._return, self._length, self._cost = np.zeros(n), np.zeros(n, dtype=int), np.zeros(n)
        self._kept = np.ones(n, dtype=bool)
        super().__init__(n, venv.single_observation_space, symmetric(venv.single_action_space))

    @property
    def ledger(self) -> Ledger:
        """The environment's."""
        return self.venv.ledger

    def reset(self) -> np.ndarray:
        """Start all episodes, with the seed and the options set before."""
        observation, _ = self.venv.reset(seed=self._seeds[0], options=self._options[0])
        self._reset_seeds()
        self._reset_options()
        return observation

    def step_async(self, actions: np.ndarray) -> None:
        """Keep the actions for ``step_wait``."""
        self._actions = to_physical(actions, self.physical_space)

    def step_wait(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[dict[str, Any]]]:
        """One step of all rows."""
        before = len(self._priced)
        observation, reward, terminated, truncated, info = self.venv.step(self._actions)
        final = info.get("final_info", info)  # before the finished rows were reset
        self.costs = final["cost"]
        self._return += reward
        self._cost += self.costs
        self._length += 1
        objective, done = self.venv.core.objective, terminated | truncated
        goal = reached(objective, terminated, truncated, final["failure"])
        slacks = {name: slack for name, slack in final["slacks"].items() if name[0] != "_"}
        self._kept &= kept(counted(objective, slacks, done), self.tolerances)
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        for i in np.flatnonzero(done):
            infos[i] = {
                "terminal_observation": info["final_obs"][i],
                "TimeLimit.truncated": bool(truncated[i]),
                "episode": {"r": self._return[i], "l": int(self._length[i]), "t": time.monotonic() - self.started},
                "is_success": bool(goal[i]),
                "feasible": bool(goal[i] and self._kept[i]),
                "cost": float(self._cost[i]),
            }
        self._return[done], self._length[done], self._cost[done], self._kept[done] = 0, 0, 0, True
        learned = self.reward_scale * np.maximum(reward, self.reward_floor)
        if self.repeat_penalty:
            learned = learned - self.repeat_penalty * ~np.isin(final["design"].astype(str), self._priced[before:])
        return observation, learned.astype(np.float32), done, infos

    def close(self) -> None:
        """Close the environment."""
        self.venv.close()

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """The environment's attribute, once a row."""
        return [getattr(self.venv, attr_name)] * len(list(self._get_indices(indices)))

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Set an attribute of the environment, which all rows share."""
        setattr(self.venv, attr_name, value)

    def env_method(self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any) -> list[Any]:
        """Call a method that answers for all rows, such as ``action_masks``, and take the rows asked for."""
        answer = getattr(self.venv, method_name)(*args, **kwargs)
        return [answer[i] for i in self._get_indices(indices)]

    def env_is_wrapped(self, wrapper_class: type[gym.Wrapper], indices: Any = None) -> list[bool]:
        """Whether what the wrapper does is done here: only ``Monitor``'s work is."""
        return [issubclass(wrapper_class, Monitor)] * len(list(self._get_indices(indices)))


class PlainVecEnv(VecEnvWrapper):
    """SB3's own vector of any Gymnasium environment, with a ledger."""

    def __init__(self, env_id: str, env_kwargs: Mapping[str, Any], n: int) -> None:
        self.ledger = Ledger()

        def make() -> gym.Env:
            env = gym.make(env_id, **env_kwargs)
            self.physical_space: gym.Space = env.action_space
            describe_space(env.action_space)  # says what is wrong with one that no policy here can act in
            return Monitor(
                gym.wrappers.RescaleAction(env, np.float32(-1), np.float32(1)) if _is_box(env.action_space) else env
            )

        super().__init__(DummyVecEnv([make] * n))

    def reset(self) -> Any:
        """Start all episodes."""
        return self.venv.reset()

    def step_async(self, actions: np.ndarray) -> None:
        """Charge the step, then take it."""
        self.ledger.charge("env_steps", self.num_envs)
        self.venv.step_async(actions)

    def step_wait(self) -> Any:
        """What the step gave."""
        return self.venv.step_wait()


def make_training_env(
    env_id: str, env_kwargs: Mapping[str, Any], n: int, **reward: float
) -> VoltGymVecEnv | PlainVecEnv:
    """``n`` rows of any Gymnasium environment for SB3; those of voltgym run as one batch."""
    module, _, name = env_id.rpartition(":")
    if module:
        import_module(module)
    entry = gym.spec(name).vector_entry_point
    make: Any = load_env_creator(entry) if isinstance(entry, str) else entry
    if make is None or "autoreset_mode" not in inspect.signature(make).parameters:
        return PlainVecEnv(env_id, env_kwargs, n)
    how: dict[str, Any] = {"vectorization_mode": "vector_entry_point", "autoreset_mode": "SameStep"}
    env = gym.make_vec(env_id, num_envs=n, **how, **env_kwargs).unwrapped
    return VoltGymVecEnv(env, **reward) if isinstance(env, DesignVectorEnv) else PlainVecEnv(env_id, env_kwargs, n)


def _is_box(space: gym.Space) -> bool:
    return isinstance(space, gym.spaces.Box)


def symmetric(space: gym.Space) -> gym.Space:
    """A bounded Box as one of [-1, 1], a Discrete space counted from 0. `VoltGymError` for any other."""
    about = describe_space(space)
    return gym.spaces.Box(-1.0, 1.0, space.shape, np.float32) if _is_box(space) else gym.spaces.Discrete(about["n"])


def to_physical(actions: np.ndarray, space: Any) -> np.ndarray:
    """(N, ...) actions of the :func:`symmetric` space to the environment's own."""
    if not _is_box(space):
        return actions + space.start
    return (space.low + (np.clip(actions, -1, 1) + 1) / 2 * (space.high - space.low)).astype(np.float32)
