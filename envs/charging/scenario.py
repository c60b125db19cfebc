"""What varies between charges: the weather, the start, and the cell on the bench.

The widths are a judgement, not a measurement: wide enough that a controller tuned for the nominal cell breaks limits
(an exchange current 20 % lower costs about 10 mV of anode potential, 30 % less cooling 4 K). They are uniform, so that
every bound is a real bound.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from voltgym.envs.contracts import Scenario
from voltgym.envs.errors import VoltGymError

KELVIN = 273.15

SPREAD: Mapping[str, tuple[float, float]] = {
    "Initial SOC": (0.05, 0.30),
    "Initial SOC error": (-0.03, 0.03),
    "Negative exchange-current factor": (0.8, 1.2),
    "Negative diffusivity factor": (0.9, 1.1),
    "Cooling factor": (0.8, 1.2),
    "Capacity factor": (0.97, 1.03),
    "Contact resistance [Ohm]": (0.0, 0.004),
}
"""The lowest and the highest of what varies beside the ambient temperature."""

NOMINAL: Mapping[str, float] = {
    "Ambient temperature [K]": 25.0 + KELVIN,
    "Initial SOC": 0.10,
    "Initial SOC error": 0.0,
    "Negative exchange-current factor": 1.0,
    "Negative diffusivity factor": 1.0,
    "Cooling factor": 1.0,
    "Capacity factor": 1.0,
    "Contact resistance [Ohm]": 0.0,
}
"""The scenario of the split ``nominal``: the cell as its parameter set has it, at 25 C, from 10 %."""

AMBIENT_C: Mapping[str, tuple[float, float]] = {
    "train": (10.0, 35.0),
    "validation": (10.0, 35.0),
    "test": (10.0, 35.0),
    "private": (10.0, 35.0),
    "cold": (0.0, 10.0),
    "hot": (35.0, 40.0),
}
"""Ambient temperature [C] by split. Above 35 C any heating violates, below 10 C charging takes hours: own splits."""

MOST_REDRAWS = 1000


class Spread:
    """Draws scenarios, and draws again what cannot be charged in time.

    ``minutes(scenario)`` estimates what the full-information greedy controller needs; a draw above ``limit`` minutes
    is drawn again, and ``"Redraws"`` counts how often. The rule is the same in every split.
    """

    def __init__(self, ambient_c: tuple[float, float], minutes: Any = None, limit: float = 60.0) -> None:
        self.ambient_c, self.minutes, self.limit = ambient_c, minutes, limit

    def __call__(self, rng: np.random.Generator) -> dict[str, float]:
        """One scenario: every name of ``NOMINAL`` and ``"Redraws"``."""
        for redraws in range(MOST_REDRAWS):
            drawn = {"Ambient temperature [K]": KELVIN + rng.uniform(*self.ambient_c)}
            drawn |= {name: rng.uniform(low, high) for name, (low, high) in SPREAD.items()}
            if self.minutes is None or self.minutes(drawn) <= self.limit:
                return {**drawn, "Redraws": redraws}
        raise VoltGymError(
            f"no scenario in {MOST_REDRAWS} draws at {self.ambient_c} C can be charged in {self.limit} min; "
            "widen the split or the limit"
        )


def fixed(rng: np.random.Generator) -> dict[str, float]:
    """The nominal scenario."""
    return {**NOMINAL, "Redraws": 0}


def splits(minutes: Any = None) -> dict[str, Scenario]:
    """Every split of the charging environments, with the redraw rule ``minutes`` (none: nothing is redrawn)."""
    return {"nominal": fixed} | {split: Spread(ambient, minutes) for split, ambient in AMBIENT_C.items()}
