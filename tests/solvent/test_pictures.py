from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from voltgym.envs.errors import VoltGymError
from voltgym.envs.solvent.pictures import HEIGHT, PALETTE, WIDTH, grid_svg, strip

SMILES = ["CCOC(=O)OC", "O=C1OCCO1", "O=c1occo1", "CS(=O)(=O)F", "COP(=O)(OC)OC", "N#CCCC#N", "CCC"]
LINES = [
    [f"{i}. an edit", f"score 0.{i}", "a line that is much longer than a molecule is wide & <odd>"] for i in range(7)
]
PAGE, DARK = "#ffffff", "#171c22"
"""The cards of a report, in light and in dark."""


def inked(pixels: np.ndarray) -> float:
    return float((pixels < 200).any(axis=-1).mean())


def test_a_strip_shows_every_molecule_and_its_lines():
    pixels = strip(SMILES, LINES)
    assert pixels.dtype == np.uint8
    assert pixels.ndim == 3
    assert pixels.shape[1] > 6 * WIDTH
    assert pixels.shape[0] > 2 * HEIGHT  # seven molecules are two rows
    first, without = strip(SMILES[:1], LINES[:1]), strip(SMILES[:1], [[]])
    assert without.shape[0] < first.shape[0]
    assert inked(first[:HEIGHT]) > 0.005
    assert inked(first[HEIGHT + 10 :]) > 0.01


def test_a_strip_is_the_same_every_time():
    np.testing.assert_array_equal(strip(SMILES[:3], LINES[:3]), strip(SMILES[:3], LINES[:3]))


def test_a_grid_is_one_well_formed_svg_that_takes_the_colour_of_the_page():
    svg = grid_svg(SMILES, LINES, per_row=3, title="The best & last")
    root = ElementTree.fromstring(svg.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1))
    assert root.get("role") == "img"
    assert root.get("aria-label") == "The best & last"
    tags = [element.tag.rpartition("}")[2] for element in root.iter()]
    assert tags.count("title") == 1 + len(SMILES)
    assert tags.count("svg") == 1 + len(SMILES)
    assert "<odd>" in "".join(root.itertext())
    colours = set(re.findall(r"#[0-9A-Fa-f]{6}", svg))
    assert {colour.lower() for colour in colours} == set(PALETTE.values())
    assert "currentColor" in svg


def luminance(colour: str) -> float:
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


@pytest.mark.parametrize("colour", PALETTE.values())
@pytest.mark.parametrize("page", [PAGE, DARK])
def test_atoms_can_be_told_from_the_page(colour, page):
    low, high = sorted([luminance(colour), luminance(page)])
    assert (high + 0.05) / (low + 0.05) >= 3  # WCAG 2.1, 1.4.11: graphics


@pytest.mark.parametrize("draw", [strip, grid_svg])
def test_captions_that_do_not_fit_the_molecules_and_what_is_none_are_said(draw):
    with pytest.raises(VoltGymError, match="2 molecules with 1 captions"):
        draw(["CC", "CCC"], [["one"]])
    with pytest.raises(VoltGymError, match="at least one molecule"):
        draw([], [])
    with pytest.raises(VoltGymError, match="not a SMILES"):
        draw(["CX"], [[]])
