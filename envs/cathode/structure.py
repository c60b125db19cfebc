"""The crystal: ten formula units of a layered oxide (R-3m), with the metals placed and some lithium taken out.

The cell has two metal layers of five sites, 40 atoms. Where the metals are is drawn at random from the start number;
start 0, "ordered", is the draw with the lowest Ewald energy of point charges among ``DRAWS``, the others are one draw
each. Which lithium leaves is chosen in the same way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from voltgym.envs.cathode.composition import Composition
from voltgym.envs.cathode.metals import PARTS, charges

A, C, Z_OXYGEN = 2.86, 14.2, 0.259
"""Hexagonal cell of LiMO2 [Angstrom] and the oxygen's height, near the middle of NMC's: where a relaxation begins."""
SUPERCELL = ((2, 1, 0), (-1, 2, 0), (0, 0, 2))
"""Of the primitive cell: five sites in the plane, as compact as five can be, and two layers."""
DRAWS = 20


class Start(NamedTuple):
    """What a relaxation begins with."""

    symbols: tuple[str, ...]
    """Of the 40 sites of :func:`lattice`, in its order."""
    keep: tuple[int, ...]
    """The sites that are occupied."""


@cache
def lattice() -> Any:
    """The 40 sites, as a pymatgen ``Structure`` of LiNiO2."""
    from pymatgen.core import Lattice, Structure

    sites: list[list[float]] = [[0, 0, 0.5], [0, 0, 0], [0, 0, Z_OXYGEN]]
    cell = Structure.from_spacegroup("R-3m", Lattice.hexagonal(A, C), ["Li", "Ni", "O"], sites)
    cell = cell.get_primitive_structure()
    cell.make_supercell(SUPERCELL)
    return cell


def _places(symbol: str) -> list[int]:
    return [i for i, site in enumerate(lattice()) if site.specie.symbol == symbol]


def build(composition: Composition, lithium: int, start: int = 0) -> Start:
    """The atoms of ``composition`` with ``lithium`` of its ten left, from ``start`` (0: ordered)."""
    symbols = _place_metals(composition, start)
    gone = _choose_removed(composition, symbols, lithium, start)
    return Start(tuple(symbols), tuple(i for i in range(len(symbols)) if i not in gone))


def _place_metals(composition: Composition, start: int) -> list[str]:
    metals = [metal for metal, count in composition.by_metal.items() for _ in range(count)]
    base = [site.specie.symbol for site in lattice()]
    charge = charges(composition.by_metal, PARTS) or {}
    drawn = []
    for draw in range(DRAWS if start == 0 else 1):
        symbols = list(base)
        rng = np.random.default_rng([start, draw, *composition.counts])
        for place, metal in zip(_places("Ni"), rng.permutation(metals), strict=True):
            symbols[place] = str(metal)
        drawn.append(symbols)
    return _lowest(drawn, [()] * len(drawn), charge)[0]


def _choose_removed(composition: Composition, symbols: list[str], lithium: int, start: int) -> set[int]:
    if lithium >= PARTS:
        return set()
    charge = charges(composition.by_metal, lithium) or {}
    gone = []
    for draw in range(DRAWS if start == 0 else 1):
        rng = np.random.default_rng([start, draw, lithium, *composition.counts])
        gone.append(tuple(int(i) for i in rng.permutation(_places("Li"))[: PARTS - lithium]))
    return set(_lowest([symbols] * len(gone), gone, charge)[1])


def _lowest(
    symbols: Sequence[list[str]], gone: Sequence[tuple[int, ...]], charge: Mapping[str, float]
) -> tuple[list[str], tuple[int, ...]]:
    """The draw whose point charges have the lowest energy; the first, if it is the only one."""
    if len(symbols) == 1:
        return symbols[0], gone[0]
    energies = [_ewald(s, g, charge) for s, g in zip(symbols, gone, strict=True)]
    # Equal ones differ in the last bits: the first of them counts, whatever the machine.
    best = int(np.flatnonzero(np.array(energies) < min(energies) + 1e-6)[0])
    return symbols[best], gone[best]


@cache
def _pair_energies() -> np.ndarray:
    """(40, 40) the Ewald energy of unit charges on two sites, both ways: a quadratic form of the charges [eV]."""
    from pymatgen.analysis.ewald import EwaldSummation

    cell = lattice().copy()
    cell.add_oxidation_state_by_site([1.0] * len(cell))
    return np.asarray(EwaldSummation(cell).total_energy_matrix)


def _ewald(symbols: Sequence[str], gone: Sequence[int], charge: Mapping[str, float]) -> float:
    q = np.array([{"Li": 1.0, "O": -2.0, **charge}[symbol] for symbol in symbols])
    q[list(gone)] = 0.0
    return float(q @ _pair_energies() @ q)
