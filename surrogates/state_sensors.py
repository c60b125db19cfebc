"""What a battery's sensors make of a cell: noise on the voltage, a current that is off, a wrong start.

The sizes are those that estimators of states are asked to bear here; they are a judgement, not a data sheet.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

VOLTS, TEMPERATURE, RATE, COUNTED = range(4)
COLUMNS = ("Voltage [V]", "Temperature [K]", "C-rate", "Counted SOC")
"""The columns of a history. The C-rate is of the step that ended with the sample, positive on charge."""

SAMPLE = 30.0
"""[s] between two samples of a history."""


class Sensors(NamedTuple):
    """How far measurements are from the truth."""

    volts: float = 0.002
    """[V] standard deviation of the noise, of every sample anew."""
    amperes: float = 0.020
    """[A] the current is off by at most so much, evenly drawn once a history."""
    start: float = 0.10
    """The start SOC is off by at most so much, evenly drawn."""


def histories(
    volts: np.ndarray,
    kelvin: np.ndarray,
    rate: np.ndarray,
    soc: np.ndarray,
    nominal: float,
    sensors: Sensors,
    rng: np.random.Generator,
) -> np.ndarray:
    """(n, L, 4) float32 of :data:`COLUMNS`, as measured.

    Args:
        volts: (n, L) [V], true as are the following.
        kelvin: (n, L) [K].
        rate: (n, L) C-rate, 0 in the first sample, which is at rest.
        soc: (n, 1) or (n, L), of which the first is taken.
        nominal: [A.h] capacity that C-rates and coulomb counting refer to.
        sensors: how far off.
        rng: of the noise.
    """
    n = len(volts)
    measured = rate + rng.uniform(-1, 1, (n, 1)) * sensors.amperes / nominal
    counted = soc[:, :1] + rng.uniform(-1, 1, (n, 1)) * sensors.start + counts(measured)
    noisy = volts + rng.normal(0.0, sensors.volts, volts.shape)
    return np.stack([noisy, kelvin, measured, counted], axis=-1).astype(np.float32)


def counts(rate: np.ndarray) -> np.ndarray:
    """(n, L) SOC that coulomb counting adds to the start, of (n, L) C-rates; the first sample has no step before it."""
    passed = np.array(rate, dtype=float)
    passed[:, 0] = 0.0
    return np.cumsum(passed, axis=1) * (SAMPLE / 3600)
