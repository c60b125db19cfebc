"""A learned twin from the few charges that a loop has run: minutes of fitting, or seconds where one is gone on with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from voltgym.envs.errors import VoltGymError
from voltgym.experiments.fit_charging import Material, cell_of, ranges_of
from voltgym.experiments.loop_control_charges import Charge, together
from voltgym.surrogates.charging import LearnedTwin
from voltgym.surrogates.charging_fit import Plan, fit
from voltgym.surrogates.charging_measured import SPREAD
from voltgym.surrogates.charging_runs import Runs, rest_table
from voltgym.surrogates.charging_scores import calibrated, depleted, one_step, residuals, scores
from voltgym.surrogates.charging_step import Weights

HELD = 0.15
"""Share of the charges that is kept from training, to calibrate with."""
BEGIN = (0, 1, 2, 3, 5, 10)
"""First steps of the stretches of an episode that single steps are calibrated in."""
FEW = 20
"""Errors that a stretch needs for a calibration of its own."""
LEAST = 3
"""Steps of a charge that errors are measured on: shorter ones are probes."""


def refit(
    charges: Sequence[Charge],
    keys: Sequence[tuple[int, int]],
    cell: Any,
    config: Mapping[str, Any],
    plan: Plan,
    begin_with: Path | None,
    out: Path,
    tell: Callable[[str], Any],
) -> None:
    """Fit on ``charges`` and write the twin with its card into ``out``.

    Args:
        charges: everything known.
        keys: (round, place) of each, which decide whether it is held out: once held out, always so.
        cell: of the physics.
        config: the set that the first charges were drawn from, whose ranges are the domain.
        plan: how long to train.
        begin_with: a folder with the twin to go on from; None for networks that know nothing.
        out: the folder.
        tell: is told of every piece of the training.
    """
    numbers = {name: float(getattr(cell, name)) for name in ("x0", "x100", "y0", "y100")}
    steps, episodes, whole = together(charges, numbers)
    held = _held(keys) & (whole.steps >= LEAST)
    learned = (~held) & (whole.steps > 0)
    if not held.any() or not learned.any():
        raise VoltGymError(
            f"{len(charges)} charges are too few to learn a twin from and to hold some out: raise loop.charges"
        )
    old = None if begin_with is None else LearnedTwin.load(begin_with)
    begin = old.weights if old else None
    weights = fit(whole.some(learned), rest_table(steps), cell.nominal_capacity, plan, tell, begin)
    ranges = ranges_of(config, whole)
    found = residuals(weights, whole.some(held), ranges)
    factor, base = calibrated(found)
    about = Material(cell, config["fidelity"], {}, steps, episodes, whole, held)
    card = {
        "cell": cell_of(about) | {"depleted": old.card["cell"]["depleted"] if old else depleted(weights, whole)},
        "range": ranges,
        "factor": dict(zip(SPREAD, factor.tolist(), strict=True)),
        "base": dict(zip(SPREAD, base.tolist(), strict=True)),
        "one step": one_step_calibration(weights, whole, held),
        "plan": plan._asdict(),
        "fitted on": {"charges": int(learned.sum()), "steps": int(whole.steps[learned].sum())},
        "scores": {"held out": scores(found, factor, base)},
    }
    out.mkdir(parents=True, exist_ok=True)
    LearnedTwin(weights, card).save(out)


def one_step_calibration(weights: Weights, data: Runs, held: np.ndarray) -> dict[str, Any]:
    """Factors and bases of single steps, by the first step of a stretch of an episode and by quantity.

    The first minutes are another matter than the rest: gradients build up within the cell, and errors are ten times as
    large. Where fewer than ``FEW`` errors of a stretch were held out, those that were learned from count, too: they
    flatter, but all the other steps would flatter more.
    """
    apart, every = one_step(weights, data.some(held)), one_step(weights, data)
    each = []
    for k in range(len(BEGIN)):
        parts = [one.of(np.searchsorted(BEGIN, one.step, side="right") - 1 == k) for one in (apart, every)]
        each.append(calibrated(next((part for part in parts if len(part.error) >= FEW), every)))
    return {"begin": list(BEGIN), "factor": [f.tolist() for f, _ in each], "base": [b.tolist() for _, b in each]}


def _held(keys: Sequence[tuple[int, int]]) -> np.ndarray:
    return np.array([np.random.default_rng([7, *key]).uniform() < HELD for key in keys])
