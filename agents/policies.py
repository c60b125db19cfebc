"""Policies that are not a network: a design, kept with its numbers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from voltgym.agents.base import Memory, find_class
from voltgym.envs.episodes import Episodes
from voltgym.envs.errors import VoltGymError, as_array
from voltgym.envs.problem import Act, Design, DirectAction

_FILE = "design.json"


class DesignPolicy:
    """Acts as a design says with the numbers ``x``. ``design=None``: ``x`` is the action.

    A design that is to be saved has ``arguments``, the keywords that make it again.
    """

    def __init__(self, design: Design | None, x: Sequence[float]) -> None:
        self.design, self.x = design, as_array("the numbers of the design", x, float).ravel().tolist()
        if not np.isfinite(self.x).all():
            raise VoltGymError(f"the numbers of the design are {self.x}; expected finite ones")
        self.information = getattr(design, "information", "bms")
        self._act: Act | None = None
        self._task: Any = None

    def bind(self, episodes: Episodes) -> None:
        """Read the layout of the task's observations and actions."""
        space: Any = episodes.task.action_space
        design = self.design or DirectAction(space)
        low, high = design.bounds
        if len(self.x) != len(low):
            raise VoltGymError(f"the design has {len(self.x)} numbers; {episodes.env_id} takes {len(low)} here")
        x = np.clip(np.array(self.x), low, high)
        if self.design is not None and "Counted SOC" not in getattr(episodes.task, "names", ()):
            self.information = getattr(episodes.task, "observation", self.information)  # it reads what is shown there
        if hasattr(episodes.twin, "space"):
            self.information = "full"  # designs, not batteries: there is no state that a management system would miss
        self._act = lambda observation: design.policy(np.tile(x, (len(observation), 1)), episodes)(observation)

    def __call__(
        self,
        observation: np.ndarray,
        memory: Memory = None,
        first: np.ndarray | None = None,
        mask: np.ndarray | None = None,
    ) -> tuple[np.ndarray, Memory]:
        """(N, ...) actions; there is nothing to remember."""
        if self._act is None:
            raise VoltGymError("a design must be bound to its episodes first: policy.bind(episodes)")
        return self._act(observation), memory

    def save(self, path: Path) -> None:
        """Write the design and its numbers as JSON into the folder ``path``."""
        about = None
        if self.design is not None:
            kind = type(self.design)
            arguments = getattr(self.design, "arguments", None)
            if arguments is None:
                what = "give it `arguments`, what its constructor takes"
                raise VoltGymError(f"{kind.__qualname__} cannot be saved: {what}")
            about = {"_target_": f"{kind.__module__}.{kind.__qualname__}", "arguments": arguments}
        try:
            text = json.dumps({"design": about, "x": self.x}, indent=2)
        except TypeError as error:
            raise VoltGymError(f"the design's arguments cannot be kept as JSON: {error}") from None
        (path / _FILE).write_text(text)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what :meth:`save` wrote."""
        kept = json.loads((path / _FILE).read_text())
        design = None
        if kept["design"] is not None:
            kind = find_class(kept["design"]["_target_"], ("bounds", "policy"), f"the design in {path}")
            design = kind(**kept["design"]["arguments"])
        return cls(design, kept["x"])
