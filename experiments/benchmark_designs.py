"""Agents that search designs, side by side: the same number of different designs, several seeds, one table.

``python -m voltgym.experiments.benchmark_designs [--env solvent] [--seeds 5] [--budget 1000] [--short 100]``

Every agent is trained as its YAML says on the environment of ``conf/env``; what it priced is in its folder, and a run
that is there already is not made again, so an interrupted benchmark goes on. The area under the curve of the mean of
the ten best scores is PMO's, with missing ones as 0 and early ends padded (``design_metrics.py``), over the first
``--short`` designs and over all. Intervals are percentile bootstraps over the seeds: of five, rough ones. Agents are
compared with one of them, paired by seed, and known molecules of the task stand in the same table.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from voltgym.agents.base import Silent
from voltgym.agents.designs import DESIGNS_FILE, fingerprints
from voltgym.agents.oracle import Verdict, sign_of, verdicts
from voltgym.envs.edit_problem import EditProblem
from voltgym.envs.errors import VoltGymError, whole_number
from voltgym.experiments import configs, design_metrics
from voltgym.experiments.files import write_json
from voltgym.experiments.progress import Progress, terminal
from voltgym.experiments.records import read_json_lines
from voltgym.experiments.train import build_agent
from voltgym.surrogates.tanimoto import tanimoto

AGENTS = ("random_walk", "graph_ga", "botorch_tanimoto", "ppo_masked", "dqn_masked")
RANDOM = ("random_designs", "random_walk")
"""What others are accelerated against: the first of these that took part."""
DONE = "done.json"


class Job(NamedTuple):
    """One agent with one seed."""

    env: str
    agent: str
    seed: int
    budget: int
    folder: Path
    changes: tuple[str, ...] = ()
    """Of the environment's arguments, as ``name=value``."""


def run(job: Job) -> Job:
    """Train, unless it was done before."""
    if (job.folder / DONE).exists():
        return job
    config = composed(job.env, job.changes, [f"agent={job.agent}"])
    job.folder.mkdir(parents=True, exist_ok=True)
    begin = time.process_time()
    agent, env = build_agent(config["agent"]), config["env"]
    agent.train(env["id"], env["kwargs"], budget=job.budget, seed=job.seed, out=job.folder, progress=Silent())
    write_json(job.folder / DONE, {"seconds": time.process_time() - begin})
    return job


def composed(env: str, changes: Sequence[str], rest: Sequence[str] = ()) -> Any:
    """The config of an environment with some arguments changed."""
    return configs.compose("train", [f"env={env}", *(f"env.kwargs.{change}" for change in changes), *rest])


def designs_of(job: Job) -> list[Verdict]:
    """What a finished job priced, in order."""
    return [Verdict(**line) for line in read_json_lines(job.folder / DESIGNS_FILE)]


class Row(NamedTuple):
    """What one job came to."""

    short: float
    area: float
    top10: float
    best: float
    found: str
    at: int
    diversity: float
    feasible: float
    calls: int
    seconds: float


def row(job: Job, problem: EditProblem, short: int) -> Row:
    """The measures of a finished job."""
    found = designs_of(job)
    score = design_metrics.scores(found)
    if sign_of(problem.objective) < 0:
        raise VoltGymError("areas are of scores that are better if larger; this environment's value is a cost")
    order = np.argsort(-score, kind="stable")
    top = [found[i].key for i in order[:10]]
    counts = fingerprints(problem.space)(top)
    best = int(order[0])
    return Row(
        design_metrics.auc_top(score, 10, short),
        design_metrics.auc_top(score, 10, job.budget),
        design_metrics.top_mean(score, 10),
        float(score[best]),
        found[best].key,
        found[best].number,
        design_metrics.diversity(tanimoto(counts, counts)),
        design_metrics.share_feasible(found),
        len(found),
        json.loads((job.folder / DONE).read_text())["seconds"],
    )


