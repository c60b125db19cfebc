"""Whether a scenario can be charged in time at all: by full-information greedy, on the nominal task, on SPMe."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from voltgym.envs.charging.objective import TIME_TO_TARGET, FastChargeObjective
from voltgym.envs.charging.references import Greedy
from voltgym.envs.charging.scenario import LONGEST
from voltgym.envs.charging.task import FastChargeTask
from voltgym.envs.charging.twins import make_twin
from voltgym.envs.episodes import Episodes


class GreedyMinutes:
    """Minutes that full-information greedy needs from a scenario to 80 %; infinite if it does not get there in time.

    The same for every environment of a cell, whatever its fidelity, observation or action bounds: the scenarios of a
    split must not depend on them. Nothing is built until somebody asks, since most splits never do.
    """

    def __init__(self, cell: str | Path) -> None:
        self.cell = cell

    def __call__(self, scenario: Mapping[str, float]) -> float:
        """Play the one episode (about half a second; remembered). Nothing is charged to anybody's ledger."""
        return _minutes(self.cell, tuple(scenario.items()))


@lru_cache(maxsize=8)
def _task(cell: str | Path) -> tuple[Any, ...]:
    twin = make_twin(cell=cell, fidelity="SPMe")
    limit = twin.cell.upper_voltage
    return twin, FastChargeTask(voltage_limit=limit), FastChargeObjective(voltage_limit=limit)


@lru_cache(maxsize=10_000)
def _minutes(cell: str | Path, scenario: tuple[tuple[str, float], ...]) -> float:
    steps = int(np.ceil(LONGEST * 60 / 30))
    twin, task, objective = _task(cell)
    core = Episodes(twin, task, objective, lambda rng: dict(scenario), n=1, max_steps=steps, env_id="tractable")
    row = np.array([0])
    observation, _ = core.reset(row, [np.random.default_rng(0)])
    policy = Greedy()
    policy.bind(core)
    over = False
    while not over:
        action, _ = policy(observation)
        observation, _, terminated, truncated, _ = core.step(row, action)
        over = bool(terminated[0] | truncated[0])
    minutes = float(core.objective.value(core.measured)[TIME_TO_TARGET][0])
    return minutes if np.isfinite(minutes) else np.inf
