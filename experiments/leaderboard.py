"""Build the leaderboard from records, submit to it, and verify a submission."""

from __future__ import annotations

import sys
from importlib import import_module

from voltgym.envs.errors import UnknownName, VoltGymError

SUBCOMMANDS = {
    "build": "leaderboard_build",
    "submit": "submission_submit",
    "verify": "submission_verify",
    "replay": "submission_replay",
}
"""The module of each: it has ``run(argv)``."""

USAGE = """usage: voltgym leaderboard build [out=DIR] [results=DIR]
       voltgym leaderboard submit ...
       voltgym leaderboard verify ...
       voltgym leaderboard replay [results=DIR] [share=0.05]

build    write the site: one static folder that needs no network
submit   put records, with what they were made from, into a file that others can check
verify   check such a file, and compute its records again
replay   compute some records of a result set again, from scratch, and compare

voltgym leaderboard SUBCOMMAND --help says more."""


def main(argv: list[str]) -> None:
    """Run a subcommand."""
    if not argv:
        raise VoltGymError(f"which one?\n{USAGE}")
    name, *rest = argv
    if name not in SUBCOMMANDS:
        raise UnknownName("subcommand of leaderboard", name, SUBCOMMANDS)
    module = import_module(f"voltgym.experiments.{SUBCOMMANDS[name]}")
    if rest in (["-h"], ["--help"]):
        print(getattr(module, "USAGE", module.__doc__))
        return
    module.run(rest)


if __name__ == "__main__":
    from voltgym.experiments.cli import run_command

    run_command("leaderboard", sys.argv[1:])
