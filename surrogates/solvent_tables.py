"""Measured properties of molecules, read from the installed ``chemicals`` package when a surrogate is fitted.

Nothing is copied: its tables come from handbooks. Estimates (Joback's) are left out. ``PROVENANCE`` says what is read.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from rdkit import Chem, rdBase

from voltgym.surrogates.solvent_names import BOILING, FLASH, LIQUID, PERMITTIVITY, VISCOSITY

ROOM = 298.15  # [K]
COLD = 253.15
"""[K] -20 C: where a liquid must still be one."""
HEAVIEST = 14
"""Heavy atoms of a molecule that is learned from: as many as a design may have."""
ELEMENTS = {"C", "N", "O", "F", "S", "P", "Cl", "H"}
"""Chlorine is learned from and not designed with: it helps where data are few."""


class Source(NamedTuple):
    """Where a column comes from."""

    column: str
    tables: tuple[str, ...]
    """Of ``chemicals``; where several know a molecule, their median."""
    unit: str
    about: str


PROVENANCE = (
    Source(BOILING, ("CRC_ORG", "YAWS", "WEBBOOK", "COMMON_CHEMISTRY"), "K",
           "normal boiling point; CRC Handbook, Yaws' compilation, NIST WebBook, CAS Common Chemistry"),
    Source(LIQUID, ("CRC_ORG", "OPEN_NTBKM", "WEBBOOK", "COMMON_CHEMISTRY"), "1",
           "melting point below 253.15 K; CRC Handbook, Open Notebook (Bradley et al.), NIST WebBook, CAS"),
    Source(FLASH, ("IEC 60079-20-1 (2010)", "NFPA 497 (2008)", "Serat DIPPR (2017)"), "K",
           "flash point; two standards for explosive atmospheres and Serat et al. 2017"),
    Source(VISCOSITY, ("Perrys 8E 2-313", "VDI_PPDS_7", "Dutt_Prasad", "VN3", "VN2"), "log10 mPa.s",
           "at 298.15 K from correlations within their range; Perry's Handbook, VDI Heat Atlas, Viswanath et al. 2007"),
    Source(PERMITTIVITY, ("CRC",), "log10",
           "relative, static; CRC Handbook, as tabulated if within 20 K of 298.15 K, else by its polynomial"),
)  # fmt: skip
"""One row a column, as the package describes its tables."""


class Measured(NamedTuple):
    """A column of measured values."""

    smiles: tuple[str, ...]
    values: np.ndarray
    """(n,)"""


def read(column: str) -> Measured:
    """The measured values of one of the ``PROVENANCE`` columns, one a molecule, by canonical SMILES without stereo."""
    found: dict[str, list[float]] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pandas' on how the package reads its own tables
        for number, value in _READERS[column]():
            smiles = smiles_of(number)
            if smiles is not None and math.isfinite(value):
                found.setdefault(smiles, []).append(value)
    names = tuple(sorted(found))
    return Measured(names, np.array([float(np.median(found[name])) for name in names]))


@lru_cache(maxsize=200_000)
def smiles_of(number: str) -> str | None:
    """The canonical SMILES of a CAS number, or None for what is not learned from."""
    from chemicals import identifiers

    try:
        text = identifiers.search_chemical(number).smiles
    except (ValueError, AttributeError):
        return None
    with rdBase.BlockLogs():
        molecule = Chem.MolFromSmiles(text) if text and "." not in text else None
    if molecule is None or not 1 <= molecule.GetNumHeavyAtoms() <= HEAVIEST:
        return None
    for atom in molecule.GetAtoms():
        if atom.GetSymbol() not in ELEMENTS or atom.GetFormalCharge() or atom.GetNumRadicalElectrons():
            return None
        if atom.GetIsotope():
            return None
    if not any(atom.GetSymbol() == "C" for atom in molecule.GetAtoms()):
        return None
    Chem.RemoveStereochemistry(molecule)
    return Chem.MolToSmiles(molecule)


def _tables(column: str) -> tuple[str, ...]:
    return next(source.tables for source in PROVENANCE if source.column == column)


def _kelvin(sources: Mapping[str, Any], name: str, column: str) -> Iterator[tuple[str, float]]:
    for table in _tables(column):
        data = sources[table][name].dropna()
        yield from ((str(number), float(value)) for number, value in data.items())


def _boiling() -> Iterator[tuple[str, float]]:
    from chemicals import phase_change

    return (pair for pair in _kelvin(phase_change.Tb_sources, "Tb", BOILING) if 150 < pair[1] < 800)


def _liquid() -> Iterator[tuple[str, float]]:
    """The median of the melting points decides, so they are collected first."""
    from chemicals import phase_change

    known: dict[str, list[float]] = {}
    for number, value in _kelvin(phase_change.Tm_sources, "Tm", LIQUID):
        known.setdefault(number, []).append(value)
    return ((number, float(np.median(values) < COLD)) for number, values in known.items())


def _flash() -> Iterator[tuple[str, float]]:
    from chemicals import safety

    safety._load_safety_data()
    return _kelvin(safety.Tflash_sources, "T_flash", FLASH)


def _viscosity() -> Iterator[tuple[str, float]]:
    """The first table that knows a molecule at room temperature: correlations differ more than measurements."""
    from chemicals import dippr, viscosity

    viscosity._load_mu_data()
    formulas: list[tuple[Any, Callable[[Any], float]]] = [
        (viscosity.mu_data_Perrys_8E_2_313, lambda r: 1e3 * dippr.EQ101(ROOM, r.C1, r.C2, r.C3, r.C4, r.C5)),
        (viscosity.mu_data_VDI_PPDS_7, lambda r: 1e3 * viscosity.PPDS9(ROOM, r.A, r.B, r.C, r.D, r.E)),
        (viscosity.mu_data_Dutt_Prasad, lambda r: viscosity.Viswanath_Natarajan_3(ROOM, r.A, r.B, r.C)),
        (viscosity.mu_data_VN3, lambda r: viscosity.Viswanath_Natarajan_3(ROOM, r.A, r.B, r.C)),
        # The package's own function takes this form for natural logarithms; its numbers are decadic, in Pa.s.
        (viscosity.mu_data_VN2, lambda r: 1e3 * 10 ** (r.A + r.B / ROOM)),
    ]
    seen: set[str] = set()
    for table, formula in formulas:
        for number, row in table.iterrows():
            low, high = getattr(row, "Tmin", ROOM), getattr(row, "Tmax", ROOM)
            if number in seen or not low - 5 <= ROOM <= high + 5:
                continue
            value = float(np.real(formula(row)))
            if 0.05 < value < 5000:
                seen.add(str(number))
                yield str(number), math.log10(value)


def _permittivity() -> Iterator[tuple[str, float]]:
    from chemicals import permittivity

    for number, row in permittivity.permittivity_data_CRC.iterrows():
        near = abs(row["T"] - ROOM) <= 20
        inside = row["Tmin"] - 10 <= ROOM <= row["Tmax"] + 10
        value = row["Permittivity"] if near else math.nan
        if inside and not math.isnan(row["A"]):
            a, b, c, d = (0.0 if math.isnan(row[k]) else row[k] for k in "ABCD")
            value = a + b * ROOM + c * ROOM**2 + d * ROOM**3
        if value > 1:
            yield str(number), math.log10(value)


_READERS: Mapping[str, Callable[[], Iterator[tuple[str, float]]]] = {
    BOILING: _boiling,
    LIQUID: _liquid,
    FLASH: _flash,
    VISCOSITY: _viscosity,
    PERMITTIVITY: _permittivity,
}
