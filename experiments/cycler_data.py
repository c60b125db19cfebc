"""Cycler data by the Battery Data Format: read a file, name what is wrong with its columns, write one.

Columns, units and sign (positive on charge: the charging capacity is the integral of max(I, 0)) are those of the
Battery Data Alliance's format: https://w3id.org/battery-data-alliance/ontology/battery-data-format, version 1.0.0.
"""

from __future__ import annotations

import csv
import difflib
import gzip
import io
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from voltgym.envs.errors import VoltGymError, shown
from voltgym.experiments.files import write_text

TIME, VOLTAGE, CURRENT = "Test Time / s", "Voltage / V", "Current / A"
AMBIENT, SURFACE = "Ambient Temperature / degC", "Surface Temperature T1 / degC"

REQUIRED = {TIME: ("test_time_second",), VOLTAGE: ("voltage_volt",), CURRENT: ("current_ampere",)}
OPTIONAL = {
    AMBIENT: ("ambient_temperature_celsius",),
    SURFACE: ("temperature_t1_celsius", "Surface Temperature / degC", "surface_temperature_celsius"),
}
"""BDF's labels of what is used -> other names that BDF has for it. Every other column is left alone."""

_WORDS = {
    TIME: ("testtime", "totaltime", "time"),
    VOLTAGE: ("volt", "ecell", "ewe", "u"),
    CURRENT: ("current", "amp", "i"),
}
"""What other names of a column contain, letters only."""
_UNITS = {
    **dict.fromkeys(("ms", "mv", "ma"), "divide it by 1000"),
    **dict.fromkeys(("ua", "uv"), "divide it by 1e6"),
    **dict.fromkeys(("h", "hr", "hours"), "multiply it by 3600"),
    "min": "multiply it by 60",
}
"""Units in names of columns that are not BDF's -> what makes them BDF's."""
_MISSING = {"", "nan", "na", "n/a", "null", "none", "-"}


@dataclass(frozen=True)
class Cycle:
    """Time series of one cell: BDF's labels -> (n,) numbers, and where they are from."""

    columns: Mapping[str, np.ndarray]
    source: str
    ignored: tuple[str, ...] = ()
    """Columns that look like a temperature and are none of BDF's."""

    def __getitem__(self, name: str) -> np.ndarray:
        return self.columns[name]

    def __contains__(self, name: str) -> bool:
        return name in self.columns

    def __len__(self) -> int:
        return len(self.columns[TIME])

    def take(self, rows: np.ndarray) -> Cycle:
        """Some of the rows."""
        return replace(self, columns={name: values[rows] for name, values in self.columns.items()})


def read(path: Path) -> Cycle:
    """A file in BDF: text (``.csv``, ``.bdf``, also ``.gz``) or ``.parquet``.

    Raises:
        VoltGymError: it cannot be read, a column is missing or has another name or unit, a cell is no number.
    """
    if not path.is_file():
        raise VoltGymError(f"{path}: no such file; expected cycler data in the Battery Data Format (CSV or parquet)")
    names, rows = _parquet(path) if path.suffix == ".parquet" else _text(path)
    places = _places(path, names)
    if not rows:
        raise VoltGymError(f"{path}: it has a header and no rows; export the data again")
    columns = {label: _numbers(path, names[i], [row[i] for row in rows]) for label, i in places.items()}
    known = {*OPTIONAL, *(name for others in OPTIONAL.values() for name in others)}
    return Cycle(columns, path.name, tuple(n for n in names if "temp" in n.lower() and not _bdf_temperature(n, known)))


def _bdf_temperature(name: str, known: Collection[str]) -> bool:
    return name in known or re.fullmatch(r"Surface Temperature T\d / degC|temperature_t\d_celsius", name) is not None


def write_csv(path: Path, cycle: Cycle) -> None:
    """Write ``cycle`` as BDF text: 0.1 ms, 10 uA, 10 uV, 1 mK."""
    digits = {TIME: 4, CURRENT: 5, VOLTAGE: 5}
    table = [[f"{v:.{digits.get(name, 3)}f}" for v in values] for name, values in cycle.columns.items()]
    lines = [",".join(cycle.columns), *(",".join(row) for row in zip(*table, strict=True))]
    write_text(path, "\n".join(lines) + "\n")


