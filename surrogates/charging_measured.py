"""What follows from the learned numbers of a cell: what else the physical twins measure, and their failures."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from voltgym.surrogates.base import Failure, State
from voltgym.surrogates.charging_step import GIVEN, HIDDEN, OUTPUTS

RANGED = (*GIVEN, "C-rate", "SOC", "Temperature [K]")
"""What the domain looks at."""


SPREAD = (OUTPUTS[0], HIDDEN[0], *OUTPUTS[1:])
"""What is measured with a standard deviation: voltage, temperature, anode potential, the extremes within a step."""

STEEPER = 10.0
"""By how much the standard deviation grows with every width of the trained range that a cell is outside of it."""


def widened(domain: np.ndarray) -> np.ndarray:
    """(N,) what a standard deviation is multiplied with, 1 inside the domain."""
    return 1 + STEEPER * np.maximum(-domain, 0)


def surfaces(cell: Mapping[str, float], soc: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N,) surface stoichiometries of the negative and the positive electrode; ``z`` (N, 5) is ``HIDDEN``."""
    negative, positive = cell["x100"] - cell["x0"], cell["y100"] - cell["y0"]
    return cell["x0"] + negative * (soc + z[:, 1]), cell["y0"] + positive * (soc + z[:, 2])


def inner(cell: Mapping[str, float], state: State, z: np.ndarray) -> dict[str, np.ndarray]:
    """(N,) quantities by name, from the means ``z`` (N, 5) of ``HIDDEN`` and from counting charge."""
    soc, own = state["SOC"], cell["capacity"] * state["Capacity factor"]
    negative, positive = surfaces(cell, soc, z)
    counted = (soc - state["Initial SOC"]) * own / cell["nominal capacity"]
    return {
        HIDDEN[0]: z[:, 0],
        "Negative surface stoichiometry": negative,
        "Positive surface stoichiometry": positive,
        "Negative average stoichiometry": cell["x0"] + (cell["x100"] - cell["x0"]) * soc,
        HIDDEN[3]: z[:, 3],
        HIDDEN[4]: z[:, 4],
        "SOC": soc.copy(),
        "Counted SOC": state["Initial SOC"] + state["Initial SOC error"] + counted,
        "Current [A]": -state["C-rate"] * cell["nominal capacity"],
        "Capacity [A.h]": own,
    }


def failures(cell: Mapping[str, float], soc: np.ndarray, z: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    """(N,) int8 of ``Failure``: where, by what is predicted, the equations of the physics would end.

    That is a surface that is full or empty, a voltage 1 V beyond the cell's cut-offs, and an electrolyte that is empty
    somewhere, which its mean in the negative electrode shows. ``z`` and ``outputs`` are (N, members, 5).
    """
    mean, volts = z.mean(axis=1), outputs[..., 0].mean(axis=1)
    surface = np.stack(surfaces(cell, soc, mean), axis=1)
    out = ((surface < 0) | (surface > 1)).any(axis=1) | (mean[:, 3] < cell["depleted"]) | (mean[:, 4] < 0)
    out |= (volts > cell["upper voltage"] + 1) | (volts < cell["lower voltage"] - 1)
    finite = np.isfinite(z).all(axis=(1, 2)) & np.isfinite(outputs).all(axis=(1, 2))
    return np.where(finite, np.where(out, Failure.DOMAIN, Failure.NONE), Failure.NONFINITE).astype(np.int8)


def inside(low: np.ndarray, high: np.ndarray, state: State, *now: np.ndarray) -> np.ndarray:
    """(N,) >= 0 within every range of ``RANGED``, in widths of it; of an episode, the lowest so far.

    ``now`` are the C-rate, the SOC and the temperature, (N,) each.
    """
    values = np.stack([*(state[name] for name in GIVEN), *now], axis=1)
    found = (np.minimum(values - low, high - values) / (high - low)).min(axis=1)
    return np.minimum(found, state["domain"]) if "domain" in state else found
