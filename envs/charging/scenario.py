"""What varies between charges: the weather, the start, and the cell on the bench.

The widths are a judgement, not a measurement: wide enough that a controller tuned for the nominal cell breaks limits.
They are uniform, so that every bound is a real bound.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

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

LONGEST = 60.0
"""[min] what greedy may need for a draw to be kept."""

ALWAYS_IN_TIME = (10.0, 35.0)
"""[C] between which greedy was in time for every one of 900 draws on LGM50 (the slowest took 50.3 min).

Repeat with ``python -m voltgym.experiments.redraws 300``. It is taken over for other cells without a check."""

MOST_REDRAWS = 100


Minutes = Callable[[Mapping[str, float]], float]


class Spread:
    """Draws scenarios, and draws again what cannot be charged in time.

    The rule is the same in every split: a draw that full-information greedy (``minutes``, see ``tractable.py``) cannot
    finish in ``LONGEST`` minutes is drawn again, and ``"Redraws"`` counts how often. Within ``ALWAYS_IN_TIME`` that
    never happens, so greedy is not asked there.
    """

    def __init__(self, ambient_c: tuple[float, float], minutes: Minutes | None = None) -> None:
        self.ambient_c, self.minutes = ambient_c, minutes

    def __call__(self, rng: np.random.Generator) -> dict[str, float]:
        """One scenario: every name of ``NOMINAL`` and ``"Redraws"``."""
        for redraws in range(MOST_REDRAWS):
            ambient = rng.uniform(*self.ambient_c)
            drawn = {"Ambient temperature [K]": KELVIN + ambient}
            drawn |= {name: rng.uniform(low, high) for name, (low, high) in SPREAD.items()}
            if self.minutes is None or ALWAYS_IN_TIME[0] <= ambient <= ALWAYS_IN_TIME[1]:
                return {**drawn, "Redraws": redraws}
            if self.minutes(drawn) <= LONGEST:
                return {**drawn, "Redraws": redraws}
        raise VoltGymError(
            f"none of {MOST_REDRAWS} draws at {self.ambient_c} C can be charged in {LONGEST:.0f} min by greedy; "
            "choose another split or another cell"
        )


def fixed(rng: np.random.Generator) -> dict[str, float]:
    """The nominal scenario."""
    return {**NOMINAL, "Redraws": 0}


def splits(minutes: Minutes | None = None) -> dict[str, Scenario]:
    """Every split of the charging environments, with the redraw rule ``minutes`` (none: nothing is redrawn)."""
    spreads: dict[str, Scenario] = {split: Spread(ambient, minutes) for split, ambient in AMBIENT_C.items()}
    return {"nominal": fixed, **spreads}
