"""What a learner that edits designs has priced on the way: each design once, in order, on the disk at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from stable_baselines3.common.base_class import BaseAlgorithm

from voltgym.agents.oracle import UNIT, DesignLog, Verdict, known, ranked, sign_of, summary, verdicts
from voltgym.agents.sb3.env import PlainVecEnv, VoltGymVecEnv
from voltgym.envs.contracts import Scenario
from voltgym.envs.edits import START, EditTwin
from voltgym.envs.errors import VoltGymError
from voltgym.envs.problem import Evaluation


class Recorder:
    """Writes what the twin of ``env`` prices into a :class:`DesignLog`; limits it to ``budget`` different designs.

    Designs that the log holds already were paid for and are free. ``elite`` are the best ``most`` of them, best first.
    Raises `VoltGymError` if ``env`` edits no designs.
    """

    def __init__(
        self, env: VoltGymVecEnv | PlainVecEnv, folder: Path, about: Mapping[str, Any], budget: int, most: int = 0
    ) -> None:
        twin = getattr(getattr(getattr(env, "venv", None), "core", None), "twin", None)
        if not isinstance(env, VoltGymVecEnv) or not isinstance(twin, EditTwin):
            raise VoltGymError(f"unit is {UNIT!r}, but this environment edits no designs: use unit=env_steps")
        self.twin, self.objective = twin, env.venv.core.objective
        self.log, self.budget = DesignLog(folder, about), budget
        self.ledger = known(env.ledger, self.log, budget)
        self._read, self._most = len(twin.history), most
        self.elite: list[Verdict] = []
        self._promote(self.log.all)

    def record(self) -> None:
        """Write what is new."""
        history, first = self.twin.history, self._read
        self._read = len(history)
        new = [key for key in history[first:] if key not in self.log]
        if new:
            duplicates = self.ledger.spent["duplicates"]
            measured, failure = self.twin.price(new)  # known by now: nothing is computed, and nobody asked twice
            self.ledger.spent["duplicates"] = duplicates
            found = Evaluation(self.objective.value(measured), self.objective.slacks(measured), failure)
            added = verdicts(new, found, self.objective, len(self.log.all) + 1)
            self.log.add(added)
            self._promote(added)

    def _promote(self, new: Sequence[Verdict]) -> None:
        if self._most:
            usable = [verdict for verdict in new if verdict.value is not None]
            self.elite = ranked([*self.elite, *usable], sign_of(self.objective))[: self._most]

    def settle(self) -> None:
        """After a checkpoint was loaded: what was priced since then stays spent."""
        self.ledger.spent[UNIT] = len(self.log.all)

    def left(self) -> int:
        """How many new designs may still be priced."""
        return int(self.ledger.left(UNIT))

    def numbers(self) -> dict[str, float]:
        """What is worth watching."""
        return summary(self.log.all, sign_of(self.objective))


class EliteStarts:
    """A scenario that, in ``share`` of the episodes, puts one of the best designs so far in place of the start."""

    def __init__(self, scenario: Scenario, recorder: Recorder, share: float) -> None:
        self.scenario, self.recorder, self.share = scenario, recorder, share

    def __call__(self, rng: np.random.Generator) -> Mapping[str, Any]:
        """Draw an episode."""
        drawn, elite = dict(self.scenario(rng)), self.recorder.elite
        if elite and rng.random() < self.share:
            drawn[START] = elite[int(rng.integers(len(elite)))].key
        return drawn


def follow_budget(model: BaseAlgorithm, recorder: Recorder) -> None:
    """Let the schedules of ``model`` follow the designs that are left: how many steps there will be, nobody knows."""

    def update(num_timesteps: int, total_timesteps: int) -> None:
        model._current_progress_remaining = recorder.left() / recorder.budget

    model._update_current_progress_remaining = update  # type: ignore[method-assign]
