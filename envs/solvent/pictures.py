"""Molecules to look at: an episode as a strip of pixels, and a grid for a page as SVG.

Both take, for every molecule, lines of text that stand below it, the first of them bold. RDKit draws the molecules; in
a strip each is turned to lie like the one before it, so that what an edit changed is what looks different.
"""

from __future__ import annotations

import io
import re
import textwrap
from collections.abc import Sequence
from html import escape
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from rdkit import Chem
from rdkit.Chem import rdDepictor, rdFMCS, rdMolAlign
from rdkit.Chem.Draw import rdMolDraw2D

from voltgym.envs.errors import VoltGymError
from voltgym.envs.plotting import FAINT, INK
from voltgym.envs.solvent.parse import canonical

WIDTH, HEIGHT = 190, 140
"""Of one molecule [pixels]."""
LINE, MARGIN, GAP = 15, 10, 14
"""The height of a line of text, what is left free around a picture, and between two molecules [pixels]."""
CHARACTERS = 30
"""Of a line of text; longer ones are wrapped."""

BLACK = "#000000"
PALETTE = {7: "#3f7fd6", 8: "#d9483b", 9: "#1a945c", 15: "#c2661a", 16: "#a67c00"}
"""Atoms by atomic number, in colours that can be read on white and on a dark page; all else has the colour of text."""