def table(jobs: Sequence[Job], problem: EditProblem, short: int, against: str) -> list[str]:
    """The lines to print: an agent a line, best area first, then how much they differ, and the known designs."""
    agents = dict.fromkeys(job.agent for job in jobs)
    rows = {agent: [row(job, problem, short) for job in jobs if job.agent == agent] for agent in agents}
    lines = [f"{'agent':18s} {f'AUC@{short}':>9s} {'AUC top-10':>10s} {'95 % interval':>15s} {'min-max':>15s} "
             f"{'top-10':>7s} {'best':>6s} {'diversity':>9s} "
             f"{'feasible':>8s} {'designs':>7s} {'CPU s':>6s}  best design, and at which call"]  # fmt: skip
    for agent, each in sorted(rows.items(), key=lambda item: -np.mean([r.area for r in item[1]])):
        mean = {name: np.mean([getattr(r, name) for r in each]) for name in Row._fields if name != "found"}
        areas = [r.area for r in each]
        low, high = design_metrics.interval(areas)
        top = max(each, key=lambda r: r.best)
        lines.append(f"{agent:18s} {mean['short']:9.3f} {mean['area']:10.3f} {f'{low:.3f}-{high:.3f}':>15s} "
                     f"{f'{min(areas):.3f}-{max(areas):.3f}':>15s} {mean['top10']:7.3f} {mean['best']:6.3f} "
                     f"{mean['diversity']:9.2f} {mean['feasible']:8.0%} {mean['calls']:7.0f} {mean['seconds']:6.0f}  "
                     f"{top.found}, {top.at}")  # fmt: skip
    return [*lines, *differences(rows, against), *accelerations(jobs), *references(problem)]


def differences(rows: Mapping[str, Sequence[Row]], against: str) -> list[str]:
    """How much larger each agent's area is than that of ``against``, with the same seeds."""
    lines = []
    for agent in (name for name in rows if name != against and against in rows):
        gains = [a.area - b.area for a, b in zip(rows[agent], rows[against], strict=True)]
        low, high = design_metrics.interval(gains)
        lines.append(f"{agent} - {against}: {np.mean(gains):+.3f} (95 % {low:+.3f} to {high:+.3f})")
    return lines


def accelerations(jobs: Sequence[Job]) -> list[str]:
    """How many times fewer designs each agent needs than a random one, if that is among them."""
    score: dict[str, list[np.ndarray]] = {}
    for job in jobs:
        score.setdefault(job.agent, []).append(design_metrics.scores(designs_of(job)))
    base = next((name for name in RANDOM if name in score), None)
    lines = []
    for agent in (name for name in score if base and name != base):
        factor, bound = design_metrics.acceleration(score[agent], score[str(base)])
        lines.append(f"{agent} needs {'at least ' * bound}1/{factor:.1f} of the designs of {base}")
    return lines


def references(problem: EditProblem) -> list[str]:
    """The known designs of the task and their values; infeasible ones say so."""
    known = getattr(problem.task, "references", {})
    keys = [problem.key(design) for design in known.values()]
    found = verdicts(keys, problem.evaluate(keys), problem.objective, 1) if keys else []
    return [
        f"{name:18s} {'' if v.feasible else 'infeasible':>15s} {float('nan') if v.value is None else v.value:6.3f}"
        for name, v in zip(known, found, strict=True)
    ]


def main(argv: list[str] | None = None) -> int:
    """Run what is not done, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--env", default="solvent", help="a name of conf/env")
    parser.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE", help="arguments of the environment")
    parser.add_argument("--agents", nargs="+", default=list(AGENTS), help="names of conf/agent")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=0, help="agents were tuned on seeds from 100 on")
    parser.add_argument("--budget", type=int, default=1000, help="different designs")
    parser.add_argument("--short", type=int, help="designs of a first area; a tenth of the budget")
    parser.add_argument("--against", default="graph_ga", help="the agent that the others are compared with")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("runs/designs"))
    args = parser.parse_args(argv)
    budget, count = whole_number("--budget", args.budget), whole_number("--seeds", args.seeds)
    short = whole_number("--short", max(1, budget // 10) if args.short is None else args.short, most=budget)
    seeds = range(args.first_seed, args.first_seed + count)
    config = composed(args.env, args.set)["env"]
    problem = EditProblem(config["id"], **{**config["kwargs"], "split": "nominal"})
    for agent in args.agents:
        configs.compose("train", [f"agent={agent}"])  # a name that does not exist is said before the work
    folder = args.out / "_".join([args.env, *args.set, str(budget)])
    changes = tuple(args.set)
    jobs = [Job(args.env, a, s, budget, folder / f"{a}_{s}", changes) for a in args.agents for s in seeds]
    with ProcessPoolExecutor(args.workers) as pool, Progress(terminal(f"designs on {args.env}", False)) as bar:
        for done, future in enumerate(as_completed([pool.submit(run, job) for job in jobs]), 1):
            future.result()
            bar.update(done, len(jobs))
    print(f"{' '.join([args.env, *args.set])}, {budget} different designs, {count} seeds from {args.first_seed}")
    print("\n".join(table(jobs, problem, short, args.against)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
