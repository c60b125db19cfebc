"""A set of profiles of cells, each a row of samples every 30 s: charges, discharges, rests, drives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from voltgym.envs.errors import UnknownName, VoltGymError, number, whole_number
from voltgym.experiments import data_parts, manifest
from voltgym.experiments.data_charging import twin_of
from voltgym.experiments.data_parts import pair
from voltgym.surrogates.base import put, take

HELD_OUT = ("waves", "day")
"""Kinds that no training set has."""
LOWEST, HIGHEST, MARGIN = 0.03, 0.98, 0.03
"""SOC beyond which a profile only goes back, and how near [V] to the cell's limits it may come first."""

CUT_OFF, HOTTEST = 0.2, 333.15
"""[V] beyond the cell's limits and [K] at which a battery's protection ends a profile."""


def run(*, seed: int, workers: int, out: Path, command: str, **config: Any) -> dict[str, Any]:
    """Make the missing parts of the set of ``config`` in ``out``; returns its manifest.

    Raises:
        VoltGymError: the config is wrong, or the folder holds another set.
    """
    config = checked(config)
    twin = twin_of(config["cell"], config["fidelity"])
    about = {"command": command, "versions": manifest.versions(manifest.PHYSICS)}
    about["fingerprint"] = manifest.fingerprint(twin)
    parts = -(-config["cells"] // config["part"])
    return data_parts.run(part, parts, config, seed=seed, workers=workers, out=out, about=about)


def checked(config: Mapping[str, Any]) -> dict[str, Any]:
    """The config, or an error in one line that says what is wrong with it."""
    out = dict(config)
    for name, least, most in (("cells", 1, 10**6), ("part", 1, 10**5), ("steps", 2, 10**4)):
        out[name] = whole_number(f"data.{name}", config[name], least, most)
    for name, bounds in (("ambient_c", (-40.0, 60.0)), ("initial_soc", (0.0, 1.0))):
        out[name] = pair(f"data.{name}", config[name], *bounds)
    for name in ("charge", "discharge"):
        out[name] = number(f"data.{name}", config[name], "a C-rate such as 2.0", 1e-3, 100.0)
    for name in config["kinds"]:
        if name not in KINDS:
            raise UnknownName("entry of data.kinds", name, KINDS)
    out["kinds"] = {k: number(f"data.kinds.{k}", v, "a share >= 0", 0.0, 1e9) for k, v in config["kinds"].items()}
    if not sum(out["kinds"].values()) > 0:
        raise VoltGymError(f"data.kinds has no share above 0; give some of {', '.join(KINDS)} one, such as 0.5")
    out["spread"] = {name: pair(f"data.spread.{name}", values, 0.0, 10.0) for name, values in config["spread"].items()}
    return out


def part(config: Mapping[str, Any], seed: int, k: int) -> dict[str, pa.Table]:
    """The tables of part ``k``: a row a cell, whose samples are lists."""
    numbers = np.arange(k * config["part"], min((k + 1) * config["part"], config["cells"]))
    drawn = [_drawn(config, np.random.default_rng([seed, 11, int(number)])) for number in numbers]
    scenario = {name: np.array([row[0][name] for row in drawn]) for name in drawn[0][0]}
    found = played(twin_of(config["cell"], config["fidelity"]), scenario, np.stack([row[2] for row in drawn]), config)
    columns = {"cell": pa.array(numbers), "kind": pa.array([row[1] for row in drawn])}
    columns |= {name: pa.array(values) for name, values in scenario.items()}
    columns |= {name: pa.array(list(v.astype(np.float32)), pa.list_(pa.float32())) for name, v in found.items()}
    return {"cells": pa.table(columns)}


def played(twin: Any, scenario: Mapping[str, np.ndarray], rates: np.ndarray, config: Mapping[str, Any]) -> dict:
    """(n, steps + 1) samples by name, the first at rest; NaN after a step that failed."""
    n, steps = rates.shape
    state = twin.initial(dict(scenario))
    wanted = ("Voltage [V]", "Temperature [K]", "C-rate", "SOC")
    out = {name: np.full((n, steps + 1), np.nan) for name in wanted}
    going, now = np.ones(n, dtype=bool), twin.measure(state)
    for j in range(steps + 1):
        for name in wanted:
            out[name][going, j] = now[name][going]
        if j == steps:
            break
        rate = _within(twin.cell, now, rates[:, j])
        rows = np.flatnonzero(going)
        new, failure = twin.advance(take(state, rows), rate[rows])
        state = put(state, rows, new)
        now = twin.measure(state)
        going[rows] = failure == 0
        going &= _protected(twin.cell, now)
    return out


def _protected(cell: Any, now: Mapping[str, np.ndarray]) -> np.ndarray:
    """(n,) whether a battery's protection would let a cell go on."""
    volts, kelvin = now["Voltage [V]"], now["Temperature [K]"]
    beyond = (volts > cell.upper_voltage + CUT_OFF) | (volts < cell.lower_voltage - CUT_OFF)
    return ~beyond & (kelvin < HOTTEST)


def _within(cell: Any, now: Mapping[str, np.ndarray], rate: np.ndarray) -> np.ndarray:
    """(n,) rates that turn a cell back at its limits: what would go on beyond goes half as fast the other way."""
    volts, soc = now["Voltage [V]"], now["SOC"]
    high = (soc > HIGHEST) | (volts > cell.upper_voltage - MARGIN)
    low = (soc < LOWEST) | (volts < cell.lower_voltage + 10 * MARGIN)
    rate = np.where(high & (rate > 0), np.where(soc > HIGHEST, -0.3, 0.05) * rate, rate)
    return np.where(low & (rate < 0), -0.3 * rate, rate)


def _drawn(config: Mapping[str, Any], rng: np.random.Generator) -> tuple[dict[str, float], str, np.ndarray]:
    names = list(config["kinds"])
    shares = np.array([config["kinds"][name] for name in names])
    kind = str(rng.choice(names, p=shares / shares.sum()))
    out = {"Ambient temperature [K]": 273.15 + rng.uniform(*config["ambient_c"])}
    out["Initial SOC"] = rng.uniform(*config["initial_soc"])
    out |= {name: float(rng.uniform(*values)) for name, values in config["spread"].items()}
    rates = KINDS[kind](rng, config["steps"], config["charge"], config["discharge"])
    rates = np.clip(rates, -config["discharge"], config["charge"])
    return out, kind, rates * np.clip(0.3 + 0.7 * (out["Ambient temperature [K]"] - 273.15) / 20, 0.3, 1.0)  # when cold


def _held(rng: np.random.Generator, steps: int, draw: Callable[[], float], least: int, most: int) -> np.ndarray:
    """(steps,) rates, each drawn and held for a while."""
    out = np.empty(steps)
    at = 0
    while at < steps:
        end = at + int(rng.integers(least, most + 1))
        out[at:end] = draw()
        at = end
    return out


def _charge(rng: np.random.Generator, steps: int, high: float, low: float) -> np.ndarray:
    falls = rng.uniform() < 0.5
    rates = _held(rng, steps, lambda: rng.uniform(0.1, high) * rng.uniform(0.4, 1.0), 4, 40)
    rates = np.sort(rates)[::-1] if falls else rates
    start = int(rng.integers(0, 20))
    return np.concatenate([np.zeros(start), rates])[:steps]


def _holds(rng: np.random.Generator, steps: int, high: float, low: float) -> np.ndarray:
    return _held(rng, steps, lambda: rng.choice([0.0, rng.uniform(-low, 0), rng.uniform(0, high)]), 3, 50)


def _drive(rng: np.random.Generator, steps: int, high: float, low: float) -> np.ndarray:
    mean, size, keep = rng.uniform(0.1, 0.7), rng.uniform(0.2, 0.9), rng.uniform(0.3, 0.9)
    noise, out = rng.normal(size=steps), np.empty(steps)
    now = 0.0
    for j in range(steps):
        now = keep * now + (1 - keep**2) ** 0.5 * noise[j]
        out[j] = min(-mean + size * now, 0.5 * high)
    return out


def _pulses(rng: np.random.Generator, steps: int, high: float, low: float) -> np.ndarray:
    levels = [0.0, rng.uniform(-low, 0.0), rng.uniform(0.0, high), rng.uniform(-low, 0.6 * high)]
    return _held(rng, steps, lambda: levels[int(rng.integers(4))], 1, 10)


def _waves(rng: np.random.Generator, steps: int, high: float, low: float) -> np.ndarray:
    t = np.arange(steps)
    both = [rng.uniform(0.2, 0.8) * np.sin(2 * np.pi * t / rng.uniform(15, 120) + rng.uniform(0, 6)) for _ in range(2)]
    return both[0] + both[1] + rng.uniform(-0.3, 0.3)


def _day(rng: np.random.Generator, steps: int, high: float, low: float) -> np.ndarray:
    drive, rest = int(rng.integers(30, 80)), int(rng.integers(5, 25))
    charge = np.full(steps, rng.uniform(0.3, 0.6 * high))
    return np.concatenate([_drive(rng, drive, high, low), np.zeros(rest), charge])[:steps]


KINDS: Mapping[str, Callable[[np.random.Generator, int, float, float], np.ndarray]] = {
    "charge": _charge,
    "holds": _holds,
    "drive": _drive,
    "pulses": _pulses,
    "waves": _waves,
    "day": _day,
}
"""Kinds of profiles: (rng, steps, largest C-rate of charge, of discharge) -> (steps,) C-rates, positive on charge."""
