"""What a good electrolyte molecule is: a geometric mean of desirabilities, judged against its own uncertainty.

Every property is mapped onto [0, 1] between a zero and a full point (``envs/desirability.py``). What is judged is a
mixture, ``share`` of the candidate by volume in ethyl methyl carbonate (EMC), taken as **ideal**: the logarithm of the
viscosity and the permittivity itself are linear in volume. Electronic properties are gas-phase values of the molecule
alone, relative to ethylene carbonate on the same level of theory; they are not an electrochemical window.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from voltgym.envs.contracts import Measured
from voltgym.envs.desirability import desirability, geometric_mean
from voltgym.envs.edits import DOMAIN
from voltgym.envs.errors import number
from voltgym.surrogates.solvent_names import NAMES, PERMITTIVITY, VISCOSITY

SCORE, MEAN_SCORE = "Score", "Score at the mean"
MIXTURE_VISCOSITY, MIXTURE_PERMITTIVITY = "Mixture viscosity [mPa.s]", "Mixture permittivity"
SIMILARITY, DESCRIPTORS, UNSTABLE, SYNTHESIS = "Similarity", "Descriptors in range", "Unstable groups", "SA score"

EMC_VISCOSITY, EMC_PERMITTIVITY = 0.65, 2.96
"""Of EMC at 25 C: [mPa.s] and relative. Xu 2004, Chem. Rev. 104, 4303, table 1; the viscosity from memory."""
HARDEST_SA = 5.0
"""Synthetic accessibility (Ertl and Schuffenhauer 2009, J. Cheminform. 1, 8) above which a molecule is out: solvents
that are sold score up to 4.9."""
WORST_COST = 3.0
"""The reward counts violations up to this."""


class Term(NamedTuple):
    """One desirability: 0 at ``zero``, 1 at ``full`` and beyond, linear between."""

    name: str
    """A property, or one of the mixture's."""
    zero: float
    full: float
    relative: bool = False
    """The points are relative to the reference molecule's value of that property on the same level."""
    window: bool = False
    """It is the distance from the reference that counts."""


