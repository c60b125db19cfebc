"""Several objectives at once: which designs are not dominated, and the hypervolume that they dominate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Self

import moocore
import numpy as np

from voltgym.agents.oracle import Verdict
from voltgym.envs.contracts import Objective
from voltgym.envs.errors import VoltGymError


class Goals(NamedTuple):
    """Values of an objective that are to be large (``sign`` 1) or small (-1), and the reference point, signed."""

    names: tuple[str, ...]
    sign: tuple[float, ...]
    reference: list[float]
    """Times ``sign``; empty of a single goal."""

    @classmethod
    def of(cls, objective: Objective, several: bool) -> Self:
        """Those of the objective's ``reference_point``, or its first value alone."""
        point = dict(getattr(objective, "reference_point", {}))
        if several and not point:
            raise VoltGymError("this environment has one objective: it names no reference_point for several")
        names = tuple(point) if several else (next(iter(objective.directions)),)
        sign = tuple({"max": 1.0, "min": -1.0}[objective.directions[name]] for name in names)
        return cls(names, sign, [s * point[n] for s, n in zip(sign, names, strict=True)] if several else [])

    def merits(self, found: Sequence[Verdict]) -> np.ndarray:
        """(n, m) signed values, larger is better, of designs that have values."""
        return np.array([[s * v.values[n] for s, n in zip(self.sign, self.names, strict=True)] for v in found])


def front(found: Sequence[Verdict], goals: Goals) -> list[Verdict]:
    """The feasible designs that beat the reference point and that no other dominates, in the order found."""
    good = [verdict for verdict in found if verdict.feasible]
    if not good:
        return []
    merits = goals.merits(good)
    inside = (merits > np.array(goals.reference)).all(axis=1)
    kept = np.zeros(len(good), dtype=bool)
    if inside.any():
        kept[inside] = moocore.is_nondominated(merits[inside], maximise=True)
    return [verdict for verdict, keep in zip(good, kept, strict=True) if keep]


def hypervolume(found: Sequence[Verdict], goals: Goals) -> float:
    """What the feasible designs dominate beyond the reference point: exact, in the product of the values' units."""
    best = front(found, goals)
    return dominated(goals.merits(best), goals.reference) if best else 0.0


def dominated(merits: np.ndarray, reference: Sequence[float]) -> float:
    """What the rows of (n, m) ``merits``, larger is better, dominate beyond ``reference`` (m,): exact."""
    inside = merits[(merits > np.asarray(reference)).all(axis=1)]
    return float(moocore.hypervolume(inside, ref=list(reference), maximise=True)) if len(inside) else 0.0


def hypervolume_curve(found: Sequence[Verdict], goals: Goals) -> np.ndarray:
    """(n,) :func:`hypervolume` after each of n designs."""
    out, best = np.zeros(len(found)), list[Verdict]()
    for i, verdict in enumerate(found):
        grown = front([*best, verdict], goals)
        same = [v.key for v in grown] == [v.key for v in best]
        best = grown
        out[i] = out[i - 1] if same and i else hypervolume(best, goals)
    return out
