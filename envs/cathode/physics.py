"""What an interatomic potential says of a charged cathode: voltages, energy, volume change, oxygen release.

Every relaxation, of a composition with so much lithium from one start, is kept on the disk; the levels of the fidelity
ladder differ in which ones they take. All is 0 K, without vibrations, and of one crystal of forty atoms: a twin, and no
experiment.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from voltgym.envs.cathode.composition import Composition, Design, parse
from voltgym.envs.cathode.metals import PARTS
from voltgym.envs.cathode.potential import SEVENNET, calculator, label
from voltgym.envs.cathode.relax import TIMED_OUT, Relaxed, reference, relax
from voltgym.envs.cathode.structure import build
from voltgym.envs.errors import VoltGymError
from voltgym.envs.imagine import Complete, Completion
from voltgym.envs.ledger import Ledger
from voltgym.envs.store import Store
from voltgym.surrogates.base import Failure, Prediction
from voltgym.surrogates.cathode_features import capacity, numbers
from voltgym.surrogates.cathode_names import ENERGY, NAMES, VOLTAGE, VOLUME

PROTOCOL = 1
"""Of everything here that a kept result depends on, beside versions."""
LOOSE, TIGHT = 0.05, 0.02
"""Forces [eV/Angstrom] that count as none."""


Key = tuple[str, int, int, float]
"""Formula, tenths of lithium, start, and force: what a relaxation is of."""
LITHIUM: Key = ("Li metal", 1, 0, 0.005)


class Tier(NamedTuple):
    """A level of the fidelity ladder."""

    force: float
    lithium: tuple[int, ...]
    """Tenths left in the cells that are relaxed, beside the deepest ones."""
    starts: tuple[int, ...]


TIERS: Mapping[str, Tier] = {
    "F1": Tier(LOOSE, (10,), (0,)),
    "F2": Tier(TIGHT, (10, 8, 6, 4), (0,)),
    "F3": Tier(TIGHT, (10, 8, 6, 4), (0, 1, 2)),
}
"""F1, the two ends only, so that the voltage does not depend on the cut-off: some 20 s on one core. F2, up to five
amounts of lithium, and F3, three placements of the metals: minutes."""


def levels(tier: Tier, composition: Composition) -> tuple[int, ...]:
    """Tenths of lithium left that a tier relaxes, most first, down to the deepest charge."""
    deepest = PARTS - composition.deepest
    return (*(lithium for lithium in tier.lithium if lithium > deepest), deepest)


class Relaxations:
    """Relaxed cells by composition, lithium, start and force, computed once and kept on the disk.

    Args:
        potential: by name.
        folder: of the results; None for the user's cache.
        seconds: after which a relaxation is given up. A time-out is not kept: more time may help.
    """

    def __init__(self, potential: str = SEVENNET, *, folder: Path | str | None = None, seconds: float = 900.0) -> None:
        self.potential, self.seconds = potential, seconds
        self.known: Mapping[Key, Mapping[str, Any]] = {}
        """Shipped results, which come first (``table.py``)."""
        self.method = f"cathode protocol {PROTOCOL}, {label(potential)}"
        self.store = Store("cathode", self.method, folder)

    def get(self, composition: Composition, lithium: int, start: int, force: float) -> dict[str, Any]:
        """A :class:`Relaxed` as a dict; without its geometry if it was shipped."""
        shipped = self.known.get((composition.formula, lithium, start, force))
        return dict(shipped) if shipped else self._computed(composition, lithium, start, force)

    def _computed(self, composition: Composition, lithium: int, start: int, force: float) -> dict[str, Any]:
        """A tight one begins where the loose one ended."""
        key = f"{composition.formula}, {lithium} of 10 Li, start {start}, {force:g} eV/A"
        kept = self.store.get(key)
        if kept is None:
            before = None if force >= LOOSE else self._computed(composition, lithium, start, LOOSE)
            kept = self._relaxed(composition, lithium, start, force, before)._asdict()
            if kept["reason"] != TIMED_OUT:
                self.store.put(key, kept)
        return kept

    def _relaxed(
        self, composition: Composition, lithium: int, start: int, force: float, before: Mapping[str, Any] | None
    ) -> Relaxed:
        from ase import Atoms

        begin, sites = build(composition, lithium, start), reference()
        if before is not None and before["converged"]:
            positions, cell = np.array(before["positions"]), np.array(before["cell"])
        else:
            positions, cell = sites["positions"][list(begin.keep)], sites["cell"]
        atoms = Atoms([begin.symbols[i] for i in begin.keep], positions=positions, cell=cell, pbc=True)
        atoms.calc = calculator(self.potential)
        return relax(atoms, force, sites=begin.keep, seconds=self.seconds)

    def lithium(self) -> float:
        """The energy of an atom in lithium metal (bcc) [eV]."""
        return float(self.metal()["energy"])

    def metal(self) -> dict[str, Any]:
        """Lithium metal, one atom a cell: a :class:`Relaxed` as a dict."""
        shipped = self.known.get(LITHIUM)
        if shipped:
            return dict(shipped)
        kept = self.store.get(LITHIUM[0])
        if kept is None:
            from ase.build import bulk

            atoms = bulk("Li", "bcc", a=3.45)
            atoms.calc = calculator(self.potential)
            kept = relax(atoms, LITHIUM[3])._asdict()
            self.store.put(LITHIUM[0], kept)
        return kept


class Curve(NamedTuple):
    """Energies and volumes over the lithium that is left, of ten formula units from one start."""

    lithium: tuple[int, ...]
    """Tenths, most first."""
    energy: tuple[float, ...]
    volume: tuple[float, ...]

    def windows(self, metal: float) -> list[tuple[int, int, float]]:
        """(lithium before, after, voltage between [V]) of every step, with the energy of an atom of Li ``metal``."""
        steps = zip(self.lithium, self.lithium[1:], self.energy, self.energy[1:], strict=False)
        return [(a, b, (after + (a - b) * metal - before) / (a - b)) for a, b, before, after in steps]

    def at(self, removed: int) -> tuple[float, float]:
        """Energy [eV] and volume [Angstrom^3] with ``removed`` tenths taken out, linear between the cells."""
        out = PARTS - np.array(self.lithium)
        return float(np.interp(removed, out, self.energy)), float(np.interp(removed, out, self.volume))


def properties(design: Design, curve: Curve, metal: float) -> dict[str, float]:
    """By name, of a design on a curve; ``metal`` is the energy of an atom of lithium metal [eV]."""
    energy, volume = curve.at(design.removed)
    voltage = (energy + design.removed * metal - curve.energy[0]) / design.removed
    return {
        VOLTAGE: voltage,
        ENERGY: voltage * float(capacity(numbers([design.key])[0])[0]),
        VOLUME: 100 * (volume / curve.volume[0] - 1),
    }


class CathodePhysics:
    """A property model: designs by key, on one tier of the fidelity ladder.

    The standard deviation is that over the starts, 0 where there is one. A design of which any relaxation did not
    converge fails with ``SOLVER`` and is never scored.

    Args:
        tier: ``F1``, ``F2`` or ``F3``.
        relaxations: where they come from.
        ledger: counts ``twin_calls``, whether computed or found on the disk, and ``solver_ms``, what they once took.
    """

    names: tuple[str, ...] = NAMES
    ladder: tuple[str, ...] = ()

    def __init__(self, tier: str, relaxations: Relaxations, ledger: Ledger | None = None) -> None:
        self.tier, self.fidelity, self.relaxations = TIERS[tier], tier, relaxations
        self.ledger = ledger or Ledger()

    @property
    def digest(self) -> str:
        """What the results depend on."""
        return f"{self.fidelity}, {self.relaxations.method}"

    def predict(self, designs: Sequence[Any] | np.ndarray) -> Prediction:
        """(n, 3) means and standard deviations over the starts."""
        self.ledger.charge("twin_calls", len(designs))
        mean = np.full((len(designs), len(self.names)), np.nan)
        std = np.zeros_like(mean)
        failure = np.zeros(len(designs), dtype=np.int8)
        for i, key in enumerate(designs):
            try:
                design = parse(key)
            except VoltGymError:
                failure[i] = Failure.DOMAIN
                continue
            found = [self._of_start(design, start) for start in self.tier.starts]
            if any(one is None for one in found):
                failure[i] = Failure.SOLVER
                continue
            table = np.array([[one[name] for name in self.names] for one in found if one is not None])
            mean[i], std[i] = table.mean(axis=0), table.std(axis=0, ddof=1) if len(table) > 1 else 0.0
        return Prediction(mean, std, np.zeros(len(designs)), failure)

    @property
    def latent(self) -> tuple[str, ...]:
        """What a surrogate learns: the energy follows from the voltage."""
        return VOLTAGE, VOLUME

    def learnable(self, designs: Sequence[str]) -> np.ndarray:
        """(n, 2) of ``latent``, NaN where a design failed; not charged."""
        spent = Counter(self.ledger.spent)
        found = self.predict(designs).mean
        self.ledger.spent = spent
        return found[:, [self.names.index(name) for name in self.latent]]

    def completion(self, designs: Sequence[str]) -> Completion:
        """From the two of ``latent`` to all three."""
        per_volt = capacity(numbers(designs)[0])

        def complete(latent: np.ndarray, places: np.ndarray) -> Complete:
            volts, volume = latent[..., 0], latent[..., 1]
            mean = np.stack([volts, volts * per_volt[places], volume], axis=-1)
            return Complete(mean, np.zeros_like(mean), np.zeros(len(places)))

        return complete

    def _of_start(self, design: Design, start: int) -> dict[str, float] | None:
        curve = self.curve(design.composition, start)
        return None if curve is None else properties(design, curve, self.relaxations.lithium())

    def curve(self, composition: Composition, start: int = 0) -> Curve | None:
        """Energies and volumes from one start; None if a relaxation did not converge."""
        lithium = levels(self.tier, composition)
        found = [self.relaxations.get(composition, n, start, self.tier.force) for n in lithium]
        self.ledger.spent["solver_ms"] += int(1000 * sum(one["seconds"] for one in found))
        if not all(one["converged"] for one in found):
            return None
        return Curve(lithium, tuple(one["energy"] for one in found), tuple(one["volume"] for one in found))
