"""Checks of rewards: finite, typed ends, and never a reason to fail on purpose."""

from __future__ import annotations

import gymnasium as gym
import numpy as np

from voltgym.envs.checker_tools import Absent, Check, Mend, Subject, expect
from voltgym.envs.episodes import STEPS_LEFT
from voltgym.surrogates.base import Failure

LARGEST = 1e6
"""A reward beyond this is taken for unbounded."""

_ROWS = 8
_LONGEST = 25
_SEEDS = 6


def rewards_bounded(subject: Subject) -> str:
    """Rewards are finite and of a size that can be learned from."""
    rewards = np.concatenate([step.reward for step in subject.rollouts])
    fine = np.isfinite(rewards).all() and np.abs(rewards).max() < LARGEST
    expect(
        fine,
        f"rewards range over {rewards.min()} ... {rewards.max()}; expected finite numbers, bounded by the objective",
    )
    failed = np.concatenate([step.info["failure"] for step in subject.rollouts]) != 0
    good = rewards[~failed]
    said = f"{len(rewards)} rewards are finite"
    return f"{said}, those of good steps within [{good.min():.3g}, {good.max():.3g}]" if good.size else said


def goals_have_values(subject: Subject) -> str:
    """Where the goal is reached, the result that is ranked has a number."""
    name = next(iter(subject.parts.objective.directions), None)
    if name is None:
        raise Absent("the objective has no directions: nothing is ranked")
    reached = 0
    for step in subject.rollouts:
        goal = step.terminated & (step.info["failure"] == Failure.NONE)
        values = subject.parts.objective.value(step.info["measured"])[name]
        expect(
            np.isfinite(values[goal]).all(),
            f"the goal is reached, but {name!r} is {values[goal]}; give its number there",
        )
        reached += int(goal.sum())
    if not reached:
        raise Absent("no random or extreme episode reached its goal: values could not be looked at")
    return f"{reached} episodes reached their goal with a finite {name!r}"


def failing_never_pays(subject: Subject) -> str:
    """From the same state, every failed step earns less than every way of going on."""
    starts: list[tuple[int, list[np.ndarray]]] = [(0, []), (1, [])]
    places = [*starts, *_limits(subject), *_middles(subject)]
    kinds = set()
    for seed, prefix in places:
        returns, first, later = _branch(subject, seed, prefix)
        for i in np.flatnonzero(first):
            kinds.add(Failure(int(first[i])).name)
            on = np.flatnonzero((first == 0) & ~later)
            worst = returns[on].min() if on.size else np.inf
            expect(
                returns[i] < worst,
                f"failing as {Failure(int(first[i])).name} after {len(prefix)} steps earns {returns[i]:.6g}, going on "
                f"can earn as little as {worst:.6g}; a failure must cost more than the worst rest of the episode",
            )
    if not kinds:
        raise Absent("no action failed: rewards of failures could not be looked at")
    return f"at {len(places)} states, failing as {', '.join(sorted(kinds))} earned less than any rest of the episode"


def _branch(subject: Subject, seed: int, prefix: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Eight ways on from one state: returns, the failure of the first step, and whether a later one failed.

    The first step is not usable in row 0, the low end in row 1, the high end in row 2, random in the others; row j goes
    on in the same manner.
    """
    core = subject.started(_ROWS, seed, alike=True, max_steps=min(subject.max_steps, _LONGEST))
    rows, rng = np.arange(_ROWS), np.random.default_rng(seed)
    for action in prefix:
        core.step(rows, np.repeat(action[None], _ROWS, axis=0))
    returns, first, later = np.zeros(_ROWS), np.zeros(_ROWS, dtype=np.int8), np.zeros(_ROWS, dtype=bool)
    begun = False
    while rows.size:
        actions = subject.random_actions(rng, len(rows), core.masks(rows) if hasattr(core.task, "mask") else None)
        actions = actions.astype(float)
        for row, manner in enumerate((_unusable(subject), subject.extreme("low"), subject.extreme("high"))):
            actions[rows == row] = manner
        _, reward, terminated, truncated, info = core.step(rows, actions)
        returns[rows] += reward
        if begun:
            later[rows] |= info["failure"] != 0
        else:
            first, begun = info["failure"], True
        rows = rows[~(terminated | truncated)]
    return returns, first, later


def _unusable(subject: Subject) -> float | np.ndarray:
    """An action that no environment can use: NaN, or a number beyond the discrete ones."""
    if isinstance(subject.space, gym.spaces.Box):
        return np.nan
    return subject.extreme("high") + 10_000


def _trace(subject: Subject, row: int, seed: int) -> tuple[list[np.ndarray], bool]:
    """What a row does from ``seed`` at the high end (row 1) or at random (row 2), and whether a hard limit ended it."""
    core = subject.started(3, seed, alike=True, max_steps=min(subject.max_steps, _LONGEST))
    steps = [s for s in subject.play(core, np.random.default_rng(seed), _LONGEST) if row in s.rows]
    actions = [step.actions[step.rows == row][0] for step in steps]
    last = steps[-1]
    return actions, bool(last.info["failure"][last.rows == row][0] == Failure.LIMIT)


def _limits(subject: Subject) -> list[tuple[int, list[np.ndarray]]]:
    """States one step before a hard limit, where acting at the high end meets one."""
    found = []
    for seed in range(_SEEDS):
        actions, limit = _trace(subject, row=1, seed=seed)
        if limit:
            found.append((seed, actions[:-1]))
    return found[:2]


def _middles(subject: Subject) -> list[tuple[int, list[np.ndarray]]]:
    """A state in the middle of an episode."""
    actions, _ = _trace(subject, row=2, seed=0)
    return [(0, actions[: len(actions) // 2])] if len(actions) > 1 else []


def failures_are_rolled_back(subject: Subject) -> str:
    """A step that fails leaves the last good state; only the clock goes on."""
    core = subject.started(2)
    rng, rows = np.random.default_rng(5), np.arange(2)
    if subject.max_steps > 1:
        core.step(rows, subject.random_actions(rng, 2, core.masks(rows) if hasattr(core.task, "mask") else None))
    before = {name: values.copy() for name, values in core.measured.items()}
    action = subject.random_actions(rng, 2).astype(float)
    action[1] = _unusable(subject)
    _, _, terminated, truncated, info = core.step(rows, action)
    if info["failure"][1] != Failure.ACTION or not terminated[1] or truncated[1]:
        raise Mend(
            f"an unusable action gave failure {info['failure'][1]}; expected a terminated row with Failure.ACTION"
        )
    for name, values in before.items():
        same = name == STEPS_LEFT or np.array_equal(
            values[1], core.measured[name][1], equal_nan=values.dtype.kind == "f"
        )
        expect(
            same,
            f"after a failed step {name!r} went from {values[1]} to {core.measured[name][1]}; expected it unchanged",
        )
    return "a failed row keeps its last good measurements"


CHECKS: dict[str, Check] = {
    "rewards": rewards_bounded,
    "goals have values": goals_have_values,
    "failing never pays": failing_never_pays,
    "failures are rolled back": failures_are_rolled_back,
}
