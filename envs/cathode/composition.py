"""A composition in tenths and how far it is charged, as text: ``LiNi0.8Mn0.1Co0.1O2@0.7``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

from voltgym.envs.cathode.metals import DOPANTS, METALS, PARTS, charges, most_removed
from voltgym.envs.errors import VoltGymError, shown

MOST_DOPANT = 2
"""Tenths of the one dopant."""
LEAST_LEFT = 0.25
"""The share of the lithium that stays in: layered oxides with less collapse."""
CUT_OFFS = (3, 4, 5, 6, 7)
"""Tenths of the lithium that are taken out."""
EXAMPLE = "LiNi0.8Mn0.1Co0.1O2@0.7"
_PART = re.compile(r"([A-Z][a-z]?)(\d*\.?\d*)")
_TOLERANCE = 1e-6


class Composition(NamedTuple):
    """Tenths of the metals in the order of ``METALS``; they sum to ten."""

    counts: tuple[int, ...]

    @property
    def by_metal(self) -> dict[str, int]:
        """Those that are there."""
        return {metal: count for metal, count in zip(METALS, self.counts, strict=True) if count}

    @property
    def formula(self) -> str:
        """``LiNi0.8Mn0.1Co0.1O2``; a whole metal has no number."""
        parts = (f"{m}{'' if count == PARTS else f'{count / PARTS:g}'}" for m, count in self.by_metal.items())
        return f"Li{''.join(parts)}O2"

    @property
    def deepest(self) -> int:
        """Tenths of the lithium that may be taken out at most."""
        return min(most_removed(self.by_metal), int((1 - LEAST_LEFT) * PARTS + _TOLERANCE))


class Design(NamedTuple):
    """A composition and the tenths of lithium that are taken out of it."""

    composition: Composition
    removed: int

    @property
    def key(self) -> str:
        """As a user writes it."""
        return f"{self.composition.formula}@{self.removed / PARTS:g}"


def compositions() -> Iterator[Composition]:
    """All 366: Ni, Mn and Co in tenths, with up to two tenths of one dopant."""
    dopings = [(0, 0, 0), *(tuple(n * (d == k) for d in range(3)) for k in range(3) for n in range(1, MOST_DOPANT + 1))]
    for doping in dopings:
        left = PARTS - sum(doping)
        for ni, mn in product(range(left + 1), repeat=2):
            if ni + mn <= left:
                yield Composition((ni, mn, left - ni - mn, *doping))


def check(composition: Composition, what: str) -> Composition:
    """The composition, if it is one of the grid. Raises `VoltGymError` saying what is wrong with ``what``."""
    metals = composition.by_metal
    dopants = [d for d in DOPANTS if metals.get(d)]
    if any(count < 0 for count in composition.counts):
        raise VoltGymError(f"{what} has a negative fraction; expected tenths from 0 to 1")
    if sum(composition.counts) != PARTS:
        raise VoltGymError(f"the metals of {what} sum to {sum(composition.counts) / PARTS:g}; expected 1")
    if len(dopants) > 1:
        raise VoltGymError(f"{what} has the dopants {' and '.join(dopants)}; expected at most one of {_names(DOPANTS)}")
    if dopants and metals[dopants[0]] > MOST_DOPANT:
        raise VoltGymError(f"{what} has {metals[dopants[0]] / PARTS:g} {dopants[0]}; expected at most 0.2 of a dopant")
    if charges(metals, PARTS) is None:
        raise VoltGymError(f"{what} cannot be neutral with these metals; expected an average charge of +3")
    return composition


def parse_formula(text: str) -> Composition:
    """``LiNi0.8Mn0.1Co0.1O2`` or ``Ni0.8Mn0.1Co0.1``. Raises `VoltGymError` for what is not of the grid."""
    said = shown(text)
    if not isinstance(text, str) or "".join(a + b for a, b in _PART.findall(text)) != text or not text:
        raise VoltGymError(f"{said} is no formula; expected one such as 'LiNi0.8Mn0.1Co0.1O2'")
    found: dict[str, float] = {}
    for element, number in _PART.findall(text):
        try:
            found[element] = found.get(element, 0.0) + (float(number) if number else 1.0)
        except ValueError:
            raise VoltGymError(f"{said} has {number!r} of {element}; expected a number") from None
    for element, wanted in (("Li", 1.0), ("O", 2.0)):
        if abs(found.pop(element, wanted) - wanted) > _TOLERANCE:
            raise VoltGymError(f"{said} has another number of {element} than {wanted:g}; expected Li(metals)O2")
    for element, number in found.items():
        if element not in METALS:
            raise VoltGymError(f"{said} has {element}; expected only {_names(METALS)} beside Li and O")
        if abs(number * PARTS - round(number * PARTS)) > 1e-3:
            raise VoltGymError(f"{said} has {number:g} {element}; expected a multiple of 0.1")
    return check(Composition(tuple(round(found.get(metal, 0.0) * PARTS) for metal in METALS)), said)


def parse(text: str) -> Design:
    """A design; without ``@``, charged as far as it may be. Raises `VoltGymError` for what is not of the grid."""
    formula, sign, cut_off = text.partition("@") if isinstance(text, str) else (text, "", "")
    composition = parse_formula(formula)
    if not sign:
        return Design(composition, composition.deepest)
    try:
        removed = float(cut_off) * PARTS
    except ValueError:
        raise VoltGymError(f"{shown(text)} is charged to {cut_off!r}; expected one such as {EXAMPLE!r}") from None
    if removed not in CUT_OFFS and not any(abs(removed - c) < 1e-6 for c in CUT_OFFS):
        choices = ", ".join(f"{c / PARTS:g}" for c in CUT_OFFS)
        raise VoltGymError(f"{shown(text)} takes {cut_off} of the lithium out; expected one of {choices}")
    if round(removed) > composition.deepest:
        raise VoltGymError(
            f"{shown(text)} takes {cut_off} of the lithium out; its metals can give {composition.deepest / PARTS:g}"
        )
    return Design(composition, round(removed))


def _names(symbols: tuple[str, ...]) -> str:
    return f"{', '.join(symbols[:-1])} and {symbols[-1]}"