class SolventObjective:
    """Score, slacks and reward of a candidate; see the module.

    ``k`` standard deviations are taken off every property, against its goal, before it is judged: ``Score``. ``Score at
    the mean`` is the same with k = 0. The reward of an edit is the change of ``Score`` (its desirabilities floored at
    ``floor``, so that one bad property does not hide the others) minus ``penalty`` times the cost of the slacks; the
    return of an episode is therefore what the handed-in molecule is better than the first.

    Args:
        terms: the desirabilities.
        reference: (m,) the properties of ethylene carbonate by name, for the relative terms.
        share: of the candidate in EMC, by volume.
        k: pessimism.
        floor: of a desirability within the reward.
        penalty: reward lost for a cost of one.
        least_similarity: to the data that the properties were learned from, below which they are not to be trusted.
    """

    final = True
    scales = {SIMILARITY: 0.1, DESCRIPTORS: 1.0, UNSTABLE: 1.0, SYNTHESIS: 1.0}  # noqa: RUF012
    tolerances = dict.fromkeys(scales, 0.0)

    def __init__(
        self,
        terms: tuple[Term, ...],
        reference: Mapping[str, float],
        *,
        share: float = 0.3,
        k: float = 0.5,
        floor: float = 0.05,
        penalty: float = 0.5,
        least_similarity: float = 0.0,
    ) -> None:
        self.terms, self.reference = terms, dict(reference)
        self.share = number("share", share, "a volume fraction in [0, 1]", high=1.0)
        self.k = number("k", k, "a number of standard deviations >= 0")
        self.floor = number("floor", floor, "a desirability in [0, 1)", high=0.999)
        self.penalty = number("penalty", penalty, "a number >= 0")
        self.least_similarity = least_similarity

    @property
    def directions(self) -> dict[str, str]:
        """The score first; the rest is information: by name what is better of it."""
        pure = {term.name: "max" if term.full > term.zero else "min" for term in self.terms if not term.window}
        mixture = {MIXTURE_VISCOSITY: "min", MIXTURE_PERMITTIVITY: "max"}
        return {SCORE: "max", MEAN_SCORE: "max", **dict.fromkeys(NAMES, "max"), **mixture, **pure}

    # -- judging -------------------------------------------------------------------------------------------------

    def slacks(self, measured: Measured) -> dict[str, np.ndarray]:
        """Similarity to the training data, descriptors in its range, no unstable group, SA score; each >= 0 if kept."""
        return {
            SIMILARITY: measured[SIMILARITY] - self.least_similarity,
            DESCRIPTORS: measured[DESCRIPTORS].copy(),
            UNSTABLE: -measured[UNSTABLE],
            SYNTHESIS: HARDEST_SA - measured[SYNTHESIS],
        }

    def broken(self, measured: Measured) -> np.ndarray:
        """Nothing ends an episode early: what is on the way may be odd."""
        return np.zeros(len(measured[DOMAIN]), dtype=bool)

    def value(self, measured: Measured) -> dict[str, np.ndarray]:
        """Score, score at the mean, the mixture's ideal values, and the pure component's properties."""
        values = {SCORE: self.score(measured, self.k), MEAN_SCORE: self.score(measured, 0.0)}
        mixture = self._mixture(measured, 0.0)
        return values | mixture | {name: measured[name].copy() for name in NAMES}

    def reward(self, before: Measured, after: Measured, goal: np.ndarray, failure: np.ndarray) -> np.ndarray:
        """(N,) how much better the molecule became; a failure costs more than any way back could."""
        gained = self._potential(after) - self._potential(before)
        return np.where(failure != 0, -1.1 - self.penalty * WORST_COST - self._potential(before), gained)

    def score(self, measured: Measured, k: float, floor: float = 0.0) -> np.ndarray:
        """(N,) the geometric mean of the desirabilities in [0, 1]."""
        return geometric_mean(self.desirabilities(measured, k).values(), floor)

    def desirabilities(self, measured: Measured, k: float) -> dict[str, np.ndarray]:
        """(N,) in [0, 1] by the name of the term, each property ``k`` standard deviations worse than predicted."""
        pure = {name: (measured[name], measured[f"{name} std"]) for name in NAMES}
        return {term.name: self._desirability(term, pure, measured, k) for term in self.terms}

    def _desirability(
        self, term: Term, pure: Mapping[str, tuple[np.ndarray, np.ndarray]], measured: Measured, k: float
    ) -> np.ndarray:
        better = 1.0 if term.full > term.zero else -1.0
        if term.name in pure:
            mean, std = pure[term.name]
            mean = mean - self.reference[term.name] if term.relative or term.window else mean
            found = (np.abs(mean) if term.window else mean) - better * k * std
        else:
            found = self._mixture(measured, -better * k)[term.name]
        return desirability(found, term.zero, term.full)

    def _mixture(self, measured: Measured, shift: float) -> dict[str, np.ndarray]:
        """(N,) the ideal mixture's values, the candidate's ``shift`` standard deviations off."""
        viscosity = measured[VISCOSITY] + shift * measured[f"{VISCOSITY} std"]
        permittivity = 10 ** (measured[PERMITTIVITY] + shift * measured[f"{PERMITTIVITY} std"])
        return {
            MIXTURE_VISCOSITY: 10 ** (self.share * viscosity + (1 - self.share) * np.log10(EMC_VISCOSITY)),
            MIXTURE_PERMITTIVITY: self.share * permittivity + (1 - self.share) * EMC_PERMITTIVITY,
        }

    def _potential(self, measured: Measured) -> np.ndarray:
        """What the reward is the change of, in [-penalty * WORST_COST, 1]."""
        broken = (np.maximum(-slack / self.scales[name], 0.0) for name, slack in self.slacks(measured).items())
        cost = np.minimum(sum(broken, np.zeros(len(measured[DOMAIN]))), WORST_COST)
        return self.score(measured, self.k, self.floor) - self.penalty * cost
