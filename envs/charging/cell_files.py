"""Where a cell's parameters come from: PyBaMM's named sets, voltgym's YAML files, and BPX files.

Each reader returns a :class:`Source`; what a cell *is* (its capacity, its stoichiometry limits) is worked out from that
in :mod:`voltgym.envs.charging.cells`.
"""

from __future__ import annotations

import difflib
import json
import warnings
from collections.abc import Iterable, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, NamedTuple

import pybamm
import yaml
from pydantic import ValidationError

from voltgym.envs.charging.scaling import scaled
from voltgym.envs.errors import VoltGymError

DATA = Path(__file__).parent / "data"
"""voltgym's own cell files."""

OTHER_CHEMISTRIES = {"lead_acid": "lead-acid", "sodium_ion": "sodium-ion", "ecm": "equivalent-circuit"}
"""PyBaMM's folders of parameter sets that are not lithium-ion, and what to call them."""

_KEYS = {"name": str, "version": int, "base": str, "take": dict, "set": dict, "scale": dict, "citations": list}
_REQUIRED = ("name", "version", "base")


class CellError(VoltGymError):
    """A cell that cannot be read or used. The message says which, what is wrong, and what to do."""


class Source(NamedTuple):
    """A cell's parameters and where they are from."""

    name: str
    version: str
    origin: str
    parameters: pybamm.ParameterValues
    citations: tuple[str, ...]
    notes: tuple[str, ...]
    """What the reader had to assume or convert, in words."""


def pybamm_sets() -> tuple[str, ...]:
    """Names of PyBaMM's registered parameter sets, other chemistries left out."""
    return tuple(sorted(name for name in pybamm.parameter_sets if _chemistry(name) not in OTHER_CHEMISTRIES))


def own_cells() -> tuple[str, ...]:
    """Names of voltgym's own cell files."""
    return tuple(sorted(path.stem for path in DATA.glob("*.yaml")))


def read_set(name: str) -> Source:
    """One of PyBaMM's parameter sets by name.

    Raises:
        CellError: the set is not lithium-ion.
    """
    chemistry = OTHER_CHEMISTRIES.get(_chemistry(name))
    if chemistry:
        raise CellError(
            f"{name} is PyBaMM's {chemistry} parameter set; a full lithium-ion cell is needed. "
            f"Use one of: {', '.join(own_cells() + pybamm_sets())}."
        )
    parameters = pybamm.ParameterValues(name)
    citations = tuple(parameters.get("citations") or ())
    return Source(name, f"PyBaMM {pybamm.__version__}", "PyBaMM parameter set", parameters, citations, ())


def read_file(path: Path) -> Source:
    """A BPX file (JSON or YAML with a ``Header``) or a voltgym cell file (YAML with a ``base``).

    Raises:
        CellError: the file is missing, broken, or neither of the two.
    """
    content = read_content(path)
    if "Header" in content:
        return _read_bpx(path, content)
    if "base" in content:
        return _read_own(path, content)
    raise CellError(
        f"{path}: neither a BPX file (it has no 'Header') nor a voltgym cell file (it has no 'base'); "
        f"its top-level keys are {sorted(map(str, content))}. See {DATA / 'LGM50.yaml'} for an example."
    )


def _chemistry(name: str) -> str:
    """The folder a registered set lives in: ``pybamm.input.parameters.<chemistry>.<name>:...``."""
    for entry in entry_points(group="pybamm_parameter_sets", name=name):
        if entry.value.startswith("pybamm.input.parameters."):
            return entry.value.split(".")[3]
    return ""


