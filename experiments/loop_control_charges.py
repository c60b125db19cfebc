"""Charges that a loop has run on the physics: played, kept a file each, and read again to be learned from."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from voltgym.agents.base import Policy
from voltgym.envs.core import Episodes
from voltgym.envs.errors import VoltGymError
from voltgym.experiments.data_charging import write
from voltgym.experiments.data_episodes import Columns, draw, play, step_rows
from voltgym.experiments.data_schema import schema, step_columns, table
from voltgym.surrogates.base import take
from voltgym.surrogates.charging_runs import Runs, runs
from voltgym.surrogates.charging_step import GIVEN

Design = Mapping[str, Any]
"""What is charged: ``kind``, ``steps`` (at most so many), and by kind the number and seed of a protocol, or the split
and episode of a scenario with the seed and strength of the noise on a policy's actions."""


class Charge(NamedTuple):
    """One charge as it went."""

    scenario: dict[str, float]
    steps: Columns
    """A row a step, as :func:`step_columns` has them."""


def protocols(twin: Any, config: Mapping[str, Any], designs: Sequence[Design]) -> list[Charge]:
    """Charges by protocols that are drawn, as sets of trajectories have them; ``config`` is that of such a set."""
    drawn = [draw(config, int(one["seed"]), int(one["number"]), 0) for one in designs]
    return _apart(play(twin, config, drawn), [one.scenario for one in drawn])


def follow(core: Episodes, policy: Policy, designs: Sequence[Design]) -> list[Charge]:
    """Charges by ``policy`` in the episodes of ``core``, one a design; each ends after its own ``steps`` at the latest.

    ``noise`` is the standard deviation of the logarithm that a rate is multiplied with, at every step anew.
    """
    rows, kept = np.arange(core.n), list[Columns]()
    most = np.array([one["steps"] for one in designs])
    dither = [_dither(one, core.max_steps) for one in designs]
    observation, _ = core.reset(rows, [None] * core.n, [int(one["episode"]) for one in designs])
    bind = getattr(policy, "bind", None)
    if bind is not None:
        bind(core)
    high, memory, first = core.task.action_space.high, None, np.ones(core.n, dtype=bool)  # type: ignore[attr-defined]
    limits: Any = core.objective
    while rows.size:
        k = int(core.steps[rows[0]])
        action, memory = policy(observation, memory, first, None)
        factor = np.array([dither[i][k] for i in rows])[:, None]
        action = np.clip(action * factor, 0, high).astype(np.float32)
        before = take(core.measured, rows)
        observation, _, terminated, truncated, info = core.step(rows, action)
        after = take(core.measured, rows)
        kept.append(step_rows(rows, k, action[:, 0].astype(float), before, after, limits, info["failure"]))
        going = ~(terminated | truncated) & (core.steps[rows] < most[rows])
        rows, observation, first = rows[going], observation[going], np.zeros(going.sum(), dtype=bool)
        memory = memory and take(memory, going)
    whole = {name: np.concatenate([part[name] for part in kept]) for name in kept[0]}
    whole = take(whole, np.lexsort((whole["step"], whole["episode"])))
    scenarios = [{name: float(v[i]) for name, v in core.scenarios.items()} for i in range(core.n)]
    return _apart(whole, scenarios)


def _dither(design: Design, steps: int) -> np.ndarray:
    rng = np.random.default_rng([int(design["seed"]), int(design["episode"])])
    return np.exp(float(design["noise"]) * rng.normal(size=steps))


def _apart(whole: Columns, scenarios: Sequence[Mapping[str, float]]) -> list[Charge]:
    edges = np.searchsorted(whole["episode"], np.arange(len(scenarios) + 1))
    return [
        Charge(dict(scenario), take(whole, np.arange(edges[i], edges[i + 1]))) for i, scenario in enumerate(scenarios)
    ]


def place_of(round_folder: Path, place: int) -> Path:
    """Where the charges of a recommendation are."""
    return round_folder / "charges" / f"{place:05d}.parquet"


def keep(charges: Sequence[Charge], file: Path) -> None:
    """Write some, whole or not at all."""
    about = {"scenarios": [one.scenario for one in charges]}
    write(table(_numbered(charges), schema(step_columns(), about)), file)


def read(file: Path) -> list[Charge]:
    """What :func:`keep` wrote. Raises `VoltGymError` where it is missing or damaged."""
    try:
        found = pq.read_table(file)
        scenarios = json.loads(found.schema.metadata[b"voltgym"])["scenarios"]
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException) as error:
        raise VoltGymError(
            f"{file} cannot be read ({error}); a verdict of the loop rests on it: restore the file, or begin the loop "
            "again in another folder"
        ) from None
    return _apart({name: found[name].to_numpy() for name in found.column_names}, scenarios)


def together(charges: Sequence[Charge], numbers: Mapping[str, float]) -> tuple[Columns, Columns, Runs]:
    """Steps, episodes and runs of some charges, numbered in order; ``numbers`` are the cell's stoichiometries."""
    steps = _numbered(charges)
    episodes = {name: np.array([one.scenario[name] for one in charges]) for name in GIVEN}
    episodes["episode"] = np.arange(len(charges))
    return steps, episodes, runs(steps, episodes, numbers)


def _numbered(charges: Sequence[Charge]) -> Columns:
    parts = [{**one.steps, "episode": np.full(len(one.steps["step"]), i)} for i, one in enumerate(charges)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
