"""Formulas, charge balance and the grid."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voltgym.envs.cathode.composition import CUT_OFFS, Design, compositions, parse, parse_formula
from voltgym.envs.cathode.metals import FIRST, HIGHEST, METALS, PARTS, charges, most_removed
from voltgym.envs.errors import VoltGymError

GRID = list(compositions())


def test_the_grid_has_every_composition_once() -> None:
    assert len(GRID) == len({c.formula for c in GRID}) == 366
    assert all(sum(c.counts) == PARTS for c in GRID)


@pytest.mark.parametrize("lithium", [10, 8, 6, 4, 3])
def test_every_composition_is_neutral_as_far_as_it_may_be_charged(lithium: int) -> None:
    for c in GRID:
        found = charges(c.by_metal, lithium)
        if PARTS - lithium > c.deepest:
            continue
        assert found is not None, c.formula
        assert sum(found[m] * n for m, n in c.by_metal.items()) + lithium == pytest.approx(4 * PARTS)
        assert all(found[m] <= HIGHEST[m] for m in found)


def test_magnesium_and_aluminium_hold_lithium_back() -> None:
    assert parse_formula("LiCoO2").deepest == 7
    assert most_removed({"Co": 8, "Mg": 2}) == 6
    assert parse_formula("LiCo0.8Mg0.2O2").deepest == 6
    assert most_removed({"Co": 8, "Al": 2}) == 8


def test_pymatgen_knows_the_oxidation_states_and_finds_every_composition_neutral() -> None:
    from pymatgen.core import Composition as Chemical
    from pymatgen.core import Element

    for metal, state in (*FIRST, *HIGHEST.items()):
        assert state in Element(metal).oxidation_states
    for c in GRID[::37]:
        states = {m: sorted({dict(FIRST)[m], 3, HIGHEST[m]} & set(Element(m).oxidation_states)) for m in c.by_metal}
        chemical = Chemical({"Li": 10, "O": 20, **c.by_metal})
        assert chemical.oxi_state_guesses(oxi_states_override={"Li": [1], "O": [-2], **states}), c.formula


def test_smact_lists_the_oxidation_states() -> None:
    smact = pytest.importorskip("smact")
    for metal, state in HIGHEST.items():
        assert state in smact.Element(metal).oxidation_states


@given(st.sampled_from(GRID), st.sampled_from(CUT_OFFS))
def test_a_key_is_read_as_it_is_written(composition, removed) -> None:
    design = Design(composition, min(removed, composition.deepest))
    assert parse(design.key) == design
    assert parse_formula(composition.formula) == composition
    assert parse_formula(composition.formula.removeprefix("Li").removesuffix("O2")) == composition


@given(st.text(max_size=30) | st.none() | st.integers())
def test_whatever_is_written_is_read_or_refused_in_words(text) -> None:
    with contextlib.suppress(VoltGymError):
        design = parse(text)
        assert parse(design.key) == design


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("LiNi0.8Mn0.1O2", "sum to 0.9; expected 1"),
        ("LiNi0.8Fe0.2O2", "has Fe; expected only Ni, Mn, Co, Al, Mg and Ti"),
        ("LiNi0.75Mn0.25O2", "0.75 Ni; expected a multiple of 0.1"),
        ("LiNi0.7Al0.3O2", "has 0.3 Al; expected at most 0.2"),
        ("LiNi0.8Al0.1Mg0.1O2", "dopants Al and Mg; expected at most one"),
        ("LiNi-0.1Mn1.1O2", "is no formula"),
        ("Li2NiO2", "another number of Li than 1"),
        ("LiNiO3", "another number of O than 2"),
        ("LiNiO2@0.75", "expected one of 0.3, 0.4, 0.5, 0.6, 0.7"),
        ("LiNiO2@deep", "charged to 'deep'"),
        ("LiCo0.8Mg0.2O2@0.7", "its metals can give 0.6"),
        ("", "is no formula"),
        (None, "is no formula"),
    ],
)
def test_mistakes_are_said(text, said: str) -> None:
    with pytest.raises(VoltGymError, match="(?s).*" + said.replace(".", r"\.").replace("(", r"\(")):
        parse(text)


def test_metals_are_in_one_order() -> None:
    assert METALS == ("Ni", "Mn", "Co", "Al", "Mg", "Ti")
