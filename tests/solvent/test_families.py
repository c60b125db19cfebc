"""Families, and the lines that bring xTB's numbers to the scale of DFT."""

from __future__ import annotations

import numpy as np
import pytest

from voltgym.envs.solvent.families import FAMILIES, apply_line, correct, family, fit_line, lines
from voltgym.surrogates.solvent_names import BINDING, ELECTRONIC, FLASH, IONIZATION


@pytest.mark.parametrize(
    ("smiles", "expected"),
    [
        ("O=C1OCCO1", "carbonate"),
        ("O=c1occo1", "vinylic"),
        ("COCCOC", "ether"),
        ("CS(C)(=O)=O", "S=O"),
        ("COP(=O)(OC)OC", "P"),
        ("COC(C)=O", "ester"),
        ("O=C1CCCO1", "ester"),
        ("CC#N", "nitrile"),
        ("CN(C)C(C)=O", "amide"),
        ("CN(C)C", "amine or thioether"),
        ("CC(C)=O", "ketone"),
        ("CCF", "other"),
    ],
)
def test_families(smiles: str, expected: str) -> None:
    assert family(smiles) == expected


def test_a_line_with_offsets_is_found_again() -> None:
    rng = np.random.default_rng(0)
    kinds = ["ether"] * 40 + ["S=O"] * 40
    x = rng.normal(size=80) + np.repeat([0.0, 5.0], 40)
    y = 0.8 * x + 1.0 - np.repeat([0.0, 3.0], 40) + rng.normal(0, 0.01, 80)
    line = fit_line(kinds, x, y)
    assert line["slope"] == pytest.approx(0.8, abs=0.02)
    assert np.abs(apply_line(line, kinds, x) - y).max() < 0.15
    assert apply_line(line, ["unknown"], np.zeros(1))[0] == pytest.approx(line["offset"])


def test_the_shipped_lines_correct_the_electronic_properties_only() -> None:
    assert set(lines()) == set(ELECTRONIC)
    assert all(set(line) <= {"slope", "offset", "error", "other", *FAMILIES} for line in lines().values())
    names, mean, std = (FLASH, IONIZATION, BINDING), np.array([[300.0, 15.77, 245.8]]), np.array([[5.0, 0.2, 8.0]])
    correct(names, ["O=C1OCCO1"], mean, std)
    assert mean[0, 0] == 300.0
    assert std[0, 0] == 5.0
    assert mean[0, 1] == pytest.approx(11.13, abs=0.5)  # B3LYP/def2-SVP on the same geometry
    assert mean[0, 2] == pytest.approx(232.5, abs=25)
