"""What the shipped relaxations of cathodes say of themselves: convergence, spread over starts, tiers, a second opinion.

``python -m voltgym.experiments.cathode_fidelity``

The spread decides whether the volume change may be rewarded (at most one point over three starts), and the sign of
NiO2 -> NiO + 1/2 O2 whether stability may (``envs/cathode/oxygen.py``). CHGNet on the same compositions shows how much
depends on the potential: that is uncertainty of the model, and neither of them is an experiment.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from voltgym.envs.cathode import oxygen
from voltgym.envs.cathode.composition import Composition, Design, parse_formula
from voltgym.envs.cathode.metals import PARTS
from voltgym.envs.cathode.physics import LITHIUM, TIERS, Key, Relaxations, properties
from voltgym.envs.cathode.potential import CHGNET, POTENTIALS, SEVENNET
from voltgym.envs.cathode.table import curve, designs, rows, shipped
from voltgym.experiments.building import read
from voltgym.surrogates.cathode_names import ENERGY, NAMES, VOLTAGE, VOLUME

Table = Mapping[Key, Mapping[str, Any]]
ALLOWED = 1.0
"""Percentage points that the volume change may spread over three starts, to be rewarded."""


def convergence() -> list[str]:
    """Lines: how many relaxations converged, by method and tier of force."""
    every = read(shipped())
    out = []
    for method in dict.fromkeys(row["method"] for row in every):
        mine = [row for row in every if row["method"] == method and row["formula"] != LITHIUM[0]]
        good, hours = sum(row["converged"] for row in mine), sum(row["seconds"] for row in mine) / 3600
        out.append(f"{method}: {good} of {len(mine)} relaxations converged ({good / len(mine):.1%}), {hours:.1f} CPU-h")
    return out


def whole(table: Table, tier: str) -> list[Composition]:
    """The compositions that have every curve of a tier."""
    found = sorted({parse_formula(key[0]) for key in table if key != LITHIUM})
    starts = TIERS[tier].starts
    return [c for c in found if all(curve(table, c, tier, start) is not None for start in starts)]


def spread(table: Table, metal: float) -> list[str]:
    """Lines: the standard deviation over the three starts of F3, fully charged."""
    found: dict[str, list[float]] = {name: [] for name in (VOLTAGE, VOLUME)}
    compositions = whole(table, "F3")
    for composition in compositions:
        design = Design(composition, composition.deepest)
        curves = [curve(table, composition, "F3", start) for start in TIERS["F3"].starts]
        each = [properties(design, one, metal) for one in curves if one is not None]
        for name, values in found.items():
            values.append(float(np.std([one[name] for one in each], ddof=1)))
    if not compositions:
        return ["no composition has all of F3"]
    within = np.mean(np.array(found[VOLUME]) <= ALLOWED)
    volts, volume = found[VOLTAGE], found[VOLUME]
    return [
        f"F3, {len(compositions)} compositions at their deepest charge, standard deviation over three starts:",
        f"  voltage: median {np.median(volts):.3f} V, largest {max(volts):.3f} V",
        f"  volume change: median {np.median(volume):.2f} points, largest {max(volume):.2f}, {within:.0%} within one",
    ]


def ladder(table: Table, metal: float) -> list[str]:
    """Lines: how a tier agrees with the next one, on the designs that both have."""
    from scipy.stats import spearmanr

    out = []
    for low, high in (("F1", "F2"), ("F2", "F3"), ("F1", "F3")):
        both = sorted(set(whole(table, low)) & set(whole(table, high)))
        if len(both) < 3:
            continue
        (keys, a), (_, b) = (designs(table, tier, metal, both) for tier in (low, high))
        parts = []
        for j, name in enumerate(NAMES):
            ranks = spearmanr(a[:, j], b[:, j]).statistic
            parts.append(f"{name} {ranks:.2f} (mean difference {np.mean(b[:, j] - a[:, j]):+.2f})")
        deep = [i for i, key in enumerate(keys) if is_deepest(key)]
        energy = NAMES.index(ENERGY)
        ranks = spearmanr(a[deep, energy], b[deep, energy]).statistic
        out.append(f"{low} and {high}, {len(keys)} designs of {len(both)} compositions, rank correlation: ")
        out.append("  " + ", ".join(parts) + f"; energy at the deepest charge alone {ranks:.2f}")
    return out


def is_deepest(key: str) -> bool:
    """Whether a design is charged as far as its composition goes."""
    formula, _, removed = key.partition("@")
    return round(float(removed) * PARTS) == parse_formula(formula).deepest


def second_opinion(table: Table, metal: float, other: Table, other_metal: float) -> list[str]:
    """Lines: CHGNet beside SevenNet on F1, where both have a composition."""
    from scipy.stats import pearsonr

    both = sorted(set(whole(table, "F1")) & set(whole(other, "F1")))
    if len(both) < 3:
        return ["CHGNet has no F1 of three compositions or more"]
    values = []
    for source, lithium in ((table, metal), (other, other_metal)):
        keys, found = designs(source, "F1", lithium, both)
        values.append(found[[i for i, key in enumerate(keys) if is_deepest(key)]])
    out = [f"{CHGNET} against {SEVENNET}, F1, {len(both)} compositions at their deepest charge:"]
    for j, name in enumerate(NAMES):
        a, b = values[0][:, j], values[1][:, j]
        apart = np.mean(np.abs(b - a))
        r = pearsonr(a, b).statistic if np.ptp(a) > 0 and np.ptp(b) > 0 else float("nan")
        out.append(f"  {name}: mean absolute difference {apart:.2f}, mean {np.mean(b - a):+.2f}, correlation {r:.2f}")
    return out


def oxygen_release() -> list[str]:
    """Lines: MO2 -> MO + 1/2 O2 by both potentials, and whether stability may be rewarded."""
    out = ["MO2 -> MO + 1/2 O2 [eV a formula unit], as it is and with O2 anchored; NiO2's must be negative:"]
    for potential in POTENTIALS:
        for metal in oxygen.METALS:
            found = oxygen.release(metal, potential)
            out.append(f"  {potential:8s} {metal}O2: {found.as_it_is:+.2f}, anchored {found.anchored:+.2f}")
    return out


def source(potential: str) -> tuple[Table, float]:
    """The shipped rows of a potential, and the energy of an atom of lithium metal."""
    relaxations = Relaxations(potential)
    relaxations.known = found = rows(relaxations.method)
    return found, relaxations.lithium()


def main(argv: Sequence[str] | None = None) -> int:
    """Print all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args(argv)
    table, metal = source(SEVENNET)
    other, other_metal = source(CHGNET)
    for tier in TIERS:
        print(f"{tier}: {len(whole(table, tier))} compositions whole")
    for lines in (
        convergence(),
        spread(table, metal),
        ladder(table, metal),
        second_opinion(table, metal, other, other_metal),
        oxygen_release(),
    ):
        print("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
