"""A set of cells that were cycled until they were worn out: made in parts that are whole or not there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from voltgym.envs.errors import VoltGymError, number, shown, whole_number
from voltgym.experiments import data_parts, manifest
from voltgym.experiments.data_parts import pair

RANGES = {
    "ambient_c": (-20.0, 60.0),
    "charge": (0.05, 3.0),
    "discharge": (0.05, 3.0),
    "depth": (0.1, 1.2),
}
"""What the ranges of a config may be within."""

CHARGE_GRID = np.round(np.arange(3.6, 4.19, 0.02), 3)
"""[V] at which the charge of an ordinary charge's last stage at constant current is kept."""
CHECK_GRID = np.round(np.arange(3.0, 4.11, 0.05), 3)
"""[V] at which the charge of a check-up's discharge is kept."""
EARLY, EVERY_EARLY, EVERY = 100, 10, 20
"""Check-ups: every 10 cycles up to cycle 100, every 20 then."""
BEYOND = 0.04
"""How far below the end of life, as a share of nominal capacity, a cell is still cycled."""


def run(*, seed: int, workers: int, out: Path, command: str, **config: Any) -> dict[str, Any]:
    """Make the missing parts of the set of ``config`` in ``out``; returns its manifest.

    Raises:
        VoltGymError: the config is wrong, the folder holds another set, or nothing here compiles the model.
    """
    from voltgym.envs.charging import cycling_model

    config = checked(config)
    about = {"command": command, "versions": manifest.versions(manifest.PHYSICS)}
    about["fingerprint"] = cycling_model.fingerprint()
    parts = -(-config["cells"] // config["part"])
    return data_parts.run(part, parts, config, seed=seed, workers=workers, out=out, about=about)


def checked(config: Mapping[str, Any]) -> dict[str, Any]:
    """The config, or an error in one line that says what is wrong with it."""
    out = dict(config)
    for name, least, most in (("cells", 1, 10**5), ("part", 1, 10**4), ("cycles", 1, 10**5)):
        out[name] = whole_number(f"data.{name}", config[name], least, most)
    out["end"] = number("data.end", config["end"], "a share such as 0.8", 0.3, 0.99)
    out["protocols"] = {name: _protocol(f"data.protocols.{name}", one) for name, one in config["protocols"].items()}
    if not sum(one["share"] for one in out["protocols"].values()) > 0:
        raise VoltGymError("data.protocols has no share above 0; give one of them a share, such as 1")
    for name, bounds in RANGES.items():
        out[name] = pair(f"data.{name}", config[name], *bounds)
    for group, bounds in (("spread", (0.0, 10.0)), ("ageing", (1e-6, 1e6))):
        out[group] = {name: pair(f"data.{group}.{name}", two, *bounds) for name, two in config[group].items()}
    return out


def _protocol(name: str, one: Any) -> dict[str, Any]:
    if not isinstance(one, Mapping) or set(one) != {"share", "first", "switch"}:
        raise VoltGymError(f"{name} is {shown(one)}; expected share, first and switch")
    share = number(f"{name}.share", one["share"], "a share >= 0", 0.0, 1e9)
    both = pair(f"{name}.first", one["first"], 0.05, 3.0), pair(f"{name}.switch", one["switch"], 0.0, 0.9)
    return {"share": share, "first": both[0], "switch": both[1]}


def drawn(config: Mapping[str, Any], seed: int, cells: np.ndarray) -> dict[str, np.ndarray]:
    """What the cells (n,) and their protocols are, by name; cell k is the same in every part and for every size."""
    rows = [_drawn(config, np.random.default_rng([seed, 7, int(k)])) for k in cells]
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def _drawn(config: Mapping[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    shares = np.array([one["share"] for one in config["protocols"].values()])
    name = list(config["protocols"])[int(rng.choice(len(shares), p=shares / shares.sum()))]
    out: dict[str, Any] = {"protocol": name}
    out |= {key: float(rng.uniform(*config["protocols"][name][key])) for key in ("first", "switch")}
    out |= {key: float(rng.uniform(*config[key])) for key in RANGES}
    out["Ambient temperature [K]"] = out.pop("ambient_c") + 273.15
    out |= {name: float(rng.uniform(*two)) for name, two in config["spread"].items()}
    return out | {name: float(np.exp(rng.uniform(*np.log(two)))) for name, two in config["ageing"].items()}


def part(config: Mapping[str, Any], seed: int, k: int) -> dict[str, pa.Table]:
    """The tables of part ``k``."""
    cells = np.arange(k * config["part"], min((k + 1) * config["part"], config["cells"]))
    checks, each = aged(config, drawn(config, seed, cells), cells)
    return {"checks": checks, "cells": each}


def aged(config: Mapping[str, Any], about: Mapping[str, np.ndarray], numbers: np.ndarray) -> tuple[pa.Table, pa.Table]:
    """Cycle cells; a table with a row a check-up, and one with a row a cell."""
    from voltgym.envs.charging.cycling import Protocol, check_up, cycle
    from voltgym.envs.charging.cycling_cells import Cells, Curve

    how = Protocol(*(about[name] for name in Protocol._fields))
    cells, rows = Cells({**about, "Initial SOC": np.array(0.3)}, len(numbers)), []
    last = np.full(len(numbers), np.nan)
    for k in range(config["cycles"] + 1):
        checks = k % (EVERY_EARLY if k <= EARLY else EVERY) == 0
        before = cells.stopped.copy()
        if checks:
            found = check_up(cells, CHECK_GRID)
        curve = Curve(len(numbers), CHARGE_GRID) if checks else None
        cycle(cells, how, curve)
        if checks and curve is not None:
            here = np.flatnonzero(~before & np.isfinite(found.capacity))
            rows.append(_rows(k, numbers, here, cells, found, curve))
            last[here] = found.capacity[here]
            cells.stopped |= last < (config["end"] - BEYOND) * cells.nominal
        if cells.stopped.all():
            break
    each = {"cell": numbers, **about, "failed": cells.failed}
    return pa.concat_tables(rows), pa.table({name: pa.array(values) for name, values in each.items()})


def _rows(k: int, numbers: np.ndarray, here: np.ndarray, cells: Any, found: Any, curve: Any) -> pa.Table:
    """A table of the check-ups of the rows ``here`` at cycle ``k``; charges are kept to 0.1 mA.h."""
    from voltgym.envs.charging.cycling_model import OUTPUTS

    steps = np.maximum(curve.steps[here], 1)
    plain = {"cell": numbers[here], "cycle": np.full(len(here), k), "Capacity [A.h]": found.capacity[here]}
    plain |= {"Mean temperature [K]": curve.kelvin[here] / steps, "Maximum temperature [K]": curve.warmest[here]}
    plain |= {name: cells[name][here] for name in OUTPUTS if "oss of" in name or name.startswith("Capacity in")}
    columns = {name: pa.array(v, pa.float32() if v.dtype == float else pa.int16()) for name, v in plain.items()}
    for name, values in (("Charge curve [A.h]", curve.charge), ("Check-up curve [A.h]", found.curve)):
        columns[name] = pa.array(list(np.round(values[here], 4)), pa.list_(pa.float32()))
    return pa.table(columns)
