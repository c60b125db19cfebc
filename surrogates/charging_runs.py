"""Trajectories of cells as arrays that a learned twin is fitted on and judged by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import csr_array, diags_array, vstack
from scipy.sparse.linalg import spsolve

from voltgym.surrogates.charging_step import GIVEN, HIDDEN, KNOTS, LAST, MEMORY, OUTPUTS, past_after

AFTER = ", after"
SURFACES = ("Negative surface stoichiometry", "Positive surface stoichiometry")
UNREAL = 2
"""Failures above this number have no state after the step."""


class Runs(NamedTuple):
    """E episodes of at most T steps; what is beyond an episode's end is not finite."""

    z: np.ndarray
    """(E, T + 1, 5) the ``HIDDEN`` numbers, before every step and after the last."""
    soc: np.ndarray
    """(E, T + 1)."""
    outputs: np.ndarray
    """(E, T, 5) the ``OUTPUTS`` of every step."""
    rates: np.ndarray
    """(E, T) C-rates; 0 beyond the end."""
    past: np.ndarray
    """(E, T + 1, 4) what is remembered of the currents before every step."""
    given: np.ndarray
    """(E, 6) the ``GIVEN`` numbers."""
    steps: np.ndarray
    """(E,) steps that are real."""
    failed: np.ndarray
    """(E,) whether a further one failed."""

    def some(self, rows: np.ndarray) -> Runs:
        """The episodes ``rows``."""
        return Runs(*(values[rows] for values in self))


def runs(steps: Mapping[str, np.ndarray], episodes: Mapping[str, np.ndarray], cell: Mapping[str, float]) -> Runs:
    """From the columns of a set (``voltgym data``); ``cell`` has the stoichiometries x0, x100, y0 and y100."""
    number, index = episodes["episode"], np.searchsorted(episodes["episode"], steps["episode"])
    at, n, most = steps["step"].astype(int), len(number), int(steps["step"].max()) + 1
    real = steps["failure"] <= UNREAL
    z, soc = np.full((n, most + 1, len(HIDDEN)), np.nan, np.float32), np.full((n, most + 1), np.nan)
    outputs, rates = np.full((n, most, len(OUTPUTS)), np.nan, np.float32), np.zeros((n, most))
    z[index, at], soc[index, at] = hidden(steps, "", cell), steps["SOC"]
    z[index[real], at[real] + 1] = hidden(steps, AFTER, cell)[real]
    soc[index[real], at[real] + 1] = steps["SOC" + AFTER][real]
    named = [name + AFTER if name in OUTPUTS[:2] else name for name in OUTPUTS]
    outputs[index, at] = np.stack([steps[name] for name in named], axis=1)
    rates[index, at] = steps["C-rate"]
    past = np.zeros((n, most + 1, 1 + len(MEMORY)), np.float32)
    for k in range(most):
        past[:, k + 1] = past_after(past[:, k], rates[:, k])
    given = np.stack([episodes[name] for name in GIVEN], axis=1)
    length = np.bincount(index[real], minlength=n)
    return Runs(z, soc, outputs, rates, past, given, length, np.bincount(index[~real], minlength=n) > 0)


def hidden(columns: Mapping[str, np.ndarray], suffix: str, cell: Mapping[str, float]) -> np.ndarray:
    """(n, 5) the ``HIDDEN`` numbers of measured quantities by name."""
    soc = columns["SOC" + suffix].astype(float)
    surface = [
        (columns[name + suffix] - cell[zero]) / (cell[full] - cell[zero]) - soc
        for name, zero, full in zip(SURFACES, ("x0", "y0"), ("x100", "y100"), strict=True)
    ]
    rest = [columns[name + suffix] for name in HIDDEN[3:]]
    return np.stack([columns["Temperature [K]" + suffix], *surface, *rest], axis=1)


def rest_table(steps: Mapping[str, np.ndarray]) -> np.ndarray:
    """(2, KNOTS) potentials of the electrodes [V] over SOC, from the cells that have not been charged yet.

    Least squares on the knots of a line that bends as little as it can: beyond the data it goes on straight.
    """
    first = steps["step"] == 0
    soc, anode = steps["SOC"][first].astype(float), steps["Anode potential [V]"][first].astype(float)
    both = np.stack([anode, steps["Voltage [V]"][first] + anode], axis=1)
    at = soc * (KNOTS - 1) / LAST
    low = np.clip(at.astype(int), 0, KNOTS - 2)
    row = np.arange(len(soc))
    parts: Any = (np.concatenate([1 - (at - low), at - low]), (np.tile(row, 2), np.concatenate([low, low + 1])))
    hats = csr_array(parts, shape=(len(soc), KNOTS))
    bend = diags_array([1.0, -2.0, 1.0], offsets=[0, 1, 2], shape=(KNOTS - 2, KNOTS))
    system = vstack([hats, 0.03 * bend]).tocsc()
    target = np.concatenate([both, np.zeros((KNOTS - 2, 2))])
    return np.asarray(spsolve((system.T @ system).tocsc(), system.T @ target)).T
