"""Least squares of the twin against cycler data: a batch of trial cells gives values and sensitivities at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from voltgym.envs.errors import VoltGymError
from voltgym.experiments.calibration_fisher import Information, information
from voltgym.experiments.cycler_data import CURRENT, SURFACE, TIME, VOLTAGE, Cycle
from voltgym.experiments.cycler_quality import noise

if TYPE_CHECKING:
    from voltgym.envs.charging.calibration_model import CalibrationModel, Rows

STEP = 1e-3
"""Of the finite differences, relative (of the start: 0.01 of 10 mV)."""
START_SCALE = 0.01
"""[V], the unit in which the open-circuit voltage at the start is varied."""
MOST = 40
"""Evaluations of all sensitivities."""
STAGES, STAGE_STEPS, PULL, SHORTEST = 12, 6, 10.0, 30
"""Of the search for a cell that lives through all rows: rounds, steps a round, pull to the start, fewest rows."""
FLOORS = (2e-4, 0.02)
"""[V], [K]: below these no noise is believed."""
LOST = 100.0
"""Standard deviations that count for a row which the model did not live to see."""
KELVIN = 273.15


@dataclass
class Fit:
    """Data, model and start of one calibration; ``run`` fits.

    The vector that is fitted: each parameter relative to its scale (its logarithm where it is positive), then the
    open-circuit voltage at the start.
    """

    model: CalibrationModel
    cycle: Cycle
    rows: Rows
    leave_out: np.ndarray
    """(n,) rows whose voltage does not count."""
    start: Sequence[float]
    asked: int
    """How many of the model's parameters were asked for; the others are nuisances."""
    temperature: bool = True
    """Whether the surface temperature counts."""
    pull: float = 0.0
    """How strongly the vector is held at its start: residuals are added, this many deviations for a change of 100 %."""
    deviation: tuple[float, float] = (0.0, 0.0)
    """[V], [K] of the residuals: the rows' noise at first, after the fit the residuals' own."""
    _last: tuple[bytes, np.ndarray, np.ndarray] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        capacity = self.model.cell.nominal_capacity
        names = (VOLTAGE, SURFACE) if self.temperature else (VOLTAGE,)
        found = [noise(self.cycle[name], self.cycle[CURRENT], capacity) for name in names]
        self.deviation = tuple(max(a, b) for a, b in zip([*found, 0.0], FLOORS, strict=False))  # type: ignore[assignment]
        self._log = np.array([p.low > 0 for p in self.model.parameters])
        self._scale = np.array([p.scale for p in self.model.parameters])
        still = int(np.argmax(np.abs(self.cycle[CURRENT]) > 0.01 * capacity))
        self._ocv = float(np.mean(self.cycle[VOLTAGE][: max(1, still)]))

    @property
    def first(self) -> np.ndarray:
        """The vector where the fit starts."""
        return np.append(self._pack(np.asarray(self.start, float)), 0.0)

    def values(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(n, k) parameters and (n,) open-circuit voltages of (n, k + 1) vectors."""
        x = np.atleast_2d(x)
        return self._scale * np.where(self._log, np.exp(x[:, :-1]), x[:, :-1]), self._ocv + START_SCALE * x[:, -1]

    def answers(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(n, m) voltages [V] and temperatures [C] of vectors ``x``."""
        response = self.model.run(*self.values(x), self.rows)
        return response.voltage, response.temperature - KELVIN

    def residuals(self, x: np.ndarray) -> np.ndarray:
        """(n, r) of vectors ``x``, over their standard deviations."""
        volts, warmth = self.answers(x)
        parts = [((volts - self.cycle[VOLTAGE]) / self.deviation[0])[:, ~self.leave_out]]
        if self.temperature:
            parts.append((warmth - self.cycle[SURFACE]) / self.deviation[1])
        if self.pull:
            parts.append(self.pull * (np.atleast_2d(x) - self.first))
        return np.nan_to_num(np.concatenate(parts, axis=1), nan=LOST)

    def both(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(r,) residuals and (r, k + 1) derivatives at one vector, of one batch."""
        key = x.tobytes()
        if self._last is None or self._last[0] != key:
            shift = STEP * np.eye(len(x))
            r = self.residuals(np.concatenate([x[None], x + shift, x - shift]))
            k = len(x)
            self._last = key, r[0], (r[1 : k + 1] - r[k + 1 :]).T / (2 * STEP)
        return self._last[1], self._last[2]

    def information(self, x: np.ndarray) -> Information:
        """What the data say at ``x``."""
        jacobian = self.both(x)[1]
        value = self.values(x)[0][0]
        relative = np.append(np.where(self._log, 1.0, value / self._scale), 1.0)  # d/d ln value
        j = jacobian * relative
        names = [p.short for p in self.model.parameters[: self.asked]]
        return information(names, j[:, : self.asked], j[:, self.asked :])

    def horizon(self, x: np.ndarray) -> int:
        """How many rows the cells around ``x`` follow before one of them runs empty or full."""
        shift = STEP * np.eye(len(x))
        volts, _ = self.answers(np.concatenate([x[None], x + shift, x - shift]))
        return int(np.isfinite(volts).all(axis=0).sum())

    def alive(self, progress: Any) -> np.ndarray:
        """A vector near the start whose cell lives through all rows, by fitting the rows that it does live through.

        A start with too little capacity runs empty somewhere; nothing after that can say anything of it.
        """
        x, reached = self.first, self.horizon(self.first)
        for _ in range(STAGES):
            if reached == len(self.cycle):
                return x
            keep = np.arange(max(SHORTEST, int(0.98 * reached)))
            part = replace(
                self,
                cycle=self.cycle.take(keep),
                rows=self.rows.upto(len(keep)),
                leave_out=self.leave_out[keep],
                start=self.values(x)[0][0],
                pull=PULL,
                _last=None,
            )
            x = part.run(progress, STAGE_STEPS, settled=False)
            reached, before = self.horizon(x), reached
            if reached <= before:
                break
        when = self.cycle[TIME][min(reached, len(self.cycle) - 1)]
        raise VoltGymError(
            f"with these start values the cell runs empty or full {when:.0f} s into the data, and no values near them "
            "change that: start elsewhere (start=...), or choose a cell= of this size"
        )

    def run(self, progress: Any, most: int = MOST, settled: bool = True, start: np.ndarray | None = None) -> np.ndarray:
        """The best vector. ``progress`` takes (done, most, **numbers) after every evaluation of sensitivities."""
        from scipy.optimize import least_squares

        low, high = (self._pack(np.array([getattr(p, end) for p in self.model.parameters])) for end in ("low", "high"))
        bounds = (np.append(low, -20.0), np.append(high, 20.0))
        done = 0

        def jacobian(x: np.ndarray) -> np.ndarray:
            nonlocal done
            done += 1
            r, j = self.both(x)
            progress.update(min(done, most), most, **{"residual/noise": float(np.sqrt(np.mean(r**2)))})
            return j

        first = self.first if start is None else start
        found = least_squares(lambda x: self.residuals(x[None])[0], first, jacobian, bounds,
                              x_scale="jac", max_nfev=most, ftol=1e-6, xtol=1e-5)  # fmt: skip
        if settled and not found.success:
            raise VoltGymError(f"the fit did not settle within {most} steps; start nearer (start=...), or fit less")
        return found.x

    def settle(self, x: np.ndarray) -> None:
        """Take the residuals' own deviation from here on: what the model cannot follow widens the intervals."""
        volts, warmth = self.answers(x)
        gone = [(volts[0] - self.cycle[VOLTAGE])[~self.leave_out]]
        gone += [warmth[0] - self.cycle[SURFACE]] if self.temperature else []
        free = max(1, len(self.cycle) - len(x)) / len(self.cycle)
        own = [float(np.sqrt(np.nanmean(part**2) / free)) for part in gone]
        self.deviation, self._last = (own[0], own[1] if self.temperature else 0.0), None

    def _pack(self, values: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore"):
            return np.where(self._log, np.log(np.maximum(values, 0) / self._scale), values / self._scale)


def thin(cycle: Cycle, most: int, capacity: float) -> np.ndarray:
    """Which at most about ``most`` rows to fit: even in number, and every one next to a step of the current."""
    n = len(cycle)
    if n <= most:
        return np.arange(n)
    steps = np.flatnonzero(np.abs(np.diff(cycle[CURRENT])) > 0.02 * capacity)
    near = np.unique(np.clip(steps[:, None] + np.arange(0, 6), 0, n - 1))
    near = near if len(near) < most / 2 else np.unique(np.clip(steps[:, None] + np.arange(0, 2), 0, n - 1))
    return np.unique(np.concatenate([np.linspace(0, n - 1, max(2, most - len(near))).astype(int), near, [0, n - 1]]))


def rows_of(cycle: Cycle, ambient: float) -> Rows:
    """What the model follows: time and current of ``cycle``, at ``ambient`` [C]."""
    from voltgym.envs.charging.calibration_model import Rows

    start = float(np.median(cycle[SURFACE][:5])) if SURFACE in cycle else ambient
    return Rows(cycle[TIME], cycle[CURRENT], ambient + KELVIN, start + KELVIN)
