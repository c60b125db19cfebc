"""What is in a set of trajectories: the columns with their units, as Arrow schemas that carry where they are from."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from voltgym.envs.charging.objective import ANODE, TEMPERATURE, VOLTAGE
from voltgym.envs.charging.scenario import NOMINAL

VERSION = 1

STATE: Mapping[str, str] = {
    VOLTAGE: "between the terminals, with the current of the step before",
    TEMPERATURE: "of the cell, which has one",
    ANODE: "of the negative electrode against lithium, at the separator; plating is possible below 0",
    "SOC": "of the cell's own capacity",
    "Negative surface stoichiometry": "lithium at the surface of the negative particles, 0 to 1",
    "Positive surface stoichiometry": "lithium at the surface of the positive particles, 0 to 1",
    "Electrolyte concentration in negative electrode [mol.m-3]": "mean over the electrode",
    "Electrolyte concentration in positive electrode [mol.m-3]": "mean over the electrode",
}
"""What is measured before and after a step."""

EXTREMES: Mapping[str, str] = {
    "Maximum voltage [V]": "within the step, its start with the new current included",
    "Maximum temperature [K]": "within the step",
    "Minimum anode potential [V]": "within the step, its start with the new current included",
}

SLACKS: Mapping[str, str] = {
    "Voltage slack [V]": "what was left to the upper voltage at the worst moment of the step; negative: broken",
    "Temperature slack [K]": "what was left to 45 C at the worst moment of the step",
    "Anode potential slack [V]": "what was left to 0 V against lithium at the worst moment of the step",
}

EVENTS = ("over_voltage", "over_temperature", "plating")
"""What a broken slack is called, in the order of ``SLACKS``."""
NOTHING = "nothing"
"""What an episode shows in which no limit is broken."""

AFTER = ", after"


def step_columns() -> dict[str, tuple[pa.DataType, str]]:
    """Type and meaning of the columns of a row a step, in order."""
    out = {"episode": (pa.int32(), "number of the episode"), "step": (pa.int16(), "from 0, of 30 s")}
    out["C-rate"] = (pa.float32(), "the action: current over nominal capacity, positive on charge")
    out |= {name: (pa.float32(), f"{text}, before") for name, text in STATE.items()}
    out |= {name + AFTER: (pa.float32(), f"{text}, after; NaN after a failure") for name, text in STATE.items()}
    out |= {name: (pa.float32(), text) for name, text in {**EXTREMES, **SLACKS}.items()}
    out["failure"] = (pa.int8(), "0 none, 2 limit (the step is real), 3 solver, 4 not finite, 5 outside the equations")
    return out


def episode_columns() -> dict[str, tuple[pa.DataType, str]]:
    """Type and meaning of the columns of a row an episode, in order."""
    out = {"episode": (pa.int32(), "number of the episode"), "steps": (pa.int16(), "rows in the steps")}
    out |= {"protocol": (pa.string(), "kind of protocol"), "aim": (pa.string(), "what it was to show")}
    out |= {"shown": (pa.bool_(), "whether it does"), "draws": (pa.int8(), "how often it was drawn")}
    out |= {"aged": (pa.bool_(), "drawn from the parameters of aged cells")}
    out |= {name: (pa.float64(), "of the scenario") for name in NOMINAL}
    out |= {f"{name} steps": (pa.int16(), "steps in which the limit was broken") for name in EVENTS}
    out |= {f"Lowest {name[0].lower()}{name[1:]}": (pa.float32(), "over the episode") for name in SLACKS}
    out["end"] = (pa.string(), "why it ended: full, steps, limit, solver, nonfinite or domain")
    return out


def unit(name: str) -> str:
    """The unit in a column's name, 1 where there is none."""
    inside = name.partition("[")[2].partition("]")[0]
    return inside or "1"


def schema(columns: Mapping[str, tuple[pa.DataType, str]], about: Mapping[str, Any]) -> pa.Schema:
    """The Arrow schema: every field says its unit and meaning, and the whole where it is from."""
    fields = [pa.field(n, kind, metadata={"unit": unit(n), "description": text}) for n, (kind, text) in columns.items()]
    return pa.schema(fields, metadata={"voltgym": json.dumps({"schema": VERSION, **about}, sort_keys=True)})


def table(rows: Mapping[str, Sequence[Any] | np.ndarray], whole: pa.Schema) -> pa.Table:
    """Columns by name as a table of that schema."""
    return pa.table([pa.array(rows[field.name], type=field.type) for field in whole], schema=whole)
