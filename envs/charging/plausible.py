"""Whether a cell's parameters can be those of a cell at all: what a slip of the pen gets wrong is said by name."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any

import pybamm

from voltgym.envs.charging.cell_files import CellError
from voltgym.envs.errors import shown

_ELECTRODES = ("Negative", "Positive")

POSITIVE: tuple[str, ...] = (
    *(f"{side} electrode {what}" for side in _ELECTRODES for what in ("thickness [m]", "conductivity [S.m-1]")),
    *(f"{side} particle {what}" for side in _ELECTRODES for what in ("radius [m]", "diffusivity [m2.s-1]")),
    *(f"Maximum concentration in {side.lower()} electrode [mol.m-3]" for side in _ELECTRODES),
    *(f"{side} electrode {what}" for side in _ELECTRODES for what in ("density [kg.m-3]", "porosity")),
    *(f"{side} electrode specific heat capacity [J.kg-1.K-1]" for side in _ELECTRODES),
    *(f"{side} electrode active material volume fraction" for side in _ELECTRODES),
    "Separator thickness [m]",
    "Separator porosity",
    "Electrode width [m]",
    "Electrode height [m]",
    "Cell volume [m3]",
    "Cell cooling surface area [m2]",
    "Initial concentration in electrolyte [mol.m-3]",
    "Electrolyte conductivity [S.m-1]",
    "Electrolyte diffusivity [m2.s-1]",
    "Number of electrodes connected in parallel to make a cell",
    "Nominal cell capacity [A.h]",
    "Lower voltage cut-off [V]",
    "Upper voltage cut-off [V]",
)
"""What is greater than zero in every cell, where it is a number (it may be a function)."""

AT_MOST_ONE = tuple(name for name in POSITIVE if "porosity" in name or "fraction" in name)
TEMPERATURE = ("Reference temperature [K]", 200.0, 400.0)
HIGHEST_VOLTAGE = 10.0
"""[V]; no lithium-ion cell comes near."""
CAPACITY_RATIO = (0.2, 5.0)
"""Between own and nominal capacity. PyBaMM's sets lie between 0.99 and 1.78."""


def check_numbers(name: str, parameters: pybamm.ParameterValues) -> None:
    """Raise `CellError`, naming the parameter, where a number is none that a cell can have."""
    for key in POSITIVE:
        value = parameters.get(key, 1.0)
        most = 1.0 if key in AT_MOST_ONE else math.inf
        if _is_number(value) and not (0 < float(value) <= most and math.isfinite(value)):
            _refuse(name, key, value, "a number > 0" + (" and <= 1" if most == 1 else ""))
    key, low, high = TEMPERATURE
    value = parameters.get(key, low)
    if _is_number(value) and not low <= float(value) <= high:
        _refuse(name, key, value, f"kelvin between {low:g} and {high:g}")
    lower, upper = (parameters[f"{side} voltage cut-off [V]"] for side in ("Lower", "Upper"))
    if not float(lower) < float(upper) <= HIGHEST_VOLTAGE:
        _refuse(name, "Upper voltage cut-off [V]", upper, f"volts above the lower cut-off, {lower}, up to 10")


def check_capacity(name: str, nominal: float, own: float) -> None:
    """Raise `CellError` if the nominal capacity has little to do with the cell's own."""
    low, high = CAPACITY_RATIO
    if not low <= own / nominal <= high:
        raise CellError(
            f"{name}: its nominal capacity is {nominal:g} A.h, but its electrodes hold {own:.4g} A.h between the "
            "voltage cut-offs. Check 'Nominal cell capacity [A.h]', the electrodes' area and how many are in parallel."
        )


def _is_number(value: Any) -> bool:
    return isinstance(value, Real)


def _refuse(name: str, key: str, value: Any, expected: str) -> None:
    raise CellError(f"{name}: {key!r} is {shown(value)}; expected {expected}. Repair the cell's parameters there.")
