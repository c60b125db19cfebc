"""The SOC estimator's model card: errors and coverage beside coulomb counting and a Kalman filter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from voltgym.experiments.states_scores import COVERED, errors, met, percent, rows

AIM = 0.015
"""The largest RMSE that was aimed at, in SOC, on new cells and new kinds of profiles."""
LATE = 20
"""Samples of 30 s after which an estimate is called settled: ten minutes."""


def score(found: np.ndarray, std: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Of (n, L) estimates: RMSE over all samples and over settled ones, 95 % quantile, coverage of 90 % intervals."""
    out = errors(found, truth, std)
    late = errors(found[:, LATE:], truth[:, LATE:])
    return out | {"settled": late["RMSE"]}


WHO = ("learned", "Kalman filter", "counting")


def card(about: Mapping[str, Any], digest: str) -> str:
    """The model card as Markdown."""
    found, sensors, plan = about["scores"], about["sensors"], about["plan"]
    test = found["test"]["learned"]
    covers = COVERED[0] <= test["coverage"] <= COVERED[1]
    lines = [
        "# SOC estimator",
        "",
        f"Weights `{digest}`, of {about['cell']} as {about['fidelity']} has it. Made by `voltgym fit surrogate=soc` "
        f"from {about['sets']['train']['cells']:,} simulated cells, a profile each (`voltgym data data=profiles`).",
        "",
        f"{plan['members']} recurrent networks (GRU) of {plan['hidden']} units, trained apart, say how far coulomb "
        "counting is off. **Simulated**: errors are against a twin's own SOC, with sensors that are simulated, too; "
        "nothing here was compared with a cell.",
        "",
        f"Sensors: {1000 * sensors['volts']:g} mV of noise, a current that is off by up to "
        f"{1000 * sensors['amperes']:g} mA, a start SOC that is off by up to {100 * sensors['start']:g} %. A "
        "sample every 30 s from rest on.",
        "",
        f"On new cells, half of them on kinds of profiles that no training had: RMSE {percent(test['RMSE'])}, at most "
        f"{percent(AIM, 1)} wanted: {met(test['RMSE'] <= AIM)}. 90 % intervals cover {percent(test['coverage'], 1)}, "
        f"85 to 95 % wanted: {met(covers)}.",
        "",
        "## RMSE of the SOC, over all samples (settled: after ten minutes)",
        "",
        *rows(("judged on", "cells", *WHO, "covered: learned", "Kalman filter", "inside"), _lines(found)),
        "",
        "`inside`: share of samples within the ranges that were learned from. The last rows are outside of the "
        "training on purpose: slower cells with less capacity (`aged`), `colder` ones, and cells as another "
        "physics has them (`by SPM`, without an electrolyte that runs low; `by DFN`, the finest). Neither ageing nor "
        "another physics can be seen in these ranges, so that the domain does not tell of them.",
        "",
        "## What it stands beside",
        "",
        "- Coulomb counting: from the wrong start, with the current that is off, on nominal capacity.",
        "- An extended Kalman filter of SOC, a slow voltage and a series resistance of the cell's own, on a Thevenin "
        f"circuit (tau {about['kalman']['tau']:g} s) fitted to the true histories of the same cells (it leaves "
        f"{1000 * about['kalman']['error']:.1f} mV), its noises tuned on 300 of them "
        f"({1000 * about['kalman']['volts']:g} mV, {100 * about['kalman']['drift']:g} % a sample).",
        "",
        "## What it does not say",
        "",
        "- Cells of one kind, LG M50 as its twin has it, new ones: exchange current and cooling within 25 %, diffusion "
        "within 15 %, capacity within 5 %, up to 5 mOhm of contacts; 0 to 40 C around them; up to 3C in and 2C out.",
        f"- Histories of up to {about['samples']} samples that begin at rest; a longer one is outside its domain.",
        "- A flat open-circuit curve (iron phosphate) would be harder: NMC gives some 10 mV a per cent.",
        "- Samples of one history go together: a cell with wrong estimates has many of them.",
        "",
    ]
    return "\n".join(lines)


def _lines(found: Mapping[str, Any]) -> list[list[Any]]:
    return [
        [
            label,
            each["cells"],
            *(f"{percent(each[who]['RMSE'])} ({percent(each[who]['settled'])})" for who in WHO),
            percent(each["learned"]["coverage"], 0),
            percent(each["Kalman filter"]["coverage"], 0),
            percent(each["inside"], 0),
        ]
        for label, each in found.items()
    ]
