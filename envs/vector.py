"""``DesignVectorEnv``: many episodes as one Gymnasium vector environment, advanced in one call."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from voltgym.envs.contracts import Parts
from voltgym.envs.episodes import Episodes
from voltgym.envs.errors import UnknownName, VoltGymError, as_array, whole_number
from voltgym.envs.ledger import Ledger
from voltgym.envs.single import as_options, check_render_mode, episode_option, first_row


class DesignVectorEnv(VectorEnv):
    """``num_envs`` rows over :class:`Episodes`; row i of ``reset(seed=s)`` is ``DesignEnv.reset(seed=s + i)``.

    Bit for bit, and so is every episode after it in ``train``. In the other splits the rows share the episodes out:
    after episodes s ... s + n - 1 come s + n ... s + 2n - 1.

    ``autoreset_mode``: ``NEXT_STEP`` (default; a finished row is reset, not advanced, in the next step), ``SAME_STEP``
    (reset at once, the last observation in ``info["final_obs"]``) or ``DISABLED``.
    """

    def __init__(
        self,
        parts: Parts,
        *,
        num_envs: int,
        env_id: str,
        max_steps: int,
        split: str = "train",
        autoreset_mode: str | AutoresetMode = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
    ) -> None:
        num_envs = whole_number("num_envs", num_envs, most=10**6)
        check_render_mode(render_mode)
        self.mode = _mode(autoreset_mode)
        self.core = Episodes(*parts[:4], n=num_envs, env_id=env_id, max_steps=max_steps, split=split)
        self.num_envs, self.max_steps, self.render_mode = num_envs, max_steps, render_mode
        self.metadata = {"autoreset_mode": self.mode, "render_modes": ["rgb_array"], "render_fps": 4}
        self.single_action_space, self.single_observation_space = parts.task.action_space, parts.task.observation_space
        self.action_space = batch_space(parts.task.action_space, num_envs)
        self.observation_space = batch_space(parts.task.observation_space, num_envs)
        self._rngs: list[np.random.Generator | None] = [None] * num_envs
        self._over = np.zeros(num_envs, dtype=bool)
        self._next = np.arange(num_envs, dtype=object)  # Python's whole numbers: a seed may have more than 64 bits
        space = parts.task.observation_space
        self._observation = np.zeros((num_envs, *(space.shape or ())), dtype=space.dtype)
        self.viewer = parts.viewer
        self._traces: list[list[dict[str, Any]]] = [[] for _ in range(num_envs)]

    @property
    def ledger(self) -> Ledger:
        """What this environment has spent; set limits on it after ``make_vec``."""
        return self.core.ledger

    def __getattr__(self, name: str) -> Any:
        if name == "action_masks" and hasattr(self.core.task, "mask"):
            return lambda: self.core.masks(np.arange(self.num_envs))
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Start all rows, or those of ``options["reset_mask"]``; see ``DesignEnv`` for the rest."""
        super().reset(seed=seed)
        options = as_options(options)
        rows = self._chosen(options.pop("reset_mask", np.ones(self.num_envs, dtype=bool)))
        episode = episode_option(options)
        for i in rows:
            if seed is not None or self._rngs[i] is None:
                self._rngs[i] = seeding.np_random(None if seed is None else seed + int(i))[0]
        if seed is not None:
            self._next[rows] = [seed + int(i) for i in rows]
        if episode is not None:
            self._next[rows] = [episode + 1 + int(i) for i in rows]
        info = self._start(rows, None if episode is None else [episode] * len(rows))
        return self._observation.copy(), info

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """One step of every live row, and the autoreset of the finished ones."""
        if not self.core.state:
            raise VoltGymError("step() before reset(): call reset() to start the episodes")
        if self.mode is AutoresetMode.DISABLED and self._over.any():
            raise VoltGymError('finished rows cannot be stepped: reset(options={"reset_mask": terminated | truncated})')
        actions = as_array("the actions", actions)
        if actions.shape[:1] != (self.num_envs,):
            raise VoltGymError(f"got actions of shape {actions.shape}; expected one for each of {self.num_envs} rows")
        again = np.flatnonzero(self._over) if self.mode is AutoresetMode.NEXT_STEP else np.array([], dtype=np.int64)
        live = np.flatnonzero(~self._over) if again.size else np.arange(self.num_envs)
        reward = np.zeros(self.num_envs)
        terminated, truncated = np.zeros(self.num_envs, dtype=bool), np.zeros(self.num_envs, dtype=bool)
        info: dict[str, Any] = {}
        if live.size:
            observation, reward[live], terminated[live], truncated[live], part = self.core.step(live, actions[live])
            self._observation[live] = observation
            self._watch(part, live)
            info = self._spread(part, live)
        if again.size:
            info = _merge(info, self._start(again), again)
        self._over = terminated | truncated
        if self.mode is AutoresetMode.SAME_STEP and self._over.any():
            info = self._same_step(info)
        return self._observation.copy(), reward, terminated, truncated, info

    def _start(self, rows: np.ndarray, episodes: list[int] | None = None) -> dict[str, Any]:
        if episodes is None and self.core.split != "train":
            episodes = [int(k) for k in self._next[rows]]
            self._next[rows] += self.num_envs
        observation, info = self.core.reset(rows, [self._rngs[i] for i in rows], episodes)
        self._over[rows] = False
        self._observation[rows] = observation
        for i in rows:
            self._traces[i] = []
        self._watch(info, rows)
        return self._spread(info, rows)

    def _same_step(self, info: dict[str, Any]) -> dict[str, Any]:
        """Reset finished rows now; what they ended with goes into ``final_obs`` and ``final_info``."""
        over = self._over.copy()
        rows = np.flatnonzero(over)
        final = np.full(self.num_envs, None, dtype=object)
        for i in rows:
            final[i] = self._observation[i].copy()
        ended = {"final_obs": final, "_final_obs": over, "final_info": _only(info, over), "_final_info": over.copy()}
        return _merge(info, self._start(rows), rows) | ended

    def _chosen(self, mask: Any) -> np.ndarray:
        """The rows of a ``reset_mask``."""
        mask = as_array("options['reset_mask']", mask)
        if mask.shape != (self.num_envs,) or mask.dtype != bool or not mask.any():
            raise VoltGymError(
                f"options['reset_mask'] has shape {mask.shape} and type {mask.dtype}; "
                f"expected ({self.num_envs},) booleans, at least one of them True"
            )
        return np.flatnonzero(mask)

    def _watch(self, info: dict[str, Any], rows: np.ndarray) -> None:
        """Keep what was measured, if somebody wants to see it."""
        if self.render_mode is None:
            return
        for j, i in enumerate(rows):
            self._traces[i].append(first_row({name: v[j : j + 1] for name, v in info["measured"].items()}))

    def render(self) -> tuple[np.ndarray, ...] | None:
        """The episode of every row so far as pictures (h, w, 3), with ``render_mode="rgb_array"``."""
        if self.render_mode is None:
            return None
        if self.viewer is None or not all(self._traces):
            raise VoltGymError(f"nothing to render: {self.core.env_id} has no viewer, or was not reset yet")
        return tuple(self.viewer(trace) for trace in self._traces)

    def _spread(self, info: dict[str, Any], rows: np.ndarray) -> dict[str, Any]:
        """An info of some rows as one of all rows, with Gymnasium's ``_key`` masks."""
        out: dict[str, Any] = {}
        everybody = len(rows) == self.num_envs
        there = np.zeros(self.num_envs, dtype=bool)
        there[rows] = True
        for name, value in info.items():
            if isinstance(value, dict):
                out[name] = self._spread(value, rows)
            elif everybody:
                out[name] = value
            else:
                fill = None if value.dtype == object else 0
                out[name] = np.full((self.num_envs, *value.shape[1:]), fill, dtype=value.dtype)
                out[name][rows] = value
            out[f"_{name}"] = there.copy()
        return out


def _mode(name: str | AutoresetMode) -> AutoresetMode:
    try:
        return AutoresetMode(name)
    except ValueError:
        raise UnknownName("autoreset_mode", name, [mode.value for mode in AutoresetMode]) from None


def _only(info: dict[str, Any], rows: np.ndarray) -> dict[str, Any]:
    """An info whose ``_key`` masks say that only ``rows`` (N,) bool are meant."""
    out = {name: _only(value, rows) if isinstance(value, dict) else value for name, value in info.items()}
    return out | {name: value & rows for name, value in info.items() if name.startswith("_")}


def _merge(old: dict[str, Any], new: dict[str, Any], rows: np.ndarray) -> dict[str, Any]:
    """``old`` with its ``rows`` taken from ``new``."""
    if not old:
        return new
    out: dict[str, Any] = {}
    for name, value in old.items():
        if isinstance(value, dict):
            out[name] = _merge(value, new[name], rows)
        else:
            out[name] = value.copy()
            out[name][rows] = new[name][rows]
    return out
