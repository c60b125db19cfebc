"""What a cathode is worth, on the levels of the fidelity ladder: learned, and three tiers of the twin.

The level is the environment's ``property_model``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from voltgym.envs.cathode.correction import Corrected, of_tier
from voltgym.envs.ledger import Ledger
from voltgym.envs.levels import level_and_weights
from voltgym.surrogates.base import Prediction
from voltgym.surrogates.cathode import CathodeSurrogate, load_shipped
from voltgym.surrogates.cathode_names import NAMES

if TYPE_CHECKING:
    from voltgym.envs.cathode.physics import CathodePhysics


LADDER = ("surrogate", "twin", "twin-tight", "twin-high")
"""The levels that there are, cheapest first: who judges what was found on a lower one."""


class Learned:
    """The shipped surrogate, on the ledger."""

    names: tuple[str, ...] = NAMES
    ladder: tuple[str, ...] = LADDER

    def __init__(self, surrogate: CathodeSurrogate, ledger: Ledger) -> None:
        self.surrogate, self.ledger = surrogate, ledger

    @property
    def fingerprint(self) -> Mapping[str, str]:
        """Which weights."""
        return {"model": self.surrogate.digest}

    def predict(self, designs: Sequence[Any] | np.ndarray) -> Prediction:
        """(n, 3) means and standard deviations."""
        self.ledger.charge("surrogate_calls", len(designs))
        return self.surrogate.predict(designs)


def _tier(tier: str) -> Callable[[Ledger], CathodePhysics]:
    def make(ledger: Ledger) -> CathodePhysics:
        from voltgym.envs.cathode.physics import CathodePhysics, Relaxations  # loads when it is asked for
        from voltgym.envs.cathode.table import rows

        source = Relaxations()
        source.known = rows(source.method)
        model = CathodePhysics(tier, source, ledger)
        model.ladder = LADDER
        return model

    return make


LEVELS: Mapping[str, Callable[[Ledger], Any]] = {
    "surrogate": lambda ledger: Learned(load_shipped(), ledger),
    "twin": _tier("F1"),
    "twin-tight": _tier("F2"),
    "twin-high": _tier("F3"),
}
"""The fidelity ladder, cheapest first."""
assert tuple(LEVELS) == LADDER


TIER_OF: Mapping[str, str] = {"surrogate": "F1", "twin": "F1", "twin-tight": "F2", "twin-high": "F3"}
"""Which tier of the twin a level is, or learned from."""


def make_properties(level: str, ledger: Ledger, corrected: bool = False) -> Any:
    """The property model of a level, or of a folder of weights, its voltages ``corrected`` or not.

    `VoltGymError` for a level or a folder there is not.
    """
    level, weights = level_and_weights(level, LEVELS)
    model = LEVELS[level](ledger) if weights is None else Learned(CathodeSurrogate.load(weights), ledger)
    return Corrected(model, of_tier(TIER_OF[level])) if corrected else model
