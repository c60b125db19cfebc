"""Families of molecules, and how xTB's numbers are brought to the scale of DFT: a line a property, an offset a family.

GFN2 overbinds Li+ at S=O, misses the low ionization energy of a C=C between oxygens, and IPEA1 carries a shift of some
volts. What is corrected here is xTB against B3LYP/def2-SVP on the same geometries, nothing else: both are gas-phase
models. The coefficients are in ``data/dft_correction.csv``; ``python -m voltgym.experiments.solvent_agreement --write``
makes them.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from importlib import resources

import numpy as np
from rdkit import Chem

from voltgym.surrogates.solvent_features import molecule
from voltgym.surrogates.solvent_names import AFFINITY, BINDING, DIPOLE, IONIZATION

FAMILIES: Mapping[str, str] = {
    "S=O": "S=O",
    "P": "[P]",
    "vinylic": "[C,c]=,:[C,c]",
    "carbonate": "[O,o][C,c](=O)[O,o]",
    "amide": "[NX3]C=O",
    "ester": "C(=O)O[#6]",
    "ketone": "[#6]C(=O)[#6]",
    "nitrile": "C#N",
    "amine or thioether": "[NX3,SX2]",
    "ether": "[OX2]([#6])[#6]",
}
"""SMARTS in order: a molecule is of the first family that it matches, of ``other`` if it matches none."""
CORRECTED = (IONIZATION, AFFINITY, BINDING, DIPOLE)
SHRINK = 2.0
"""A family of n molecules gets ``n / (n + SHRINK)`` of its mean residual: few rows say little."""


@cache
def _queries() -> dict[str, Chem.Mol]:
    return {name: Chem.MolFromSmarts(smarts) for name, smarts in FAMILIES.items()}


@lru_cache(maxsize=50_000)
def family(smiles: str) -> str:
    """The family of a canonical SMILES."""
    mol = molecule(smiles)
    return next((name for name, query in _queries().items() if mol.HasSubstructMatch(query)), "other")


def fit_line(families: Sequence[str], x: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """Coefficients of ``y = slope x + offset + offset of the family`` of (n,) values, by name."""
    names = np.asarray(families)
    inside = np.zeros(2)  # the slope within families: what differs between them is what the offsets are for
    for name in dict.fromkeys(families):
        a, b = x[names == name], y[names == name]
        inside += ((a - a.mean()) @ (b - b.mean()), (a - a.mean()) @ (a - a.mean()))
    slope = inside[0] / max(inside[1], 1e-12)
    offset = float(np.mean(y - slope * x))
    left = y - slope * x - offset
    out = {"slope": float(slope), "offset": offset}
    for name in dict.fromkeys(families):
        rows = left[names == name]
        out[name] = float(rows.mean() * len(rows) / (len(rows) + SHRINK))
    return out


def apply_line(line: Mapping[str, float], families: Sequence[str], x: np.ndarray) -> np.ndarray:
    """(n,) corrected values; a family that the line does not know has no offset of its own."""
    return line["slope"] * x + line["offset"] + np.array([line.get(name, 0.0) for name in families])


def _table() -> str:
    return resources.files("voltgym.envs.solvent.data").joinpath("dft_correction.csv").read_text(encoding="utf-8")


@cache
def digest() -> str:
    """A hash of the shipped coefficients."""
    return hashlib.sha256(_table().encode()).hexdigest()[:16]


@cache
def lines() -> dict[str, dict[str, float]]:
    """The shipped coefficients by property."""
    out: dict[str, dict[str, float]] = {}
    for row in csv.DictReader(_table().splitlines()):
        out.setdefault(row["property"], {})[row["term"]] = float(row["value"])
    return out


def correct(names: Sequence[str], designs: Sequence[str], mean: np.ndarray, std: np.ndarray) -> None:
    """Bring the electronic columns of (n, m) ``mean`` and ``std`` to the scale of DFT, in place.

    ``std`` grows by the error that corrected values had on molecules that were left out.
    """
    known = lines()
    families = [family(design) for design in designs]
    for j, name in enumerate(names):
        if name in known:
            mean[:, j] = apply_line(known[name], families, mean[:, j])
            std[:, j] = np.hypot(std[:, j] * known[name]["slope"], known[name]["error"])
