"""``EditTask``: what an agent that edits a design sees and does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import gymnasium as gym
import numpy as np

from voltgym.envs.contracts import Measured
from voltgym.envs.edits import DOMAIN, DesignSpace
from voltgym.envs.episodes import STEPS_LEFT
from voltgym.envs.errors import UnknownName
from voltgym.surrogates.base import State


class GraphSpace(DesignSpace, Protocol):
    """A design space that shows its designs as numbers."""

    @property
    def feature_names(self) -> Sequence[str]:
        """What ``features`` are, in order."""
        ...

    def features(self, state: State) -> np.ndarray:
        """(N, f) float32 of the designs in ``state``."""
        ...


class EditTask:
    """Edit a design until ``stop``. What is there when the time limit cuts the episode off is handed in, too.

    Observation, (d,) float32, block by block as in ``blocks``: the ``features`` of the design in its space (a
    molecule's graph), its ``embedding`` (fingerprint counts, descriptors), the properties and their standard
    deviations, the other numbers that ``also`` names (similarity to the training data, ...), the share of steps left,
    and last the mask of valid actions.

    Args:
        space: the designs; it has ``features(state)`` and ``feature_names``.
        properties: names of what is measured, with ``(offset, scale)``; each has ``<name> std`` beside it.
        also: more names of what is measured, with ``(offset, scale)``.
        embedding: the length of the embedding.
        max_steps: what the steps left are a share of.
        references: known designs to beat, by name.
    """

    def __init__(
        self,
        space: GraphSpace,
        properties: Mapping[str, tuple[float, float]],
        also: Mapping[str, tuple[float, float]],
        *,
        embedding: int,
        max_steps: int,
        references: Mapping[str, str] | None = None,
    ) -> None:
        self.space, self.max_steps, self.references = space, max_steps, dict(references or {})
        spread = {f"{name} std": (0.0, scale) for name, (_, scale) in properties.items()}
        self._shown = {**properties, **spread, **also}
        self._offset, self._scale = np.array(list(self._shown.values())).T
        n: int = space.n_actions
        lengths = {
            "features": len(space.feature_names),
            "embedding": embedding,
            "measured": len(self._shown),
            "steps left": 1,
            "mask": n,
        }
        ends = np.cumsum(list(lengths.values())).tolist()
        self.blocks = {name: slice(end - size, end) for (name, size), end in zip(lengths.items(), ends, strict=True)}
        """Where in the observation each part is."""
        self.mask_slice = self.blocks["mask"]
        self.action_space = gym.spaces.Discrete(n)
        self.observation_space = gym.spaces.Box(-np.inf, np.inf, (ends[-1],), np.float32)

    def decode(self, action: np.ndarray) -> np.ndarray:
        """(N,) actions are edits as they are."""
        return np.asarray(action, dtype=np.int64)

    def observe(self, state: State, measured: Measured) -> np.ndarray:
        """(N, d) float32; see the class."""
        out = np.empty((len(measured[DOMAIN]), self.mask_slice.stop), dtype=np.float32)
        out[:, self.blocks["features"]] = self.space.features(state)
        out[:, self.blocks["embedding"]] = state["embedding"]
        shown = np.stack([measured[name] for name in self._shown], axis=1)
        out[:, self.blocks["measured"]] = (shown - self._offset) / self._scale
        out[:, self.blocks["steps left"]] = measured[STEPS_LEFT][:, None] / self.max_steps
        out[:, self.mask_slice] = state["mask"]
        return out

    def read(self, observation: np.ndarray, name: str) -> np.ndarray:
        """(N,) what is measured by ``name``, from (N, d) observations, in its unit (to float32 precision)."""
        if name not in self._shown:
            raise UnknownName("measured quantity of the observation", name, self._shown)
        j = list(self._shown).index(name)
        return observation[:, self.blocks["measured"]][:, j].astype(float) * self._scale[j] + self._offset[j]

    def done(self, state: State, measured: Measured) -> np.ndarray:
        """(N,) the design is handed in by ``stop``."""
        return state["stopped"].copy()

    def mask(self, state: State) -> np.ndarray:
        """(N, n) bool: the valid edits; ``stop`` always is."""
        return state["mask"].copy()
