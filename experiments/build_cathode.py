"""Compute the shipped data of layered cathodes: relaxed cells of every composition of the grid.

Every relaxation is kept in the user's cache as soon as it is done, so a build that is killed goes on where it was, and
so does one that finds the table of an earlier one. The table is written anew now and then, and at the end.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("OMP_NUM_THREADS", "1")
# The potential allocates and frees large arrays all the time; a worker that keeps them needs a quarter less time.
os.environ.setdefault("MALLOC_MMAP_THRESHOLD_", str(2**30))
os.environ.setdefault("MALLOC_TRIM_THRESHOLD_", str(2**32))
os.environ.setdefault("MALLOC_TOP_PAD_", str(2**28))

import numpy as np

from voltgym.envs.cathode.composition import Composition, compositions, parse_formula
from voltgym.envs.cathode.metals import PARTS
from voltgym.envs.cathode.physics import LITHIUM, TIERS, Relaxations, levels
from voltgym.envs.cathode.potential import CHGNET, SEVENNET
from voltgym.envs.errors import VoltGymError
from voltgym.experiments.building import Row, computed, read, write
from voltgym.experiments.progress import Progress, terminal

FILE = Path("surrogates/data/cathode_relaxations.parquet")


class Cell(NamedTuple):
    """One relaxation."""

    composition: Composition
    lithium: int
    start: int
    force: float

    @property
    def key(self) -> tuple[str, int, int, float]:
        """What a row of the table is found by."""
        return self.composition.formula, self.lithium, self.start, self.force


def spread(count: int) -> list[Composition]:
    """``count`` compositions all over the grid, in an order that is spread over it from the first on.

    Each next one is the furthest from those before (in fractions), NMC111's neighbour first.
    """
    grid = list(compositions())
    x = np.array([c.counts for c in grid], dtype=float) / PARTS
    order = [int(np.abs(x - np.array([0.4, 0.3, 0.3, 0, 0, 0])).sum(axis=1).argmin())]
    apart = np.linalg.norm(x - x[order[0]], axis=1)
    while len(order) < min(count, len(grid)):
        order.append(int(apart.argmax()))
        apart = np.minimum(apart, np.linalg.norm(x - x[order[-1]], axis=1))
    return [grid[i] for i in order]


KNOWN = (
    "LiNi0.3Mn0.3Co0.4O2", "LiNi0.5Mn0.3Co0.2O2", "LiNi0.6Mn0.2Co0.2O2", "LiNi0.8Mn0.1Co0.1O2", "LiNi0.8Co0.1Al0.1O2",
    "LiCoO2", "LiNiO2", "LiNi0.5Mn0.5O2",
)  # fmt: skip
"""Compositions that are known, or the nearest of the grid: they come first."""


def cells(tier: str, count: int, first: Sequence[str] = ()) -> list[Cell]:
    """The relaxations of a tier, composition by composition: known ones, then ``first``, then all over the grid."""
    known = [parse_formula(text) for text in (*KNOWN, *first)]
    chosen = list(dict.fromkeys([*known, *spread(366)]))[:count]
    plan = TIERS[tier]
    return [Cell(c, lithium, start, plan.force) for c in chosen for start in plan.starts for lithium in levels(plan, c)]


_relaxations: dict[str, Relaxations] = {}


def row(potential: str, cell: Cell | None) -> Row:
    """One relaxation, computed or found; of lithium metal, if no cell is given."""
    source = _relaxations.get(potential) or _relaxations.setdefault(potential, Relaxations(potential))
    found, key = (source.metal(), LITHIUM) if cell is None else (source.get(*cell), cell.key)
    names = ("energy", "volume", "force", "stress", "steps", "converged", "reason", "seconds")
    about = dict(zip(("formula", "lithium", "start", "target"), key, strict=True))
    return {**about, **{name: found[name] for name in names}, "method": source.method}


def build(
    potential: str, todo: Sequence[Cell], title: str, workers: int, file: Path, minutes: float, every: int = 20
) -> list[Row]:
    """Compute the missing relaxations of ``todo``, and lithium metal, and keep the table; returns its rows."""
    done = read(file)
    method = Relaxations(potential).method
    have = {identity(r) for r in done if r["converged"]}
    missing: list[tuple[str, Cell | None]] = [
        (potential, cell) for cell in (None, *todo) if (*(cell.key if cell else LITHIUM), method) not in have
    ]
    rows = {identity(r): r for r in done}
    with Progress(terminal(title, False)) as bar:
        finished, total = len(todo) + 1 - len(missing), len(todo) + 1
        for found in computed(row, missing, workers, time.monotonic() + 60 * minutes):
            rows[identity(found)] = found
            finished += 1
            bar.update(finished, total, converged=float(np.mean([r["converged"] for r in rows.values()])))
            if finished % every == 0:
                write(ordered(rows), file)
    write(ordered(rows), file)
    return list(rows.values())


def identity(found: Row) -> tuple[Any, ...]:
    """What tells rows apart."""
    return tuple(found[name] for name in ("formula", "lithium", "start", "target", "method"))


def ordered(rows: dict[tuple[Any, ...], Row]) -> list[Row]:
    """The rows in an order that does not depend on which was ready first."""
    return [rows[key] for key in sorted(rows, key=lambda key: tuple(map(str, key)))]


def main(argv: list[str] | None = None) -> None:
    """Build one tier, or the reference."""
    parser = argparse.ArgumentParser(prog="python -m voltgym.experiments.build_cathode", description=__doc__)
    parser.add_argument("what", choices=[*TIERS, "reference"])
    parser.add_argument("--compositions", type=int, default=366)
    parser.add_argument("--first", default="", help="compositions that come right after the known ones, with commas")
    parser.add_argument("--potential", choices=[SEVENNET, CHGNET], default=SEVENNET)
    parser.add_argument("--minutes", type=float, default=float("inf"), help="after which no further one is begun")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--out", type=Path, default=FILE)
    args = parser.parse_args(argv)
    if args.what == "reference":
        from voltgym.envs.cathode.relax import make_reference

        make_reference(Path("envs/cathode/data/reference.npz"))
        return
    if args.workers < 1 or args.compositions < 1:
        raise VoltGymError("--workers and --compositions take whole numbers >= 1")
    todo = cells(args.what, args.compositions, [text for text in args.first.split(",") if text])
    title = f"{args.what} of cathodes, {args.potential}"
    rows = build(args.potential, todo, title, args.workers, args.out, args.minutes)
    print(f"{len(rows)} relaxations, {sum(r['converged'] for r in rows)} converged, in {args.out}")


if __name__ == "__main__":
    from voltgym.experiments.cli import run_command

    run_command("build-cathode", sys.argv[1:])
