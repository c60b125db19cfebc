"""Relaxations: that they find the minimum, use what is known of it, and say what went wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.emt import EMT

from voltgym.envs.cathode.composition import compositions, parse_formula
from voltgym.envs.cathode.metals import PARTS
from voltgym.envs.cathode.relax import TIMED_OUT, reference, relax, stiffness
from voltgym.envs.cathode.structure import _pair_energies, build, lattice


class Pushing(Calculator):
    """Forces and stress of one kind, everywhere."""

    implemented_properties = ("energy", "forces", "stress")

    def __init__(self, force: float, stress: float) -> None:
        super().__init__()
        self.force, self.pressure = force, stress

    def calculate(self, atoms: Any = None, properties: Any = None, system_changes: Any = all_changes) -> None:
        """Fill ``results``."""
        super().calculate(atoms, properties, system_changes)
        stress = np.array([self.pressure] * 3 + [0.0] * 3)
        forces = np.full((len(self.atoms), 3), self.force)
        self.results = {"energy": float(self.force), "forces": forces, "stress": stress}


def stretched() -> Any:
    atoms = bulk("Al", cubic=True)
    atoms.set_cell(atoms.cell * 1.05, scale_atoms=True)
    atoms.rattle(0.05, seed=1)
    return atoms


def test_it_finds_the_minimum() -> None:
    atoms = stretched()
    atoms.calc = EMT()
    found = relax(atoms, 0.005)
    assert found.converged
    assert found.reason == ""
    assert found.force <= 0.005
    assert found.volume == pytest.approx(4 * 15.93, rel=0.01)  # of EMT's own aluminium, a = 3.994
    assert found.steps > 3
    np.testing.assert_allclose(found.cell, np.asarray(atoms.cell), atol=1e-5)


@pytest.mark.parametrize(
    ("force", "stress", "said"),
    [
        (float("nan"), 0.0, "no finite forces"),
        (0.0, -0.5, "the cell went from"),
        (0.0, 0.5, "the cell went from"),
    ],
)
def test_what_goes_wrong_is_said(force: float, stress: float, said: str) -> None:
    atoms = stretched()
    atoms.calc = Pushing(force, stress)
    found = relax(atoms, 0.01)
    assert not found.converged
    assert said in found.reason


def test_a_time_limit_ends_it() -> None:
    atoms = stretched()
    atoms.calc = EMT()
    found = relax(atoms, 1e-9, seconds=0.0)
    assert (found.converged, found.reason) == (False, TIMED_OUT)


def test_the_reference_crystal_is_that_of_the_lattice() -> None:
    kept = reference()
    assert kept["positions"].shape == (40, 3)
    assert kept["hessian"].shape == (129, 129)
    np.testing.assert_allclose(kept["hessian"], kept["hessian"].T, atol=1e-4)
    ideal = lattice()
    assert np.linalg.det(kept["cell"]) == pytest.approx(ideal.volume, rel=0.05)
    apart = kept["positions"] - ideal.cart_coords
    assert np.abs(apart - apart.mean(axis=0)).max() < 0.6


def test_the_stiffness_of_some_sites_is_positive_and_of_their_size() -> None:
    keep = tuple(range(3, 40))
    found = stiffness(keep)
    assert found.shape == (37 * 3 + 9, 37 * 3 + 9)
    assert np.linalg.eigvalsh(found).min() > 0.5


class Springs(Calculator):
    """Every site of the reference crystal on a spring; no stress."""

    implemented_properties = ("energy", "forces", "stress")

    def calculate(self, atoms: Any = None, properties: Any = None, system_changes: Any = all_changes) -> None:
        """Fill ``results``."""
        super().calculate(atoms, properties, system_changes)
        away = self.atoms.get_positions() - reference()["positions"]
        self.results = {"energy": float((away**2).sum()), "forces": -2 * away, "stress": np.zeros(6)}


def test_a_relaxation_leaves_the_stiffness_as_it_is() -> None:
    """ASE's BFGS updates the matrix it is given in place; the next relaxation must not begin with that."""
    sites, kept = tuple(range(40)), reference()
    before = stiffness(sites).copy()
    atoms = Atoms([*(["Li"] * 40)], positions=kept["positions"], cell=kept["cell"], pbc=True)
    atoms.rattle(0.05, seed=0)
    atoms.calc = Springs()
    assert relax(atoms, 0.05, sites=sites).steps > 1
    np.testing.assert_array_equal(stiffness(sites), before)


def test_the_pair_energies_are_ewalds_of_neutral_cells() -> None:
    from pymatgen.analysis.ewald import EwaldSummation

    cell = lattice().copy()
    charge = [{"Li": 1.0, "Ni": 3.0, "O": -2.0}[site.specie.symbol] for site in cell]
    cell.add_oxidation_state_by_site(charge)
    q = np.array(charge)
    assert q @ _pair_energies() @ q == pytest.approx(EwaldSummation(cell).total_energy, rel=1e-6)


def test_a_start_has_the_metals_and_the_lithium_that_it_should() -> None:
    for composition in list(compositions())[::50]:
        for lithium in (10, 6, PARTS - composition.deepest):
            for start in (0, 1):
                begin = build(composition, lithium, start)
                there = [begin.symbols[i] for i in begin.keep]
                assert there.count("Li") == lithium
                assert there.count("O") == 20
                assert {m: there.count(m) for m in composition.by_metal} == composition.by_metal
                assert build(composition, lithium, start) == begin
    nmc = parse_formula("LiNi0.5Mn0.3Co0.2O2")
    assert len({build(nmc, 10, start).symbols for start in range(4)}) == 4
