"""Small agents that need no learning library: named by ``_target_`` like anybody's."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np

from voltgym.envs.errors import VoltGymError


class Constant:
    """Always the same C-rate; counts its steps, so that tests see whether its memory follows the rows."""

    information = "bms"

    def __init__(self, rate: float) -> None:
        self.rate = rate

    def __call__(self, observation: np.ndarray, memory: Any = None, first: Any = None, mask: Any = None) -> Any:
        memory = memory or {"row": np.arange(len(observation))}
        assert len(memory["row"]) == len(observation)
        return np.full((len(observation), 1), self.rate), memory

    def save(self, path: Path) -> None:
        (path / "rate.json").write_text(json.dumps(self.rate))

    @classmethod
    def load(cls, path: Path) -> Self:
        return cls(json.loads((path / "rate.json").read_text()))


class Agent:
    """Reports ``budget`` steps, checkpoints each, and can be told to break in the middle."""

    unit = "env_steps"
    default_budget = 3

    def __init__(self, rate: float = 1.0, break_at: int = -1, known: bool = True, pause: float = 0.0) -> None:
        self.rate, self.break_at, self.known, self.pause = rate, break_at, known, pause

    def train(
        self, env_id: str, env_kwargs: Mapping[str, Any], *, budget: int, seed: int, out: Path, progress: Any
    ) -> Constant:
        mark = out / "checkpoint" / "steps"
        mark.parent.mkdir(parents=True, exist_ok=True)
        start = int(mark.read_text()) if mark.exists() else 0
        for step in range(start, budget):
            if step == self.break_at and start == 0:
                raise VoltGymError("told to break") if self.known else RuntimeError("boom")
            time.sleep(self.pause)
            mark.with_suffix(".part").write_text(str(step + 1))
            mark.with_suffix(".part").replace(mark)
            progress.update(step + 1, budget, reward=float(step))
        return Constant(self.rate)


class Dying(Agent):
    """Kills its process where the seed is 0, as a machine without memory does."""

    def train(self, *arguments: Any, seed: int, **named: Any) -> Constant:
        if seed == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().train(*arguments, seed=seed, **named)
