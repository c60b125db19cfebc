"""Fit the SOH estimator on cells that were cycled until they were worn out, and judge it on others."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from voltgym.envs.errors import VoltGymError, number, shown, whole_number
from voltgym.experiments.cycling_table import LEARNED, Rows, Set, read, soh_rows, split
from voltgym.experiments.files import write_text
from voltgym.experiments.states_scores import COVERED, errors, met, percent, rows
from voltgym.surrogates.soh_features import EDGES
from voltgym.surrogates.state_sensors import Sensors

AIM = 0.015
"""The largest RMSE that was aimed at, in SOH, on new cells."""


def run(*, seeds: int, out: Path | None, data: str | None, hidden: Any, copies: int, **how: Any) -> None:
    """The SOH estimator, from the shipped set or another."""
    from voltgym.surrogates import soh

    if seeds != 1:
        raise VoltGymError(f"seeds is {seeds}; the SOH estimator is judged on cells of its own, so leave seeds=1")
    if out is None and data is not None:
        raise VoltGymError("the shipped estimator is fitted on the shipped set; with data=FOLDER, add out=FOLDER")
    sizes = hidden if isinstance(hidden, list | tuple) and hidden else None
    if sizes is None:
        raise VoltGymError(f"surrogate.hidden is {shown(hidden)}; expected whole numbers, such as [64, 64]")
    plan: dict[str, Any] = {"hidden": tuple(whole_number("surrogate.hidden", size, most=4096) for size in sizes)}
    plan |= {name: whole_number(f"surrogate.{name}", how[name]) for name in ("members", "epochs")}
    plan["seed"] = whole_number("surrogate.seed", how["seed"], least=0)
    sensors, begin = sensors_of(how), time.monotonic()
    found = read(None if data is None else Path(data))
    noisy = [soh_rows(found, sensors, np.random.default_rng([plan["seed"], 3, k])) for k in range(copies_of(copies))]
    learned = Rows(*(np.concatenate(each) for each in zip(*noisy, strict=True)))
    kept = learned.part == "train"
    print(f"{kept.sum()} rows of {len(np.unique(learned.cell[kept]))} cells to learn from", flush=True)
    model = soh.SohEstimator(**plan).fit(learned.x[kept], learned.y[kept], learned.cell[kept])
    simple = linear(learned.x[kept], learned.y[kept])
    about: dict[str, Any] = {
        "scores": scores(model, simple, found, sensors),
        "plan": plan,
        "sensors": sensors._asdict(),
    }
    about |= {"cells": {part: int((split(found) == part).sum()) for part in np.unique(split(found)).tolist()}}
    about |= {"minutes": round((time.monotonic() - begin) / 60, 1), "copies": copies}
    model.known.card = about
    target = out or soh.shipped()
    model.save(target)
    write_text(target / "MODEL_CARD.md", card(about, model.digest))
    soh.load_shipped.cache_clear()
    print((target / "MODEL_CARD.md").read_text(encoding="utf-8"))


def sensors_of(how: Mapping[str, Any]) -> Sensors:
    """The sensors of a config, or an error that says what is wrong with it."""
    return Sensors(
        number("surrogate.noise_mv", how["noise_mv"], "millivolts such as 2", 0.0, 1000.0) / 1000,
        number("surrogate.offset_ma", how["offset_ma"], "milliamperes such as 20", 0.0, 1e5) / 1000,
    )


def copies_of(copies: Any) -> int:
    """How often noise is drawn."""
    return whole_number("surrogate.copies", copies, most=100)


def linear(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Numbers of a least-squares plane through (n, d) rows, the constant last."""
    return np.linalg.lstsq(np.column_stack([x, np.ones(len(x))]), y, rcond=None)[0]


def on_plane(plane: np.ndarray, x: np.ndarray) -> np.ndarray:
    """(n,) what :func:`linear` says of (n, d) rows."""
    return np.column_stack([x, np.ones(len(x))]) @ plane


