"""Properties of a molecule by density functional theory: the last judge.

B3LYP (Becke 1993, J. Chem. Phys. 98, 5648; Stephens et al. 1994, J. Phys. Chem. 98, 11623) in def2-SVP (Weigend and
Ahlrichs 2005, Phys. Chem. Chem. Phys. 7, 3297) with density fitting, unrestricted for ions, in the gas phase, on the
geometries of xTB. pyscf computes it. The basis has no diffuse functions, so an electron that is not bound is squeezed
into the molecule: electron affinities are too low and only rank molecules. The Li+ binding energy is not corrected for
the superposition of basis sets.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from voltgym.envs.solvent.xtb import DEBYE, EV, KJ_MOL, Clock, TimeOut, Trouble, clock
from voltgym.surrogates.solvent_names import AFFINITY, BINDING, DIPOLE, IONIZATION

PROTOCOL = 1
FUNCTIONAL, BASIS = "b3lyp", "def2-svp"
CYCLES, SECOND_ORDER_CYCLES = 80, 50
GRID = 2
"""pyscf's level of the grid of integration."""

__all__ = ["BASIS", "FUNCTIONAL", "PROTOCOL", "TimeOut", "Trouble", "compute"]


def compute(geometry: Mapping[str, Any], seconds: float = 1800.0) -> dict[str, float]:
    """The electronic properties by name, on the ``molecule`` and ``complex`` that xTB gave (numbers, positions [A]).

    Raises:
        Trouble: a field that does not converge, with damping and second order tried as well.
        TimeOut: it takes more than ``seconds``.
    """
    check = clock(seconds)
    molecule = geometry["molecule"]
    neutral, field = energy(molecule, 0, check)
    cation, _ = energy(molecule, 1, check)
    anion, _ = energy(molecule, -1, check)
    bound, _ = energy(geometry["complex"], 1, check)
    lithium, _ = energy({"numbers": [3], "positions": [[0.0, 0.0, 0.0]]}, 1, check)
    moment = np.linalg.norm(field.dip_moment(unit="A.U.", verbose=0)) * DEBYE
    return {
        IONIZATION: (cation - neutral) * EV,
        AFFINITY: (neutral - anion) * EV,
        BINDING: (neutral + lithium - bound) * KJ_MOL,
        DIPOLE: float(moment),
    }


def energy(structure: Mapping[str, Any], charge: int, check: Clock) -> tuple[float, Any]:
    """The energy [hartree] and the converged field."""
    from pyscf import dft, gto

    check()
    spin = (sum(structure["numbers"]) - charge) % 2
    atoms = list(zip(structure["numbers"], structure["positions"], strict=True))
    molecule = gto.M(atom=atoms, basis=BASIS, charge=charge, spin=spin, verbose=0)
    field = dft.UKS(molecule) if spin else dft.RKS(molecule)
    field = field.density_fit()
    field.xc, field.max_cycle = FUNCTIONAL, CYCLES
    field.grids.level = GRID
    field.callback = lambda state: check()
    field.kernel()
    if not field.converged:
        field.level_shift, field.damp = 0.2, 0.3
        field.kernel(dm0=field.make_rdm1())
    if not field.converged:
        density, field = field.make_rdm1(), field.newton()
        field.max_cycle = SECOND_ORDER_CYCLES
        field.kernel(dm0=density)
    if not field.converged:
        raise Trouble(f"the field of charge {charge:+d} is not converged")
    return float(field.e_tot), field
