"""What of a cell can be calibrated, and what it is called: short names, PyBaMM's names, bounds."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from voltgym.envs.charging.cells import Cell
from voltgym.envs.errors import UnknownName, VoltGymError

SHORT: Mapping[str, str] = MappingProxyType(
    {
        "negative-diffusivity": "Negative particle diffusivity [m2.s-1]",
        "positive-diffusivity": "Positive particle diffusivity [m2.s-1]",
        "negative-fraction": "Negative electrode active material volume fraction",
        "positive-fraction": "Positive electrode active material volume fraction",
        "contact-resistance": "Contact resistance [Ohm]",
        "negative-exchange": "Negative electrode exchange-current density [A.m-2]",
        "positive-exchange": "Positive electrode exchange-current density [A.m-2]",
        "electrolyte-conductivity": "Electrolyte conductivity [S.m-1]",
        "electrolyte-diffusivity": "Electrolyte diffusivity [m2.s-1]",
        "transference": "Cation transference number",
        "heat-transfer": "Total heat transfer coefficient [W.m-2.K-1]",
        "electrode-width": "Electrode width [m]",
    }
)
"""Names for the command line -> PyBaMM's names."""

DEFAULT = tuple(SHORT)[:5]
"""What is fitted unless something else is asked for."""

CONTACT, HEAT = SHORT["contact-resistance"], SHORT["heat-transfer"]
MAY_BE_ZERO = MappingProxyType({CONTACT: (0.01, 1.0), HEAT: (10.0, 1000.0)})
"""What a cell may have none of (a BPX file says nothing of either) -> where its fit then starts, and the highest value:
leads, tabs and spring contacts [Ohm]; still air [W.m-2.K-1]."""

MESHED = ("thickness", "particle radius", "Electrode height")
"""Parts of names that are lengths of the mesh, which is fixed once the equations are compiled."""

BOUNDS = (0.1, 10.0)
"""Of a value over the cell's own."""


@dataclass(frozen=True)
class Parameter:
    """One parameter of one cell."""

    short: str
    name: str
    """PyBaMM's, unit included."""
    own: float
    """The cell's number; 1 where it is a function, which the fitted value is a factor of."""
    factor: bool
    """Whether the value is a factor of a function."""
    low: float
    high: float
    scale: float
    """What a relative change is relative to: the start, or a guess where that is zero."""

    @property
    def label(self) -> str:
        """The name as tables have it."""
        return f"{self.name}, factor" if self.factor else self.name


def choose(cell: Cell, wanted: Sequence[str] = DEFAULT) -> tuple[Parameter, ...]:
    """The parameters of ``cell`` by short or by PyBaMM's names.

    Raises:
        UnknownName: neither of ours nor of the cell.
        VoltGymError: named twice, or nothing that can be varied.
    """
    values = cell.parameters()
    found: list[Parameter] = []
    for text in wanted:
        name = SHORT.get(text, text)
        if name not in values and name != CONTACT:  # a BPX file has none, which is zero
            raise UnknownName("parameter", text, [*SHORT, *difflib.get_close_matches(text, list(values.keys()), n=3)])
        if any(part in name for part in MESHED):
            raise VoltGymError(f"{name!r} is a length of the mesh and cannot be calibrated; vary what scales like it")
        if name in [p.name for p in found]:
            raise VoltGymError(f"{name!r} is asked for twice; name it once")
        found.append(_parameter(name, values.get(name, 0.0)))
    if not found:
        raise VoltGymError(f"no parameter to fit; name some of {', '.join(SHORT)}")
    return tuple(found)


def _parameter(name: str, value: object) -> Parameter:
    short = next((s for s, n in SHORT.items() if n == name), name)
    if name == CONTACT or (name == HEAT and value == 0):
        guess, most = MAY_BE_ZERO[name]
        own = float(value)  # type: ignore[arg-type]
        return Parameter(short, name, own, False, 0.0, most, own or guess)
    if not isinstance(value, float | int):
        return Parameter(short, name, 1.0, True, *BOUNDS, 1.0)
    if not value > 0:
        raise VoltGymError(f"{name!r} is {value!r} in this cell; only what is greater than zero can be calibrated")
    most = 0.98 if "fraction" in name or "number" in name else BOUNDS[1] * value
    return Parameter(short, name, float(value), False, BOUNDS[0] * value, most, float(value))


def starts(parameters: Sequence[Parameter], given: Mapping[str, str]) -> list[float]:
    """Where the fit starts: the cell's own values, or those ``given`` by short or full name.

    A given value is a number in the unit of the parameter, or ``0.8x``: that many times the cell's own.
    """
    known = {alias: i for i, p in enumerate(parameters) for alias in (p.short, p.name)}
    out = [p.own or p.scale for p in parameters]
    for name, text in given.items():
        if name not in known:
            raise UnknownName("start of parameter", name, [p.short for p in parameters])
        out[known[name]] = _start(parameters[known[name]], text)
    return out


def _start(p: Parameter, text: str) -> float:
    times = text.endswith("x")
    try:
        value = float(text.removesuffix("x"))
    except ValueError:
        raise VoltGymError(
            f"start of {p.short} is {text!r}; expected a number, or 0.8x for 0.8 times its own"
        ) from None
    if p.factor and not times:
        raise VoltGymError(f"{p.name!r} is a function in this cell: start it by a factor, as in {p.short}:{text}x")
    value = value * (p.own or p.scale) if times else value
    if not p.low <= value <= p.high:
        raise VoltGymError(
            f"start of {p.short} is {value:g}; expected {p.low:g} to {p.high:g} (the cell has {p.own:g})"
        )
    return value
