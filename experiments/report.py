"""Write report.html of a run or a comparison: tables, curves with the limits drawn in, learning curves."""

from __future__ import annotations

import sys
from pathlib import Path

from voltgym.envs.errors import VoltGymError
from voltgym.experiments.arguments import is_place
from voltgym.experiments.report_comparison import COMPARISON_FILE, write_comparison_of
from voltgym.experiments.report_run import write_run
from voltgym.experiments.runs import RunFolder

USAGE = """usage: voltgym report RUN

RUN is a run folder, or the folder of a comparison. Writes RUN/report.html: one file that needs no network."""


def write_report(run_folder: Path) -> Path:
    """Write ``report.html`` into the folder of a run or of a comparison, and say where it is.

    Raises `VoltGymError` if it is neither, or if its files are damaged.
    """
    folder = Path(run_folder)
    if (folder / COMPARISON_FILE).exists():
        return write_comparison_of(folder)
    return write_run(RunFolder(folder))


def main(argv: list[str]) -> None:
    """Write the report of RUN and print where it is."""
    if len(argv) != 1 or not is_place(argv[0]):
        raise VoltGymError(f"which run?\n{USAGE}")
    print(write_report(Path(argv[0])))


if __name__ == "__main__":
    from voltgym.experiments.cli import run_command

    run_command("report", sys.argv[1:])
