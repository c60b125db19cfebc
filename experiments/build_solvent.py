"""Compute the shipped data of solvent molecules: xTB for thousands, DFT for some of every family.

Every molecule is kept in the user's cache as soon as it is done, so a build that is killed goes on where it was, and so
does one that finds the table of an earlier one. The table is written anew now and then, and at the end. Molecules that
fail are in it, with the reason; the next build asks for them again.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")


from voltgym.envs.errors import VoltGymError, number
from voltgym.envs.solvent.physics import DFTModel, QuantumModel, XTBModel
from voltgym.experiments.building import Row, computed, read, write
from voltgym.experiments.progress import Progress, terminal
from voltgym.surrogates.solvent_names import ELECTRONIC

FOLDER = Path("surrogates/data")
USAGE = """usage: voltgym build-solvent {xtb,dft} [--molecules N] [--minutes M] [--workers K] [--known] [--out FOLDER]

Computes the molecules of the shipped table that it does not hold yet; killed or stopped, it goes on from there.
"""


def chosen(level: str, molecules: int) -> list[tuple[str, str]]:
    """(SMILES, where it is from) of the molecules of a level, in the order in which they are computed."""
    from voltgym.envs.solvent import library

    lists = {"xtb": lambda: library.xtb_molecules(molecules), "dft": lambda: library.dft_molecules()[:molecules]}
    return lists[level]()


def model_of(level: str) -> QuantumModel:
    """The physics of a level, with its results on the disk."""
    return {"xtb": XTBModel, "dft": DFTModel}[level]()


_models: dict[str, QuantumModel] = {}


def row(level: str, smiles: str, source: str) -> Row:
    """One molecule, computed or found."""
    model = _models.get(level) or _models.setdefault(level, model_of(level))
    answer = model.answer(smiles)
    values = {name: answer["values"].get(name) for name in ELECTRONIC}
    rest = {name: answer[name] for name in ("converged", "reason", "seconds")}
    return {"smiles": smiles, "source": source, **values, **rest, "method": model.method}


def build(
    level: str, molecules: int, workers: int, out: Path, *, minutes: float = float("inf"), every: int = 50
) -> list[Row]:
    """Compute and write ``solvent_<level>.parquet``; the rows are in the order of the list.

    After ``minutes`` no further molecule is begun, and the table holds what is done.

    Raises:
        VoltGymError: the table of before is damaged, or a worker died.
    """
    file = out / f"solvent_{level}.parquet"
    todo, done = chosen(level, molecules), finished(file, model_of(level).method)
    done = {smiles: done[smiles] | {"source": source} for smiles, source in todo if smiles in done}
    with Progress(terminal(f"{level} of molecules", False)) as bar:
        missing = [(level, smiles, source) for smiles, source in todo if smiles not in done]
        for found in computed(row, missing, workers, time.monotonic() + 60 * minutes):
            done[found["smiles"]] = found
            bar.update(len(done), len(todo), converged=sum(r["converged"] for r in done.values()) / len(done))
            if len(done) % every == 0:
                write([done[s] for s, _ in todo if s in done], file)
    rows = [done[s] for s, _ in todo if s in done]
    write(rows, file)
    return rows


def finished(file: Path, method: str) -> dict[str, Row]:
    """The converged rows of a table that an earlier build wrote with the same method, by SMILES.

    Raises:
        VoltGymError: the table is damaged.
    """
    try:
        return {r["smiles"]: r for r in read(file) if r["method"] == method and r["converged"]}
    except KeyError as error:
        raise VoltGymError(f"{file} is damaged (no column {error}); delete it to build it again") from None


def known(level: str, molecules: int, out: Path) -> list[Row]:
    """Write the table of those molecules that are on the disk already; computes nothing."""
    model, file = model_of(level), out / f"solvent_{level}.parquet"
    done = finished(file, model.method)
    rows = [
        done.get(smiles) or row(level, smiles, source)
        for smiles, source in chosen(level, molecules)
        if smiles in done or model.store.get(smiles)
    ]
    write(rows, file)
    return rows


def main(argv: list[str] | None = None) -> None:
    """Build one table."""
    parser = argparse.ArgumentParser(prog="python -m voltgym.experiments.build_solvent", description=__doc__)
    parser.add_argument("level", choices=["xtb", "dft"])
    parser.add_argument("--molecules", "--limit", type=int, default=None, help="default: 2600 for xtb, 84 for dft")
    parser.add_argument("--minutes", type=float, default=None, help="after which no further molecule is begun")
    parser.add_argument("--known", action="store_true", help="only write what is computed already")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--out", type=Path, default=FOLDER)
    args = parser.parse_args(argv)
    molecules = {"xtb": 2600, "dft": 84}[args.level] if args.molecules is None else args.molecules
    if args.workers < 1 or molecules < 1:
        raise VoltGymError("--workers and --molecules take whole numbers >= 1")
    if args.known:
        rows = known(args.level, molecules, args.out)
    else:
        minutes = float("inf") if args.minutes is None else number("--minutes", args.minutes, "minutes >= 0")
        rows = build(args.level, molecules, args.workers, args.out, minutes=minutes)
    good = sum(r["converged"] for r in rows)
    print(f"{len(rows)} of {molecules} molecules, {good} converged, in {args.out / f'solvent_{args.level}.parquet'}")


if __name__ == "__main__":
    from voltgym.experiments.cli import run_command

    run_command("build-solvent", sys.argv[1:])
