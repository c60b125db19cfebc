"""Write the shipped tables of cycled cells from a set that `voltgym data data=cycling` made."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from voltgym.envs.errors import VoltGymError
from voltgym.experiments import data_parts
from voltgym.experiments.cycling_table import FILES, shipped
from voltgym.experiments.data_charging import told

KEPT = ("config", "config_hash", "fingerprint", "versions", "rows")
"""What of the set's manifest goes into the tables' own."""


def main(argv: list[str] | None = None) -> None:
    """Read all parts of a set, write one table of cells and one of check-ups."""
    parser = argparse.ArgumentParser(prog="python -m voltgym.experiments.build_cycling", description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("runs/data/cycling"))
    parser.add_argument("--out", type=Path, default=shipped())
    args = parser.parse_args(argv)
    about = told(args.folder)
    parts = -(-about["config"]["cells"] // about["config"]["part"])
    if about.get("parts") != parts:
        raise VoltGymError(
            f"{args.folder} has {about.get('parts', 0)} of {parts} parts; make the rest with `voltgym data`"
        )
    for kind, file in FILES.items():
        whole = data_parts.table(args.folder, kind)
        size = written(whole, args.out / file, {name: about[name] for name in KEPT if name in about})
        print(f"{whole.num_rows} {kind}, {size / 1e6:.2f} MB in {args.out / file}")


def written(whole: pa.Table, path: Path, about: dict) -> int:
    """Write a table, whole or not at all; returns its size in bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_suffix(".part")
    found = whole.replace_schema_metadata({"voltgym": json.dumps(about, sort_keys=True)}).combine_chunks()
    pq.write_table(found, half, compression="zstd", compression_level=19)
    half.replace(path)
    return path.stat().st_size


if __name__ == "__main__":
    from voltgym.experiments.cli import run_command

    run_command("build-cycling", sys.argv[1:])
