"""Cycler data of a cell that does not exist: a rate test on the physics, with a cycler's noise, in BDF's columns."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from voltgym.experiments.cycler_data import AMBIENT, CURRENT, SURFACE, TIME, VOLTAGE, Cycle, write_csv

KELVIN = 273.15
RATES = (1 / 3, 1.0, 2.0)
"""C-rates of the discharges."""


def rate_test(rates: Sequence[float] = RATES, rest: float = 1800.0, charge: float = 0.5) -> list[tuple[float, float]]:
    """(C-rate positive on charge, longest duration [s]) a step: rests, discharges to the lower cut-off, charges."""
    steps = [(0.0, 300.0)]
    for rate in rates:
        steps += [(-rate, 0.95 * 3600 / rate), (0.0, rest), (charge, 0.9 * 3600 / charge), (0.0, rest)]
    return steps


def measure(
    cell: Any,
    values: dict[str, float],
    steps: Sequence[tuple[float, float]] | None = None,
    *,
    ocv: float = 4.1,
    every: float = 10.0,
    noise: tuple[float, float] = (5e-3, 0.1),
    ambient: float = 25.0,
    seed: int = 0,
    fidelity: str = "SPMe",
) -> Cycle:
    """What a cycler would have written down of ``cell`` with other ``values``.

    Args:
        cell: what ``load_cell`` gives.
        values: of parameters by short or PyBaMM's names, in their units; factors of functions.
        steps: (C-rate, duration [s]); a step ends early at the cell's voltage cut-offs.
        ocv: [V] open-circuit voltage at the start.
        every: [s] between rows.
        noise: standard deviations of voltage [V] and temperature [K].
        ambient: [C].
        seed: of the noise.
        fidelity: of the physics.
    """
    from voltgym.envs.charging.calibration_model import CalibrationModel
    from voltgym.envs.charging.calibration_parameters import choose

    model = CalibrationModel(cell, choose(cell, list(values)), fidelity)
    rows = model.cycle(
        list(values.values()), ocv, list(rate_test() if steps is None else steps), every, ambient + KELVIN
    )
    rng = np.random.default_rng(seed)
    time, current, voltage, temperature = rows
    return Cycle(
        {
            TIME: time,
            CURRENT: current,
            VOLTAGE: voltage + noise[0] * rng.standard_normal(len(time)),
            SURFACE: temperature - KELVIN + noise[1] * rng.standard_normal(len(time)),
            AMBIENT: np.full(len(time), ambient),
        },
        "synthetic",
    )


def write(path: Path, cell: str = "LGM50", values: dict[str, float] | None = None, **settings: Any) -> Path:
    """Write such a file; :func:`measure` says what can be set."""
    from voltgym.envs.charging.cells import load_cell

    write_csv(path, measure(load_cell(cell), values or {"contact-resistance": 0.01}, **settings))
    return path