def scores(model: Any, simple: np.ndarray, found: Set, sensors: Sensors) -> dict[str, Any]:
    """By what is judged on."""
    out: dict[str, Any] = {}
    for label, seen in {"": sensors, ", no noise": Sensors(0.0, 0.0), ", noise times three": _thrice(sensors)}.items():
        rows_ = soh_rows(found, seen, np.random.default_rng([99, 4]))
        charges = {part: int((split(found)[_cell_of(found)] == part).sum()) for part in np.unique(rows_.part)}
        for part in sorted(charges, key=lambda name: name not in ("new cells", "train")):
            if label and part != "new cells":
                continue
            here = rows_.part == part
            said = model.predict(rows_.x[here])
            each = {"learned": errors(said.mean[:, 0], rows_.y[here], said.std[:, 0])}
            each |= {
                "linear": errors(on_plane(simple, rows_.x[here]), rows_.y[here]),
                "first": errors(rows_.baseline[here], rows_.y[here]),
            }
            usable = float(here.sum() / charges[part])
            more = {"inside": float((said.domain >= 0).mean()), "usable": usable, "spread": float(rows_.y[here].std())}
            more["cells"] = len(np.unique(rows_.cell[here]))
            out[part + label] = each | more
    return out


def _thrice(sensors: Sensors) -> Sensors:
    return Sensors(3 * sensors.volts, 3 * sensors.amperes)


def _cell_of(found: Set) -> np.ndarray:
    return np.searchsorted(found.cells["cell"], found.checks["cell"])


def card(about: Mapping[str, Any], digest: str) -> str:
    """The model card as Markdown."""
    found, sensors, test = about["scores"], about["sensors"], about["scores"]["new cells"]["learned"]
    covers = COVERED[0] <= test["coverage"] <= COVERED[1]
    lines = [
        "# SOH estimator",
        "",
        f"Weights `{digest}`. Made by `voltgym fit surrogate=soh` from charges of {about['cells']['train']} simulated "
        "cells that were cycled until they were worn out (`voltgym data data=cycling`).",
        "",
        f"{about['plan']['members']} networks on the charge that passes in windows of voltage from {EDGES[0]:g} to "
        f"{EDGES[-1]:g} V while a constant current charges, the peak of dQ/dV, the C-rate and the temperature. SOH is "
        "the capacity at C/3 and 25 C over the nominal 5 A.h. **Simulated**: PyBaMM's OKane2022 (SPM) whose ageing was "
        "sped up; nothing here was compared with a cell.",
        "",
        f"Sensors: {1000 * sensors['volts']:g} mV of noise on the voltage at every edge of a window, with nothing "
        f"smoothed, and a current that is off by up to {1000 * sensors['amperes']:g} mA.",
        "",
        f"On new cells: RMSE {percent(test['RMSE'])}, at most {percent(AIM, 1)} wanted: {met(test['RMSE'] <= AIM)}. "
        f"90 % intervals cover {percent(test['coverage'], 1)}, 85 to 95 % wanted: {met(covers)}.",
        "",
        *rows(HEADS, [_line(label, each) for label, each in found.items()]),
        "",
        "`usable`: share of charges that pass all windows; others have no features. `inside`: share of the usable "
        "within the ranges that were learned from. `spread`: standard deviation of the true SOH, which the mean alone "
        "would leave. Simple ways: the charge of all windows over that of the cell's own first charge; a plane through "
        "all features.",
        "",
        "## What it does not say",
        "",
        f"- It learned from charges of {LEARNED}. `soft start` begins with a low current, `fast start` with a high one "
        "that is then lowered: the windows that are left tell another story, which the domain notices only in part.",
        "- Charges at constant current of 0.3 to 1.2C, 10 to 40 C around the cell, after discharges of 75 % or more.",
        "- One chemistry and one model: what a window's charge says of ageing is the model's.",
        "",
    ]
    return "\n".join(lines)


HEADS = ("judged on", "cells", "learned", "plane", "own first charge", "covered", "usable", "inside", "spread")


def _line(label: str, each: Mapping[str, Any]) -> list[Any]:
    errors_ = [percent(each[who]["RMSE"]) for who in ("learned", "linear", "first")]
    shares = [percent(value, 0) for value in (each["learned"]["coverage"], each["usable"], each["inside"])]
    return [label, each["cells"], *errors_, *shares, percent(each["spread"])]
