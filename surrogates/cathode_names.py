"""The properties of a charged cathode and the metals in it, by the names that data, surrogates and physics share."""

from __future__ import annotations

from collections.abc import Mapping

METALS = ("Ni", "Mn", "Co", "Al", "Mg", "Ti")
"""The order of every array of fractions."""
VOLTAGE = "Average voltage [V]"
"""Against lithium metal, from the full crystal to the cut-off."""
ENERGY = "Specific energy [W.h.kg-1]"
"""The voltage times the capacity, per kilogram of the lithiated oxide alone."""
VOLUME = "Volume change [%]"
"""Of the cell, charged to the cut-off against discharged."""
NAMES = (VOLTAGE, ENERGY, VOLUME)
FARADAY, HOUR = 96485.33212, 3600.0
"""[C.mol-1] and [s]."""
MASSES: Mapping[str, float] = {
    "Li": 6.94, "O": 15.999, "Ni": 58.693, "Mn": 54.938, "Co": 58.933, "Al": 26.982, "Mg": 24.305, "Ti": 47.867,
}  # fmt: skip
"""Standard atomic weights [g.mol-1], IUPAC, abridged; a test compares them with pymatgen's."""
