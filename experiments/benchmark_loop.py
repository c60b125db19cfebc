"""Physics calls to reach 95 % of the reference: the loop, an agent straight on the physics, and random designs.

Everything starts from nothing: no surrogate has seen the physics of the domain before. Scores are those of the tracks
(``conf/track``): 0 the baseline, 1 the reference, infeasible 0. A search that does not get there counts with all its
calls, and its factor is a bound. Every run is kept and not run again.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from voltgym.experiments import loop, tracks
from voltgym.experiments.design_metrics import acceleration, best_so_far, calls_to_reach
from voltgym.experiments.files import plain, write_json
from voltgym.experiments.loop_designs import DesignLoop
from voltgym.experiments.loop_edits import RANDOM, EditField
from voltgym.experiments.loop_log import read

GOAL = 0.95


class Plan(NamedTuple):
    """One domain: the loop's config, how its values become scores, and how many calls each search has."""

    overrides: tuple[str, ...]
    track: str
    loop: int
    direct: int
    random: int
    widest: tuple[Sequence[float], ...] = ()
    """What is learned, by name in order, as far as it may lie: a random design that could not reach the goal whatever
    the physics said is not computed, and counts as a call that did not. Empty: all are computed."""


PLANS = {
    "cathode": Plan(("env=cathode",), "cathode", 30, 200, 200),
    "protocol": Plan(("env=protocol",), "protocol", 60, 400, 1000),
    "solvent": Plan(("env=solvent",), "solvent", 20, 30, 500, ((5, 30), (-15, 15), range(0, 900, 10), (3,))),
}


def by_loop(plan: Plan, seed: int, out: Path) -> list[tuple[float | None, bool]]:
    """(value, feasible) of every call, in order."""
    config = loop.configured([*plan.overrides, f"budget={plan.loop}", f"seed={seed}", f"out={out}", "quiet=true"])
    loop.run(config, out)
    return [(v.value, v.feasible) for v in read(out / "verdicts.jsonl")]


def by_agent(plan: Plan, seed: int, out: Path) -> list[tuple[float | None, bool]]:
    """The agent of the loop's config, with the physics in the place of the surrogate."""
    from voltgym.agents.base import Silent
    from voltgym.experiments.train import build_agent

    config = plain(loop.configured([*plan.overrides]))
    agent, env = build_agent(config["agent"]), config["env"]
    split = {"split": "nominal"} if plan.track == "protocol" else {}
    kwargs = {**env["kwargs"], "property_model": config["loop"]["level"], **split}
    agent.train(env["id"], kwargs, budget=plan.direct, seed=seed, out=out, progress=Silent())
    file = next(f for f in (out / "checkpoint" / "designs.jsonl", out / "checkpoint" / "points.jsonl") if f.exists())
    rows = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    return [(row["value"], bool(row["feasible"])) for row in rows]


def by_chance(plan: Plan, seed: int, out: Path) -> list[tuple[float | None, bool]]:
    """Designs of the field at random."""
    problem = loop.problem_of(plain(loop.configured([*plan.overrides])))
    assert isinstance(problem, DesignLoop)
    if isinstance(problem.field, EditField):
        problem.field.begin = RANDOM
    designs = problem.field.start(np.random.default_rng(10_000 + seed), plan.random)
    rule, found = tracks.load(plan.track).score, list[tuple[float | None, bool]]()
    could = np.ones(len(designs), dtype=bool)
    if plan.widest:
        could = np.array([rule.of_value(float(v)) >= GOAL for v in at_most(problem, designs, plan.widest)])
    for design, worth_asking in zip(designs, could, strict=True):
        if not worth_asking:
            found.append((None, False))
            continue
        priced = problem.field.price(design)
        found.append((priced.value, priced.feasible))
    return found


def at_most(problem: DesignLoop, designs: Sequence[Any], widest: Sequence[Sequence[float]]) -> np.ndarray:
    """(n,) the best value that each design could have, were the physics to say whatever helps it most."""
    objective = problem.field.objective
    says = np.array(list(product(*widest)), dtype=float)
    latent = np.repeat(says[:, None], len(designs), axis=1)
    measured = problem.field.imagined(designs)(latent, np.arange(len(designs)))
    values = objective.value(measured)[next(iter(objective.directions))].reshape(len(says), -1)
    return problem.sign * np.max(problem.sign * values, axis=0)


HOW: dict[str, Callable[[Plan, int, Path], list[tuple[float | None, bool]]]] = {
    "loop": by_loop,
    "direct": by_agent,
    "random": by_chance,
}


def scores(found: Sequence[tuple[float | None, bool]], track: str) -> np.ndarray:
    """(n,) scores of values by the track's own rule, 0 where infeasible."""
    rule = tracks.load(track).score
    return np.array([max(rule.of_value(float(v)), 0.0) if ok and v is not None else 0.0 for v, ok in found])


def runs(name: str, how: str, seeds: int, out: Path) -> list[np.ndarray]:
    """(n,) scores in order, a run a seed; made where they are missing."""
    every = []
    for seed in range(seeds):
        file = out / name / how / f"{seed}.json"
        if not file.exists():
            found = HOW[how](PLANS[name], seed, out / name / how / str(seed))
            write_json(file, found)
            print(
                f"{name} {how} {seed}: best {scores(found, PLANS[name].track).max():.3f}", file=sys.stderr, flush=True
            )
        every.append(scores(json.loads(file.read_text("utf-8")), PLANS[name].track))
    return every


def row(name: str, how: str, every: Sequence[np.ndarray], chance: Sequence[np.ndarray]) -> dict[str, Any]:
    """What the table says of one search."""
    calls = [calls_to_reach(score, GOAL) for score in every]
    counted = [float(c or len(s)) for c, s in zip(calls, every, strict=True)]
    theirs = [float(calls_to_reach(s, GOAL) or len(s)) for s in chance]
    factor, bound = acceleration(every, chance)
    return {
        "domain": name,
        "search": how,
        "seeds": len(every),
        "calls": len(every[0]),
        "reach 95 %": sum(c is not None for c in calls),
        "median calls to 95 %": float(np.median(counted)),
        "over random to 95 %": float(np.median(theirs) / np.median(counted)),
        "random reaches 95 %": sum(calls_to_reach(s, GOAL) is not None for s in chance),
        "acceleration": factor,
        "acceleration is a bound": bound,
        "median best": float(np.median([best_so_far(s)[-1] for s in every])),
    }


def main() -> None:
    """Run what is missing, print the table, write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("domains", nargs="*", default=list(PLANS), help=f"of {', '.join(PLANS)}")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--out", type=Path, default=Path("runs/benchmark_loop"))
    asked = parser.parse_args()
    table = []
    for name in asked.domains:
        every = {how: runs(name, how, asked.seeds, asked.out) for how in HOW}
        table += [row(name, how, every[how], every["random"]) for how in HOW]
        write_json(asked.out / "table.json", table)
    for line in table:
        print(
            "  ".join(
                f"{key} {value:.3g}" if isinstance(value, float) else f"{key} {value}" for key, value in line.items()
            )
        )


if __name__ == "__main__":
    main()
