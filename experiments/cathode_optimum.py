"""Every cathode of the grid, priced: the proven optimum on a level, known compositions beside it, and pictures.

``python -m voltgym.experiments.cathode_optimum [--level surrogate] [--top 10] [--pictures FOLDER]``

The grid is small enough to price all of it, so that the best of it is proven on that level: the best under this
objective on this level, and no more. On ``twin`` what the shipped table lacks is computed, half a minute a composition.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from voltgym.agents.oracle import Verdict, ranked, sign_of, verdicts
from voltgym.envs.edit_problem import EditProblem
from voltgym.envs.errors import whole_number

ENV = "VoltGym/Cathode-v0"


def priced(level: str) -> tuple[EditProblem, list[str], list[Verdict]]:
    """The problem on a level, every design of the grid, and what each is worth."""
    problem = EditProblem(ENV, property_model=level)
    designs = list(problem.space.designs)  # type: ignore[attr-defined]  # a CathodeSpace
    return problem, designs, verdicts(designs, problem.evaluate(designs), problem.objective, 1)


def lines(problem: EditProblem, found: Sequence[Verdict], top: int) -> list[str]:
    """The best, and the references among all, a line each."""
    order = [v for v in ranked(list(found), sign_of(problem.objective)) if v.feasible]
    place = {v.key: k for k, v in enumerate(order, 1)}
    failed = sum(v.failure != 0 for v in found)
    out = [f"{len(found)} designs, {len(order)} feasible, {failed} failed"]
    out += [f"{k:4d}  {v.value:.4f}  {v.key}" for k, v in enumerate(order[:top], 1)]
    by_key = {v.key: v for v in found}
    for name, key in getattr(problem.task, "references", {}).items():
        verdict = by_key[key]
        value = "failed" if verdict.value is None else f"{verdict.value:.4f}"
        rank = f"place {place[key]}" if key in place else "infeasible"
        out.append(f"{name:8s} {value}  {rank}  {key}")
    return out


def pictures(level: str, folder: Path, path: Sequence[str] = ()) -> list[Path]:
    """Triangles of voltage, energy and uncertainty, and of the score, as PNG files."""
    from matplotlib.image import imsave

    from voltgym.envs.cathode.composition import compositions
    from voltgym.envs.cathode.objective import SCORE
    from voltgym.envs.cathode.pictures import dopant_name, dopant_of, on_grid, triangles
    from voltgym.surrogates.cathode_names import ENERGY, VOLTAGE

    problem = EditProblem(ENV, property_model=level)
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for dopant in sorted({c.counts[3:] for c in compositions()}):
        designs = on_grid(dopant, 7)
        measured, _ = problem.twin.price(designs)
        score = problem.objective.value(measured)[SCORE]
        shown = [
            (f"{VOLTAGE}, {level}", designs, measured[VOLTAGE]),
            (f"{ENERGY}, {level}", designs, measured[ENERGY]),
            ("Uncertainty of the voltage [V]", designs, measured[f"{VOLTAGE} std"]),
            (f"Score, {dopant_name(dopant)}", designs, score),
        ]
        file = folder / f"{level}_{dopant_name(dopant).replace(' ', '_')}.png"
        imsave(file, triangles(shown, [key for key in path if dopant_of(key) == dopant]))
        written.append(file)
    return written


def main(argv: list[str] | None = None) -> int:
    """Price the grid and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--level", default="surrogate", help="a property_model of the environment")
    parser.add_argument("--top", type=int, default=10)
    parser.add_argument("--pictures", type=Path, help="a folder for triangles as PNG")
    args = parser.parse_args(argv)
    top = whole_number("--top", args.top)
    problem, designs, found = priced(args.level)
    print(f"{args.level}: {len(designs)} designs of {len({d.partition('@')[0] for d in designs})} compositions")
    print("\n".join(lines(problem, found, top)))
    if args.pictures:
        best = ranked([v for v in found if v.feasible], sign_of(problem.objective))[:1]
        for file in pictures(args.level, args.pictures, [v.key for v in best]):
            print(file)
    values = np.array([v.value for v in found if v.feasible and v.value is not None])
    if values.size:
        print(f"feasible designs: median {np.median(values):.4f}, 99th percentile {np.quantile(values, 0.99):.4f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
