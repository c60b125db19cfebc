"""The numbers of the best site, on molecules whose levels and donors are known."""

from __future__ import annotations

import numpy as np
import pytest
from rdkit import Chem

from voltgym.surrogates.solvent_sites import EMPTY, FILLED, SITES, graph_of, sites


def of(smiles: str) -> dict[str, float]:
    molecule = Chem.MolFromSmiles(smiles)
    return dict(zip(SITES, sites(molecule, graph_of(molecule)).tolist(), strict=True))


def test_hueckel_levels_of_textbooks() -> None:
    ethylene, benzene = of("C=C"), of("c1ccccc1")
    assert (ethylene["Highest filled level"], ethylene["Lowest empty level"]) == pytest.approx((1.0, -1.0))
    assert (benzene["Highest filled level"], benzene["Lowest empty level"]) == pytest.approx((1.0, -1.0))
    butadiene = of("C=CC=C")
    gap = butadiene["Highest filled level"] - butadiene["Lowest empty level"]
    assert 0.8 < gap < 2.0  # conjugation narrows it; 1.24 with equal bonds


def test_alkanes_have_no_pi_levels_and_no_donors() -> None:
    propane = of("CCC")
    assert (propane["Lowest empty level"], propane["Highest filled level"]) == (EMPTY, FILLED)
    assert sum(propane[name] for name in SITES[3:]) == 0


def test_donors_and_how_far_they_are_apart() -> None:
    glyme = of("COCCOC")
    assert glyme["Donors 3 bonds apart"] > 0
    assert glyme["Donors 2 bonds apart"] == glyme["Donors further apart"] == glyme["Third donor"] == 0
    assert glyme["Donor pairs"] == pytest.approx(glyme["Donors 3 bonds apart"])
    assert of("CS(C)=O")["Best donor"] > of("CC(C)=O")["Best donor"] > of("COC")["Best donor"]


def test_a_molecule_has_the_same_numbers_however_it_is_written() -> None:
    for a, b in (("O=C1OCCO1", "C1OC(=O)OC1"), ("FC(F)(F)COC", "COCC(F)(F)F"), ("CP(=O)(OC)OC", "O=P(C)(OC)OC")):
        np.testing.assert_allclose(list(of(a).values()), list(of(b).values()), rtol=1e-5)
