"""Properties of a molecule by extended tight binding, in the gas phase.

Geometries, electron affinity, dipole and Li+ binding are GFN2-xTB (Bannwarth, Ehlert and Grimme 2019, J. Chem. Theory
Comput. 15, 1652); the ionization energy is IPEA1-xTB (Asgeirsson, Bauer and Grimme 2017, Chem. Sci. 8, 4879) on the
GFN2 geometry. tblite computes them. Ionization energy and electron affinity are vertical. The numbers of tight
binding carry a shift of some volts: they rank molecules, and are corrected against DFT before they are called
energies.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from ase import Atoms
from ase.optimize import BFGS
from rdkit.Chem.rdchem import Mol
from tblite.ase import TBLite
from tblite.exceptions import TBLiteRuntimeError
from tblite.interface import Calculator

from voltgym.envs.solvent.geometry import Structure, Unbuildable, bond_matrix, embed, intact, lithium_sites
from voltgym.surrogates.solvent_names import AFFINITY, BINDING, DIPOLE, IONIZATION

PROTOCOL = 1
"""Raised when what is computed changes: older results are then not read again."""
EV, KJ_MOL, DEBYE, BOHR = 27.211386246, 2625.4996395, 2.541746473, 0.529177210903
"""Per hartree, per hartree, per atomic unit, and [A]: CODATA 2018."""
FORCE = 0.03
"""[eV/A] the largest that a converged geometry has left."""
STEPS = 300
COMPLEXES = 3
"""The best starts of Li+ by single point that are optimised."""


class Geometry(NamedTuple):
    """Where the atoms are; kept so that DFT can start from the same structures."""

    molecule: Structure
    complex: Structure
    """With Li+ as last atom."""


class Trouble(Exception):
    """Why a molecule has no result: the text goes into the data."""

    final = True
    """Trying again gives the same."""


class TimeOut(Trouble):
    """It took longer than was allowed; with more time it may work."""

    final = False


def as_json(geometry: Geometry) -> dict[str, Any]:
    """Both structures as plain lists, in [A]."""
    named = {"molecule": geometry.molecule, "complex": geometry.complex}
    return {
        name: {"numbers": s.numbers.tolist(), "positions": np.round(s.positions, 6).tolist()}
        for name, s in named.items()
    }


Clock = Callable[[], None]
"""Called between self-consistent fields; raises `TimeOut` when the time is up."""


def clock(seconds: float) -> Clock:
    """A clock that starts now."""
    end = time.monotonic() + seconds

    def check() -> None:
        if time.monotonic() > end:
            raise TimeOut(f"longer than {seconds:g} s")

    return check


def compute(smiles: str, seconds: float = 120.0) -> tuple[dict[str, float], Geometry]:
    """The electronic properties of a molecule by name, and the geometries behind them.

    Raises:
        Trouble: a self-consistent field or a geometry that does not converge, a molecule that falls apart.
        TimeOut: it takes more than ``seconds``.
    """
    check = clock(seconds)
    try:
        molecule, conformers = embed(smiles)
        energy, structure = _lowest(molecule, conformers, check)
        values = _charged(structure, energy, check)
        bound, complexed = _with_lithium(molecule, [structure, *conformers], check)
    except Unbuildable as error:
        raise Trouble(str(error)) from None
    values[BINDING] = (energy + lithium_energy() - bound) * KJ_MOL
    return values, Geometry(structure, complexed)


def _lowest(molecule: Mol, conformers: list[Structure], check: Clock) -> tuple[float, Structure]:
    """The lowest of the two best conformers after GFN2 optimisation."""
    found = []
    for start in conformers[:2]:
        energy, structure = optimise(start, 0, check)
        if intact(molecule, structure):
            found.append((energy, structure))
    if not found:
        raise Trouble("the molecule rearranges when it is optimised")
    return min(found, key=lambda pair: pair[0])


def optimise(start: Structure, charge: int, check: Clock) -> tuple[float, Structure]:
    """The GFN2 energy [hartree] and structure of the nearest minimum."""
    atoms = Atoms(numbers=start.numbers, positions=start.positions)
    atoms.calc = TBLite(method="GFN2-xTB", charge=charge, verbosity=0)
    search = BFGS(atoms, logfile=None, maxstep=0.15)
    search.attach(check)
    try:
        done = search.run(fmax=FORCE, steps=STEPS)
        energy = atoms.get_potential_energy() / EV
    except Trouble:
        raise
    except (RuntimeError, ValueError, np.linalg.LinAlgError) as error:  # tblite's and ASE's, when a field diverges
        raise Trouble(f"the optimisation failed ({type(error).__name__})") from None
    if not done:
        raise Trouble(f"the geometry is not converged after {STEPS} steps")
    return energy, Structure(start.numbers, atoms.get_positions())


def _charged(structure: Structure, energy: float, check: Clock) -> dict[str, float]:
    """Ionization energy and electron affinity [eV] and dipole moment [D] at the neutral's geometry."""
    _, dipole = single_point("GFN2-xTB", structure, 0)
    check()
    neutral, _ = single_point("IPEA1-xTB", structure, 0)
    cation, _ = single_point("IPEA1-xTB", structure, 1)
    check()
    anion, _ = single_point("GFN2-xTB", structure, -1)
    return {IONIZATION: (cation - neutral) * EV, AFFINITY: (energy - anion) * EV, DIPOLE: dipole}


def single_point(method: str, structure: Structure, charge: int) -> tuple[float, float]:
    """The energy [hartree] and the dipole moment [D]."""
    electrons = int(structure.numbers.sum()) - charge
    try:
        calculator = Calculator(
            method, structure.numbers, structure.positions / BOHR, charge=float(charge), uhf=electrons % 2
        )
        calculator.set("verbosity", 0)
        found = calculator.singlepoint()
        return float(found.get("energy")), float(np.linalg.norm(found.get("dipole")) * DEBYE)
    except (TBLiteRuntimeError, RuntimeError) as error:
        raise Trouble(f"the field of charge {charge:+d} is not converged ({type(error).__name__})") from None


def _with_lithium(molecule: Mol, conformers: list[Structure], check: Clock) -> tuple[float, Structure]:
    """The lowest energy [hartree] and structure of the complex with Li+."""
    bonds, starts = bond_matrix(molecule), []
    for conformer in conformers:
        for site in lithium_sites(conformer, bonds):
            start = Structure(np.append(conformer.numbers, 3), np.vstack([conformer.positions, site]))
            check()
            try:
                starts.append((single_point("GFN2-xTB", start, 1)[0], start))
            except Trouble:
                continue  # a start that is too near; the others decide
    starts.sort(key=lambda pair: pair[0])
    found = []
    for _, start in starts[:COMPLEXES]:
        try:
            energy, structure = optimise(start, 1, check)
        except TimeOut:
            raise
        except Trouble:
            continue
        if intact(molecule, structure):
            found.append((energy, structure))
    if not found:
        raise Trouble("no complex with Li+ keeps the molecule whole and converges")
    return min(found, key=lambda pair: pair[0])


def lithium_energy() -> float:
    """[hartree] of Li+ in GFN2."""
    global _lithium
    if _lithium is None:
        _lithium = single_point("GFN2-xTB", Structure(np.array([3]), np.zeros((1, 3))), 1)[0]
    return _lithium


_lithium: float | None = None
