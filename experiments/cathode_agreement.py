"""How far the twin of cathodes agrees with measured open-circuit curves, and a correction that is tested on others.

``python -m voltgym.experiments.cathode_agreement [--tier F2] [--start 0] [--write]``

Voltages between neighbouring amounts of lithium, against the mean over the same window of the curves that PyBaMM ships
for the nearest known composition. Only windows within the range that the cells are used in are compared. The correction
is a line over the lithium that is left (a constant, of a tier with one step), fitted on all materials but the one that
it is scored on. ``--write`` keeps the lines of F1 and F2, fitted on all, for ``corrected=True`` of the environment.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from voltgym.envs.cathode.composition import parse_formula
from voltgym.envs.cathode.correction import FILE, Line
from voltgym.envs.cathode.metals import PARTS
from voltgym.envs.cathode.physics import TIERS, Relaxations
from voltgym.envs.cathode.table import curve, rows
from voltgym.envs.charging.open_circuit import mean_voltage
from voltgym.envs.errors import VoltGymError, check_name


class Material(NamedTuple):
    """A measured curve, and what it is compared with."""

    name: str
    formula: str
    """The nearest of the grid."""
    parameter_set: str
    low: float
    high: float
    """Stoichiometries between which it is compared: about what its cell uses."""


MATERIALS = (
    Material("NMC811", "LiNi0.8Mn0.1Co0.1O2", "Chen2020", 0.27, 0.91),
    Material("NMC532", "LiNi0.5Mn0.3Co0.2O2", "Mohtat2020", 0.3, 0.9),
    Material("NCA", "LiNi0.8Co0.1Al0.1O2", "NCA_Kim2011", 0.41, 0.95),
    Material("LCO", "LiCoO2", "Marquis2019", 0.4, 0.95),
)
FEWEST = 0.05
"""A window of which less than this share of lithium is within the range is left out."""


class Window(NamedTuple):
    """One voltage of a material, by the twin and measured."""

    material: str
    high: float
    low: float
    twin: float
    measured: float

    @property
    def middle(self) -> float:
        """The lithium that is left, in the middle."""
        return (self.high + self.low) / 2


def windows(tier: str, start: int = 0) -> list[Window]:
    """Every window that both have, of the materials whose curves from a ``start`` are in the shipped table."""
    source = Relaxations()
    source.known = table = rows(source.method)
    found = []
    for material in MATERIALS:
        one = curve(table, parse_formula(material.formula), tier, start)
        for high, low, volts in one.windows(source.lithium()) if one else []:
            a, b = min(high / PARTS, material.high), max(low / PARTS, material.low)
            if a - b >= FEWEST and (a - b) >= 0.5 * (high - low) / PARTS:
                measured = mean_voltage(material.parameter_set, b, a)
                found.append(Window(material.name, high / PARTS, low / PARTS, volts, measured))
    if len({w.material for w in found}) < 2:
        raise VoltGymError(
            f"the shipped table has {tier} curves of fewer than two of {', '.join(m.name for m in MATERIALS)}; make "
            f"them with `python -m voltgym.experiments.build_cathode {tier} --compositions 8`"
        )
    return found


def line(some: Sequence[Window]) -> Line:
    """Measured less twin over the lithium left, by least squares; a constant where every material has one window."""
    x, y = [w.middle for w in some], [w.measured - w.twin for w in some]
    if len(some) == len({w.material for w in some}):
        return Line(float(np.mean(y)), 0.0)
    slope, offset = np.polyfit(x, y, 1)
    return Line(float(offset), float(slope))


def left_out(found: Sequence[Window]) -> list[float]:
    """The corrected voltage of every window by a line that never saw its material."""
    out = []
    for w in found:
        fitted = line([other for other in found if other.material != w.material])
        out.append(w.twin + fitted.offset + fitted.slope * w.middle)
    return out


def errors(found: Sequence[Window]) -> tuple[float, float]:
    """Mean absolute error [V] of the windows as they are, and corrected by lines that never saw their material."""
    before = np.mean([abs(w.twin - w.measured) for w in found])
    after = np.mean([abs(v - w.measured) for v, w in zip(left_out(found), found, strict=True)])
    return float(before), float(after)


def keep(file: Path, tiers: Sequence[str] = ("F1", "F2")) -> None:
    """Write the lines of ``tiers``, fitted on all materials, and how they do on others."""
    with file.open("w", encoding="utf-8", newline="") as stream:
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(["tier", "offset", "slope", "windows", "materials", "error", "error left out"])
        for tier in tiers:
            found = windows(tier)
            fitted, materials = line(found), len({w.material for w in found})
            numbers = [*fitted, len(found), materials, *errors(found)]
            table.writerow([tier, *(f"{n:.4f}" if isinstance(n, float) else n for n in numbers)])


def main(argv: list[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tier", default="F2")
    parser.add_argument("--start", type=int, default=0, choices=TIERS["F3"].starts, help="others than 0 need --tier F3")
    parser.add_argument("--write", action="store_true", help="keep the lines in envs/cathode/data")
    args = parser.parse_args(argv)
    if args.write:
        keep(Path("envs/cathode/data") / FILE)
    check_name("tier", args.tier, TIERS)
    found = windows(args.tier, args.start)
    corrected = left_out(found)
    print(f"{'material':8s} {'lithium':>10s} {'twin':>7s} {'measured':>9s} {'error':>7s} {'corrected, left out':>20s}")
    for w, volts in zip(found, corrected, strict=True):
        print(
            f"{w.material:8s} {f'{w.high:g}-{w.low:g}':>10s} {w.twin:7.2f} {w.measured:9.2f} "
            f"{w.twin - w.measured:+7.2f} {volts - w.measured:+20.2f}"
        )
    names = list(dict.fromkeys(w.material for w in found))
    for name in names:
        mine = [w for w in found if w.material == name]
        share = np.array([w.high - w.low for w in mine])
        twin, measured = (np.average([getattr(w, a) for w in mine], weights=share) for a in ("twin", "measured"))
        print(
            f"{name:8s} average over its windows: twin {twin:.2f} V, measured {measured:.2f} V, {twin - measured:+.2f}"
        )
    before, after = errors(found)
    fitted = line(found)
    print(f"{len(found)} windows of {len(names)} materials: mean absolute error {before:.2f} V, ", end="")
    print(f"corrected by a line from the other materials {after:.2f} V (0.15 aimed at)")
    print(f"the line over all: measured - twin = {fitted.offset:+.2f} {fitted.slope:+.2f} * lithium left [V]")
    return 0


if __name__ == "__main__":
    sys.exit(main())