def strip(smiles: Sequence[str], lines: Sequence[Sequence[str]], per_row: int = 6) -> np.ndarray:
    """Molecules in reading order, with captions, as (h, w, 3) uint8.

    Args:
        smiles: the molecules, at least one.
        lines: of text, as many lists as molecules.
        per_row: molecules in a row.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    captions = _captions(smiles, lines)
    places, width, height = _layout(captions, per_row)
    figure = Figure(figsize=(width / 100, height / 100), dpi=100, facecolor="white")
    canvas = FigureCanvasAgg(figure)
    for mol, caption, (x, y) in zip(_aligned(smiles), captions, places, strict=True):
        figure.figimage(_pixels(mol), x, height - y - HEIGHT)
        for k, line in enumerate(caption):
            weight, colour = ("bold", INK) if line.bold else ("normal", FAINT)
            down = y + HEIGHT + LINE * (k + 0.5)
            at = (x + WIDTH / 2) / width, 1 - down / height
            figure.text(*at, line.text, fontsize=7.5, ha="center", va="center", weight=weight, color=colour)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def grid_svg(smiles: Sequence[str], lines: Sequence[Sequence[str]], per_row: int = 5, title: str = "Molecules") -> str:
    """Molecules in reading order, with captions, as one ``<svg>`` to put into a page.

    Bonds and text have the colour of the text around it, so that it can be read in light and in dark.

    Args:
        smiles: the molecules, at least one.
        lines: of text, as many lists as molecules.
        per_row: molecules in a row.
        title: what a reader who cannot see it is told, besides the molecules' own lines.
    """
    captions = _captions(smiles, lines)
    places, width, height = _layout(captions, per_row)
    cells = []
    for text, some, caption, (x, y) in zip(smiles, lines, captions, places, strict=True):
        about = escape(": ".join([text, *([", ".join(some)] if some else [])]))
        drawing = f'<svg x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}">{_svg(_depicted(text))}</svg>'
        cells.append(f"<g><title>{about}</title>{drawing}{_svg_text(caption, x, y)}</g>")
    head = f'<svg viewBox="0 0 {width} {height}" width="{width}" role="img" aria-label="{escape(title, quote=True)}" '
    style = 'style="max-width: 100%; height: auto" fill="currentColor" font-size="11" text-anchor="middle"'
    return f"{head}{style}><title>{escape(title)}</title>{''.join(cells)}</svg>"


class _Line(NamedTuple):
    """As wide as a molecule."""

    text: str
    bold: bool


def _captions(smiles: Sequence[str], lines: Sequence[Sequence[str]]) -> list[list[_Line]]:
    if not len(smiles) or len(smiles) != len(lines):
        raise VoltGymError(
            f"a picture of {len(smiles)} molecules with {len(lines)} captions; expected at least one molecule and a "
            "list of lines for each"
        )
    return [
        [_Line(part, k == 0) for k, line in enumerate(some) for part in textwrap.wrap(line, CHARACTERS)]
        for some in lines
    ]


def _layout(captions: Sequence[Sequence[_Line]], per_row: int) -> tuple[list[tuple[int, int]], int, int]:
    """Where the molecules are (left, top), and the width and height of all [pixels]."""
    columns = min(max(per_row, 1), len(captions))
    places, top = [], MARGIN
    for start in range(0, len(captions), columns):
        row = captions[start : start + columns]
        places += [(MARGIN + k * (WIDTH + GAP), top) for k in range(len(row))]
        top += HEIGHT + LINE * max(len(caption) for caption in row) + GAP
    return places, 2 * MARGIN + columns * (WIDTH + GAP) - GAP, top - GAP + MARGIN


# -- single molecules ----------------------------------------------------------------------------------------------


def _depicted(smiles: str) -> Chem.Mol:
    """A molecule with coordinates in the plane."""
    mol = rdMolDraw2D.PrepareMolForDrawing(Chem.MolFromSmiles(canonical(smiles)))
    rdDepictor.Compute2DCoords(mol)
    rdDepictor.StraightenDepiction(mol)
    return mol


def _aligned(smiles: Sequence[str]) -> list[Chem.Mol]:
    """The molecules, each turned to lie on what it has in common with the one before it."""
    mols = [_depicted(text) for text in smiles]
    for before, mol in pairwise(mols):
        common = rdFMCS.FindMCS([before, mol], timeout=1, bondCompare=rdFMCS.BondCompare.CompareAny)
        if common.numAtoms >= 3:
            shared = Chem.MolFromSmarts(common.smartsString)
            pairs = zip(mol.GetSubstructMatch(shared), before.GetSubstructMatch(shared), strict=True)
            rdMolAlign.AlignMol(mol, before, atomMap=list(pairs))
    return mols


def _set_options(drawer: rdMolDraw2D.MolDraw2D) -> None:
    options: Any = drawer.drawOptions()  # RDKit's stubs know no plain attributes
    colours = {number: tuple(int(hue[k : k + 2], 16) / 255 for k in (1, 3, 5)) for number, hue in PALETTE.items()}
    options.setAtomPalette({-1: (0.0, 0.0, 0.0), 6: (0.0, 0.0, 0.0), **colours})
    options.clearBackground = False
    options.bondLineWidth = 1.6
    options.fixedBondLength = 26
    options.fixedFontSize = 14
    options.padding = 0.06


def _pixels(mol: Chem.Mol) -> np.ndarray:
    """(HEIGHT, WIDTH, 4) in [0, 1]."""
    from matplotlib.image import imread

    drawer = rdMolDraw2D.MolDraw2DCairo(WIDTH, HEIGHT)
    _set_options(drawer)
    drawer.DrawMolecule(mol)
    drawer.FinishDrawing()
    return imread(io.BytesIO(drawer.GetDrawingText()), format="png")


def _svg(mol: Chem.Mol) -> str:
    """The inside of a drawing of WIDTH x HEIGHT."""
    drawer = rdMolDraw2D.MolDraw2DSVG(WIDTH, HEIGHT)
    _set_options(drawer)
    drawer.DrawMolecule(mol)
    drawer.FinishDrawing()
    inside = re.sub(r"^.*?<svg[^>]*>|</svg>\s*$|<!--.*?-->", "", drawer.GetDrawingText(), flags=re.DOTALL)
    return inside.replace(BLACK, "currentColor").replace("\n", " ").strip()


def _svg_text(caption: Sequence[_Line], x: int, y: int) -> str:
    out = []
    for k, line in enumerate(caption):
        weight = 'class="name" font-weight="600"' if line.bold else 'class="note" opacity="0.8"'
        down = y + HEIGHT + LINE * (k + 0.75)
        out.append(f'<text {weight} x="{x + WIDTH / 2:g}" y="{down:g}">{escape(line.text)}</text>')
    return "".join(out)
