"""Desirabilities: how good a property is, from 0 to 1, and how good all of them are together.

Derringer and Suich 1980, J. Qual. Technol. 12, 214-219 (cited from memory): one-sided desirabilities, linear between a
zero and a full point, and their geometric mean, so that nothing makes up for what is worthless.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from voltgym.envs.errors import UnknownName, VoltGymError, shown


def desirability(value: np.ndarray, zero: float, full: float) -> np.ndarray:
    """(N,) in [0, 1]: 0 at ``zero``, 1 at ``full`` and beyond, linear between; either may be the larger."""
    return np.clip((value - zero) / (full - zero), 0.0, 1.0)


def geometric_mean(marks: Iterable[np.ndarray], floor: float = 0.0) -> np.ndarray:
    """(N,) of some (N,) marks, each raised to ``floor`` first; 0 where one is 0."""
    raised = [np.maximum(mark, floor) for mark in marks]
    # Added one by one: numpy adds along an axis in another order for one row than for many.
    total = sum((np.log(np.maximum(mark, 1e-300)) for mark in raised), np.zeros(len(raised[0])))
    return np.where(np.minimum.reduce(raised) > 0, np.exp(total / len(raised)), 0.0)


def changed_points(what: str, known: Collection[str], changes: Mapping[str, Sequence[float]] | None) -> dict[str, Any]:
    """What a user wants instead of the ``known`` names' points, as ``{name: (zero, full)}``.

    Raises `VoltGymError` for a name that is not known (``what`` says of what) or what are no two different numbers.
    """
    found = {}
    for name, points in dict(changes or {}).items():
        if name not in known:
            raise UnknownName(what, name, known)
        found[name] = _two(name, points)
    return found


def _two(name: str, points: Any) -> tuple[float, float]:
    try:
        zero, full = (float(point) for point in points)
    except (TypeError, ValueError):
        raise VoltGymError(f"the term {name!r} is {shown(points)}; expected two numbers, [zero, full]") from None
    if not abs(full - zero) > 0 or abs(full - zero) == float("inf"):
        raise VoltGymError(f"the term {name!r} goes from {zero} to {full}; expected two different finite numbers")
    return zero, full
