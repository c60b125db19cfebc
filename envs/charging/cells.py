"""Cells by name or file: ``load_cell("LGM50")``, ``load_cell("Chen2020")``, ``load_cell("my_cell.json")``.

A cell is a set of PyBaMM parameters and what follows from them at equilibrium: the stoichiometries at 0 and 100 % state
of charge and the capacity between them, which is the capacity that every "SOC" in voltgym refers to.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import pybamm

from voltgym.envs.charging.cell_files import DATA, CellError, Source, own_cells, pybamm_sets, read_file, read_set
from voltgym.envs.charging.cell_places import locate
from voltgym.envs.charging.plausible import check_capacity, check_numbers
from voltgym.envs.errors import UnknownName, shown

__all__ = ["Cell", "CellError", "UnknownCell", "list_cells", "load_cell"]

_FILE_SUFFIXES = {".json", ".yaml", ".yml", ".bpx"}

_FULL_CELL = (
    "Negative electrode thickness [m]",
    "Negative electrode exchange-current density [A.m-2]",
    "Positive electrode exchange-current density [A.m-2]",
    "Negative particle diffusivity [m2.s-1]",
    "Positive particle diffusivity [m2.s-1]",
    "Maximum concentration in negative electrode [mol.m-3]",
    "Maximum concentration in positive electrode [mol.m-3]",
    "Negative electrode OCP [V]",
    "Positive electrode OCP [V]",
    "Nominal cell capacity [A.h]",
    "Lower voltage cut-off [V]",
    "Upper voltage cut-off [V]",
    "Electrode width [m]",
)
"""What every full cell with one particle phase an electrode has."""

_HALF_CELL = "Maximum concentration in negative electrode [mol.m-3]"
"""What a half-cell lacks, since its negative electrode is lithium metal."""


class UnknownCell(UnknownName):
    """A cell's name was not among those that exist."""

    def __init__(self, found: str) -> None:
        super().__init__("cell", found, list_cells())


@dataclass(frozen=True)
class Cell:
    """A full lithium-ion cell. Stoichiometries and capacity are PyBaMM's eSOH solution [Mohtat2019]_.

    .. [Mohtat2019] P. Mohtat, S. Lee, J. B. Siegel, A. G. Stefanopoulou, J. Power Sources 427 (2019) 101-111.
    """

    name: str
    version: str
    source: str
    nominal_capacity: float
    """[A.h], what C-rates and a battery-management system's coulomb counting refer to."""
    capacity: float
    """[A.h], the cell's own, between its voltage limits at equilibrium."""
    x0: float
    """Negative stoichiometry at 0 % SOC."""
    x100: float
    y0: float
    """Positive stoichiometry at 0 % SOC."""
    y100: float
    lower_voltage: float
    """[V], the set's own cut-off."""
    upper_voltage: float
    digest: str
    """SHA-256 of the parameters, functions included."""
    key: str
    """What :func:`load_cell` finds it by again: its name, or the path of its file."""
    citations: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    """What had to be assumed or converted when the cell was read."""
    _parameters: Any = field(default=None, repr=False, compare=False, hash=False)

    def parameters(self) -> pybamm.ParameterValues:
        """A fresh copy of the parameters, to change at will."""
        return self._parameters.copy()


def list_cells() -> tuple[str, ...]:
    """Names that :func:`load_cell` knows: voltgym's own cells, then PyBaMM's lithium-ion sets.

    Not every one of PyBaMM's sets runs in every fidelity: ``data/support.csv`` says which do, and why not.
    """
    return own_cells() + pybamm_sets()


def load_cell(cell: str | Path) -> Cell:
    """A cell by name (voltgym's, or one of PyBaMM's lithium-ion sets) or from a BPX or voltgym cell file.

    ``package:file``, such as ``my_package:cells/pouch.json``, is a file that comes with an installed package.

    Raises:
        UnknownCell: no cell has this name.
        CellError: the file is missing or broken, or the parameters are not those of a full lithium-ion cell.
    """
    text = str(cell)
    if isinstance(cell, Path) or Path(text).suffix.lower() in _FILE_SUFFIXES:
        path = locate(text)
        try:
            modified = path.stat().st_mtime_ns if path.is_file() else 0
        except (OSError, ValueError) as error:  # too long, a null byte
            raise CellError(f"{shown(text)} cannot be the path of a cell file: {error}. Check the path.") from None
        return _from_file(path, modified)
    if text in own_cells():
        return _from_own(text)
    if text in pybamm.parameter_sets:
        return _from_set(text)
    raise UnknownCell(text)


