"""The metals of a layered cathode Li(Ni, Mn, Co, dopant)O2, and how many electrons they can give.

Oxidation states are those that layered oxides are known with; a test holds that pymatgen lists them all.
"""

from __future__ import annotations

from collections.abc import Mapping

from voltgym.surrogates.cathode_names import METALS

MAIN = ("Ni", "Mn", "Co")
DOPANTS = ("Al", "Mg", "Ti")
assert (*MAIN, *DOPANTS) == METALS
HIGHEST: Mapping[str, int] = {"Ni": 4, "Mn": 4, "Co": 4, "Al": 3, "Mg": 2, "Ti": 4}
"""As far as delithiation can oxidise them."""
FIRST: tuple[tuple[str, int], ...] = (("Mg", 2), ("Al", 3), ("Ti", 4), ("Mn", 4), ("Co", 3), ("Ni", 2))
"""The states that are taken first, in this order; what is missing for neutrality is then made up as in ``_STEPS``."""
_STEPS: tuple[tuple[str, int], ...] = (("Ni", 4), ("Co", 4), ("Mn", 4))
_BACK: tuple[tuple[str, int], ...] = (("Mn", 3), ("Co", 2), ("Mn", 2), ("Ti", 3))
"""Who is oxidised when charge is missing, and who is reduced when there is too much, and how far."""
PARTS = 10
"""Fractions are tenths."""


def charges(counts: Mapping[str, int], lithium: int) -> dict[str, float] | None:
    """The mean charge of every metal of ``counts`` tenths with ``lithium`` tenths, or None if none is neutral.

    Oxygen is -2 and lithium +1. Mn and Ti are oxidised first and then Co, Ni makes up the rest: the order of their
    redox levels in layered oxides (Ni(2+/4+) before Co(3+/4+), Mn(4+) inactive).
    """
    state = {metal: float(start) for metal, start in FIRST if counts.get(metal)}
    wanted = 4.0 * PARTS - lithium  # two oxygens carry -4 for every metal
    missing = wanted - sum(state[metal] * counts[metal] for metal in state)
    for metal, limit in _STEPS if missing > 0 else _BACK:
        if metal in state:
            room = (limit - state[metal]) * counts[metal]
            step = min(missing, max(room, 0.0)) if missing > 0 else max(missing, min(room, 0.0))
            state[metal] += step / counts[metal]
            missing -= step
    return state if abs(missing) < 1e-9 else None


def most_removed(counts: Mapping[str, int]) -> int:
    """How many tenths of the lithium the metals can give up, oxidised as far as they go."""
    return round(sum(HIGHEST[metal] * count for metal, count in counts.items())) - 3 * PARTS
