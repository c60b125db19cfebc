"""Cells that are cycled until they are worn out, many at once: constant-current charge, constant voltage, discharge.

Every row of a batch is a cell with its own rates and protocol; a row's result depends on that row alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from voltgym.envs.charging.cycling_cells import Cells, Curve

PIECE = 1 / 60
"""Charge of a step, as a share of the nominal capacity: a minute at 1C."""
TAPER = 1 / 20
"""C-rate at which a charge at constant voltage ends."""
CV_PIECE, CV_LONGEST = 60.0, 240
"""[s] of a step at constant voltage, and how many there are at most."""
CHECK_RATE, CHECK_KELVIN, SOAK = 1 / 3, 298.15, 3600.0
"""A check-up's C-rate and ambient temperature, and the rest [s] before each of its halves."""

Record = Callable[[np.ndarray, Cells, np.ndarray], None]
"""Called after a step with the rows (n,) that were stepped, the cells, and the step's C-rates (n,), as signed here."""


def hold(cells: Cells, rate: np.ndarray, most: np.ndarray, record: Record | None = None) -> None:
    """Constant current of C-rates (n,), positive on charge, to the voltage limit or ``most`` (n,) [A.h] of charge.

    The step in which the limit would be passed is shortened, by the slope of the voltage in it; a limit that is passed
    with the first breath ends the current there.
    """
    limit = np.where(rate > 0, cells.high, cells.low)
    left, sign = most / cells.nominal, np.sign(rate)
    going = ~cells.stopped & (left > 1e-9)
    every = np.arange(len(rate))
    going &= sign * (cells.voltage_at(every, rate) - limit) < 0
    while (rows := np.flatnonzero(going)).size:
        r = rate[rows]
        seconds = np.minimum(PIECE, left[rows]) / np.abs(r) * 3600
        kept = cells.y[rows].copy(), cells.out[rows].copy(), cells.time[rows].copy()
        start = cells.voltage_at(rows, r)
        cells.step(rows, r, seconds)
        over = sign[rows] * (cells.out[rows, 0] - limit[rows]) > 0
        over &= ~cells.stopped[rows]
        if over.any():
            back, share = rows[over], (limit[rows] - start)[over] / (cells.out[rows, 0] - start)[over]
            cells.y[back], cells.out[back], cells.time[back] = (part[over] for part in kept)
            seconds[over] *= np.clip(share, 0.01, 1.0)
            cells.step(back, rate[back], seconds[over])
        left[rows] -= seconds * np.abs(r) / 3600
        if record is not None:
            record(rows, cells, r)
        going[rows] = ~over & (left[rows] > 1e-9) & ~cells.stopped[rows]


def hold_voltage(cells: Cells, rate: np.ndarray, record: Record | None = None) -> None:
    """Constant voltage at the upper limit, from C-rates (n,) at most, until they fall below ``TAPER``.

    The current is constant within a step of a minute, and such that the voltage is at the limit when the step begins:
    within it, the voltage rises by a few millivolts.
    """
    rows = np.flatnonzero(~cells.stopped & (cells["Voltage [V]"] > cells.high - 0.005))
    now = rate[rows].copy()
    for _ in range(CV_LONGEST):
        now = _at_limit(cells, rows, now)
        keep = now >= TAPER
        rows, now = rows[keep], now[keep]
        if not rows.size:
            return
        cells.step(rows, now, np.full(len(rows), CV_PIECE))
        if record is not None:
            record(rows, cells, now)
        keep = ~cells.stopped[rows]
        rows, now = rows[keep], now[keep]


def _at_limit(cells: Cells, rows: np.ndarray, rate: np.ndarray) -> np.ndarray:
    """(k,) C-rates, no more than ``rate``, at which the voltage is at the limit: two secants."""
    a, found = np.zeros(len(rows)), rate
    low, high = cells.voltage_at(rows, a), cells.voltage_at(rows, rate)
    for _ in range(2):
        found = a + (cells.high - low) * (rate - a) / np.maximum(high - low, 1e-6)
        found = np.clip(found, 0.0, rate)
        low, a = cells.voltage_at(rows, found), found
    return found


def rest(cells: Cells, seconds: float, ambient: np.ndarray | None = None) -> None:
    """No current for a while, at an ambient temperature (n,) [K] that may be another from now on."""
    if ambient is not None:
        cells.u[:, 1] = ambient
    rows = np.flatnonzero(~cells.stopped)
    cells.step(rows, np.zeros(len(rows)), np.full(len(rows), seconds))


class Checked(NamedTuple):
    """A check-up of n cells: curves are charge [A.h] passed by the time that the voltage is on a grid."""

    capacity: np.ndarray
    """(n,) [A.h], discharged at ``CHECK_RATE`` and 25 C from full to the lower limit; NaN where a cell failed."""
    curve: np.ndarray
    """(n, len(grid)) [A.h] of that discharge."""


def check_up(cells: Cells, grid: np.ndarray) -> Checked:
    """Charge, rest, discharge at C/3 in a chamber of 25 C, as laboratories tell a cell's capacity."""
    n = len(cells.time)
    whole, curve = np.full(n, 2 * cells.nominal), Curve(n, grid, falling=True)
    rest(cells, SOAK, np.full(n, CHECK_KELVIN))
    hold(cells, np.full(n, CHECK_RATE), whole)
    hold_voltage(cells, np.full(n, CHECK_RATE))
    rest(cells, SOAK)
    before = cells["Discharge capacity [A.h]"].copy()
    curve.begin(cells, np.full(n, -CHECK_RATE))
    hold(cells, np.full(n, -CHECK_RATE), whole, curve)
    capacity = np.where(cells.stopped, np.nan, cells["Discharge capacity [A.h]"] - before)
    rest(cells, SOAK, cells.ambient)
    return Checked(capacity, curve.charge)


class Protocol(NamedTuple):
    """How n cells are cycled: (n,) arrays. C-rates are > 0, shares are of the nominal capacity."""

    first: np.ndarray
    """C-rate with which a charge begins."""
    switch: np.ndarray
    """Share after which it goes on with ``charge``; 0 for charges of one stage."""
    charge: np.ndarray
    """C-rate up to the voltage limit."""
    discharge: np.ndarray
    """C-rate."""
    depth: np.ndarray
    """Share that a discharge takes, unless the lower voltage limit ends it before."""


def cycle(cells: Cells, how: Protocol, curve: Curve | None = None) -> None:
    """Charge in one stage or two, then at constant voltage, rest 10 min, discharge, rest 10 min.

    ``curve`` records the last stage at constant current.
    """
    hold(cells, how.first, how.switch * cells.nominal)
    if curve is not None:
        curve.begin(cells, how.charge)
    hold(cells, how.charge, np.full(len(how.charge), 2 * cells.nominal), curve)
    hold_voltage(cells, how.charge)
    rest(cells, 600.0)
    hold(cells, -how.discharge, how.depth * cells.nominal)
    rest(cells, 600.0)
