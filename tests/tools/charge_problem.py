"""A problem for optimisers of others: three charge rates of the Thevenin cell, whose optimum is proven."""

from __future__ import annotations

import numpy as np

from voltgym.agents.protocols import RatesBySOC
from voltgym.envs.episodes import Episodes
from voltgym.envs.problem import Act, DesignProblem, Evaluation
from voltgym.envs.thevenin import best_rate

ENV = "VoltGym/Thevenin-v0"
MINUTES = "Time to target [min]"
GOAL = (
    33.0  # [min]; the best constant current takes 45, one of 60 random designs is that good in about half of all tries
)


class Optimal:
    """No design at all: the optimal policy, for the time that nobody can beat."""

    bounds = np.zeros((2, 1))

    def policy(self, x: np.ndarray, episodes: Episodes) -> Act:
        return lambda observation: best_rate(episodes.measured)[:, None]


def problem() -> DesignProblem:
    return DesignProblem(ENV, RatesBySOC(stages=3), split="nominal")


def loss(found: Evaluation) -> np.ndarray:
    """(n,) minutes, an hour where the target is not reached, and ten more for every 50 mV over the limit."""
    minutes = np.nan_to_num(found.values[MINUTES], nan=60.0)
    return minutes + 10 * np.maximum(-worst(found) / 0.05, 0)


def worst(found: Evaluation) -> np.ndarray:
    """(n,) the voltage slack [V]; >= 0 is feasible."""
    return found.slacks["Voltage [V]"]


def optimum() -> float:
    return float(DesignProblem(ENV, Optimal(), split="nominal").evaluate([[0.0]]).values[MINUTES][0])


def best_constant() -> float:
    """Minutes of the best constant current: the easy value."""
    rates = np.linspace(0.3, 3.0, 271)
    found = problem().evaluate(np.repeat(rates[:, None], 3, axis=1))
    return float(np.nanmin(np.where(worst(found) >= 0, found.values[MINUTES], np.nan)))


def check(x: np.ndarray, spent: int, most: int, goal: float = GOAL) -> None:
    """``x`` (3,) is feasible, better than ``goal`` minutes, not better than the optimum, and cost what it may."""
    found = problem().evaluate(x)
    minutes = float(found.values[MINUTES][0])
    assert worst(found)[0] >= -1e-9
    assert optimum() <= minutes < goal, minutes
    assert 0 < spent <= most
