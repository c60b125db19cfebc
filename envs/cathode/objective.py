"""What a good cathode is: energy, cost, cobalt, supply risk, within what is safe and lasts.

Without the two hard slacks on heat and life the answer would be LiNiO2, charged as far as it goes, which nobody would
build. Energy comes from the twin or its surrogate; heat and life from measurements of NMC (``stability.py``); cost and
supply risk from dated tables (``costs.py``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from voltgym.envs.contracts import Measured
from voltgym.envs.desirability import changed_points, desirability, geometric_mean
from voltgym.envs.edits import DOMAIN
from voltgym.envs.errors import check_name, number
from voltgym.surrogates.cathode_names import ENERGY, NAMES, VOLTAGE, VOLUME

SCORE, MEAN_SCORE = "Score", "Score at the mean"
COBALT, PRICE, RISK = "Cobalt fraction", "Cost [USD.kWh-1]", "Supply risk (HHI)"
PER_MASS = "Element cost [USD.kg-1]"
STRAIN = "Volume change, either way [%]"
PEAK, RETENTION = "Exothermic peak [C]", "Capacity retention [%]"
TERMS: Mapping[str, tuple[float, float]] = {
    ENERGY: (450.0, 800.0),
    PRICE: (40.0, 10.0),
    COBALT: (0.5, 0.0),
    RISK: (2500.0, 1000.0),
}
"""``(zero, full)`` of every desirability: a judgement."""
MORE_TERMS = (STRAIN,)
"""What may be added to the terms. Not of them by itself: over three starts the twin's volume spreads too much."""
LIMITS: Mapping[str, float] = {PEAK: 230.0, RETENTION: 70.0}
"""What must at least be kept: about what NMC811 does at 4.3 V."""
SCALES: Mapping[str, float] = {
    PEAK: 20.0, RETENTION: 10.0, ENERGY: 50.0, PRICE: 5.0, COBALT: 0.1, RISK: 200.0, STRAIN: 1.0, DOMAIN: 0.1,
}  # fmt: skip
"""What a violation of one is of everything that may have a limit."""
REFERENCE_POINT: Mapping[str, float] = {ENERGY: 480.0, PRICE: 30.0, PEAK: 230.0}
"""Of hypervolumes over energy, cost and heat; fixed. From NMC111 at 60 % of its lithium on the twin's first tier (600
W.h.kg-1, 25 USD.kWh-1): four fifths of the energy, six fifths of the cost, and the least peak that is allowed."""
WORST_COST = 3.0
"""The reward counts violations up to this."""


class CathodeObjective:
    """Score, slacks and reward of a cathode; see the module.

    ``k`` standard deviations are taken off the energy before it is judged: ``Score``. ``Score at the mean`` is the same
    with k = 0. The reward of an edit is the change of ``Score`` (its desirabilities floored at ``floor``) minus
    ``penalty`` times the cost of the slacks.

    Args:
        terms: ``{name: [zero, full]}``, desirabilities to change, or ``MORE_TERMS`` to add.
        limits: ``{name: bound}``, limits to change or to add, of anything in ``SCALES``: the least that is allowed
            where more is better, else the most.
        k: pessimism.
        floor: of a desirability within the reward.
        penalty: reward lost for a cost of one.
    """

    final = True
    reference_point = dict(REFERENCE_POINT)  # noqa: RUF012
    """The multi-objective view: which values, and what counts as nothing of each."""
    directions = {  # noqa: RUF012
        SCORE: "max",
        MEAN_SCORE: "max",
        ENERGY: "max",
        PRICE: "min",
        COBALT: "min",
        RISK: "min",
        PEAK: "max",
        RETENTION: "max",
        VOLTAGE: "max",
        VOLUME: "max",
        STRAIN: "min",
    }

    def __init__(
        self,
        terms: Mapping[str, Sequence[float]] | None = None,
        limits: Mapping[str, float] | None = None,
        *,
        k: float = 0.5,
        floor: float = 0.05,
        penalty: float = 0.5,
    ) -> None:
        self.terms = {**TERMS, **changed_points("term of the cathode", (*TERMS, *MORE_TERMS), terms)}
        self.limits = dict(LIMITS)
        for name, bound in dict(limits or {}).items():
            check_name("limit of the cathode", name, [known for known in SCALES if known != DOMAIN])
            self.limits[name] = number(f"limits.{name}", bound, "a number >= 0")
        self.scales = {name: SCALES[name] for name in (*self.limits, DOMAIN)}
        self.tolerances = dict.fromkeys(self.scales, 0.0)
        self.k = number("k", k, "a number of standard deviations >= 0")
        self.floor = number("floor", floor, "a desirability in [0, 1)", high=0.999)
        self.penalty = number("penalty", penalty, "a number >= 0")

    def slacks(self, measured: Measured) -> dict[str, np.ndarray]:
        """Of every limit, ``k`` standard deviations against it, and of the property model's domain; >= 0 if kept."""
        judged = {**measured, **self._judged(measured, self.k)}
        kept = {
            name: judged[name] - bound if self.directions[name] == "max" else bound - judged[name]
            for name, bound in self.limits.items()
        }
        return {**kept, DOMAIN: measured[DOMAIN].copy()}

    def broken(self, measured: Measured) -> np.ndarray:
        """Nothing ends an episode early: what is on the way may be odd."""
        return np.zeros(len(measured[DOMAIN]), dtype=bool)

    def value(self, measured: Measured) -> dict[str, np.ndarray]:
        """Score, score at the mean, and what they are made of."""
        parts = {name: values for name, values in self._judged(measured, 0.0).items() if name not in NAMES}
        rest = {name: measured[name].copy() for name in (PEAK, RETENTION, *NAMES)}
        return {SCORE: self.score(measured, self.k), MEAN_SCORE: self.score(measured, 0.0)} | parts | rest

    def reward(self, before: Measured, after: Measured, goal: np.ndarray, failure: np.ndarray) -> np.ndarray:
        """(N,) how much better the cathode became; a failure costs more than any way back could."""
        gained = self._potential(after) - self._potential(before)
        return np.where(failure != 0, -1.1 - self.penalty * WORST_COST - self._potential(before), gained)

    def score(self, measured: Measured, k: float, floor: float = 0.0) -> np.ndarray:
        """(N,) the geometric mean of the desirabilities in [0, 1]."""
        judged = self._judged(measured, k)
        return geometric_mean((desirability(judged[name], *points) for name, points in self.terms.items()), floor)

    def _judged(self, measured: Measured, k: float) -> dict[str, np.ndarray]:
        """(N,) what the terms are of, the energy ``k`` standard deviations lower."""
        energy = np.maximum(measured[ENERGY] - k * measured[f"{ENERGY} std"], 1e-9)
        return {
            ENERGY: energy,
            PRICE: measured[PER_MASS] / energy * 1000,
            COBALT: measured[COBALT].copy(),
            RISK: measured[RISK].copy(),
            STRAIN: np.abs(measured[VOLUME]) + k * measured[f"{VOLUME} std"],
        }

    def _potential(self, measured: Measured) -> np.ndarray:
        """What the reward is the change of, in [-penalty * WORST_COST, 1]."""
        broken = (np.maximum(-slack / self.scales[name], 0.0) for name, slack in self.slacks(measured).items())
        cost = np.minimum(sum(broken, np.zeros(len(measured[DOMAIN]))), WORST_COST)
        return self.score(measured, self.k, self.floor) - self.penalty * cost
