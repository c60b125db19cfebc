"""Checks of the parts themselves: twin, task and objective keep the contracts of ``contracts.py``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium.utils import seeding

from voltgym.envs.checker_tools import Absent, Check, Subject, difference, expect
from voltgym.envs.episodes import COMPLETED, STEPS_LEFT, cost
from voltgym.envs.scenario import stack
from voltgym.surrogates.base import Failure, State, put, take

ROWS = 4


def names_agree(subject: Subject) -> str:
    """Every slack has a scale and a tolerance, every value a direction."""
    objective, state = subject.parts.objective, _initial(subject)
    measured = subject.parts.twin.measure(state) | {STEPS_LEFT: np.full(ROWS, float(subject.max_steps))}
    slacks, values = set(objective.slacks(measured)), set(objective.value(measured))
    for what, has in {"scales": set(objective.scales), "tolerances": set(objective.tolerances)}.items():
        expect(
            has == slacks, f"{what} are for {sorted(has)}, slacks are {sorted(slacks)}; give every slack one of each"
        )
    expect(set(objective.directions) == values, f"directions are for {sorted(objective.directions)}, values {values}")
    expect(COMPLETED not in slacks, f"a slack is named {COMPLETED!r}, which the core adds itself; rename it")
    wrong = [n for n, scale in objective.scales.items() if not scale > 0] + [
        n for n, tolerance in objective.tolerances.items() if not tolerance >= 0
    ]
    expect(not wrong, f"scales must be > 0 and tolerances >= 0; look at {wrong}")
    wrong = [n for n, direction in objective.directions.items() if direction not in ("min", "max")]
    expect(not wrong, f"directions must be 'min' or 'max'; look at {wrong}")
    return f"slacks {sorted(slacks)} have scales and tolerances, values {sorted(values)} have directions"


def rows_independent(subject: Subject) -> str:
    """A row's result does not depend on its neighbours or on the size of the batch."""
    twin, start = subject.parts.twin, _initial(subject)
    for i in range(ROWS):
        alone = twin.initial(take(_scenarios(subject), np.array([i])))
        text = difference(take(start, np.array([i])), alone)
        expect(
            not text, f"twin.initial gives row {i} of {ROWS} another state than the row alone: {text}. {_INDEPENDENT}"
        )
    for state, action in _transitions(subject):
        together, failure = twin.advance(state, subject.parts.task.decode(action))
        for rows in (*np.arange(ROWS)[:, None], np.arange(ROWS)[::-1]):
            part, failed = twin.advance(take(state, rows), subject.parts.task.decode(action[rows]))
            same = difference(failure[rows], failed, "failure")
            good = failed == 0
            text = same or difference(take(take(together, rows), good), take(part, good))
            expect(
                not text,
                f"twin.advance of rows {rows.tolist()} differs from the batch of {ROWS}: {text}. {_INDEPENDENT}",
            )
    return f"{ROWS} rows together, alone and in another order give the same bits"


_INDEPENDENT = "Expected the same bits: use no sums, sorts or shared values over rows, no matrix product over the batch"


def inputs_left_alone(subject: Subject) -> str:
    """Parts change nothing that they are given, and answer the same question the same way."""
    twin, task, objective = subject.parts[:3]
    for state, action in _transitions(subject):
        kept, acted = _copy(state), action.copy()
        new, failure = twin.advance(state, task.decode(action))
        text = difference(kept, state) or difference(acted, action)
        expect(
            not text,
            f"twin.advance or task.decode changed its input, {text}; return new arrays, roll-back needs the old",
        )
        again, failed = twin.advance(_copy(state), task.decode(acted))
        good = failure == 0
        text = difference(failure, failed, "failure") or difference(take(new, good), take(again, good))
        expect(
            not text, f"twin.advance answers differently the second time: {text}; hold no episode, draw no randomness"
        )
        kept = _copy(new)
        measured = twin.measure(new) | {STEPS_LEFT: np.ones(len(failure))}
        seen = _copy(measured)
        objective.slacks(measured), objective.broken(measured), objective.value(measured)
        objective.reward(measured, measured, failure != 0, failure)
        text = difference(kept, new) or difference(seen, measured)
        expect(not text, f"twin.measure or the objective changed its input, {text}; return new arrays")
    return "states, actions and measurements are left as they were; asking twice gives the same bits"


