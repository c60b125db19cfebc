"""What the elements of a cathode cost and how few countries they come from: ``data/elements.csv``, dated 2024.

Prices are those of the metal contents of precursors, without making the oxide of them. Oxygen is free and comes from
everywhere.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from functools import cache
from importlib import resources

import numpy as np

from voltgym.surrogates.cathode_features import numbers, weighted
from voltgym.surrogates.cathode_names import MASSES, METALS

OXYGEN_HHI = 500.0
"""Gaultois et al. 2013, as for the metals."""


@cache
def _table() -> dict[str, dict[str, str]]:
    text = resources.files("voltgym.envs.cathode.data").joinpath("elements.csv").read_text(encoding="utf-8")
    return {row["element"]: row for row in csv.DictReader(text.splitlines())}


def _column(name: str) -> np.ndarray:
    """(8,) of Li, O and ``METALS``; the oxygen has no price and a fixed index."""
    other = {"price [USD.kg-1]": 0.0, "HHI production": OXYGEN_HHI}
    rows = _table()
    return np.array([float(rows["Li"][name]), other[name], *(float(rows[metal][name]) for metal in METALS)])


def _masses(designs: Sequence[str]) -> np.ndarray:
    """(n, 8) [g.mol-1] of Li, O and ``METALS`` in a formula unit."""
    fractions = numbers(designs)[0][:, : len(METALS)]
    metals = fractions * np.array([MASSES[metal] for metal in METALS])
    return np.column_stack([np.full(len(metals), MASSES["Li"]), np.full(len(metals), 2 * MASSES["O"]), metals])


def price(designs: Sequence[str]) -> np.ndarray:
    """(n,) [USD.kg-1] of the oxide: what its elements cost."""
    masses = _masses(designs)
    return weighted(masses, _column("price [USD.kg-1]")) / _total(masses)


def supply_risk(designs: Sequence[str]) -> np.ndarray:
    """(n,) the Herfindahl-Hirschman index of the elements' production, weighted by mass: 10,000 is one country.

    As pymatgen's ``HHIModel`` weights it; Gaultois et al. 2013, Chem. Mater. 25, 2911.
    """
    masses = _masses(designs)
    return weighted(masses, _column("HHI production")) / _total(masses)


def _total(masses: np.ndarray) -> np.ndarray:
    return weighted(masses, np.ones(masses.shape[1]))