def _text(path: Path) -> tuple[list[str], list[list[str]]]:
    try:
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        text = raw.decode("utf-8-sig")
    except (UnicodeDecodeError, OSError, EOFError) as error:
        raise VoltGymError(f"{path}: cannot be read as UTF-8 text ({error}); export it as CSV") from None
    first = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count)
    table = [row for row in csv.reader(io.StringIO(text), delimiter=delimiter) if any(cell.strip() for cell in row)]
    if not table:
        raise VoltGymError(f"{path}: it is empty; expected a header line and rows of numbers")
    names = [name.strip() for name in table[0]]
    for number, row in enumerate(table[1:], start=2):
        if len(row) != len(names):
            raise VoltGymError(
                f"{path}, line {number}: {len(row)} cells where the header has {len(names)}; mend the line"
            )
    return names, table[1:]


def _parquet(path: Path) -> tuple[list[str], list[list[str]]]:
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.read_table(path)
    except Exception as error:  # pyarrow's own kinds, for anything from a cut file to another format
        raise VoltGymError(f"{path}: cannot be read as parquet ({' '.join(str(error).split())[:120]})") from None
    columns = [["" if v is None else str(v) for v in column.to_pylist()] for column in table.columns]
    return list(table.column_names), [list(row) for row in zip(*columns, strict=True)]


def _places(path: Path, names: Sequence[str]) -> dict[str, int]:
    """Where each of BDF's columns is; the optional ones only where they are there."""
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        raise VoltGymError(f"{path}: the column {twice[0]!r} is there twice; keep one of them")
    found = {}
    for label, others in {**REQUIRED, **OPTIONAL}.items():
        place = next((i for name in (label, *others) for i, n in enumerate(names) if n == name), None)
        if place is not None:
            found[label] = place
    lacking = [label for label in REQUIRED if label not in found]
    if lacking:
        said = "; ".join(
            _lacks(label, [n for i, n in enumerate(names) if i not in found.values()]) for label in lacking
        )
        raise VoltGymError(
            f"{path}: {said}. Names and units are the Battery Data Format's; its columns are "
            f"{', '.join(map(repr, [*REQUIRED, *OPTIONAL]))}."
        )
    return found


def unit_of(name: str) -> str:
    """The unit in a column's name: ``mV`` of ``Voltage / mV``, ``U [mV]``, ``voltage_mV`` and ``Voltage(mV)``."""
    match = re.search(r"(?:/|\[|\(|_|\s)\s*([A-Za-zµ°]+)\s*[\])]?\s*$", name)
    return match[1] if match else ""


def _lacks(label: str, names: Sequence[str]) -> str:
    near = _meant(label, names)
    if near is None:
        return f"there is no column {label!r} (found {shown(list(names), 120)})"
    unit = unit_of(near)
    change = _UNITS.get(unit.lower().replace("µ", "u"))
    if change:
        return f"there is no column {label!r}, but {near!r} in {unit}: {change} and rename it"
    return f"there is no column {label!r}. Did you mean {near!r}? Rename it to {label!r}, in that unit"


def _meant(label: str, names: Sequence[str]) -> str | None:
    """The column that was probably meant, from words in it or its spelling."""
    letters = {name: re.sub(r"[^a-z]", "", name.lower().replace("step", "~")) for name in names}
    for word in _WORDS[label]:
        hits = [name for name in names if (word in letters[name] if len(word) > 1 else letters[name].startswith(word))]
        hits = [name for name in hits if "capacity" not in letters[name] and "unix" not in letters[name]]
        if hits:
            return min(hits, key=len)
    close = difflib.get_close_matches(label, list(names), n=1, cutoff=0.6)
    return close[0] if close else None


def _numbers(path: Path, name: str, cells: Sequence[str]) -> np.ndarray:
    """A column as numbers; an empty cell is NaN."""
    try:
        return np.array(cells, dtype=float)
    except ValueError:
        pass
    out = np.empty(len(cells))
    for i, cell in enumerate(cells):
        try:
            out[i] = np.nan if cell.strip().lower() in _MISSING else float(cell)
        except ValueError:
            comma = re.fullmatch(r"\s*-?\d+,\d+\s*", cell)
            todo = "write decimals with a point" if comma else "expected a number; mend or remove the row"
            raise VoltGymError(f"{path}, row {i + 1} of the data, column {name!r}: {shown(cell)}; {todo}") from None
    return out
