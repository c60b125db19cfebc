"""Protocols that trajectories are made with: random, reference and adversarial ones, all as one small form.

A plan is a C-rate a step, a ceiling by windows of SOC, and which limits a feedback keeps, with what margin. What such a
feedback does is what a charger or an agent does: it backs off as a limit comes near, by what is measured.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

WINDOWS = 5
"""Windows of SOC, equally wide from 0 to 1, that a staged protocol has a rate each for."""
SCALES = np.array([0.05, 4.0, 0.03])
"""[V], [K], [V] of slack that are far from a limit for the feedback."""
FREE = np.nan
"""The margin of a limit that is not kept."""


class Plan(NamedTuple):
    """What is done with one cell, or (stacked) with N of them."""

    rates: np.ndarray
    """(steps,) C-rates."""
    ceilings: np.ndarray
    """(WINDOWS,) the largest C-rate by windows of SOC."""
    margins: np.ndarray
    """(3,) how far inside voltage, temperature and anode potential the feedback stays [V, K, V]; NaN: not kept."""


def _plan(rates: np.ndarray, ceilings: np.ndarray | None = None, margins: tuple[float, ...] | None = None) -> Plan:
    top = np.full(WINDOWS, np.inf) if ceilings is None else ceilings
    return Plan(rates, top, np.full(3, FREE) if margins is None else np.array(margins))


def holds(rng: np.random.Generator, steps: int, most: float) -> Plan:
    """Rates that are held for 1 to 20 steps; every sixth or so is a rest."""
    lengths = rng.integers(1, 21, steps)
    rates = most * rng.uniform(0, 1, steps) ** rng.uniform(0.7, 2.5) * (rng.uniform(size=steps) > 0.15)
    return _plan(np.repeat(rates, lengths)[:steps])


def walk(rng: np.random.Generator, steps: int, most: float) -> Plan:
    """A random walk that is drawn back to a mean."""
    mean, back, wide = rng.uniform(0.3, 0.8 * most), rng.uniform(0.05, 0.5), rng.uniform(0.05, 0.5)
    rates, noise = np.empty(steps), rng.normal(0, wide, steps)
    rate = mean
    for k in range(steps):
        rates[k] = rate = rate + back * (mean - rate) + noise[k]
    return _plan(np.clip(rates, 0, most))


def noise(rng: np.random.Generator, steps: int, most: float) -> Plan:
    """Any rate up to some bound, at every step."""
    return _plan(rng.uniform(0, rng.uniform(0.3, most), steps))


def stages(rng: np.random.Generator, steps: int, most: float) -> Plan:
    """Falling rates over windows of SOC, as staged constant current has them."""
    return _plan(np.full(steps, most), np.sort(rng.uniform(0.15, rng.uniform(0.6, most), WINDOWS))[::-1])


def cccv(rng: np.random.Generator, steps: int, most: float) -> Plan:
    """A constant current, then a constant voltage."""
    return _plan(np.full(steps, rng.uniform(0.2, most)), margins=(rng.uniform(-0.02, 0.02), FREE, FREE))


def ride(rng: np.random.Generator, steps: int, most: float) -> Plan:
    """As fast as all limits allow, with margins that may be negative, and some dither."""
    margins = (rng.normal(0, 0.03), rng.normal(0.5, 2.0), rng.normal(0.003, 0.015))
    dither = np.exp(rng.normal(0, rng.choice([0.0, 0.05, 0.2]), steps))
    return _plan(np.minimum(rng.uniform(0.8, most) * dither, most), margins=margins)


def pulses(rng: np.random.Generator, steps: int, most: float) -> Plan:
    """High and low in turn."""
    period, low = int(rng.integers(1, 9)), rng.uniform(0, 0.7) * (rng.uniform() > 0.4)
    on = (np.arange(steps) + rng.integers(0, 2 * period)) // period % 2 == 0
    return _plan(np.where(on, rng.uniform(0.4, 1.0) * most, low))


def surge(rng: np.random.Generator, steps: int, most: float) -> Plan:
    """Gentle at first, then hard, when the cell is warm and full."""
    begin = rng.integers(1, max(2, 3 * steps // 4))
    return _plan(np.where(np.arange(steps) < begin, rng.uniform(0, 1.0), rng.uniform(0.4, 1.0) * most))


def full(rng: np.random.Generator, steps: int, most: float) -> Plan:
    """A high rate to the end."""
    return _plan(np.full(steps, rng.uniform(0.4, 1.0) * most))


def ramp(rng: np.random.Generator, steps: int, most: float) -> Plan:
    """Rising or falling evenly."""
    a, b = rng.uniform(0.1, 0.8 * most, 2)
    return _plan(np.interp(np.arange(steps), [0, int(rng.integers(10, 90))], [a, b]))


def waves(rng: np.random.Generator, steps: int, most: float) -> Plan:
    """A sine."""
    mean, period, phase = rng.uniform(0.4, 0.6 * most), rng.uniform(4, 40), rng.uniform(0, 2 * np.pi)
    swing = mean * rng.uniform(0.1, 0.9)
    return _plan(np.clip(mean + swing * np.sin(2 * np.pi * np.arange(steps) / period + phase), 0, most))


KINDS: Mapping[str, Callable[[np.random.Generator, int, float], Plan]] = {
    kind.__name__: kind for kind in (holds, walk, noise, stages, cccv, ride, pulses, surge, full, ramp, waves)
}
"""Kinds of protocols by name: each draws one from (generator, steps, largest C-rate)."""


def stacked(plans: list[Plan]) -> Plan:
    """N plans as one, with N as first axis."""
    return Plan(*(np.stack(parts) for parts in zip(*plans, strict=True)))


def rates(plan: Plan, k: int, soc: np.ndarray, slacks: np.ndarray, held: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N,) C-rates of step ``k``, and (N,) how far the feedback is throttled then.

    Args:
        plan: of N cells.
        k: the step.
        soc: (N,).
        slacks: (N, 3) of voltage, temperature and anode potential over the last step, in their units.
        held: (N,) how far it was throttled: 1 is not at all.
    """
    window = np.clip((soc * WINDOWS).astype(int), 0, WINDOWS - 1)
    planned = np.minimum(plan.rates[:, k], plan.ceilings[np.arange(len(soc)), window])
    room = (slacks - plan.margins) / SCALES
    worst = np.where(np.isnan(room), np.inf, room).min(axis=1)
    held = np.where(np.isinf(worst), 1.0, np.clip(held * np.exp(0.5 * np.clip(worst, -1, 1)), 0.01, 1.0))
    return planned * held, held
