"""What is said of charges on the physics: minutes, limits, how wrong the learned twin was under the same actions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from voltgym.envs.charging.objective import TIME_TO_TARGET, Limits
from voltgym.experiments.data_schema import AFTER, SLACKS
from voltgym.experiments.loop_control_charges import Charge, together
from voltgym.experiments.loop_log import Recommendation, Verdict
from voltgym.surrogates.base import Failure
from voltgym.surrogates.charging import LearnedTwin
from voltgym.surrogates.charging_scores import residuals

LONGEST = 90.0
"""[min] what a charge counts that breaks a limit or does not end, as in the score of the benchmark."""
ENOUGH = 0.95
"""The share of its episodes that a policy must keep the limits in to be handed in, as on the leaderboard."""
ERRORS = {"voltage error [V]": 0, "temperature error [K]": 1, "anode error [V]": 2}
"""By name, the place in ``charging_measured.SPREAD``."""


class Ended(NamedTuple):
    """How a charge went."""

    minutes: float
    """To the target, interpolated within the last step; NaN where it was not reached."""
    feasible: bool
    """The target is reached and no slack was below its tolerance."""
    failure: int
    slacks: dict[str, float]
    """The lowest by name."""


def minutes_of(minutes: Sequence[float] | np.ndarray, feasible: Sequence[bool] | np.ndarray) -> float:
    """The geometric mean of the minutes, what is not feasible counting ``LONGEST``: the score's own mean."""
    counted = np.where(np.asarray(feasible) & np.isfinite(minutes), minutes, LONGEST)
    return float(np.exp(np.mean(np.log(counted))))


def ended(charge: Charge, target: float, dt: float = 30.0) -> Ended:
    """How ``charge`` went. Charge is current times time, so the interpolation within a step is exact."""
    steps = charge.steps
    before, after = float(steps["SOC"][-1]), float(steps["SOC" + AFTER][-1])
    failure = int(steps["failure"][-1])
    reached = failure == Failure.NONE and after >= target - 1e-6  # columns are float32
    share = np.clip((target - before) / max(after - before, 1e-12), 0.0, 1.0)
    slacks = {name: float(np.fmin.reduce(steps[name])) for name in SLACKS}
    kept = all(low >= -bound for low, bound in zip(slacks.values(), Limits.tolerances.values(), strict=True))
    minutes = dt / 60 * (float(steps["step"][-1]) + share) if reached else float("nan")
    return Ended(float(minutes), bool(reached and kept), failure, slacks)


def judged(one: Recommendation, charges: Sequence[Charge], twin: Path | None, physics: Any) -> Verdict:
    """The verdict on a recommendation from its charges; number, round and place are the caller's to fill in.

    A value has only what judges a policy: several charges. One alone says how long that scenario takes, which is no
    merit of anything; its minutes are among the properties.
    """
    ends = [ended(charge, physics.objective.target_soc) for charge in charges]
    several = "episodes" in one.design
    share = float(np.mean([end.feasible for end in ends]))
    minutes = minutes_of([end.minutes for end in ends], [end.feasible for end in ends]) if several else None
    properties = {"feasible share": share, TIME_TO_TARGET: float(np.mean([end.minutes for end in ends]))}
    properties |= {name: min(end.slacks[name] for end in ends) for name in SLACKS}
    properties |= errors(charges, twin, physics.twin.cell)
    return Verdict(
        number=0, round=0, place=0, design=one.design, predicted=one.value, std=one.std, why=one.why,
        value=minutes, feasible=share >= ENOUGH, failure=max(end.failure for end in ends),
        spent=float(sum(len(charge.steps["step"]) for charge in charges)),
        properties={name: value for name, value in properties.items() if np.isfinite(value)},
    )  # fmt: skip


def errors(charges: Sequence[Charge], twin: Path | None, cell: Any) -> dict[str, float]:
    """Root mean square errors of ``twin`` under the actions of ``charges``, open loop from their starts."""
    if twin is None:
        return {}
    learned = LearnedTwin.load(twin)
    numbers: Mapping[str, float] = {name: float(getattr(cell, name)) for name in ("x0", "x100", "y0", "y100")}
    found = residuals(learned.weights, together(charges, numbers)[2], learned.card["range"]).error
    return {name: float(np.sqrt(np.mean(found[:, j] ** 2))) for name, j in ERRORS.items()} if len(found) else {}
