"""One step of the learned twin: features, networks and what is known beforehand, in numpy or torch alike.

What is learned is the change of five numbers of a cell within a step, and the overpotentials at its start and its end.
What needs no learning is not learned: charge is current times time, the drop over a resistance is Ohm's, and the
potentials of the electrodes at rest are looked up by their surface stoichiometry in a table read off cells at rest.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

HIDDEN = (
    "Temperature [K]",
    "Negative surface SOC, above SOC",
    "Positive surface SOC, above SOC",
    "Electrolyte concentration in negative electrode [mol.m-3]",
    "Electrolyte concentration in positive electrode [mol.m-3]",
)
"""The numbers that a step changes. Surface stoichiometries are on the scale of the SOC, less the SOC."""

OUTPUTS = (
    "Voltage [V]",
    "Anode potential [V]",
    "Maximum voltage [V]",
    "Minimum anode potential [V]",
    "Maximum temperature [K]",
)
"""What a step gives beside them."""

GIVEN = (
    "Ambient temperature [K]",
    "Negative exchange-current factor",
    "Negative diffusivity factor",
    "Cooling factor",
    "Capacity factor",
    "Contact resistance [Ohm]",
)
"""What a cell and its surroundings are, in the order of the features."""

MEMORY = (60.0, 300.0, 1200.0)
"""[s] time constants over which past currents are remembered, beside the last one."""

STEP = 30.0
"""[s] the length of the step that is learned."""

KNOTS, LAST = 481, 1.2
"""The table of potentials at rest: so many values, from SOC 0 to this."""

REFERENCE = 298.15


class Weights(NamedTuple):
    """Everything that a step needs, as arrays of one backend (float32)."""

    layers: list[tuple[Any, Any]]
    """(members, a, b) and (members, 1, b) a layer."""
    mean: Any
    """(d,) of the features."""
    scale: Any
    """(d,) of the features."""
    change: Any
    """(9,) the size of what the networks give: five changes, two overpotentials at the end and two at the start [V]."""
    rest: Any
    """(2, KNOTS) the potentials of the negative and the positive electrode at rest [V] over SOC."""
    ampere: float
    """[A] of 1C."""


def past_after(past: Any, rate: Any, seconds: Any = STEP) -> Any:
    """(n, 1 + len(MEMORY)) the last rate and the remembered means, after ``seconds`` (n,) at ``rate`` (n,)."""
    keep = np.exp(-np.asarray(seconds)[..., None] / np.array(MEMORY))
    return np.concatenate([rate[:, None], past[:, 1:] * keep + rate[:, None] * (1 - keep)], axis=1)


def features(xp: Any, z: Any, soc: Any, given: Any, rate: Any, past: Any, rest: Any) -> Any:
    """(members, n, d) of ``z`` (members, n, 5), ``soc`` (n,), ``given`` (n, 6), ``rate`` (n,) and ``past`` (n, 4).

    The last four may have the members as first axis, too.
    """
    width = given[..., 4]
    t = z[..., 0]
    ambient, flow = given[..., 0], rate / width
    own = xp.stack(
        [
            (ambient - REFERENCE) / 20,
            soc,
            flow,
            flow * flow,
            xp.log(given[..., 1]),
            xp.log(given[..., 2]),
            xp.log(given[..., 3]),
            width,
            given[..., 5] * 100,
            rate * given[..., 5] * 100,
            rate * rate * given[..., 5] * 100,
        ],
        -1,
    )
    own = xp.concatenate([own, past / width[..., None]], -1)
    own = own + 0 * z[..., :1]  # once a member
    surface = soc + z[..., 1], soc + z[..., 2]
    t_inverse = 1000 * (1 / t - 1 / REFERENCE)
    each = [
        (t - REFERENCE) / 20,
        t_inverse,
        (t - ambient) / 20,
        *surface,
        z[..., 1] * 10,
        z[..., 2] * 10,
        z[..., 3] / 1000,
        z[..., 4] / 1000,
        xp.log(xp.maximum(z[..., 3], 0 * t + 20.0) / 1000),
        lookup(xp, rest[0], surface[0]) * 4,
        lookup(xp, rest[1], surface[1]),
    ]
    return xp.concatenate([own, xp.stack(each, -1)], -1)


def lookup(xp: Any, table: Any, soc: Any) -> Any:
    """``table`` (KNOTS,) at ``soc`` (...), linearly between its knots and beyond its ends."""
    at = xp.nan_to_num(soc) * ((KNOTS - 1) / LAST)
    floor = xp.floor(xp.clip(at, 0, KNOTS - 2))
    low = floor.astype(np.int64) if xp is np else floor.long()
    below = table[low]
    return below + (at - floor) * (table[low + 1] - below)


def step(
    xp: Any, w: Weights, z: Any, soc: Any, after: Any, given: Any, rate: Any, past: Any, share: Any = None
) -> tuple[Any, Any]:
    """(members, n, 5) where a step leads, and (members, n, 5) its ``OUTPUTS``.

    Args:
        xp: numpy, or torch.
        w: of the same backend.
        z: (members, n, 5), the ``HIDDEN`` numbers before.
        soc: (n,) before.
        after: (n,) SOC after.
        given: (n, 6).
        rate: (n,) the C-rate, positive on charge.
        past: (n, 4), see :func:`past_after`.
        share: (n,) how much of the step is gone through, from 0 to 1, taken as if all went evenly; None for all of it.
    """
    x = (features(xp, z, soc, given, rate, past, w.rest) - w.mean) / w.scale
    found = network(xp, w.layers, xp.clip(x, -8, 8)) * w.change
    change, end, start = found[..., :5], found[..., 5:7], found[..., 7:9]
    if share is not None:
        part = share[..., None]
        change = change * part
        end = xp.where(part < 1, start + part * (end - start), end)  # a whole step does not depend on its company
    new = z + change
    drop = rate * given[..., 5] * w.ampere
    anode, volts = _terminals(xp, w, new, after, drop, end[..., 1], end[..., 0])
    first_anode, first_volts = _terminals(xp, w, z, soc, drop, start[..., 1], start[..., 0])
    worst = [xp.maximum(volts, first_volts), xp.minimum(anode, first_anode), xp.maximum(z[..., 0], new[..., 0])]
    return new, xp.stack([volts, anode, *worst], -1)


def _terminals(xp: Any, w: Weights, z: Any, soc: Any, drop: Any, anode: Any, volts: Any) -> tuple[Any, Any]:
    """Anode potential and voltage: at rest, with the overpotentials and the drop over the contacts."""
    negative = lookup(xp, w.rest[0], soc + z[..., 1])
    return negative + anode, lookup(xp, w.rest[1], soc + z[..., 2]) - negative + drop + volts


def at_rest(xp: Any, rest: Any, soc: Any) -> tuple[Any, Any]:
    """Voltage and anode potential [V] of cells at rest."""
    negative = lookup(xp, rest[0], soc)
    return lookup(xp, rest[1], soc) - negative, negative


def network(xp: Any, layers: list[tuple[Any, Any]], x: Any) -> Any:
    """(members, n, m) of (members, n, d): layers with the SiLU between them."""
    for i, (weight, bias) in enumerate(layers):
        if i:
            x = x / (1 + xp.exp(-x))
        x = _linear(xp, x, weight, bias)
    return x


BLOCK = 16
"""Rows are multiplied so many at a time: products of one shape round alike, so that no row depends on its company."""


def _linear(xp: Any, x: Any, weight: Any, bias: Any) -> Any:
    if xp is not np:
        return xp.baddbmm(bias, x, weight)
    members, n, d = x.shape
    return (x.reshape(members, n // BLOCK, BLOCK, d) @ weight[:, None]).reshape(members, n, -1) + bias
