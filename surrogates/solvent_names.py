"""The properties of a solvent molecule, by the names that data, surrogates, physics and objectives share."""

from __future__ import annotations

BOILING, FLASH = "Boiling point [K]", "Flash point [K]"
VISCOSITY = "log10 Viscosity [mPa.s]"
"""Of the liquid at 25 C."""
PERMITTIVITY = "log10 Permittivity"
"""Relative, static, of the liquid near 25 C."""
LIQUID = "Liquid at -20 C"
"""The probability that the melting point is below -20 C."""
IONIZATION = "Ionization energy [eV]"
"""Vertical, gas phase: E(cation) - E(neutral)."""
AFFINITY = "Electron affinity [eV]"
"""Vertical, gas phase: E(neutral) - E(anion); positive where the electron is bound."""
BINDING = "Li+ binding energy [kJ.mol-1]"
"""E(molecule) + E(Li+) - E(complex), gas phase; positive where it binds."""
DIPOLE = "Dipole moment [D]"

THERMOPHYSICAL = (BOILING, FLASH, VISCOSITY, PERMITTIVITY, LIQUID)
"""Learned from measurements."""
ELECTRONIC = (IONIZATION, AFFINITY, BINDING, DIPOLE)
"""From quantum chemistry, or learned from it."""
NAMES = THERMOPHYSICAL + ELECTRONIC
