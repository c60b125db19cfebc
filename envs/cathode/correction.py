"""A correction of the twin's voltages, fitted on measured open-circuit curves of other materials.

measured - twin = offset + slope * lithium left, between neighbouring amounts of lithium. The numbers are in
``data/voltage_correction.csv`` with how well they do on materials that they were not fitted on; made and tested by
``python -m voltgym.experiments.cathode_agreement --write``. F1 has one step only, so its slope is 0. The lines are of
the ordered start; from random ones they help much less (``--tier F3 --start 1``).
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any, NamedTuple

import numpy as np

from voltgym.envs.errors import VoltGymError
from voltgym.envs.imagine import Complete, Completion
from voltgym.surrogates.base import Prediction
from voltgym.surrogates.cathode_features import NUMBERS, capacity, numbers
from voltgym.surrogates.cathode_names import ENERGY, VOLTAGE

FILE = "voltage_correction.csv"


class Line(NamedTuple):
    """What is added to the voltage [V] where a share of lithium is left."""

    offset: float
    slope: float

    def mean(self, removed: np.ndarray) -> np.ndarray:
        """(n,) [V], over all lithium from full to (n,) shares ``removed``."""
        return self.offset + self.slope * (1 - np.asarray(removed, dtype=float) / 2)


@cache
def corrections() -> Mapping[str, Line]:
    """The shipped lines by tier."""
    file = resources.files("voltgym.envs.cathode.data").joinpath(FILE)
    table = csv.DictReader(file.read_text(encoding="utf-8").splitlines())
    return {row["tier"]: Line(float(row["offset"]), float(row["slope"])) for row in table}


def of_tier(tier: str) -> Line:
    """The line of a tier; F3's is F2's, which relaxes the same amounts of lithium."""
    found = corrections()
    line = found.get(tier) or found.get({"F3": "F2"}.get(tier, tier))
    if line is None:
        raise VoltGymError(f"no correction of the voltage is shipped for {tier}, only for {', '.join(found)}")
    return line


class Corrected:
    """A property model of cathodes with its voltages, and the energies that follow, corrected by a line.

    Args:
        model: predicts ``cathode_names.NAMES``.
        line: what is added.
    """

    def __init__(self, model: Any, line: Line) -> None:
        self.model, self.line = model, line
        self.names: tuple[str, ...] = model.names
        self.ladder: tuple[str, ...] = getattr(model, "ladder", ())

    @property
    def fingerprint(self) -> Mapping[str, str]:
        """The model's, and that it is corrected."""
        inner = getattr(self.model, "fingerprint", {"model": type(self.model).__name__})
        return {**inner, "correction": f"{self.line.offset:+.4f} {self.line.slope:+.4f} x V"}

    def predict(self, designs: Sequence[Any] | np.ndarray) -> Prediction:
        """(n, 3) means and standard deviations; the spread is the model's."""
        found = self.model.predict(designs)
        volts, energy = self._added(designs)
        mean = np.array(found.mean, dtype=float)
        mean[:, self.names.index(VOLTAGE)] += volts
        mean[:, self.names.index(ENERGY)] += energy
        return Prediction(mean, found.std, found.domain, found.failure)

    @property
    def latent(self) -> tuple[str, ...]:
        """The model's: what is learned is not corrected."""
        return tuple(self.model.latent)

    def learnable(self, designs: Sequence[str]) -> np.ndarray:
        """The model's."""
        return np.asarray(self.model.learnable(designs))

    def completion(self, designs: Sequence[str]) -> Completion:
        """The model's, corrected."""
        whole, (volts, energy) = self.model.completion(designs), self._added(designs)

        def complete(latent: np.ndarray, places: np.ndarray) -> Complete:
            found = whole(latent, places)
            mean = found.mean.copy()
            mean[..., self.names.index(VOLTAGE)] += volts[places]
            mean[..., self.names.index(ENERGY)] += energy[places]
            return Complete(mean, found.std, found.domain)

        return complete

    def _added(self, designs: Sequence[Any] | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(n,) twice: what is added to the voltage and to the energy."""
        table, _ = numbers(designs)
        volts = self.line.mean(table[:, len(NUMBERS) - 1])
        return volts, volts * capacity(table)
