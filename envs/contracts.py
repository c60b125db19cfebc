"""The three things an environment is composed of, and what each must answer.

Every twin, task and objective works on N episodes at once: arrays have the episode as first axis. None of them holds
episode data or a random generator, so a reset, a roll-back, a snapshot or a look-ahead is a matter of taking and
putting rows of the state.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol, runtime_checkable

import gymnasium as gym
import numpy as np

from voltgym.surrogates.base import State

Measured = dict[str, np.ndarray]
"""Named physical quantities with units in their names, each (N,)."""

Scenario = Callable[[np.random.Generator], Mapping[str, Any]]
"""Draws what varies between episodes: one value (or one array of fixed shape) a name."""


@runtime_checkable
class Twin(Protocol):
    """What happens when an agent acts: PyBaMM, a design space with a property model, or a learned twin."""

    def initial(self, scenarios: State) -> State:
        """The state at the start of N episodes; copies whatever later steps need out of ``scenarios``."""
        ...

    def advance(self, state: State, action: np.ndarray) -> tuple[State, np.ndarray]:
        """One step. Returns the new state and a failure a row, (N,) int8 of ``Failure``.

        Never raises for a row, and the result of a row does not depend on the others. What it returns for a failed
        row is thrown away: the caller keeps the last good state.
        """
        ...

    def measure(self, state: State) -> Measured:
        """The physical quantities that tasks, objectives and viewers read, extremes within the last step included."""
        ...


@runtime_checkable
class Task(Protocol):
    """What an agent is asked: its actions, its observations, and when it is done. Normalisation lives here only.

    Two methods are optional. ``mask(state) -> (N, n_actions) bool`` says which discrete actions are valid.
    ``remember(state, measured) -> State`` gives what the task must know of the past: the caller keeps it an episode and
    hands it back in ``state``, beside the twin's own (it is absent at a reset). The twin never sees it.
    """

    @property
    def action_space(self) -> gym.Space:
        """What an agent may do."""
        ...

    @property
    def observation_space(self) -> gym.Space:
        """What it sees."""
        ...

    def decode(self, action: np.ndarray) -> np.ndarray:
        """(N, ...) actions of ``action_space`` to what the twin takes, in physical units."""
        ...

    def observe(self, state: State, measured: Measured) -> np.ndarray:
        """(N, ...) observations of ``observation_space``."""
        ...

    def done(self, state: State, measured: Measured) -> np.ndarray:
        """(N,) bool: the goal is reached."""
        ...


@runtime_checkable
class Objective(Protocol):
    """What is good and what is forbidden. Slacks keep their units and are >= 0 where feasible.

    One attribute is optional. ``final = True``: what is judged is the design that the episode ends with, be it by the
    goal or by the time limit, and the slacks of the steps on the way do not make it infeasible.
    """

    @property
    def scales(self) -> Mapping[str, float]:
        """What makes slacks comparable, by name, in the slack's unit: ``cost = sum(max(-slack / scale, 0))``."""
        ...

    @property
    def tolerances(self) -> Mapping[str, float]:
        """By how much a slack may be negative before the step counts as a violation, in the slack's unit."""
        ...

    @property
    def directions(self) -> Mapping[str, str]:
        """``"min"`` or ``"max"`` for every name of ``value``; the first is what results are ranked by."""
        ...

    def slacks(self, measured: Measured) -> dict[str, np.ndarray]:
        """(N,) slacks by name over the last step."""
        ...

    def broken(self, measured: Measured) -> np.ndarray:
        """(N,) bool: a hard limit, well beyond the slacks, ends the episode."""
        ...

    def value(self, measured: Measured) -> dict[str, np.ndarray]:
        """(N,) named results with their unit, NaN where there is none (yet)."""
        ...

    def reward(self, before: Measured, after: Measured, goal: np.ndarray, failure: np.ndarray) -> np.ndarray:
        """(N,) rewards of a step; a failed row gets less than anything that going on could have earned."""
        ...


class Parts(NamedTuple):
    """What an environment is made of."""

    twin: Twin
    task: Task
    objective: Objective
    scenario: Scenario
    viewer: Callable[[list[dict[str, Any]]], np.ndarray] | None = None
    """Draws the measured quantities of an episode, one dict a step, as an (h, w, 3) uint8 picture."""
