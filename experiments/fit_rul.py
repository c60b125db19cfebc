"""Fit the RUL estimator on the first cycles of cells that were cycled until they were worn out; judge it on others."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from voltgym.envs.errors import VoltGymError, whole_number
from voltgym.experiments.cycling_table import Rows, Set, lives, read, rul_rows
from voltgym.experiments.files import write_text
from voltgym.experiments.fit_soh import linear, on_plane, sensors_of
from voltgym.experiments.states_scores import COVERED, mape, met, percent, rows
from voltgym.surrogates.calibration import coverage
from voltgym.surrogates.rul_features import LAST
from voltgym.surrogates.state_sensors import Sensors

AIM = 0.15
"""The largest MAPE that was aimed at, on new cells."""
FOREVER = 5000.0
"""Cycles that a line which hardly falls is cut off at."""


def run(*, seeds: int, out: Path | None, data: str | None, **how: Any) -> None:
    """The RUL estimator, from the shipped set or another."""
    from voltgym.surrogates import rul

    if seeds != 1:
        raise VoltGymError(f"seeds is {seeds}; the RUL estimator is judged on cells of its own, so leave seeds=1")
    if out is None and data is not None:
        raise VoltGymError("the shipped estimator is fitted on the shipped set; with data=FOLDER, add out=FOLDER")
    seed, sensors = whole_number("surrogate.seed", how["seed"], least=0), sensors_of(how)
    found = read(None if data is None else Path(data))
    learned = rul_rows(found, sensors, np.random.default_rng([seed, 6]))
    kept = learned.part == "train"
    print(f"{kept.sum()} cells to learn from, {len(kept) - kept.sum()} to be judged by", flush=True)
    model = rul.RulEstimator(seed=seed).fit(learned.x[kept], learned.y[kept], learned.cell[kept])
    typical = float(np.exp(np.log(learned.y[kept]).mean()))
    plane = linear(learned.x[kept], np.log(learned.y[kept]))
    about: dict[str, Any] = {
        "scores": scores(model, plane, found, sensors, typical),
        "sensors": sensors._asdict(),
        "typical": typical,
    }
    about |= {"set": told(found), "cells": int(kept.sum())}
    model.known.card = about
    target = out or rul.shipped()
    model.save(target)
    write_text(target / "MODEL_CARD.md", card(about, model.digest))
    rul.load_shipped.cache_clear()
    print((target / "MODEL_CARD.md").read_text(encoding="utf-8"))


def told(found: Set) -> dict[str, Any]:
    """What there is to know of a set: lives, how many were not seen to end, and how fades bend."""
    life, bent = lives(found), bends(found)
    ends = life[np.isfinite(life)]
    return {
        "cells": len(life),
        "ended": len(ends),
        "failed": int(found.cells["failed"].sum()),
        "early": int((ends <= LAST).sum()),
        "quantiles": np.quantile(ends, [0.05, 0.5, 0.95]).tolist(),
        "bend": np.quantile(bent, [0.05, 0.5, 0.95]).tolist(),
        "knees": float((bent > KNEE).mean()),
    }


KNEE = 2.0
"""A fade is said to have a knee if its last fifth is so many times as steep as its first half (after cycle 10)."""


def bends(found: Set) -> np.ndarray:
    """(k,) of cells that were seen to end: the slope over the last fifth of the life by that over the first half."""
    out = []
    for cell, life in zip(found.cells["cell"], lives(found), strict=True):
        here = found.checks["cell"] == cell
        at, capacity = found.checks["cycle"][here].astype(float), found.checks["Capacity [A.h]"][here]
        if not life > 4 * LAST:
            continue
        early, late = (at >= 10) & (at <= 0.5 * life), (at >= 0.8 * life) & (at <= life + 20)
        if min(early.sum(), late.sum()) > 1:
            out.append(np.polyfit(at[late], capacity[late], 1)[0] / np.polyfit(at[early], capacity[early], 1)[0])
    return np.array(out or [np.nan])


def scores(model: Any, plane: np.ndarray, found: Set, sensors: Sensors, typical: float) -> dict[str, Any]:
    """By what is judged on."""
    out: dict[str, Any] = {}
    for label, seen in {"": sensors, ", no noise": Sensors(0.0, 0.0)}.items():
        every = rul_rows(found, seen, np.random.default_rng([99, 7]))
        for part in sorted(np.unique(every.part), key=lambda name: name not in ("new cells", "train")):
            if not label or part == "new cells":
                out[f"{part}{label}"] = _score(model, plane, Rows(*(a[every.part == part] for a in every)), typical)
    return out


def _score(model: Any, plane: np.ndarray, found: Rows, typical: float) -> dict[str, Any]:
    said, simple = model.predict(found.x), np.minimum(found.baseline, FOREVER)
    mean = said.mean[:, 0]
    off = np.abs(mean - found.y) / found.y
    again = np.random.default_rng(0).integers(0, len(off), (2000, len(off)))
    return {
        "cells": len(off),
        "learned": mape(mean, found.y),
        "interval": np.quantile(off[again].mean(axis=1), [0.05, 0.95]).tolist(),
        "plane": mape(np.exp(on_plane(plane, found.x)), found.y),
        "linear": mape(simple, found.y),
        "typical": mape(np.full(len(off), typical), found.y),
        "RMSE": float(np.sqrt(np.mean((mean - found.y) ** 2))),
        "coverage": coverage(mean - found.y, said.std[:, 0]),
        "inside": float((said.domain >= 0).mean()),
        "lives": np.quantile(found.y + LAST, [0.0, 0.5, 1.0]).tolist(),
    }


HEADS = (
    "judged on",
    "cells",
    "learned",
    "90 % interval of it",
    "plane",
    "line through the fade",
    "typical life",
    "RMSE [cycles]",
)


def card(about: Mapping[str, Any], digest: str) -> str:
    """The model card as Markdown."""
    found, test, known = about["scores"], about["scores"]["new cells"], about["set"]
    covers, low_high = COVERED[0] <= test["coverage"] <= COVERED[1], known["quantiles"]
    lines = [
        "# RUL estimator",
        "",
        f"Weights `{digest}`. Made by `voltgym fit surrogate=rul` from the first {LAST} cycles of {about['cells']} "
        "simulated cells (`voltgym data data=cycling`).",
        "",
        "A Gaussian process on the logarithm of the cycles that are left until 80 % of the nominal capacity. "
        "**Simulated**: PyBaMM's OKane2022 (SPM) whose ageing was sped up, so that lives are far shorter than a real "
        "cell's; nothing here was compared with a cell.",
        "",
        f"On new cells: mean absolute percentage error {percent(test['learned'], 1)}, at most {percent(AIM, 0)} "
        f"wanted: {met(test['learned'] <= AIM)}. 90 % intervals cover {percent(test['coverage'], 0)}, 85 to 95 % "
        f"wanted: {met(covers)}.",
        "",
        "## Mean absolute percentage error of the cycles that are left",
        "",
        *rows((*HEADS, "covered", "inside", "lives"), [_line(label, each) for label, each in found.items()]),
        "",
        "`plane`: least squares on the same features, for the logarithm. `line through the fade`: straight through the "
        "capacities of the same check-ups. `typical life`: the geometric mean of what was learned from. `lives`: "
        "shortest, median, longest.",
        "",
        "## How hard this is",
        "",
        f"Lives spread by a factor of {low_high[2] / low_high[0]:.1f} (5 to 95 %: {low_high[0]:.0f} to "
        f"{low_high[2]:.0f} cycles), so that a typical life says little. The fade's last fifth is "
        f"{known['bend'][1]:.2f} times as steep as its first half (median; 5 to 95 %: {known['bend'][0]:.2f} to "
        f"{known['bend'][2]:.2f}); {percent(known['knees'], 0)} of cells have a knee (more than {KNEE:g} times). "
        "Every cell ages from its first cycle on, by rates and under a protocol that do not change, and its check-ups "
        "are those of a laboratory. "
        "**RUL is easy here**: what ends a cell is at work in its first cycles already. Measured cells differ in what "
        "starts late; numbers like these must not be expected of them.",
        "",
        f"Of {known['cells']} cells {known['cells'] - known['ended']} were not seen to reach 80 % (they lived longer "
        f"than the simulation, or it failed: {known['failed']}); they are left out, which favours short lives. "
        f"{known['early']} ended within the first {LAST} cycles and are left out, too.",
        "",
        "## What it does not say",
        "",
        f"- Rows are check-ups at C/3 and 25 C after cycles 10 to {LAST}, every 10.",
        "- Of rest and of changing use it knows nothing.",
        "",
    ]
    return "\n".join(lines)


def _line(label: str, each: Mapping[str, Any]) -> list[Any]:
    low, high = (percent(value, 1) for value in each["interval"])
    shares = [percent(each[who], 1) for who in ("plane", "linear", "typical")]
    lives_ = " / ".join(f"{value:.0f}" for value in each["lives"])
    ends = [percent(each["coverage"], 0), percent(each["inside"], 0), lives_]
    return [
        label,
        each["cells"],
        percent(each["learned"], 1),
        f"{low} to {high}",
        *shares,
        f"{each['RMSE']:.0f}",
        *ends,
    ]
