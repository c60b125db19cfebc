"""``DesignEnv``: one episode as a Gymnasium environment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np

from voltgym.envs.contracts import Parts
from voltgym.envs.episodes import Episodes
from voltgym.envs.errors import UnknownName, VoltGymError, as_array, check_name, shown, whole_number
from voltgym.envs.ledger import Ledger


class DesignEnv(gym.Env):
    """A batch of one over :class:`Episodes`. Not meant to be subclassed: a variant is another twin, task or objective.

    ``reset(seed=, options={"episode": k})``: in ``train`` the scenario is drawn from the seed; in every other split it
    is episode ``k`` of that split, where ``k`` is the option, else the seed, else one more than last time.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 4}  # noqa: RUF012  # as Gymnasium has it

    def __init__(
        self, parts: Parts, *, env_id: str, max_steps: int, split: str = "train", render_mode: str | None = None
    ) -> None:
        check_render_mode(render_mode)
        self.core = Episodes(*parts[:4], n=1, env_id=env_id, max_steps=max_steps, split=split)
        self.viewer, self.render_mode = parts.viewer, render_mode
        self.action_space, self.observation_space = parts.task.action_space, parts.task.observation_space
        self.max_steps = max_steps
        self._trace: list[dict[str, Any]] = []
        self._next = 0

    @property
    def ledger(self) -> Ledger:
        """What this environment has spent; set limits on it after ``make``."""
        return self.core.ledger

    def __getattr__(self, name: str) -> Any:
        # Clients ask with hasattr whether an environment masks actions, so the method is there only if it does.
        if name == "action_masks" and hasattr(self.core.task, "mask"):
            return lambda: self.core.masks(_FIRST)[0]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Start an episode; see the class for what ``seed`` and ``options`` choose."""
        super().reset(seed=seed)
        episode = episode_option(options)
        if seed is not None:
            self._next = seed
        if episode is None and self.core.split != "train":
            episode = self._next
        if episode is not None:
            self._next = episode + 1
        observation, info = self.core.reset(_FIRST, [self.np_random], [episode])
        self._trace = []
        return self._watch(observation, info)

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """One step. Time limits truncate; the goal, a failure or a broken hard limit terminates."""
        if not self.core.state:
            raise VoltGymError("step() before reset(): call reset() to start an episode")
        observation, reward, terminated, truncated, info = self.core.step(_FIRST, as_array("the action", action)[None])
        row, info = self._watch(observation, info)
        return row, float(reward[0]), bool(terminated[0]), bool(truncated[0]), info

    def render(self) -> np.ndarray | None:
        """The episode so far as a picture (h, w, 3), with ``render_mode="rgb_array"``."""
        if self.render_mode is None:
            gym.logger.warn('render() needs gym.make(..., render_mode="rgb_array")')
            return None
        if not self._trace:
            raise VoltGymError("render() before reset(): call reset() to start an episode")
        if self.viewer is None:
            raise VoltGymError(f"{self.core.env_id} has no viewer: pass one in its Parts")
        return self.viewer(self._trace)

    def _watch(self, observation: np.ndarray, info: dict[str, Any]) -> tuple[np.ndarray, dict[str, Any]]:
        info = first_row(info)
        if self.render_mode is not None:
            self._trace.append({**info["measured"], **({"design": info["design"]} if "design" in info else {})})
        return first_row(observation), info


_FIRST = np.array([0])


def check_render_mode(mode: str | None) -> None:
    """Nothing, or an error that names the modes there are."""
    if mode is not None:
        check_name("render_mode", mode, DesignEnv.metadata["render_modes"])


def episode_option(options: dict[str, Any] | None) -> int | None:
    """The episode asked for in ``options``, checked; an unknown option is an error."""
    options = as_options(options)
    episode = options.pop("episode", None)
    if options:
        raise UnknownName("reset option", next(iter(options)), ["episode"])
    return None if episode is None else whole_number("options['episode']", episode, least=0)


def as_options(options: Any) -> dict[str, Any]:
    """A copy of reset options that may be missing; anything but a mapping is an error."""
    if options is not None and not isinstance(options, Mapping):
        raise VoltGymError(f"the reset options are {shown(options)}; expected a dict such as {{'episode': 0}}")
    return dict(options or {})


def first_row(values: Any) -> Any:
    """The first row of an array, or of every array in a dict, as a copy that nobody else holds."""
    if isinstance(values, dict):
        return {name: first_row(value) for name, value in values.items()}
    row = values[0]
    return row.copy() if isinstance(row, np.ndarray) else row
