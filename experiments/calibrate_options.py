"""What ``voltgym calibrate`` can be told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from voltgym.envs.errors import UnknownName, VoltGymError, check_name, shown

USAGE = """usage: voltgym calibrate DATA [cell=LGM50] [parameters=NAME,NAME] [start=NAME:VALUE,NAME:0.8x] [out=FOLDER]
                         [sign=charge-positive|discharge-positive] [temperature=true|false] [ambient=25]
                         [fidelity=SPMe|SPM] [rows=8000] [repair=true] [check=true] [name=NAME]

Reads cycler data in the Battery Data Format, says what is wrong with them (check=true stops there), refuses parameters
that they cannot tell apart, fits the others to the physics by least squares, and writes into FOLDER (DATA-calibrated)
the cell, a file for cell= of every charging environment (BPX if cell= is BPX, else YAML), result.json and
calibration.html. Needs a C compiler.

parameters  negative-diffusivity, positive-diffusivity, negative-fraction, positive-fraction (of active material),
            contact-resistance; these five unless said. Others: negative-exchange, positive-exchange, electrolyte-
            conductivity, electrolyte-diffusivity, transference, heat-transfer, electrode-width, or PyBaMM's names
start       a number in the parameter's unit, or 0.8x for that many times what the cell has
sign        of the current in DATA; the Battery Data Format has it positive on charge
temperature whether the surface temperature is fitted too, and the heat transfer with it; true if DATA has one
ambient     [C], if DATA has no column for it
repair      leave out rows that are not numbers or whose time does not increase"""

SIGNS = ("charge-positive", "discharge-positive")


@dataclass(frozen=True)
class Options:
    """What the command line says."""

    data: Path
    cell: str = "LGM50"
    parameters: str = ""
    start: str = ""
    out: str = ""
    sign: str = SIGNS[0]
    temperature: str = "true"
    ambient: str = ""
    fidelity: str = "SPMe"
    rows: str = "8000"
    repair: str = "false"
    check: str = "false"
    name: str = ""

    @classmethod
    def of(cls, argv: list[str]) -> Options:
        """From ``argv``; a `VoltGymError` for what is not known."""
        options = dict(a.split("=", 1) for a in argv if "=" in a and not Path(a).is_file())
        places = [a for a in argv if a.split("=", 1)[0] not in options]
        if len(places) != 1:
            raise VoltGymError(f"which data?\n{USAGE}")
        for name in options:
            if name not in cls.__dataclass_fields__ or name == "data":
                raise UnknownName("option", name, [n for n in cls.__dataclass_fields__ if n != "data"])
        made = cls(Path(places[0]).expanduser(), **options)
        check_name("sign", made.sign, SIGNS)
        for name in ("temperature", "repair", "check"):
            check_name(name, getattr(made, name), ("true", "false"))
        if "/" in made.name or "\\" in made.name:
            raise VoltGymError(f"name is {made.name!r}; expected the name of a cell, and a folder as out=")
        return made

    @property
    def wanted(self) -> list[str]:
        """The parameters that are asked for; none for the usual ones."""
        return [part.strip() for part in self.parameters.split(",") if part.strip()]

    @property
    def starts(self) -> dict[str, str]:
        """Where they start, as texts."""
        pairs = [part.strip().rpartition(":") for part in self.start.split(",") if part.strip()]
        if any(not name for name, _, _ in pairs):
            raise VoltGymError(f"start is {self.start!r}; expected NAME:VALUE, as in contact-resistance:0.012")
        return {name.strip(): value.strip() for name, _, value in pairs}

    @property
    def stem(self) -> str:
        """What the cell will be called."""
        return self.name or f"{self.data.name.split('.')[0]}-calibrated"

    def number(self, name: str, low: float, high: float) -> float:
        """The option ``name`` as a number between ``low`` and ``high``."""
        text = getattr(self, name)
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not low <= value <= high:
            raise VoltGymError(f"{name} is {shown(text)}; expected a number between {low:g} and {high:g}")
        return value
