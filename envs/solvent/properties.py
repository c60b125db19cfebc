"""What a molecule is worth, on three levels: learned, xTB, DFT. The level is the environment's ``property_model``.

Boiling and flash point, viscosity, permittivity and melting are learned from measurements on every level: no physics
here gives them. Ionization energy, electron affinity, Li+ binding and dipole come from the level; those of xTB, and
those that were learned from it, are corrected to the scale of DFT (``families.py``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from voltgym.envs.errors import VoltGymError
from voltgym.envs.imagine import Complete, Completion
from voltgym.envs.ledger import Ledger
from voltgym.envs.levels import level_and_weights
from voltgym.envs.solvent.families import correct, digest
from voltgym.envs.solvent.table import answers
from voltgym.surrogates.base import Failure, Prediction
from voltgym.surrogates.solvent import SolventSurrogate, load_shipped
from voltgym.surrogates.solvent_names import NAMES

if TYPE_CHECKING:
    from voltgym.envs.solvent.physics import QuantumModel


class SolventProperties:
    """Nine properties by name: the surrogate's, with those that ``physics`` computes in their place.

    Args:
        surrogate: of all nine.
        physics: of some; None for none.
        ledger: counts ``surrogate_calls``, and what the physics counts.
    """

    names: tuple[str, ...] = NAMES
    ladder: tuple[str, ...] = ("surrogate", "xtb", "dft")
    """The levels that there are, cheapest first: who judges what was found on a lower one."""

    def __init__(self, surrogate: SolventSurrogate, physics: QuantumModel | None, ledger: Ledger) -> None:
        self.surrogate, self.physics, self.ledger = surrogate, physics, ledger
        self._places = [] if physics is None else [NAMES.index(name) for name in physics.names]

    @property
    def fingerprint(self) -> Mapping[str, str]:
        """Which weights, which physics, and which correction to the scale of DFT."""
        physics = "none" if self.physics is None else self.physics.digest
        return {"model": self.surrogate.digest, "physics": physics, "correction": digest()}

    def reference(self, design: str) -> dict[str, float]:
        """The properties of one molecule by name, to compare others with. Not charged: it is part of the task."""
        spent = Counter(self.ledger.spent)
        found = self._predict([design])
        self.ledger.spent = spent
        if found.failure[0]:
            kind = Failure(int(found.failure[0])).name
            raise VoltGymError(f"the reference {design!r} has no properties here ({kind})")
        return dict(zip(self.names, found.mean[0].tolist(), strict=True))

    def predict(self, designs: Sequence[Any] | np.ndarray) -> Prediction:
        """(n, 9) means and standard deviations; a molecule that the physics cannot do fails."""
        self.ledger.charge("surrogate_calls", len(designs))
        return self._predict(designs)

    @property
    def latent(self) -> tuple[str, ...]:
        """What the physics computes, and a surrogate learns from it."""
        return () if self.physics is None else self.physics.names

    def learnable(self, designs: Sequence[str]) -> np.ndarray:
        """(n, 4) what the physics says, before any correction, NaN where a molecule failed; not charged."""
        if self.physics is None:
            raise VoltGymError("property_model='surrogate' is no physics: there is nothing to learn from it")
        spent = Counter(self.ledger.spent)
        found = self.physics.predict(designs).mean
        self.ledger.spent = spent
        return found

    def completion(self, designs: Sequence[str]) -> Completion:
        """From the four of ``latent`` to all nine, corrected as on this level."""
        found = self.surrogate.predict(designs)
        line = [self._corrected(designs, value) for value in (0.0, 1.0)]
        (offset, spread), slope = line[0], line[1][0] - line[0][0]
        mean, std = found.mean.copy(), found.std.copy()
        std[:, self._places] = spread

        def complete(latent: np.ndarray, places: np.ndarray) -> Complete:
            times = (len(latent), 1, 1)
            whole = np.tile(mean[places], times)
            whole[..., self._places] = offset[places] + slope[places] * latent
            return Complete(whole, np.tile(std[places], times), found.domain[places])

        return complete

    def _corrected(self, designs: Sequence[str], value: float) -> tuple[np.ndarray, np.ndarray]:
        """(n, 4) twice: what the physics' properties and their spreads become if each of them is ``value``."""
        names = self.latent
        mean, std = np.full((len(designs), len(names)), value), np.zeros((len(designs), len(names)))
        if self.physics is not None and self.physics.corrected:
            correct(names, designs, mean, std)
        return mean, std

    def _predict(self, designs: Sequence[Any] | np.ndarray) -> Prediction:
        found = self.surrogate.predict(designs)
        mean, std, failure = found.mean.copy(), found.std.copy(), found.failure
        if self.physics is not None:
            computed = self.physics.predict(designs)
            mean[:, self._places], std[:, self._places] = computed.mean, computed.std
            failure = np.where(failure != Failure.NONE, failure, computed.failure)
        if self.physics is None or self.physics.corrected:
            good = np.flatnonzero(failure == Failure.NONE)
            part = mean[good], std[good]
            correct(self.names, [designs[int(i)] for i in good], *part)
            mean[good], std[good] = part
        return Prediction(mean, std, found.domain, failure.astype(np.int8))


def _xtb(ledger: Ledger) -> QuantumModel:
    from voltgym.envs.solvent.physics import XTBModel  # loads when it is asked for

    return _with_shipped(XTBModel(ledger=ledger))


def _dft(ledger: Ledger) -> QuantumModel:
    from voltgym.envs.solvent.physics import DFTModel

    return _with_shipped(DFTModel(ledger=ledger))


def _with_shipped(model: QuantumModel) -> QuantumModel:
    model.known = answers(model.fidelity, model.method)
    return model


LEVELS: Mapping[str, Callable[[Ledger], QuantumModel | None]] = {
    "surrogate": lambda ledger: None,
    "xtb": _xtb,
    "dft": _dft,
}
"""The fidelity ladder, cheapest first."""
assert tuple(LEVELS) == SolventProperties.ladder


def make_properties(level: str, ledger: Ledger) -> SolventProperties:
    """The property model of a level, or of a folder of weights. `VoltGymError` for what there is not."""
    level, weights = level_and_weights(level, LEVELS)
    surrogate = load_shipped() if weights is None else SolventSurrogate.load(weights)
    return SolventProperties(surrogate, LEVELS[level](ledger), ledger)