def read_content(path: Path) -> dict[str, Any]:
    """A JSON or YAML file as it is: a mapping.

    Raises:
        CellError: there is none, or it is no such file.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        near = [p.name for p in path.parent.glob("*")] if path.parent.is_dir() else []
        raise CellError(f"{path}: no such cell file.{_hint(path.name, near)} Check the path.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise CellError(f"{path}: cannot be read as text ({error}). Give a BPX or voltgym cell file.") from None
    try:
        content = json.loads(text) if path.suffix.lower() == ".json" else yaml.safe_load(text)
    except json.JSONDecodeError as error:
        raise CellError(
            f"{path}: not valid JSON, line {error.lineno} column {error.colno}: {error.msg}. Repair the file there."
        ) from None
    except yaml.YAMLError as error:
        raise CellError(f"{path}: not valid YAML: {' '.join(str(error).split())}. Repair the file there.") from None
    except (ValueError, RecursionError) as error:  # a number of a million digits, ten thousand open brackets
        raise CellError(f"{path}: cannot be read ({error}). Give a BPX or voltgym cell file.") from None
    if not isinstance(content, dict):
        raise CellError(f"{path}: holds a {type(content).__name__} where a mapping of names to values was expected.")
    return content


def _read_bpx(path: Path, content: dict[str, Any]) -> Source:
    for section in ("Header", "Parameterisation"):
        if not isinstance(content.get(section), dict):
            raise CellError(f"{path}: not a valid BPX file: the section {section!r} is missing or not a mapping.")
    _check_bpx_numbers(path, content["Parameterisation"])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            parameters = pybamm.ParameterValues.create_from_bpx_obj(content)
        except ValidationError as error:
            raise CellError(f"{path}: not a valid BPX file: {_first_errors(error)}. Repair these fields.") from None
        except Exception as error:  # a file from outside: whatever a parser makes of it, say it in one line
            raise CellError(
                f"{path}: PyBaMM cannot use this BPX file ({type(error).__name__}: {error}). "
                "Check it against the BPX standard, https://bpxstandard.com."
            ) from None
    notes = tuple(dict.fromkeys(str(warning.message) for warning in caught))
    header = content["Header"]
    return Source(str(header.get("Title", path.stem)), f"BPX {header.get('BPX')}", str(path), parameters, (), notes)


BPX_POSITIVE = frozenset(
    (
        "Thickness [m]",
        "Particle radius [m]",
        "Porosity",
        "Transport efficiency",
        "Surface area per unit volume [m-1]",
        "Maximum concentration [mol.m-3]",
        "Initial concentration [mol.m-3]",
        "Conductivity [S.m-1]",
        "Diffusivity [m2.s-1]",
        "Reaction rate constant [mol.m-2.s-1]",
        "Electrode area [m2]",
        "External surface area [m2]",
        "Volume [m3]",
        "Density [kg.m-3]",
        "Specific heat capacity [J.K-1.kg-1]",
        "Reference temperature [K]",
        "Nominal cell capacity [A.h]",
    )
)
"""Fields of a BPX file that are greater than zero in every cell, where they are numbers; PyBaMM does not say which."""


def _check_bpx_numbers(path: Path, section: Mapping[str, Any], where: str = "Parameterisation") -> None:
    for name, value in section.items():
        if isinstance(value, dict):
            _check_bpx_numbers(path, value, f"{where} > {name}")
        elif name in BPX_POSITIVE and isinstance(value, int | float) and not 0 < value < float("inf"):
            raise CellError(f"{path}: {where} > {name} is {value!r}; expected a number > 0. Repair that field.")


def _first_errors(error: ValidationError, most: int = 4) -> str:
    found = error.errors(include_url=False, include_input=False)
    lines = [f"{' > '.join(map(str, item['loc']))}: {item['msg']}" for item in found[:most]]
    return "; ".join(lines) + (f"; and {len(found) - most} more" if len(found) > most else "")


def _read_own(path: Path, content: dict[str, Any]) -> Source:
    for key in content:
        if key not in _KEYS:
            raise CellError(f"{path}: unknown key {key!r}.{_hint(key, _KEYS)} Known: {', '.join(_KEYS)}.")
    for key in _REQUIRED:
        if key not in content:
            raise CellError(f"{path}: the key {key!r} is missing; a cell file needs {', '.join(_REQUIRED)}.")
    for key, value in content.items():
        if not isinstance(value, _KEYS[key]):
            raise CellError(
                f"{path}: {key!r} is a {type(value).__name__} ({value!r}); {_KEYS[key].__name__} was expected."
            )
    base = _known_set(path, content["base"])
    parameters = base.parameters
    for donor, names in content.get("take", {}).items():
        _take(path, parameters, _known_set(path, donor), names)
    for name, value in content.get("set", {}).items():
        _check_name(path, name, parameters)
        parameters[name] = _number(path, name, value)
    for name, factor in content.get("scale", {}).items():
        _check_name(path, name, parameters)
        parameters[name] = scaled(parameters[name], _number(path, name, factor))
    citations = tuple(_citation(path, item) for item in content.get("citations", ()))
    origin = "voltgym cell file" if path.parent == DATA else str(path)
    return Source(content["name"], str(content["version"]), origin, parameters, citations, base.notes)


def _citation(path: Path, item: Any) -> str:
    if not isinstance(item, dict) or not {"key", "doi"} <= set(item):
        raise CellError(f"{path}: each of 'citations' needs a 'key' and a 'doi'; found {item!r}.")
    return f"{item['key']} doi:{item['doi']}"


def _known_set(path: Path, name: str) -> Source:
    if name not in pybamm_sets():
        raise CellError(
            f"{path}: {name!r} is not one of PyBaMM's lithium-ion parameter sets.{_hint(name, pybamm_sets())} "
            f"Known: {', '.join(pybamm_sets())}."
        )
    return read_set(name)


def _take(path: Path, parameters: pybamm.ParameterValues, donor: Source, names: Any) -> None:
    if not isinstance(names, list):
        raise CellError(f"{path}: under 'take', {donor.name} needs a list of parameter names, not {names!r}.")
    for name in names:
        _check_name(path, name, donor.parameters)
        parameters[name] = donor.parameters[name]


def _check_name(path: Path, name: str, parameters: Mapping[str, Any] | pybamm.ParameterValues) -> None:
    if isinstance(name, list | dict) or name not in parameters:
        raise CellError(
            f"{path}: there is no parameter {name!r}.{_hint(str(name), list(parameters.keys()))} "
            "Names are PyBaMM's, units included."
        )


def _number(path: Path, name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise CellError(f"{path}: {name!r} is {value!r}; a number was expected.")
    return float(value)


def _hint(found: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(str(found), [str(name) for name in known], n=1, cutoff=0.5)
    return f" Did you mean {close[0]!r}?" if close else ""
