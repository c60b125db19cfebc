"""The main comparison: learners, Bayesian optimisation and references, side by side on both charging environments."""

from __future__ import annotations

import sys

from voltgym.experiments import compare

USAGE = """usage: voltgym demo [key=value ...]

The same as `voltgym compare demo`: runs conf/suite/demo.yaml into runs/demo, prints ranked tables, writes a report."""


def main(argv: list[str]) -> None:
    """Run the suite ``demo``."""
    compare.main(["demo", *argv])


if __name__ == "__main__":
    from voltgym.experiments.cli import run_command

    run_command("demo", sys.argv[1:])
