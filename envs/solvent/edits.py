"""The edits of a molecule: what each kind is called, when it leads to a molecule, and what it does to the arrays.

A kind is a block of consecutive actions. Its mask is the valence arithmetic of ``elements.py`` over N molecules at
once. A test holds it against RDKit, both ways: what is allowed gives another molecule, what is not allowed gives none.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np

from voltgym.envs.solvent.elements import CAPACITY, ELEMENTS, MAX_ATOMS, MIN_ATOMS, MOST_OXO, SINGLES, O, oxide
from voltgym.envs.solvent.fragments import FRAGMENTS, fragments
from voltgym.envs.solvent.graph import Graph

PLACE = np.arange(MAX_ATOMS)
LEFT, RIGHT = np.triu_indices(MAX_ATOMS, 1)
"""The pairs of places, (91,) each."""


class Edit(Protocol):
    """A kind of edit. ``k`` (n,) counts its actions from 0; ``atoms`` (n, 14) and ``bonds`` (n, 14, 14) are changed."""

    name: str
    size: int

    def mask(self, graph: Graph) -> np.ndarray:
        """(N, size) bool: it leads to another molecule of the space."""
        ...

    def apply(self, atoms: np.ndarray, bonds: np.ndarray, k: np.ndarray) -> None:
        """Do it, in place; only for what the mask allows."""
        ...

    def describe(self, k: int, atoms: np.ndarray, bonds: np.ndarray) -> str:
        """What it does to the molecule of ``atoms`` (14,) and ``bonds`` (14, 14), in words; atoms count from 1."""
        ...


def atom_text(atoms: np.ndarray, i: int) -> str:
    """An atom as a reader finds it: its number, from 1 on, and its element."""
    return f"atom {i + 1} ({ELEMENTS[atoms[i] - 1]})" if atoms[i] else f"atom {i + 1} (none)"


ORDER_NAMES = ("none", "single", "double", "triple")


class Append:
    """A new atom, on an atom, by a bond of an order."""

    name = "append"
    kinds = tuple(
        (ELEMENTS.index(text[0]) + 1, int(text[1]))
        for text in ("C1", "C2", "C3", "N1", "N2", "N3", "O1", "O2", "F1", "S1", "S2", "P1")
    )
    size = MAX_ATOMS * len(kinds)
    elements, orders = np.array(kinds, dtype=np.int8).T

    def mask(self, graph: Graph) -> np.ndarray:
        """There is room for the bond; a sulfur or phosphorus that has just its single bonds takes =O beyond that."""
        fits = graph.room[:, :, None] >= self.orders
        fits &= graph.present[:, :, None]
        singles, element = SINGLES[graph.atoms], graph.atoms
        full = (graph.degree - graph.oxo == singles) & (graph.valence - 2 * graph.oxo == singles) & (singles > 0)
        fits[:, :, self.kinds.index((O, 2))] |= full & (graph.oxo < MOST_OXO[element])
        fits &= (graph.size < MAX_ATOMS)[:, None, None]
        return fits.reshape(len(fits), self.size)

    def apply(self, atoms: np.ndarray, bonds: np.ndarray, k: np.ndarray) -> None:
        """The new atom takes the first empty place."""
        row, (i, kind) = np.arange(len(k)), np.divmod(k, len(self.kinds))
        new = (atoms > 0).sum(axis=1)
        atoms[row, new] = self.elements[kind]
        bonds[row, i, new] = bonds[row, new, i] = self.orders[kind]

    def describe(self, k: int, atoms: np.ndarray, bonds: np.ndarray) -> str:
        """Such as "append O to atom 2 (C) by a double bond"."""
        i, kind = divmod(k, len(self.kinds))
        element, order = self.kinds[kind]
        return f"append {ELEMENTS[element - 1]} to {atom_text(atoms, i)} by a {ORDER_NAMES[order]} bond"


class ChangeBond:
    """The order of the bond between two atoms becomes 0, 1, 2 or 3: it changes, opens a ring or closes one."""

    name = "bond"
    size = len(LEFT) * 4

    def mask(self, graph: Graph) -> np.ndarray:
        """There is room at both ends, rings keep to their rules, and the molecule stays in one piece."""
        old, ring = graph.bonds[:, LEFT, RIGHT], graph.ring[:, LEFT, RIGHT]
        room = np.minimum(graph.room[:, LEFT], graph.room[:, RIGHT])
        fixed = graph.hyper[:, LEFT] | graph.hyper[:, RIGHT]
        single = (graph.doubles[:, LEFT] == (old == 2)) & (graph.doubles[:, RIGHT] == (old == 2))
        bonded, closes = old > 0, graph.closable[:, LEFT, RIGHT]
        out = np.empty((*old.shape, 4), dtype=bool)
        out[..., 0] = ring
        out[..., 1] = (bonded & (old != 1)) | closes
        out[..., 2] = ((bonded & (old != 2)) | closes) & (~(ring | closes) | single)
        out[..., 3] = bonded & (old != 3) & ~ring
        out &= (np.arange(4) - old[..., None] <= room[..., None]) & ~fixed[..., None]
        return out.reshape(len(old), self.size)

    def apply(self, atoms: np.ndarray, bonds: np.ndarray, k: np.ndarray) -> None:
        """Set the order."""
        row, (pair, order) = np.arange(len(k)), np.divmod(k, 4)
        bonds[row, LEFT[pair], RIGHT[pair]] = bonds[row, RIGHT[pair], LEFT[pair]] = order

    def describe(self, k: int, atoms: np.ndarray, bonds: np.ndarray) -> str:
        """Such as "close a ring by a single bond between atom 1 (C) and atom 5 (O)"."""
        pair, order = divmod(k, 4)
        i, j = LEFT[pair], RIGHT[pair]
        ends = f"between {atom_text(atoms, i)} and {atom_text(atoms, j)}"
        if order == 0:
            return f"open the ring {ends}"
        name = ORDER_NAMES[order]
        return f"make the bond {ends} {name}" if bonds[i, j] else f"close a ring by a {name} bond {ends}"


class Substitute:
    """An atom becomes another element; its bonds stay."""

    name = "substitute"
    size = MAX_ATOMS * len(ELEMENTS)

    def mask(self, graph: Graph) -> np.ndarray:
        """The new element can have these bonds, and no oxide loses its oxygen to another element."""
        new = np.arange(1, len(ELEMENTS) + 1)[None, None, :]
        valence, degree, oxo = (x[:, :, None] for x in (graph.valence, graph.degree, graph.oxo))
        fits = (valence <= CAPACITY[new]) | oxide(new, valence, degree, oxo)
        holds = ((graph.bonds == 2) & graph.hyper[:, None, :]).any(axis=2)  # the =O of an oxide
        fits &= (graph.present & ~holds)[:, :, None] & (graph.atoms[:, :, None] != new)
        return fits.reshape(len(fits), self.size)

    def apply(self, atoms: np.ndarray, bonds: np.ndarray, k: np.ndarray) -> None:
        """Set the element."""
        i, element = np.divmod(k, len(ELEMENTS))
        atoms[np.arange(len(k)), i] = element + 1

    def describe(self, k: int, atoms: np.ndarray, bonds: np.ndarray) -> str:
        """Such as "substitute atom 3 (C) by O"."""
        i, element = divmod(k, len(ELEMENTS))
        return f"substitute {atom_text(atoms, i)} by {ELEMENTS[element]}"


class Delete:
    """An atom goes: a leaf, or one between two others, which are then joined by a single bond."""

    name = "delete"
    size = MAX_ATOMS

    def mask(self, graph: Graph) -> np.ndarray:
        """Enough is left, oxides lose nothing but =O, and what is joined was not bound already."""
        beside = graph.bonded & graph.hyper[:, None, :] & (graph.bonds == 1)
        leaf = (graph.degree == 1) & ~beside.any(axis=2)
        links = graph.bonded.astype(np.float32)
        triangle = ((links @ links) * links).sum(axis=2) > 0
        return (leaf | ((graph.degree == 2) & ~triangle)) & (graph.size > MIN_ATOMS)[:, None]

    def apply(self, atoms: np.ndarray, bonds: np.ndarray, k: np.ndarray) -> None:
        """Join what it joined; the places behind it move up."""
        row = np.arange(len(k))
        beside = bonds[row, k] > 0
        pair = beside[:, :, None] & beside[:, None, :] & ~np.eye(MAX_ATOMS, dtype=bool)
        bonds[pair] = 1
        bonds[row, k], bonds[row, :, k], atoms[row, k] = 0, 0, 0
        order = np.argsort(atoms == 0, axis=1, kind="stable")
        atoms[:] = np.take_along_axis(atoms, order, axis=1)
        bonds[:] = bonds[row[:, None, None], order[:, :, None], order[:, None, :]]

    def describe(self, k: int, atoms: np.ndarray, bonds: np.ndarray) -> str:
        """Such as "delete atom 4 (O)"."""
        return f"delete {atom_text(atoms, k)}"


class Attach:
    """A fragment, on an atom, by a single bond to the fragment's first atom."""

    name = "attach"
    size = MAX_ATOMS * len(FRAGMENTS)

    def __init__(self) -> None:
        self.fragments = fragments()
        self.lengths = np.array([len(fragment.atoms) for fragment in self.fragments])

    def mask(self, graph: Graph) -> np.ndarray:
        """There is room for the bond, and for all of the fragment."""
        fits = (graph.size[:, None] + self.lengths <= MAX_ATOMS)[:, None, :]
        return (fits & (graph.room >= 1)[:, :, None] & graph.present[:, :, None]).reshape(len(graph.atoms), self.size)

    def apply(self, atoms: np.ndarray, bonds: np.ndarray, k: np.ndarray) -> None:
        """The fragment takes the first empty places."""
        places, which = np.divmod(k, len(self.fragments))
        starts = (atoms > 0).sum(axis=1)
        for row, (i, start, f) in enumerate(zip(places, starts, which, strict=True)):
            new = self.fragments[f]
            end = start + len(new.atoms)
            atoms[row, start:end] = new.atoms
            bonds[row, start:end, start:end] = new.bonds
            bonds[row, i, start] = bonds[row, start, i] = 1

    def describe(self, k: int, atoms: np.ndarray, bonds: np.ndarray) -> str:
        """Such as "attach OCC(F)(F)F to atom 3 (C)"."""
        i, f = divmod(k, len(self.fragments))
        return f"attach {self.fragments[f].smiles} to {atom_text(atoms, i)}"


class Action(NamedTuple):
    """One entry of the action table."""

    edit: Edit | None
    """None for ``stop``."""
    k: int
    """Which of the edit's actions."""


def all_edits() -> tuple[Edit, ...]:
    """The kinds, in the order of the action table."""
    return Append(), ChangeBond(), Substitute(), Delete(), Attach()
