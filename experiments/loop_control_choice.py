"""What a control loop tries on the physics next: exploring protocols first, then where the ensemble disagrees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from voltgym.agents.base import Policy
from voltgym.envs.charging.objective import TIME_TO_TARGET
from voltgym.envs.charging.scenario import AMBIENT_C, SPREAD
from voltgym.envs.core import Episodes
from voltgym.envs.scenario import generator
from voltgym.experiments.data_schema import NOTHING
from voltgym.surrogates.base import take
from voltgym.surrogates.charging import LearnedTwin
from voltgym.surrogates.charging_step import Weights

EXPLORE, REST, START, EMPTY = "explore", "rest", "start", "empty"
SETS: Mapping[str, Mapping[str, Any]] = {
    EXPLORE: {},
    REST: {"steps": 1, "initial_soc": [0.0, 0.95]},
    START: {"steps": 4, "protocols": {"full": 1.0}},
    EMPTY: {"steps": 3, "protocols": {"full": 1.0}, "initial_soc": [0.03, 0.10]},
}
"""Kinds of the first charges by what they change of the set: whole ones; a step at any state of charge, which shows the
potentials at rest; the first minutes at high rates, where the gradients within the cell build up; the same of cells
that are all but empty, where the potential of the anode is steepest."""
SCALES = {"Voltage [V]": 0.01, "Temperature [K]": 1.0, "Anode potential [V]": 0.01}
"""What of a disagreement counts as one: as the slacks have it."""


def exploring(name: str, cell: str, fidelity: str, protocols: Mapping[str, float], c_rate: float) -> dict[str, Any]:
    """A set, as `voltgym data` has them, of FastCharge's own training scenarios."""
    spread = {key: list(SPREAD[key]) for key in SPREAD if not key.startswith("Initial SOC")}
    return {
        "name": name, "cell": cell, "fidelity": fidelity, "steps": 100, "max_c_rate": c_rate, "stop_soc": 0.8,
        "ambient_c": list(AMBIENT_C["train"]), "initial_soc": list(SPREAD["Initial SOC"]), "balance": {NOTHING: 1.0},
        "protocols": dict(protocols), "aged": 0.0, "spread": spread, "aged_spread": spread,
    }  # fmt: skip


Episode = tuple[str, int]
"""Split and number; the scenario derives from both, and the splits that a loop uses draw theirs alike."""


class Foreseen(NamedTuple):
    """What a learned twin expects of n episodes under a policy."""

    minutes: np.ndarray
    """(n,) to the target; NaN where it is not reached."""
    std: np.ndarray
    """(n,) standard deviation of the minutes over the networks, each taken for the truth; 0 where nobody asked."""
    disagreement: np.ndarray
    """(n,) mean over the steps of how far the networks are apart, in scales of the slacks, the largest of the three."""
    steps: np.ndarray
    """(n,)."""
    feasible: np.ndarray
    """(n,) bool: no limit is broken beyond its tolerance, at the pessimism of the episodes, and the target reached."""

    def some(self, rows: slice) -> Foreseen:
        """Some of the episodes."""
        return Foreseen(*(values[rows] for values in self))


def foresee(core: Episodes, policy: Policy, which: Sequence[Episode], doubts: bool = True) -> Foreseen:
    """Play episodes on the learned twin of ``core``; for ``doubts`` on each of its networks alone, too."""
    whole = _played(core, core.twin, policy, which)
    if not doubts:
        return whole
    every = np.stack([_played(core, twin, policy, which).minutes for twin in members(core.twin)])
    known, std = np.isfinite(every).any(axis=0), np.zeros(len(which))
    std[known] = np.nanstd(every[:, known], axis=0)
    return whole._replace(std=std)


def members(twin: Any) -> list[LearnedTwin]:
    """A twin for each network of an ensemble."""
    w = twin.weights
    alone = [
        Weights([(a[i : i + 1], b[i : i + 1]) for a, b in w.layers], w.mean, w.scale, w.change, w.rest, w.ampere)
        for i in range(len(w.layers[0][0]))
    ]
    return [LearnedTwin(one, twin.card, device=twin.device, cell=twin.cell) for one in alone]


def _played(like: Episodes, twin: Any, policy: Policy, which: Sequence[Episode]) -> Foreseen:
    n, rows = len(which), np.arange(len(which))
    drawn = iter([generator(like.env_id, split, episode) for split, episode in which])
    how: dict[str, Any] = {"n": n, "max_steps": like.max_steps, "env_id": like.env_id, "split": like.split}
    core = Episodes(twin, like.task, like.objective, lambda _: like.scenario(next(drawn)), **how)
    apart, good = np.zeros(n), np.ones(n, dtype=bool)
    observation, _ = core.reset(rows, [np.random.default_rng(0)] * n)
    memory, first, tolerances = None, np.ones(n, dtype=bool), core.objective.tolerances
    while rows.size:
        action, memory = policy(observation, memory, first, None)
        observation, _, terminated, truncated, info = core.step(rows, action)
        apart[rows] += _apart(take(core.state, rows))
        kept = [slack >= -tolerances.get(name, 0.0) for name, slack in info["slacks"].items()]
        good[rows] &= np.all(kept, axis=0) & ~truncated
        going = ~(terminated | truncated)
        rows, observation, first = rows[going], observation[going], np.zeros(going.sum(), dtype=bool)
        memory = memory and take(memory, going)
    minutes = core.objective.value(core.measured)[TIME_TO_TARGET]
    return Foreseen(minutes, np.zeros(n), apart / np.maximum(core.steps, 1), core.steps.copy(), good)


def _apart(state: Mapping[str, np.ndarray]) -> np.ndarray:
    """(n,) how far the networks are apart after a step, in scales of the slacks."""
    spread = np.concatenate([state["outputs"][..., :1], state["z"][..., :1], state["outputs"][..., 1:2]], axis=-1)
    return (spread.std(axis=1) / np.array(list(SCALES.values()))).max(axis=1)


def choose(
    disagreement: np.ndarray, count: int, random_share: float, rng: np.random.Generator
) -> list[tuple[int, str]]:
    """``count`` of the episodes and why: those that are disagreed on most, and a share of any others."""
    order = np.argsort(-disagreement, kind="stable")
    top = order[: count - round(random_share * count)]
    rest = rng.permutation(np.setdiff1d(order, top))[: count - len(top)]
    return [*((int(i), "acquisition") for i in top), *((int(i), "elsewhere") for i in rest)]
