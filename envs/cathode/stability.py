"""How hot a charged cathode may get and how long it lasts: a relation to how much of its metal is oxidised beyond +3.

Neither comes from the interatomic potential. Noh, Youn, Yoon and Sun 2013, J. Power Sources 233, 121 (values from
memory), measured NMC of six compositions, charged to 4.3 V: capacity, capacity left after 100 cycles at 55 C, and the
peak of the heat that the charged electrode gives off with electrolyte. Over the Ni(4+) that our charge balance finds at
their capacity the peak is nearly a line and the retention a smooth curve, so both can be asked at another cut-off. That
Co beyond +3 counts like Ni, and that a dopant acts only through the charge balance, is ours and not measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, lru_cache
from typing import NamedTuple

import numpy as np

from voltgym.envs.cathode.composition import parse
from voltgym.envs.cathode.metals import PARTS, charges


class Measured(NamedTuple):
    """One composition of Noh et al.: fractions, capacity to 4.3 V, retention at 55 C, and exothermic peak."""

    ni: float
    mn: float
    co: float
    capacity: float
    """[mA.h.g-1]"""
    retention: float
    """[%]"""
    peak: float
    """[C]"""


NOH = (
    Measured(1 / 3, 1 / 3, 1 / 3, 163.0, 92.4, 306.0),
    Measured(0.5, 0.3, 0.2, 175.0, 90.0, 290.0),
    Measured(0.6, 0.2, 0.2, 187.0, 85.1, 264.0),
    Measured(0.7, 0.15, 0.15, 194.0, 78.5, 242.0),
    Measured(0.8, 0.1, 0.1, 203.0, 70.2, 232.0),
    Measured(0.85, 0.075, 0.075, 206.0, 55.6, 225.0),
)
CAPACITY_OF_ALL = 276.0
"""[mA.h.g-1] of all the lithium in NMC, to turn a capacity into lithium; it is 274 to 278 over the series."""


def oxidised(counts: dict[str, float], removed: float) -> float:
    """Metal ions beyond +3, other than Mn and Ti, a formula unit: of tenths of metals with ``removed`` tenths out."""
    # `charges` takes whole tenths as a rule, but its arithmetic is that of any share.
    charge = charges(counts, PARTS - removed) or {}  # type: ignore[arg-type]
    over = (max(charge.get(metal, 0.0) - 3, 0.0) * counts.get(metal, 0.0) for metal in ("Ni", "Co"))
    return sum(over) / PARTS


@cache
def _line() -> tuple[float, float]:
    """Slope and offset of the peak [C] over the oxidised metal: least squares."""
    x, _, peak = _points()
    slope, offset = np.polyfit(x, peak, 1)
    return float(slope), float(offset)


@cache
def _points() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    x = [
        oxidised({"Ni": PARTS * m.ni, "Mn": PARTS * m.mn, "Co": PARTS * m.co}, PARTS * m.capacity / CAPACITY_OF_ALL)
        for m in NOH
    ]
    return np.array(x), np.array([m.retention for m in NOH]), np.array([m.peak for m in NOH])


@lru_cache(maxsize=5000)
def _of(design: str) -> float:
    found = parse(design)
    return oxidised(dict(found.composition.by_metal), found.removed)


def exothermic_peak(designs: Sequence[str]) -> np.ndarray:
    """(n,) [C] where the charged cathode gives off most heat: the line through Noh's values, at most their highest."""
    slope, offset = _line()
    x = np.array([_of(design) for design in designs])
    return np.minimum(offset + slope * x, max(m.peak for m in NOH))


def retention(designs: Sequence[str]) -> np.ndarray:
    """(n,) [%] of the capacity left after 100 cycles at 55 C: between Noh's values, and on along the last two."""
    x, left, _ = _points()
    at = np.array([_of(design) for design in designs])
    beyond = left[-1] + (left[-1] - left[-2]) / (x[-1] - x[-2]) * (at - x[-1])
    return np.where(at > x[-1], np.maximum(beyond, 0.0), np.interp(at, x, left))
