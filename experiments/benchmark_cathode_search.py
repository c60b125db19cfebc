"""Searches for the best cathode of the grid, whose optimum is proven by pricing all of it: how many designs they need.

``python -m voltgym.experiments.benchmark_cathode_search [--agents ...] [--seeds 10] [--budget 60]``

On the surrogate, every agent as its YAML says. The acceleration over random designs is that of
``design_metrics.acceleration``; BoTorch on the list of designs (``agent=botorch_grid``) is the one that is aimed at.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from voltgym.agents.base import Silent
from voltgym.agents.designs import DESIGNS_FILE
from voltgym.agents.oracle import Verdict
from voltgym.envs.errors import whole_number
from voltgym.experiments import configs, design_metrics
from voltgym.experiments.cathode_optimum import ENV, priced
from voltgym.experiments.progress import Progress, terminal
from voltgym.experiments.records import read_json_lines
from voltgym.experiments.train import build_agent

NEAR = 0.99
"""Of the optimum: what counts as found."""
RANDOM = "random_designs"
AGENTS = ("random_designs", "botorch_grid", "botorch_direct", "cma")
CONTINUOUS = ("botorch_direct", "cma", "sac_designs")
"""Agents that act with numbers: on ``action=continuous``."""


def scores(agent: str, seed: int, budget: int) -> np.ndarray:
    """(n,) the value of every design that an agent priced, in order; 0 for an infeasible one."""
    kwargs = {"action": "continuous"} if agent in CONTINUOUS else {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made = build_agent(configs.compose("train", [f"agent={agent}"])["agent"])
        made.train(ENV, {**kwargs, "split": "nominal"}, budget=budget, seed=seed, out=folder, progress=Silent())
        points = folder / "checkpoint" / "points.jsonl"
        if points.exists():
            found = read_json_lines(points)
            return np.array([p["value"] if p["feasible"] and p["value"] is not None else 0.0 for p in found])
        return design_metrics.scores([Verdict(**line) for line in read_json_lines(folder / DESIGNS_FILE)])


def main(argv: list[str] | None = None) -> int:
    """Run all and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--agents", nargs="+", default=list(AGENTS), help="random_designs is what others are timed by")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--budget", type=int, default=60)
    args = parser.parse_args(argv)
    seeds, budget = whole_number("--seeds", args.seeds), whole_number("--budget", args.budget)
    _, designs, found = priced("surrogate")
    best = max(v.value for v in found if v.feasible and v.value is not None)
    print(f"proven optimum of {len(designs)} designs on the surrogate: {best:.4f}")
    runs: dict[str, list[np.ndarray]] = {agent: [] for agent in dict.fromkeys(args.agents)}
    with Progress(terminal("searches of cathodes", False)) as bar:
        for done, (agent, seed) in enumerate([(a, s) for a in runs for s in range(seeds)], 1):
            runs[agent].append(scores(agent, seed, budget))
            bar.update(done, len(runs) * seeds)
    for agent, each in runs.items():
        calls = [design_metrics.calls_to_reach(score, NEAR * best) for score in each]
        reached = [call for call in calls if call is not None]
        when = f", median call {np.median(reached):.0f}, last {max(reached)}" if reached else ""
        tops = [score.max() for score in each]
        share = np.mean(tops) / best
        print(f"{agent:16s} {len(reached)} of {seeds} within 1 % of it{when}; ", end="")
        print(f"best: median {np.median(tops):.4f}, mean {np.mean(tops):.4f}, {share:.1%} of the optimum", end="")
        if agent != RANDOM and RANDOM in runs:
            factor, bound = design_metrics.acceleration(each, runs[RANDOM])
            print(f"; {'at most ' * bound}{factor:.1f} times faster than random", end="")
        print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
