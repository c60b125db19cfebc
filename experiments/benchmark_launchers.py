"""How long a sweep takes beside its jobs: jobs that wait a known time, on each launcher.

``python -m voltgym.experiments.benchmark_launchers [--seconds 60] [--jobs 4] [--workers 2] [joblib ray ...]``
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from voltgym.experiments.runs import RunFolder

LAUNCHERS = ("joblib", "submitit_local", "ray")
WORKERS = {"joblib": "hydra.launcher.n_jobs={}", "ray": "+hydra.launcher.init.num_cpus={}"}
"""How a launcher is told how many jobs run at a time; submitit's local executor begins all at once."""


class Waiting:
    """Learns nothing for ``seconds``."""

    unit = "env_steps"
    default_budget = 10

    def __init__(self, seconds: float = 60.0) -> None:
        self.seconds = seconds

    def train(
        self, env_id: str, env_kwargs: Mapping[str, Any], *, budget: int, seed: int, out: Path, progress: Any
    ) -> Any:
        """Wait."""
        from voltgym.agents.random import RandomAgent

        for step in range(budget):
            time.sleep(self.seconds / budget)
            progress.update(step + 1, budget)
        return RandomAgent().train(env_id, env_kwargs, budget=0, seed=seed, out=out, progress=progress)


def measure(launcher: str, jobs: int, seconds: float, workers: int) -> tuple[float, float]:
    """(seconds that the sweep took, seconds that its jobs would take with nothing around them)."""
    name = f"voltgym.experiments.benchmark_launchers.{Waiting.__qualname__}"  # run as a script, its module is another
    at_a_time = jobs if launcher not in WORKERS else workers
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "voltgym.experiments.cli", "train", "-m", "env=thevenin", "agent=random"]
        command += [f"agent._target_={name}", f"+agent.seconds={seconds}", f"seed=range({jobs})", "evaluation=nominal"]
        command += ["evaluation.recheck.episodes=0", f"hydra.sweep.dir={folder}", f"hydra/launcher={launcher}"]
        if launcher in WORKERS:
            command.append(WORKERS[launcher].format(workers))
        begin = time.monotonic()
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        took = time.monotonic() - begin
        finished = [RunFolder(file.parent).status() for file in Path(folder).rglob("manifest.json")]
        assert finished == ["finished"] * jobs, finished
    return took, seconds * -(-jobs // at_a_time)


def run(argv: list[str]) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m voltgym.experiments.benchmark_launchers", description=__doc__)
    parser.add_argument("launchers", nargs="*", default=[], help=f"of {', '.join(LAUNCHERS)}")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--jobs", type=int, default=4)
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args(argv)
    print(f"{args.jobs} jobs of {args.seconds:g} s, {args.workers} at a time")
    for launcher in args.launchers or LAUNCHERS[:2]:
        took, ideal = measure(launcher, args.jobs, args.seconds, args.workers)
        share = 100 * (took - ideal) / took
        print(
            f"{launcher:15s} {took:6.1f} s, the jobs alone {ideal:6.1f} s: {share:.1f} % of the wall time around them"
        )


if __name__ == "__main__":
    run(sys.argv[1:])
