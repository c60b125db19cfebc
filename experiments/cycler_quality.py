"""Whether cycler data can be fitted: gaps, order, units, sign, outliers, excitation. A finding a line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from voltgym.experiments.cycler_data import AMBIENT, CURRENT, SURFACE, TIME, VOLTAGE, Cycle

FEWEST, SHORTEST = 50, 600.0
"""Rows, and seconds, under which nothing is fitted."""
GAP = 20.0
"""Times the usual distance between rows."""
STILL = 0.01
"""C-rate under which a cell is at rest."""
OUTLIER = (8.0, 0.03)
"""Times the noise, and volts, from the median of five rows."""


class Finding(NamedTuple):
    """What is wrong, where, and what to do. An error stops the calibration; a warning does not."""

    level: str
    text: str


class Quality(NamedTuple):
    """The report of a file."""

    findings: tuple[Finding, ...]
    outliers: np.ndarray
    """(n,) rows whose voltage is left out of the fit."""
    noise: float
    """[V] standard deviation of the voltage from row to row."""

    @property
    def errors(self) -> list[str]:
        """The texts of the errors."""
        return [f.text for f in self.findings if f.level == "error"]

    @property
    def warnings(self) -> list[str]:
        """The texts of the warnings."""
        return [f.text for f in self.findings if f.level == "warning"]


def check(cycle: Cycle, capacity: float, turned: bool = False) -> Quality:
    """The report on ``cycle`` of a cell of ``capacity`` [A.h]. What needs good time is said only where time is good.

    ``turned`` says that the sign of the current was turned on request.
    """
    other = [
        Finding(
            "warning", f"{name!r} is none of the format's columns and not used; {SURFACE!r} or {AMBIENT!r} would be"
        )
        for name in cycle.ignored
    ]
    findings = [*_not_numbers(cycle), *_order(cycle)]
    none = np.zeros(len(cycle), bool)
    if findings:
        return Quality((*other, *findings, *_ranges(cycle, capacity)), none, float("nan"))
    findings += _ranges(cycle, capacity)
    if not findings:
        findings += [*_charge(cycle, capacity), *_sign(cycle, capacity, turned)]
    spread = noise(cycle[VOLTAGE], cycle[CURRENT], capacity)
    out = _outliers(cycle, spread, capacity)
    findings += [
        *_gaps(cycle, capacity),
        *_outlier_findings(out, cycle),
        *_excitation(cycle, capacity),
        *_start(cycle, capacity),
    ]
    return Quality((*other, *findings), out, spread)


def repair(cycle: Cycle) -> tuple[Cycle, list[str]]:
    """Rows that are not numbers left out, then rows whose time does not increase; and what was done."""
    good = np.all([np.isfinite(values) for values in cycle.columns.values()], axis=0)
    said = [f"{(~good).sum()} rows that are not numbers left out"] if not good.all() else []
    cycle = cycle.take(good)
    best = np.maximum.accumulate(np.concatenate([[-np.inf], cycle[TIME][:-1]]))
    later = cycle[TIME] > best
    said += [f"{(~later).sum()} rows whose time does not increase left out"] if not later.all() else []
    return cycle.take(later), said


def noise(values: np.ndarray, current: np.ndarray, capacity: float) -> float:
    """The standard deviation from row to row: of second differences within steps, robustly (median / 0.6745)."""
    same = np.abs(np.diff(current, prepend=current[0])) < STILL * capacity
    inner = same[2:] & same[1:-1]
    second = np.diff(values, 2)[inner]
    return float(np.median(np.abs(second)) / 0.6745 / np.sqrt(6)) if second.size else 0.0


def _not_numbers(cycle: Cycle) -> Iterator[Finding]:
    for name, values in cycle.columns.items():
        bad = np.flatnonzero(~np.isfinite(values))
        if bad.size:
            yield Finding("error", f"{name!r}: {bad.size} cells are empty or not finite, first in row {bad[0] + 1}; "
                                   "remove these rows, or repair=true")  # fmt: skip


def _order(cycle: Cycle) -> Iterator[Finding]:
    steps = np.diff(cycle[TIME])
    for wrong, what in ((steps == 0, "repeats the row before"), (steps < 0, "goes back")):
        at = np.flatnonzero(wrong)
        if at.size:
            where = f"first in row {at[0] + 2} ({cycle[TIME][at[0] + 1]:g} s)"
            yield Finding("error", f"time {what} {at.size} times, {where}; remove these rows, or repair=true")


def _ranges(cycle: Cycle, capacity: float) -> Iterator[Finding]:
    volts, most = float(np.nanmedian(cycle[VOLTAGE])), float(np.nanmax(np.abs(cycle[CURRENT])))
    if volts > 100:
        yield Finding("error", f"the median voltage is {volts:g} V, which looks like millivolts; divide it by 1000")
    elif not 0.5 < volts < 6:
        yield Finding("error", f"the median voltage is {volts:g} V; expected one cell's, between 0.5 and 6 V")
    if most > 50 * capacity:
        found = f"the largest current is {most:g} A, {most / capacity:.0f} times a capacity of {capacity:g} A.h"
        yield Finding("error", f"{found}; is it in milliamperes? divide it by 1000, or choose another cell=")
    for name in (SURFACE, AMBIENT):
        if name in cycle:
            middle = float(np.nanmedian(cycle[name]))
            if 200 < middle < 400:
                yield Finding("error", f"{name!r} is {middle:g} on average, which looks like kelvin; subtract 273.15")
            elif not -40 < middle < 90:
                yield Finding("error", f"{name!r} is {middle:g} on average; expected degrees Celsius, -40 to 90")


def _charge(cycle: Cycle, capacity: float) -> Iterator[Finding]:
    moved = np.concatenate([[0.0], np.cumsum(cycle[CURRENT][1:] * np.diff(cycle[TIME]))]) / 3600
    swing, volts = float(np.ptp(moved)), float(np.ptp(cycle[VOLTAGE]))
    if swing > 1.3 * capacity:
        found = f"{swing:.3g} A.h go in or out at a stretch, of a cell of {capacity:.3g} A.h"
        todo = "is the current in milliamperes, the time in milliseconds, or is it another cell=?"
        yield Finding("error", f"{found}; {todo}")
    elif swing < 0.02 * capacity and volts > 0.4:
        found = f"the voltage moves by {volts:.2f} V on {swing:.2g} A.h, of a cell of {capacity:.3g} A.h"
        yield Finding("error", f"{found}; is the time in minutes or hours, or is it another cell=?")


def _sign(cycle: Cycle, capacity: float, turned: bool) -> Iterator[Finding]:
    """The voltage answers a step of the current at once, in the same direction if current is positive on charge."""
    steps, answers = np.diff(cycle[CURRENT]), np.diff(cycle[VOLTAGE])
    big = np.abs(steps) > 0.1 * capacity
    if not big.any() or float(steps[big] @ answers[big]) >= 0:
        return
    at = int(np.flatnonzero(big)[0])
    where = f"at {big.sum()} steps of the current, first in row {at + 2}"
    found = f"the voltage falls when the cell should be charging ({where})"
    todo = (
        "the file is positive on charge already: leave out sign=discharge-positive"
        if turned
        else "here current is positive on discharge, in the Battery Data Format on charge: say sign=discharge-positive"
    )
    yield Finding("error", f"{found}; {todo}")


def _gaps(cycle: Cycle, capacity: float) -> Iterator[Finding]:
    steps = np.diff(cycle[TIME])
    wide = steps > max(GAP * float(np.median(steps)), 60.0)
    calm = (np.abs(cycle[CURRENT][1:]) < STILL * capacity) & (np.abs(cycle[CURRENT][:-1]) < STILL * capacity)
    for level, where, what in (("error", wide & ~calm, "while current flows"), ("warning", wide & calm, "at rest")):
        at = np.flatnonzero(where)
        if at.size:
            todo = "; what flowed there is unknown: cut the file there, or export all rows" if level == "error" else ""
            yield Finding(level, f"{at.size} gaps {what}, the longest {steps[at].max():.0f} s, the first after row "
                                 f"{at[0] + 1} ({cycle[TIME][at[0]]:.0f} s){todo}")  # fmt: skip


def _outliers(cycle: Cycle, spread: float, capacity: float) -> np.ndarray:
    volts, current = cycle[VOLTAGE], cycle[CURRENT]
    out = np.zeros(len(cycle), bool)
    if len(cycle) < 5:
        return out
    windows = np.lib.stride_tricks.sliding_window_view(volts, 5)
    flat = np.ptp(np.lib.stride_tricks.sliding_window_view(current, 5), axis=1) < STILL * capacity
    out[2:-2] = flat & (np.abs(volts[2:-2] - np.median(windows, axis=1)) > max(OUTLIER[0] * spread, OUTLIER[1]))
    return out


def _outlier_findings(out: np.ndarray, cycle: Cycle) -> Iterator[Finding]:
    if out.any():
        at = int(np.flatnonzero(out)[0])
        level, todo = (
            ("error", "look at the sensor") if out.mean() > 0.01 else ("warning", "they are left out of the fit")
        )
        yield Finding(level, f"{out.sum()} voltages far from their neighbours, first in row {at + 1} "
                             f"({cycle[VOLTAGE][at]:.3f} V); {todo}")  # fmt: skip


def _excitation(cycle: Cycle, capacity: float) -> Iterator[Finding]:
    current, span = cycle[CURRENT], float(np.ptp(cycle[TIME]))
    if len(cycle) < FEWEST or span < SHORTEST:
        yield Finding("error", f"{len(cycle)} rows over {span:.0f} s; expected at least {FEWEST} over {SHORTEST:.0f} s")
    if np.abs(current).max() < 2 * STILL * capacity:
        yield Finding("error", f"the current never exceeds {np.abs(current).max():.3g} A: nothing but rest is in it; "
                               "calibrate on charges and discharges of several rates")  # fmt: skip
    elif not (np.abs(np.diff(current)) > 0.1 * capacity).any():
        yield Finding("warning", "the current has no steps: resistances and diffusion are hard to tell apart")


def _start(cycle: Cycle, capacity: float) -> Iterator[Finding]:
    if abs(cycle[CURRENT][0]) > STILL * capacity:
        yield Finding("warning", f"the file starts at {cycle[CURRENT][0]:.3g} A; it is taken to be at rest before")


def lines(findings: Sequence[Finding]) -> list[str]:
    """The findings as texts to print."""
    return [f"{f.level}: {f.text}" for f in findings]