@lru_cache(maxsize=64)
def _from_file(path: Path, modified: int) -> Cell:
    return _make(read_file(path), str(path))


@lru_cache(maxsize=64)
def _from_own(name: str) -> Cell:
    return _make(read_file(DATA / f"{name}.yaml"), name)


@lru_cache(maxsize=64)
def _from_set(name: str) -> Cell:
    return _make(read_set(name), name)


def _make(source: Source, key: str) -> Cell:
    parameters = source.parameters
    _check_full_cell(source)
    check_numbers(f"{source.name} ({source.origin})", parameters)
    limits, capacity = _equilibrium(source)
    check_capacity(f"{source.name} ({source.origin})", float(parameters["Nominal cell capacity [A.h]"]), capacity)
    return Cell(
        name=source.name,
        version=source.version,
        source=source.origin,
        nominal_capacity=float(parameters["Nominal cell capacity [A.h]"]),
        capacity=capacity,
        **limits,
        lower_voltage=float(parameters["Lower voltage cut-off [V]"]),
        upper_voltage=float(parameters["Upper voltage cut-off [V]"]),
        digest=_digest(source),
        key=key,
        citations=source.citations,
        notes=source.notes,
        _parameters=parameters.copy(),
    )


def _check_full_cell(source: Source) -> None:
    if any(name.startswith("Primary: ") for name in source.parameters.keys()):  # noqa: SIM118 (not a mapping)
        what = "it has two particle phases in an electrode, which voltgym's charging models don't have"
    else:
        missing = [name for name in _FULL_CELL if name not in source.parameters]
        if not missing:
            return
        guess = " and is probably a half-cell" if _HALF_CELL in missing else ""
        what = f"it lacks {', '.join(map(repr, missing))}{guess}"
    raise CellError(
        f"{source.name} ({source.origin}) is not a full lithium-ion cell with one particle phase an electrode: {what}. "
        f"Use another cell, for instance {', '.join(own_cells())} or Chen2020."
    )


def _equilibrium(source: Source) -> tuple[dict[str, float], float]:
    """Stoichiometry limits between the set's own voltage cut-offs, and the capacity between them [A.h]."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            solver = pybamm.lithium_ion.ElectrodeSOHSolver(source.parameters)
            x0, x100, y100, y0 = (float(value) for value in solver.get_min_max_stoichiometries())
            negative = float(source.parameters.evaluate(solver.param.n.Q_init))
        if not (0 < x0 < x100 < 1 and 0 < y100 < y0 < 1):
            raise ValueError(
                f"the electrodes would have to be filled from {x0:.3g} to {x100:.3g} (negative) "
                f"and from {y0:.3g} to {y100:.3g} (positive), which is not between 0 and 1"
            )
    except Exception as error:  # parameters from outside fail in many ways; the user needs one line, not a traceback
        reason = " ".join(str(error).split())
        raise CellError(
            f"{source.name} ({source.origin}): no equilibrium between its voltage cut-offs could be found: {reason}. "
            "Check the voltage cut-offs, the initial concentrations and the open-circuit potentials."
        ) from None
    return {"x0": x0, "x100": x100, "y0": y0, "y100": y100}, negative * (x100 - x0)


def _digest(source: Source) -> str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            text = json.dumps(source.parameters.to_json(), sort_keys=True, default=str)
    except Exception as error:  # PyBaMM calls the file's own functions here, and they may divide by zero
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise CellError(f"{source.name} ({source.origin}): a function in it cannot be evaluated: {reason}.") from None
    return hashlib.sha256(text.encode()).hexdigest()
