"""Show how far a sweep is: jobs done, running and failed, time left, best so far; from any terminal."""

from __future__ import annotations

import sys
from pathlib import Path

from voltgym.envs.errors import VoltGymError
from voltgym.experiments.arguments import is_place
from voltgym.experiments.sweep_view import follow

USAGE = """usage: voltgym watch SWEEP

SWEEP is the folder of a sweep. Reads the run folders only: whatever launched the jobs, and wherever they run, as long
as the folder is seen here. Ends when nothing runs any more."""


def main(argv: list[str]) -> None:
    """Follow a sweep to its end; exit status 1 if a job is not finished."""
    if len(argv) != 1 or not is_place(argv[0]):
        raise VoltGymError(f"which sweep?\n{USAGE}")
    overview = follow(Path(argv[0]))
    print(overview.line())
    if overview.count("finished") < len(overview.states):
        sys.exit(1)


if __name__ == "__main__":
    from voltgym.experiments.cli import run_command

    run_command("watch", sys.argv[1:])
