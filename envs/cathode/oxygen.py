"""Whether a charged cathode gives off oxygen, by the potential: MO2 -> MO + 1/2 O2, of the metals alone.

A check of the potential, and no reward: it counts only once the sign for nickel is right, since NiO2 does decompose.
Two answers: with O2 as the potential has it, and with O2 set so that M + 1/2 O2 -> MO has its measured enthalpy, the
usual repair of what potentials trained on semilocal DFT say of the O2 molecule (Wang, Maxisch and Ceder 2006, Phys.
Rev. B 73, 195107; from memory).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from voltgym.envs.cathode.potential import SEVENNET, calculator
from voltgym.envs.cathode.relax import relax
from voltgym.envs.errors import VoltGymError, check_name

FORCE = 0.01
"""[eV/Angstrom] of the relaxations; the cells have a few atoms."""
EV = 96.485
"""[kJ.mol-1]"""


class Metal(NamedTuple):
    """What is measured of a metal and its monoxide, where a relaxation begins."""

    structure: str
    """Of ASE's ``bulk``."""
    length: float
    """Of the metal's lattice [Angstrom]."""
    monoxide: float
    """Of the rock salt [Angstrom]."""
    enthalpy: float
    """Of formation of the monoxide at 298 K [kJ.mol-1]."""


METALS: Mapping[str, Metal] = {
    "Ni": Metal("fcc", 3.52, 4.18, -239.7),
    "Co": Metal("hcp", 2.51, 4.26, -237.9),
}
"""Enthalpies as in the CRC Handbook (from memory). Manganese is left out: its metal has 58 atoms a cell."""


class Release(NamedTuple):
    """MO2 -> MO + 1/2 O2, a formula unit [eV]; negative: it gives off oxygen by itself (at 0 K, without entropy)."""

    as_it_is: float
    anchored: float
    """With O2 from the measured enthalpy of the monoxide."""


def release(metal: str, potential: str = SEVENNET) -> Release:
    """By relaxing layered MO2, rock-salt MO, the metal and O2; seconds.

    Raises:
        VoltGymError: a metal there is not, or a relaxation that does not converge.
    """
    check_name("metal", metal, METALS)
    about = METALS[metal]
    dioxide, monoxide, pure = (_energy(cell, potential) for cell in _cells(metal, about))
    oxygen = _energy(_molecule(), potential, cell=False) / 2
    anchored = monoxide - pure - about.enthalpy / EV
    return Release(monoxide + oxygen - dioxide, monoxide + anchored - dioxide)


def _cells(metal: str, about: Metal) -> tuple[Any, Any, Any]:
    from ase.build import bulk
    from ase.spacegroup import crystal

    layered = [(0, 0, 0), (0, 0, 0.265)]
    cell = [2.82, 2.82, 13.6, 90, 90, 120]
    dioxide = crystal([metal, "O"], layered, spacegroup=166, cellpar=cell, primitive_cell=True)
    return dioxide, bulk(metal + "O", "rocksalt", a=about.monoxide), bulk(metal, about.structure, a=about.length)


def _molecule() -> Any:
    from ase import Atoms

    return Atoms("O2", positions=[(0, 0, 0), (0, 0, 1.21)], cell=[12, 12, 12], pbc=True)


def _energy(atoms: Any, potential: str, cell: bool = True) -> float:
    """A formula unit's [eV], relaxed; of O2 without its box."""
    from ase.optimize import BFGS

    atoms.calc = calculator(potential)
    per = sum(symbol != "O" for symbol in atoms.get_chemical_symbols()) or 1
    if cell:
        found = relax(atoms, FORCE)
        if not found.converged:
            raise VoltGymError(f"{atoms.get_chemical_formula()} did not converge: {found.reason}")
        return found.energy / per
    BFGS(atoms, logfile=None).run(fmax=FORCE, steps=100)
    return float(atoms.get_potential_energy()) / per
