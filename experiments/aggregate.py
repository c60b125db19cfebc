"""Aggregate a sweep over its seeds: a table with intervals, CSV and parquet, a page with plots."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from voltgym.envs.errors import VoltGymError
from voltgym.experiments import aggregate_page, arguments, tables
from voltgym.experiments.aggregated import Group, gather, groups, mean_value
from voltgym.experiments.files import write_text

USAGE = """usage: voltgym aggregate FOLDER [out=FOLDER]

FOLDER is that of a sweep, or any folder with run folders in it. Runs with the same config are one group, whatever their
seeds. Writes aggregate.csv and .parquet (a row a group), runs.parquet (a row a run) and aggregate.html."""


def group_rows(found: Mapping[tuple[str, str], Sequence[Group]]) -> list[dict[str, Any]]:
    """A row a group."""
    return [
        {
            "env_id": where[0],
            "split": where[1],
            "setting": group.label,
            **group.settings,
            "seeds": len(group.runs),
            "feasible": group.feasible,
            "value name": group.name,
            "better": group.better,
            "value": group.value.value,
            "value low": group.value.low,
            "value high": group.value.high,
            "runs without value": group.without,
            "return": group.returns.value,
            "return low": group.returns.low,
            "return high": group.returns.high,
            "surrogate gap": group.gap.value,
            "surrogate gap low": group.gap.low,
            "surrogate gap high": group.gap.high,
            "median seconds": group.seconds,
        }
        for where, table in found.items()
        for group in table
    ]


def run_rows(found: Mapping[tuple[str, str], Sequence[Group]]) -> list[dict[str, Any]]:
    """A row a run."""
    return [
        {
            "env_id": where[0],
            "split": where[1],
            "setting": group.label,
            "seed": run.manifest.get("seed"),
            "value name": group.name,
            "value": mean_value(run),
            "feasible": sum(r["feasible"] is True for r in run.records) / len(run.records),
            "episodes": len(run.records),
            "seconds": run.seconds,
            "config_hash": run.manifest.get("config_hash"),
            "folder": run.path.name,
        }
        for where, table in found.items()
        for group in table
        for run in group.runs
    ]


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Rows as parquet, in columns of one type; what a row lacks is null."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = dict.fromkeys(name for row in rows for name in row)
    columns = {name: [row.get(name) for row in rows] for name in names}
    for name, values in columns.items():
        if len({float if isinstance(value, int | float) else type(value) for value in values} - {type(None)}) > 1:
            columns[name] = [None if value is None else str(value) for value in values]
    table = pa.table(columns)
    part = path.with_suffix(".part")
    pq.write_table(table, part)
    part.replace(path)


def csv_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as CSV."""
    import csv
    import io

    out = io.StringIO()
    writer = csv.DictWriter(out, list(dict.fromkeys(name for row in rows for name in row)), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def main(argv: list[str]) -> None:
    """Print the tables, and write the files."""
    outs = [a.removeprefix("out=") for a in argv if a.startswith("out=")]
    places = [a for a in argv if not a.startswith("out=")]
    if len(places) != 1 or not arguments.is_place(places[0]) or not all(outs):
        raise VoltGymError(f"which folder?\n{USAGE}")
    folder = Path(places[0])
    out = Path(outs[-1]) if outs else folder
    runs, unfinished = gather(folder)
    if not runs:
        raise VoltGymError(f"none of the {len(unfinished)} runs in {folder} is finished; see `voltgym watch {folder}`")
    found = groups(runs)
    tables.show([aggregate_page.table(where, part, len(unfinished)) for where, part in found.items()])
    out.mkdir(parents=True, exist_ok=True)
    rows = group_rows(found)
    write_text(out / "aggregate.csv", csv_text(rows))
    write_rows(out / "aggregate.parquet", rows)
    write_rows(out / "runs.parquet", run_rows(found))
    print(aggregate_page.write(out / "aggregate.html", f"Sweep {folder.absolute().name}", found, len(unfinished)))


if __name__ == "__main__":
    from voltgym.experiments.cli import run_command

    run_command("aggregate", sys.argv[1:])
