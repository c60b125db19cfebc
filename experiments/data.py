"""Make a set of trajectories from a twin: wide conditions, reference and adversarial protocols, rare failures."""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

from voltgym.envs.errors import VoltGymError, whole_number
from voltgym.experiments import arguments, configs

USAGE = """usage: voltgym data [data=charging|charging_test|NAME] [data.episodes=N] [seed=0] [workers=1] [out=FOLDER]

Runs the twin and writes steps/*.parquet, episodes/*.parquet and manifest.json into a folder. A run that was killed goes
on where it was, and several may be started on the same folder.
"""


def main(argv: list[str]) -> None:
    """Make the set that the overrides name."""
    config = configs.compose("data", arguments.overrides(argv))
    from hydra.utils import get_method

    plan = config["data"]
    try:
        run = get_method(plan["_target_"])
    except Exception as error:  # whatever importing somebody's function raises
        raise VoltGymError(f"data {plan.get('_target_')!r} cannot be found: {error}") from None
    out = Path("runs") / "data" / str(plan.get("name")) if config["out"] is None else Path(str(config["out"]))
    kwargs = {name: value for name, value in plan.items() if name != "_target_"}
    seed, workers = whole_number("seed", config["seed"], least=0), whole_number("workers", config["workers"])
    run(seed=seed, workers=workers, out=out, command=" ".join(["voltgym data", *argv]), **kwargs)


if __name__ == "__main__":
    from voltgym.experiments.cli import run_command

    run_command("data", sys.argv[1:])
