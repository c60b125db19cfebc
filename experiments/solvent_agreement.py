"""How far xTB agrees with DFT on the same molecules, and the coefficients that correct it, by family.

``python -m voltgym.experiments.solvent_agreement [--write]``

Rank correlations over all molecules and within families, the reduction ladder VC, FEC > EC > PC > linear carbonates >
ethers, and the mean absolute error of the corrected values on molecules that were left out. Both sides are gas-phase
models on xTB's geometries; neither is an electrochemical window.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from scipy.stats import spearmanr

from voltgym.envs.errors import VoltGymError
from voltgym.envs.solvent.families import apply_line, family, fit_line
from voltgym.experiments.files import write_text
from voltgym.surrogates.solvent_names import AFFINITY, ELECTRONIC

LADDER = (
    ("VC", "O=c1occo1", 1),
    ("FEC", "O=C1OCC(F)O1", 1),
    ("EC", "O=C1OCCO1", 2),
    ("PC", "CC1COC(=O)O1", 3),
    ("DMC", "COC(=O)OC", 4),
    ("EMC", "CCOC(=O)OC", 4),
    ("DEC", "CCOC(=O)OCC", 4),
    ("DME", "COCCOC", 5),
    ("DOL", "C1COCO1", 5),
    ("THF", "C1CCOC1", 5),
)
"""Name, SMILES and rank: what is reduced first at an anode, as electrolyte chemists know it (from memory)."""
FEWEST = 5
"""Molecules of a family whose rank correlation is printed."""


def table(level: str) -> dict[str, dict[str, Any]]:
    """The converged rows of a shipped table, by SMILES."""
    file = Path(str(resources.files("voltgym.surrogates") / "data" / f"solvent_{level}.parquet"))
    if not file.is_file():
        raise VoltGymError(f"there is no {file}; make it with `python -m voltgym.experiments.build_solvent {level}`")
    return {row["smiles"]: row for row in pq.read_table(file).to_pylist() if row["converged"]}


def pairs() -> tuple[list[str], np.ndarray, np.ndarray]:
    """The molecules that both have, (n, 4) xTB and (n, 4) DFT."""
    xtb, dft = table("xtb"), table("dft")
    both = [smiles for smiles in dft if smiles in xtb]
    values = [np.array([[rows[s][name] for name in ELECTRONIC] for s in both]) for rows in (xtb, dft)]
    return both, values[0], values[1]


def left_out(families: Sequence[str], x: np.ndarray, y: np.ndarray, squared: bool = False) -> float:
    """The mean absolute, or root mean square, error of values that a line of the other molecules corrects."""
    n, error = len(x), []
    for i in range(n):
        rest = np.arange(n) != i
        line = fit_line([f for f, keep in zip(families, rest, strict=True) if keep], x[rest], y[rest])
        error.append(abs(apply_line(line, families[i : i + 1], x[i : i + 1])[0] - y[i]))
    return float(np.sqrt(np.mean(np.square(error))) if squared else np.mean(error))


def ladder() -> tuple[int, float, float]:
    """Molecules of the ladder, and the rank correlation of xTB's and DFT's electron affinity with it."""
    found = []
    for level in ("xtb", "dft"):
        rows = table(level)
        known = [(rank, rows[s][AFFINITY]) for _, s, rank in LADDER if s in rows]
        found.append((len(known), -float(spearmanr(*zip(*known, strict=True)).statistic)))
    return found[0][0], found[0][1], found[1][1]


def main(argv: list[str] | None = None) -> int:
    """Print the agreement, and write the coefficients if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write envs/solvent/data/dft_correction.csv")
    args = parser.parse_args(argv)
    molecules, xtb, dft = pairs()
    families = [family(smiles) for smiles in molecules]
    print(f"{len(molecules)} molecules by xTB and by B3LYP/def2-SVP")
    lines = ["property,term,value"]
    for j, name in enumerate(ELECTRONIC):
        x, y = xtb[:, j], dft[:, j]
        print(f"{name}: Spearman {spearmanr(x, y).statistic:.3f}, corrected MAE on molecules left out "
              f"{left_out(families, x, y):.3g}")  # fmt: skip
        for kind in dict.fromkeys(families):
            rows = np.array([f == kind for f in families])
            if rows.sum() >= FEWEST:
                rho, apart = spearmanr(x[rows], y[rows]).statistic, np.mean(x[rows] - y[rows])
                print(f"    {kind:20s} n {rows.sum():3d}  Spearman {rho:6.3f}  mean difference {apart:8.3f}")
        line = {**fit_line(families, x, y), "error": left_out(families, x, y, squared=True)}
        lines += [f'"{name}",{term},{value:.6g}' for term, value in line.items()]
    n, by_xtb, by_dft = ladder()
    print(
        f"reduction ladder, {n} molecules: Spearman of the electron affinity {by_xtb:.3f} by xTB, {by_dft:.3f} by DFT"
    )
    if args.write:
        file = Path(str(resources.files("voltgym.envs.solvent.data") / "dft_correction.csv"))
        write_text(file, "\n".join(lines) + "\n")
        print(f"written to {file}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
