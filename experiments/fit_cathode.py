"""Fit the surrogate of layered cathodes and write its model card."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from voltgym.envs.errors import VoltGymError, check_name, whole_number
from voltgym.experiments.files import write_text


def run(*, seeds: int, out: Path | None, tier: str, compositions: int | None = None, sample: int = 0) -> None:
    """The surrogate of cathodes, from the shipped relaxations of a ``tier``.

    ``compositions`` is how many of them are drawn, with the seed ``sample``; all if None.
    """
    from voltgym.envs.cathode.composition import CUT_OFFS, parse
    from voltgym.envs.cathode.metals import PARTS
    from voltgym.envs.cathode.physics import TIERS, Relaxations
    from voltgym.envs.cathode.table import designs, rows, shipped
    from voltgym.surrogates.cathode import load_shipped
    from voltgym.surrogates.cathode_fit import fit

    check_name("tier", tier, TIERS)
    source = Relaxations()
    source.known = table = rows(source.method)
    keys, values = designs(table, tier, source.lithium())
    if TIERS[tier].lithium == (PARTS,):  # its curves are lines: two points of each say all
        ends = [i for i, key in enumerate(keys) if parse(key).removed in (CUT_OFFS[0], parse(key).composition.deepest)]
        keys, values = [keys[i] for i in ends], values[ends]
    if not keys:
        raise VoltGymError(
            f"{shipped()} has no {tier} curves of {source.method}; make them with "
            f"`python -m voltgym.experiments.build_cathode {tier}`"
        )
    if compositions is not None:
        if out is None:
            raise VoltGymError("a part of the compositions is not for the shipped weights; add out=FOLDER")
        keys, values = drawn(keys, values, compositions, sample)
    out = out or Path(str(resources.files("voltgym.surrogates"))) / "models" / "cathode"
    begin = time.monotonic()

    def tell(text: str) -> None:
        print(f"{time.monotonic() - begin:6.0f} s  {text}", flush=True)

    tell(f"{len(keys)} designs of {len({key.partition('@')[0] for key in keys})} compositions at {tier}")
    model = fit(keys, values, seeds=seeds, source=f"{tier}, {source.method}", tell=tell)
    model.save(out)
    write_text(out / "MODEL_CARD.md", card(model.card, model.digest))
    load_shipped.cache_clear()
    tell(f"written to {out}")
    print((out / "MODEL_CARD.md").read_text(encoding="utf-8"))


def drawn(keys: Sequence[str], values: np.ndarray, count: Any, sample: int) -> tuple[list[str], np.ndarray]:
    """The designs of ``count`` compositions, drawn with the seed ``sample``."""
    of = np.array([key.partition("@")[0] for key in keys])
    every = np.unique(of)
    count = whole_number("surrogate.compositions", count, least=10, most=len(every))
    chosen = np.isin(of, np.random.default_rng(sample).permutation(every)[:count])
    return [key for key, there in zip(keys, chosen, strict=True) if there], values[chosen]


AIM = "Average voltage [V], Gaussian process"
MOST, LEAST_COVERED, MOST_COVERED = 0.04, 0.90, 0.98


def card(about: Mapping[str, Any], digest: str) -> str:
    """The model card as Markdown."""
    found = about["scores"][AIM]["random"]
    met = {True: "met", False: "**missed**"}
    error, covered = found["MAE"][0], found["coverage"][0]
    lines = [
        "# Cathode surrogate",
        "",
        f"Weights `{digest}`. Made by `voltgym fit surrogate=cathode seeds={about['seeds']}` from "
        f"{about['compositions']} compositions: {about['source']}.",
        "",
        "Gaussian processes on the fractions of six metals and the lithium taken out. This is agreement with the twin, "
        "by interpolation, not with experiment. The specific energy is the voltage times the theoretical capacity.",
        "",
        f"Voltage: error {error:.3f} V, at most {MOST} wanted: {met[error <= MOST]}. Two standard deviations cover "
        f"{covered:.0%}, {LEAST_COVERED:.0%} to {MOST_COVERED:.0%} wanted: "
        f"{met[LEAST_COVERED <= covered <= MOST_COVERED]}.",
        "",
        f"## Scores on compositions left out ({about['folds']} folds, {about['seeds']} splits, mean and spread)",
        "",
        "| property and model | designs | R2 | MAE | within 2 sigma |",
        "|---|---|---|---|---|",
    ]
    for label, each in about["scores"].items():
        row = each["random"]
        cells = [f"{row[key][0]:.3f} ± {row[key][1]:.3f}" for key in ("R2", "MAE", "coverage")]
        lines.append(f"| {label} | {row['n'][0]:.0f} | {' | '.join(cells)} |")
    lines += [
        "",
        "## A dopant that no data had",
        "",
        "Learned from everything without the dopant, scored on all designs with it; with fractions alone, and with "
        "mean electronegativity, radius and charge of the metals beside them.",
        "",
        "| property and model | left out | designs | R2 | MAE |",
        "|---|---|---|---|---|",
    ]
    for label, each in about["scores"].items():
        for split, row in each.items():
            if split != "random" and row:
                lines.append(f"| {label} | {split} | {row['n']:.0f} | {row['R2']:.2f} | {row['MAE']:.3f} |")
    return "\n".join(lines) + "\n"
