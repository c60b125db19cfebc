"""What is read of the measured tables: known liquids, units, nothing estimated."""

from __future__ import annotations

import pytest

from voltgym.surrogates.solvent_names import BOILING, FLASH, LIQUID, PERMITTIVITY, VISCOSITY
from voltgym.surrogates.solvent_tables import PROVENANCE, read

KNOWN = {
    VISCOSITY: ({"CC(C)=O": -0.513, "CCO": 0.032, "Cc1ccccc1": -0.257, "CS(C)=O": 0.298, "CCCCO": 0.406}, 0.03),
    PERMITTIVITY: ({"CC(C)=O": 1.316, "CC#N": 1.556, "CO": 1.515, "CS(C)=O": 1.672}, 0.03),
    FLASH: ({"CC(C)=O": 254.0, "CCOC(C)=O": 269.0, "Cc1ccccc1": 278.0}, 4.0),
}
"""From the handbooks, from memory: acetone 0.306, ethanol 1.07, toluene 0.56, DMSO 1.99, butanol 2.54 mPa.s; ..."""


@pytest.mark.parametrize("column", KNOWN)
def test_known_liquids(column: str) -> None:
    table = dict(zip(*read(column), strict=True))
    values, tolerance = KNOWN[column]
    for smiles, value in values.items():
        assert table[smiles] == pytest.approx(value, abs=tolerance), smiles


def test_every_column_says_where_it_is_from_and_nothing_is_estimated() -> None:
    assert [source.column for source in PROVENANCE] == [BOILING, LIQUID, FLASH, VISCOSITY, PERMITTIVITY]
    assert not any("JOBACK" in table for source in PROVENANCE for table in source.tables)


@pytest.mark.slow
def test_boiling_and_melting() -> None:
    boiling = dict(zip(*read(BOILING), strict=True))
    assert boiling["CC#N"] == pytest.approx(354.8, abs=1)
    liquid = dict(zip(*read(LIQUID), strict=True))
    assert (liquid["CC#N"], liquid["CS(C)=O"], liquid["O=C1OCCO1"]) == (1.0, 0.0, 0.0)
