"""Fit a surrogate from its data, write its weights and its model card."""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

from voltgym.envs.errors import VoltGymError, whole_number
from voltgym.experiments import arguments, configs

USAGE = """usage: voltgym fit [surrogate=solvent|cathode|NAME] [seeds=5] [out=FOLDER]

Learns from measured tables or from the shipped data of the physics, calibrates on designs that were left out, and
writes weights (npz) and MODEL_CARD.md; without out=, over the shipped ones.
"""


def main(argv: list[str]) -> None:
    """Fit the surrogate that the overrides name."""
    config = configs.compose("fit", arguments.overrides(argv))
    from hydra.utils import get_method

    try:
        run = get_method(config["surrogate"]["_target_"])
    except Exception as error:  # whatever importing somebody's function raises
        raise VoltGymError(f"surrogate {config['surrogate'].get('_target_')!r} cannot be found: {error}") from None
    kwargs = {name: value for name, value in config["surrogate"].items() if name != "_target_"}
    out = None if config["out"] is None else Path(str(config["out"]))
    run(seeds=whole_number("seeds", config["seeds"]), out=out, **kwargs)


if __name__ == "__main__":
    from voltgym.experiments.cli import run_command

    run_command("fit", sys.argv[1:])
