"""Relaxing atoms and cell, and what can go wrong with it.

A quasi-Newton search (BFGS) that starts from the second derivatives of one reference crystal: the stiffness of a
layered oxide hardly depends on which metal is where, and knowing it saves half of the steps or more.
"""

from __future__ import annotations

import time
import warnings
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from voltgym.envs.cathode.composition import parse_formula
from voltgym.envs.cathode.metals import PARTS
from voltgym.envs.cathode.potential import calculator
from voltgym.envs.cathode.structure import build, lattice
from voltgym.envs.errors import VoltGymError

REFERENCE = "LiNi0.4Mn0.3Co0.3O2"
"""The crystal whose second derivatives begin every relaxation."""
CELL_FACTOR = 10.0
"""What one step of the cell's logarithmic strain counts as, in Angstrom. The force on the cell is its stress times the
volume, over this: with 0.02 eV/Angstrom and 330 Angstrom^3 a stress of 0.1 GPa is converged."""
STIFFEST_SOFT = 1.0
"""Softer directions than this [eV/Angstrom^2] are taken to be as stiff: a long step along them overshoots."""
LONGEST_STEP = 0.2
"""[Angstrom]"""
MOST_STEPS = 200
TIMED_OUT = "it took too long"
LEAST_VOLUME, MOST_VOLUME = 0.7, 1.4
"""Of the volume at the start; beyond, the crystal has collapsed or fallen apart."""


class Relaxed(NamedTuple):
    """What a relaxation came to."""

    energy: float
    """[eV] of the cell."""
    volume: float
    """[Angstrom^3]"""
    force: float
    """The largest force on an atom, or on the cell [eV/Angstrom]."""
    stress: float
    """The largest component [GPa]."""
    steps: int
    converged: bool
    reason: str
    """Why not; empty if it is."""
    seconds: float
    positions: list[list[float]]
    cell: list[list[float]]


def relax(atoms: Any, force: float, *, sites: tuple[int, ...] | None = None, seconds: float = 900.0) -> Relaxed:
    """Relax ``atoms`` (of ASE, with a calculator) in place until no force is above ``force``.

    Args:
        atoms: they are changed.
        force: [eV/Angstrom]
        sites: which sites of the reference crystal they are, to begin with its second derivatives; None for others.
        seconds: after which it is given up.
    """
    from ase.filters import FrechetCellFilter
    from ase.optimize import BFGS

    begin = time.monotonic()
    cell: Any = FrechetCellFilter(atoms, exp_cell_factor=CELL_FACTOR)
    search = BFGS(cell, logfile=None, maxstep=LONGEST_STEP)
    if sites is not None:
        search.H0 = stiffness(sites).copy()  # BFGS changes it in place
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="logm result may be inaccurate")  # by 1e-13
        reason = _search(search, atoms, force, begin + seconds)
    return Relaxed(
        float(atoms.get_potential_energy()),
        float(atoms.get_volume()),
        float(np.sqrt((cell.get_forces() ** 2).sum(axis=1).max())),
        float(np.abs(atoms.get_stress()).max() / _GPA),
        int(search.nsteps),
        not reason,
        reason,
        round(time.monotonic() - begin, 2),
        atoms.get_positions().round(6).tolist(),
        np.asarray(atoms.cell).round(6).tolist(),
    )


_GPA = 0.006241509
"""[eV/Angstrom^3]"""


def _search(search: Any, atoms: Any, force: float, end: float) -> str:
    """Run until no force is above ``force``; in words, why that was not reached, or nothing."""
    volume = atoms.get_volume()
    for converged in search.irun(fmax=force, steps=MOST_STEPS):
        if wrong := _wrong(atoms, volume):
            return wrong
        if converged:
            return ""
        if time.monotonic() > end:
            return TIMED_OUT
    return f"not converged in {MOST_STEPS} steps"


def _wrong(atoms: Any, volume: float) -> str:
    forces, now = atoms.get_forces(), atoms.get_volume()
    if not (np.isfinite(forces).all() and np.isfinite(atoms.get_potential_energy())):
        return "the potential returned no finite forces"
    if not LEAST_VOLUME * volume < now < MOST_VOLUME * volume:
        return f"the cell went from {volume:.0f} to {now:.0f} cubic Angstrom"
    return ""


@cache
def reference() -> dict[str, np.ndarray]:
    """The reference crystal: ``positions`` (40, 3), ``cell`` (3, 3), and ``hessian`` (129, 129) of atoms and cell."""
    file = resources.files("voltgym.envs.cathode.data").joinpath("reference.npz")
    with file.open("rb") as stream, np.load(stream, allow_pickle=False) as kept:
        return {name: kept[name] for name in kept.files}


@cache
def stiffness(sites: tuple[int, ...]) -> np.ndarray:
    """The reference's second derivatives for those of its sites, made positive; the cell's last nine rows stay."""
    whole = reference()["hessian"].astype(float)
    atoms = (np.array(sites)[:, None] * 3 + np.arange(3)).ravel()
    rows = np.concatenate([atoms, np.arange(len(whole) - 9, len(whole))])
    values, vectors = np.linalg.eigh(whole[np.ix_(rows, rows)])
    return (vectors * np.maximum(np.abs(values), STIFFEST_SOFT)) @ vectors.T


def hessian(atoms: Any, step: float = 0.02) -> np.ndarray:
    """(3 n + 9, 3 n + 9) second derivatives of the energy by central differences, in the coordinates of `relax`."""
    from ase.filters import FrechetCellFilter

    cell = FrechetCellFilter(atoms, exp_cell_factor=CELL_FACTOR)
    start = cell.get_positions().copy()
    out = np.zeros((start.size, start.size))
    for k in range(start.size):
        change = np.zeros(start.size)
        change[k] = step
        forces = []
        for sign in (1, -1):
            cell.set_positions(start + sign * change.reshape(start.shape))
            forces.append(cell.get_forces().ravel().copy())
        out[k] = (forces[1] - forces[0]) / (2 * step)
    cell.set_positions(start)
    return (out + out.T) / 2


def make_reference(file: Path) -> None:
    """Relax the reference crystal from the ideal one and write it with its second derivatives."""
    from ase import Atoms

    begin, sites = build(parse_formula(REFERENCE), PARTS), lattice()
    atoms = Atoms(begin.symbols, positions=sites.cart_coords, cell=sites.lattice.matrix, pbc=True)
    atoms.calc = calculator()
    found = relax(atoms, 0.01)
    if not found.converged:
        raise VoltGymError(f"the reference crystal did not converge: {found.reason}")
    stiff = hessian(atoms).astype(np.float32)
    file.parent.mkdir(parents=True, exist_ok=True)
    cell = np.asarray(atoms.cell).round(5)
    np.savez_compressed(file, positions=atoms.get_positions().round(5), cell=cell, hessian=stiff)
