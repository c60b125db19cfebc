"""The state of cells that are cycled, and a recorder of what their voltage goes through."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from voltgym.envs.charging import cycling_model as model

TOLERANCES: dict[str, Any] = {"rtol": 1e-4, "atol": 1e-6, "otol": 1e-5}
"""Of the kernel."""
_AT = {name: i for i, name in enumerate(model.OUTPUTS)}


class Cells:
    """The state of n cells: what the kernel needs, time, and which have failed or take no more part (``stopped``)."""

    def __init__(self, cells: Mapping[str, np.ndarray], n: int) -> None:
        self.kernel, self.u = model.kernel(), model.inputs(cells, n)
        self.y, self.h, self.time = self.kernel.initial(self.u), np.zeros(n), np.zeros(n)
        self.stopped, self.failed = np.zeros(n, dtype=bool), np.zeros(n, dtype=bool)
        self.ambient = self.u[:, 1].copy()
        about = model.cell()
        self.nominal, self.low, self.high = about.nominal_capacity, about.lower_voltage, about.upper_voltage
        self.out = self.kernel.observe(self.y, self.u)

    def __getitem__(self, name: str) -> np.ndarray:
        """(n,) an output of ``cycling_model.OUTPUTS``."""
        return self.out[:, _AT[name]]

    def step(self, rows: np.ndarray, rate: np.ndarray, seconds: np.ndarray) -> None:
        """Hold C-rates (k,), positive on charge, in ``rows`` (k,) for ``seconds`` (k,)."""
        u = self.u[rows]
        u[:, 0] = -rate * self.nominal  # PyBaMM's sign
        first = np.where(u[:, 0] == self.u[rows, 0], self.h[rows], 0.0)  # another current needs a careful first step
        done = self.kernel.advance(self.y[rows], u, seconds, first, **TOLERANCES)
        bad = (done.status != 0) | ~np.isfinite(done.outputs).all(axis=1)
        good = rows[~bad]
        self.y[good], self.out[good], self.u[good, 0] = done.y[~bad], done.outputs[~bad], u[~bad, 0]
        self.h[good] = done.h[~bad]
        self.time[good] += seconds[~bad]
        self.failed[rows[bad]] = self.stopped[rows[bad]] = True

    def voltage_at(self, rows: np.ndarray, rate: np.ndarray) -> np.ndarray:
        """(k,) [V] that ``rows`` would have at once at C-rates (k,)."""
        u = self.u[rows]
        u[:, 0] = -rate * self.nominal
        return self.kernel.observe(self.y[rows], u)[:, 0]


class Curve:
    """A recorder: the charge [A.h] that has passed when the voltage crosses each point of a grid, (n, len(grid)).

    NaN where the voltage never came by. It also knows how long the rows took and how warm they became.
    """

    def __init__(self, n: int, grid: np.ndarray, *, falling: bool = False) -> None:
        self.grid, self.sign = np.asarray(grid, float), -1.0 if falling else 1.0
        self.charge = np.full((n, len(self.grid)), np.nan)
        self.warmest, self.kelvin, self.steps = np.full(n, -np.inf), np.zeros(n), np.zeros(n)

    def begin(self, cells: Cells, rate: np.ndarray) -> None:
        """C-rates (n,) are about to flow: charge counts from here."""
        self.start = cells["Discharge capacity [A.h]"].copy()
        self.volts, self.passed = cells.voltage_at(np.arange(len(rate)), rate), np.zeros(len(rate))

    def __call__(self, rows: np.ndarray, cells: Cells, rate: np.ndarray) -> None:
        """A step is done: which points of the grid did the voltage cross?"""
        volts, kelvin = cells.out[rows, 0], cells.out[rows, 1]
        passed = np.abs(cells.out[rows, _AT["Discharge capacity [A.h]"]] - self.start[rows])
        before, gone = self.volts[rows], self.passed[rows]
        a, b = self.sign * before[:, None], self.sign * volts[:, None]
        at = self.sign * self.grid[None]
        crossed = (a < at) & (at <= b) & np.isnan(self.charge[rows])
        share = (at - a) / np.where(b > a, b - a, 1.0)
        found = gone[:, None] + share * (passed - gone)[:, None]
        self.charge[rows] = np.where(crossed, found, self.charge[rows])
        self.volts[rows], self.passed[rows] = volts, passed
        self.warmest[rows] = np.maximum(self.warmest[rows], kelvin)
        self.kelvin[rows] += kelvin
        self.steps[rows] += 1