def layout_stays(subject: Subject) -> str:
    """``advance`` keeps the names, shapes and types of ``initial``: rows are taken and put between them."""
    twin, start = subject.parts.twin, _initial(subject)
    _check_layout("twin.initial", start, start)
    measured = twin.measure(start)
    _check_layout("twin.measure", measured, measured)
    for state, action in _transitions(subject):
        new, failure = twin.advance(state, subject.parts.task.decode(action))
        _check_layout("twin.advance", start, new)
        _check_layout("twin.measure after a step", measured, twin.measure(new))
        expect(
            np.shape(failure) == (ROWS,), f"twin.advance gave failures of shape {np.shape(failure)}; expected ({ROWS},)"
        )
        known = {int(kind) for kind in Failure}
        expect(
            set(np.unique(failure)) <= known, f"failures are {np.unique(failure)}; expected values of Failure, {known}"
        )
    core = subject.started(ROWS)
    memory = dict(core.memory)
    core.step(np.arange(ROWS), subject.random_actions(np.random.default_rng(0), ROWS))
    _check_layout("task.remember", memory, core.memory)
    return f"{len(start)} arrays of state and {len(measured)} measurements keep their names, shapes and types"


def _check_layout(what: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    expect(
        set(old) == set(new), f"{what} has {sorted(set(old) ^ set(new))} on one side only; always give the same names"
    )
    for name, a in old.items():
        b = new[name]
        expect(
            isinstance(b, np.ndarray) and b.shape[:1] == (ROWS,),
            f"{what}[{name!r}] is {type(b).__name__} of shape {np.shape(b)}; expected an array with {ROWS} rows",
        )
        fits = a.shape == b.shape and np.can_cast(b.dtype, a.dtype, "same_kind")
        expect(
            fits,
            f"{what}[{name!r}] was {a.dtype} {a.shape} and is {b.dtype} {b.shape}: storing it would cut it; "
            "start with the type and shape that later steps have (np.zeros(n), not np.zeros(n, int))",
        )


def observations_fit(subject: Subject) -> str:
    """Observations are finite and in the space, failed steps included."""
    space = subject.parts.task.observation_space
    count = 0
    for step in subject.rollouts:
        for row in step.observation:
            fits = row.dtype == space.dtype and space.contains(row) and np.isfinite(row.astype(float)).all()
            expect(fits, f"an observation is {row.dtype} {row}; expected a finite {space.dtype} in {space}")
            count += 1
    return f"{count} observations are finite {space.dtype} within {space}"


def cost_follows_slacks(subject: Subject) -> str:
    """``info["cost"]`` is the formula of the slacks, and nothing else."""
    costs = []
    for step in subject.rollouts:
        wanted = cost(step.info["slacks"], subject.parts.objective).astype(np.float32)
        text = difference(wanted, step.info["cost"])
        expect(not text, f"info['cost'] is not sum(max(-slack / scale, 0)): {text}")
        costs.append(step.info["cost"])
    seen = np.concatenate(costs)
    return f"cost = sum(max(-slack / scale, 0)), between {seen.min():g} and {seen.max():g}"


def limits_point_down(subject: Subject) -> str:
    """Where a hard limit ends an episode, a slack is below zero: slacks have the right sign, limits lie beyond them."""
    met = 0
    for step in subject.rollouts:
        for i in np.flatnonzero(step.info["failure"] == Failure.LIMIT):
            slacks = {n: float(v[i]) for n, v in step.info["slacks"].items() if n != COMPLETED}
            expect(
                min(slacks.values(), default=1.0) < 0,
                f"a hard limit ended an episode while every slack was kept: {slacks}; expected one below zero. "
                "Slacks are >= 0 where feasible: turn the sign, or move the hard limit beyond the slacks",
            )
            met += 1
    if not met:
        raise Absent("no hard limit was met in eight episodes: the sign of the slacks could not be told from it")
    return f"{met} episodes ended on a hard limit, each with a slack below zero"


def _scenarios(subject: Subject) -> State:
    return stack([subject.parts.scenario(seeding.np_random(i)[0]) for i in range(ROWS)])


def _initial(subject: Subject) -> State:
    return subject.parts.twin.initial(_scenarios(subject))


def _transitions(subject: Subject, count: int = 3) -> list[tuple[State, np.ndarray]]:
    """A few states with the actions to take in them; failed rows stay where they were."""
    rng, state, found = np.random.default_rng(3), _initial(subject), []
    mask = getattr(subject.parts.task, "mask", None)
    for _ in range(count):
        action = subject.random_actions(rng, ROWS, mask(state) if mask else None)
        found.append((state, action))
        new, failure = subject.parts.twin.advance(_copy(state), subject.parts.task.decode(action.copy()))
        good = np.flatnonzero(failure == 0)
        state = put(state, good, take(new, good))
    return found


def _copy(state: Mapping[str, np.ndarray]) -> State:
    return {name: values.copy() for name, values in state.items()}


CHECKS: dict[str, Check] = {
    "names of slacks and values": names_agree,
    "rows are independent": rows_independent,
    "inputs are left alone": inputs_left_alone,
    "layout of the state": layout_stays,
    "observations": observations_fit,
    "cost": cost_follows_slacks,
    "slacks and hard limits": limits_point_down,
}
