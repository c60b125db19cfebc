"""Features of an ordinary charge that tell how much capacity is left: charge within windows of voltage, its peak.

Incremental capacity (dQ/dV) as a sign of ageing: Dubarry, Svoboda, Hwu, Liaw, Electrochem. Solid-State Lett. 9
(2006) A454; Severson et al., Nature Energy 4 (2019) 383-391, use charge over voltage of discharges (both cited from
memory).
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from voltgym.surrogates.state_inputs import InputError

EDGES = np.round(np.arange(3.66, 4.19, 0.04), 3)
"""[V] of the windows; a charge at constant current must pass all of them."""
WINDOWS = tuple(f"Charge from {a:.2f} to {b:.2f} V [A.h]" for a, b in pairwise(EDGES))
OTHERS = ("Peak of dQ/dV [A.h/V]", "Voltage of the peak [V]", "C-rate", "Temperature [K]")
FEATURES = WINDOWS + OTHERS
"""The columns of the SOH estimator, in order."""


def features(charge: np.ndarray, c_rate: np.ndarray, kelvin: np.ndarray) -> np.ndarray:
    """(n, len(FEATURES)) of n charges.

    Args:
        charge: (n, len(EDGES)) [A.h] that have passed when the voltage reaches each of ``EDGES``.
        c_rate: (n,) of the charge's last stage at constant current.
        kelvin: (n,) mean temperature [K] of the stages at constant current.
    """
    windows = np.diff(charge, axis=1)
    slope = windows / np.diff(EDGES)
    top = np.argmax(np.nan_to_num(slope, nan=-np.inf), axis=1)
    peak = np.take_along_axis(slope, top[:, None], axis=1)[:, 0]
    middle = (EDGES[:-1] + EDGES[1:]) / 2
    return np.column_stack([windows, peak, middle[top], c_rate, kelvin])


def of_charge(volts: np.ndarray, charge: np.ndarray, kelvin: np.ndarray, c_rate: float) -> np.ndarray:
    """(1, len(FEATURES)) of one measured charge at constant current.

    Args:
        volts: (L,) [V], as they were sampled; small steps back, of noise, are smoothed over.
        charge: (L,) [A.h] counted since the charge began, never falling.
        kelvin: (L,) [K].
        c_rate: of its last stage at constant current.

    Raises:
        InputError: the samples differ in number, are not finite, or do not pass all windows.
    """
    v, q, t = (np.asarray(values, dtype=float).ravel() for values in (volts, charge, kelvin))
    if not len(v) == len(q) == len(t) or len(v) < 2:
        raise InputError(f"found {len(v)} voltages, {len(q)} charges, {len(t)} temperatures; expected as many of each")
    if not (np.isfinite(v).all() and np.isfinite(q).all() and np.isfinite(t).all()):
        raise InputError("a sample of the charge is not finite; leave such samples out")
    if (np.diff(q) < 0).any():
        raise InputError("the counted charge falls somewhere; expected the samples of one charge, in order")
    if v.min() > EDGES[0] or v.max() < EDGES[-1]:
        raise InputError(
            f"the charge goes from {v.min():.2f} to {v.max():.2f} V; expected it to pass {EDGES[0]} to {EDGES[-1]} V. "
            "Take a charge that begins lower, or is not ended before"
        )
    rising = np.maximum.accumulate(v)
    keep = np.concatenate([[True], np.diff(rising) > 0])
    found = np.interp(EDGES, rising[keep], q[keep])
    return features(found[None], np.array([c_rate]), np.array([t.mean()]))
