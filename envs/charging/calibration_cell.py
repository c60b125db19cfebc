"""Write a calibrated cell as a file that every environment accepts: BPX where its base is BPX, else a cell YAML."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from voltgym.envs.charging.calibration_parameters import Parameter
from voltgym.envs.charging.cell_files import DATA, CellError, own_cells, read_content
from voltgym.envs.charging.cells import Cell, load_cell

Fitted = Sequence[tuple[Parameter, float]]

_SIDES = ("Negative", "Positive")
_BPX: dict[str, tuple[str, str]] = {
    **{f"{side} particle diffusivity [m2.s-1]": (f"{side} electrode", "Diffusivity [m2.s-1]") for side in _SIDES},
    **{
        f"{side} electrode active material volume fraction": (f"{side} electrode", "Surface area per unit volume [m-1]")
        for side in _SIDES
    },
    **{
        f"{side} electrode exchange-current density [A.m-2]": (
            f"{side} electrode",
            "Reaction rate constant [mol.m-2.s-1]",
        )
        for side in _SIDES
    },
    "Electrolyte conductivity [S.m-1]": ("Electrolyte", "Conductivity [S.m-1]"),
    "Electrolyte diffusivity [m2.s-1]": ("Electrolyte", "Diffusivity [m2.s-1]"),
    "Cation transference number": ("Electrolyte", "Cation transference number"),
}
"""PyBaMM's name -> where BPX holds something in proportion to it. BPX has no field for the fraction of active material:
spheres have a surface of 3 / radius a volume, so that surface holds it."""


def write_cell(folder: Path, name: str, base: Cell, fitted: Fitted, notes: Sequence[str] = ()) -> tuple[Path, str]:
    """Write ``base`` with the ``fitted`` values in ``folder``.

    Returns:
        The file, and why it is not BPX (nothing if it is).

    Raises:
        CellError: what was written does not read back with these values.
    """
    path = Path(base.key)
    content = read_content(path) if path.suffix.lower() in (".json", ".bpx", ".yaml", ".yml") else {}
    if "Header" in content:
        out, why = folder / f"{name}.json", ""
        text = json.dumps(_bpx(content, name, fitted, notes), indent=2) + "\n"
    else:
        out, why = (
            folder / f"{name}.yaml",
            (f"{base.name} has functions of PyBaMM's own code, which BPX cannot hold; from a BPX file comes BPX"),
        )
        text = _yaml(content or _own(base), name, base, fitted, notes)
    folder.mkdir(parents=True, exist_ok=True)
    temporary = out.with_name(f".{out.name}.part{out.suffix}")
    temporary.write_text(text, encoding="utf-8")
    try:
        _check(temporary, base, fitted)
        temporary.replace(out)
    finally:
        temporary.unlink(missing_ok=True)
    return out, why


def _own(base: Cell) -> dict[str, Any]:
    return read_content(DATA / f"{base.key}.yaml") if base.key in own_cells() else {"base": base.key}


def _yaml(content: dict[str, Any], name: str, base: Cell, fitted: Fitted, notes: Sequence[str]) -> str:
    new = {"name": name, "version": 1, "base": content["base"], **{k: content[k] for k in ("take",) if k in content}}
    fixed, factors = dict(content.get("set", {})), dict(content.get("scale", {}))
    for p, value in fitted:
        if p.factor:
            factors[p.name] = float(f"{factors.get(p.name, 1.0) * value:.9g}")
        else:
            fixed[p.name] = float(f"{value:.9g}")
            factors.pop(p.name, None)
    new |= {k: v for k, v in (("set", fixed), ("scale", factors)) if v}
    if "citations" in content:
        new["citations"] = content["citations"]
    head = [f"# {base.name} (version {base.version}), calibrated by voltgym.", *(f"# {note}" for note in notes)]
    return "\n".join(head) + "\n" + yaml.safe_dump(new, sort_keys=False, allow_unicode=True, width=120)


def _bpx(content: dict[str, Any], name: str, fitted: Fitted, notes: Sequence[str]) -> dict[str, Any]:
    new: dict[str, Any] = json.loads(json.dumps(content))
    header, sections = new["Header"], new["Parameterisation"]
    header["Title"] = name
    header["Description"] = " ".join([str(header.get("Description", "")), "Calibrated by voltgym.", *notes]).strip()
    for p, value in fitted:
        section, key = _BPX.get(p.name, ("", ""))
        if key and key in sections.get(section, {}):
            sections[section][key] = _times(sections[section][key], value / p.own)
        elif p.factor:
            raise CellError(f"BPX has no place for {p.name!r}, a function; leave it out of the calibration")
        else:
            sections.setdefault("User-defined", {})[p.name] = value
    new.pop("Validation", None)  # measurements of the cell as it was
    return new


def _times(value: Any, factor: float) -> Any:
    """A BPX value times ``factor``: a number, an expression or a table."""
    if isinstance(value, dict):
        return {**value, "y": [factor * y for y in value["y"]]}
    return f"{factor!r} * ({value})" if isinstance(value, str) else factor * value


def _check(path: Path, base: Cell, fitted: Fitted) -> None:
    """Nothing, if the file reads back as a cell with these values."""
    before, after = base.parameters(), load_cell(path).parameters()
    for p, value in fitted:
        got = after[p.name]
        if not p.factor and not np.isclose(float(got), value, rtol=1e-6, atol=1e-12):
            raise CellError(
                f"{path.name}: {p.name!r} came back as {got!r} where {value:g} was written; please report it"
            )
        if p.factor and (not callable(got) or (got is before[p.name] and value != 1.0)):
            raise CellError(f"{path.name}: {p.name!r} came back unchanged; please report it")
