"""Which of the named cells charge in which fidelity: measured, kept in ``data/support.csv``, checked by a test.

``python -m voltgym.envs.charging.support`` measures the table anew and writes it.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import NamedTuple

import numpy as np

from voltgym.envs.charging.cell_files import DATA
from voltgym.envs.charging.cells import CellError, list_cells
from voltgym.envs.charging.model import FIDELITIES
from voltgym.envs.charging.twin import PyBaMMTwin
from voltgym.surrogates.base import Failure

TABLE = DATA / "support.csv"

STEPS = 10
C_RATE = 1.0
SCENARIO = {"Ambient temperature [K]": np.array([298.15]), "Initial SOC": np.array([0.2])}
"""The test: ten steps of 30 s at 1C from 20 % at 25 C."""


class Support(NamedTuple):
    """One line of the table."""

    cell: str
    fidelity: str
    works: bool
    why_not: str


def measure(cell: str, fidelity: str) -> Support:
    """Charge ``cell`` for ten steps at 1C and say how it went."""
    try:
        twin = PyBaMMTwin(cell, fidelity, compile=False)
    except CellError as error:
        return Support(cell, fidelity, False, _reason(str(error)))
    state = twin.initial(SCENARIO)
    for step in range(STEPS):
        state, failure = twin.advance(state, np.array([C_RATE]))
        if failure[0] != Failure.NONE:
            return Support(cell, fidelity, False, f"{Failure(failure[0]).name} in step {step + 1} at {C_RATE:g}C")
    return Support(cell, fidelity, True, "")


def measure_all() -> list[Support]:
    """Every named cell in every fidelity."""
    return [measure(cell, fidelity) for cell in list_cells() for fidelity in FIDELITIES]


def read(path: Path = TABLE) -> list[Support]:
    """The table as shipped."""
    with path.open(newline="", encoding="utf-8") as file:
        return [Support(r["cell"], r["fidelity"], r["works"] == "yes", r["why_not"]) for r in csv.DictReader(file)]


def write(rows: list[Support], path: Path = TABLE) -> None:
    """Write the table as CSV."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(Support._fields)
        writer.writerows([r.cell, r.fidelity, "yes" if r.works else "no", r.why_not] for r in rows)


def _reason(message: str) -> str:
    """What an error says of the cell, without what it advises."""
    return message.split(": ", 1)[-1].split(". ")[0]


if __name__ == "__main__":
    write(measure_all())
    print(TABLE.read_text(encoding="utf-8"))
