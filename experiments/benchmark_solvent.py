"""How long a step of molecule design takes: the environment, its masked edits, and MolDQN's enumeration beside it.

``python -m voltgym.experiments.benchmark_solvent [--rows 256] [--steps 8] [--rounds 5]``

CPU time of one process, medians over rounds. Every round times both routes, one after the other, on molecules that a
walk reaches from battery solvents, with nothing remembered: the space of a round is new (an agent that learns meets
many molecules again, which cost less: a line of their own). One step of ours is the mask,
a random valid edit, the canonical SMILES, and the graph features of what came out. One step of the enumeration makes
every next molecule with RDKit and the fingerprint of each, and takes one (see ``envs/solvent/naive.py``): it also tells
an agent what every action would lead to, which a mask does not. ``the environment`` is a whole ``step`` of
``VoltGym/Solvent-v0`` with the learned properties, all rows at once, autoreset included.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import gymnasium as gym
import numpy as np

import voltgym.envs  # noqa: F401  # registers the ids
from voltgym.envs.solvent.naive import EnumeratedStep
from voltgym.envs.solvent.space import SEEDS, MoleculeSpace

Times = dict[str, list[float]]
ENVIRONMENT, AGAIN, OURS, THEIRS, PAPER = (
    "the environment, every molecule new",
    "the environment, every molecule known",
    "edits under a mask",
    "enumeration, our elements and rings",
    "enumeration, C N O and rings of 3 5 6",
)


class Clock:
    """CPU time of a block, added to a list [us a row]."""

    def __init__(self, times: Times, name: str, rows: int) -> None:
        self.to, self.rows = times.setdefault(name, []), rows

    def __enter__(self) -> None:
        self.began = time.process_time()

    def __exit__(self, *error: object) -> None:
        self.to.append((time.process_time() - self.began) / self.rows * 1e6)


def masked(start: list[str], steps: int, seed: int, times: Times) -> list[list[str]]:
    """Walk ``start`` under the mask with a new space; returns the molecules before every step."""
    space, rng = MoleculeSpace(), np.random.default_rng(seed)
    state = space.initial(start)
    seen, rows = [], len(start)
    for _ in range(steps):
        seen.append(list(state["smiles"]))
        with Clock(times, "mask", rows):
            mask = space.mask(state)
        mask[:, space.stop] = False
        action = np.argmax(mask * rng.random(mask.shape), axis=1)
        with Clock(times, "edit", rows):
            state, failure = space.apply(state, action)
        with Clock(times, "features", rows):
            space.features(state)
        if failure.any():
            raise SystemExit("a valid edit failed: this is a bug of the mask; please report it")
    return seen


def enumerated(walk: list[list[str]], seed: int, name: str, route: EnumeratedStep, times: Times) -> int:
    """One step of the enumeration from a molecule of every step of a walk; returns how many were enumerated."""
    rng, found = np.random.default_rng(seed), 0
    some = [smiles[int(i)] for smiles in walk for i in rng.integers(len(smiles), size=4)]
    with Clock(times, name, len(some)):
        for smiles in some:
            found += len(route.step(smiles)[1])
    return found // len(some)


def environment(rows: int, steps: int, seed: int, times: Times) -> None:
    """Random valid actions in a new environment, and the same again."""
    env: Any = gym.make_vec("VoltGym/Solvent-v0", num_envs=rows).unwrapped
    for name in (ENVIRONMENT, AGAIN):
        env.reset(seed=seed)
        rng = np.random.default_rng(seed)
        for _ in range(steps):
            mask = env.action_masks()
            action = np.argmax(mask * rng.random(mask.shape), axis=1)
            with Clock(times, name, rows):
                env.step(action)


def main(argv: list[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m voltgym.experiments.benchmark_solvent", description=__doc__)
    parser.add_argument("--rows", type=int, default=256)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args(argv)
    routes = {THEIRS: EnumeratedStep(), PAPER: EnumeratedStep("CNO", (3, 5, 6))}
    times: Times = {}
    found: dict[str, list[int]] = {name: [] for name in routes}
    for number in range(args.rounds + 1):
        here: Times = {}
        walk = masked([SEEDS[i % len(SEEDS)] for i in range(args.rows)], args.steps, number, here)
        environment(args.rows, args.steps, 1000 + number, here)
        for name, route in routes.items():
            found[name].append(enumerated(walk, number, name, route, here))
        if number:  # the first round warms up
            for name, values in here.items():
                times.setdefault(name, []).append(statistics.fmean(values))
    show({name: statistics.median(values) for name, values in times.items()}, found, args)
    return 0


def show(medians: dict[str, float], found: dict[str, list[int]], args: argparse.Namespace) -> None:
    """The table."""
    parts = ("mask", "edit", "features")
    ours = sum(medians[name] for name in parts)
    print(f"{args.rows} rows, {args.steps} steps, medians of {args.rounds} rounds, CPU time of a row's step")
    for name in (ENVIRONMENT, AGAIN):
        whole = medians[name]
        print(f"  {name:40s} {whole:9.1f} us   {1e6 / whole:8.0f} /s   x{medians[THEIRS] / whole:.1f} of {THEIRS}")
    print(f"  {OURS:40s} {ours:9.1f} us   {1e6 / ours:8.0f} /s")
    for name in parts:
        print(f"    {name:38s} {medians[name]:9.1f} us")
    for name, counts in found.items():
        theirs = f"{medians[name]:9.1f} us   {1e6 / medians[name]:8.0f} /s"
        print(f"  {name:40s} {theirs}   x{medians[name] / ours:.0f}, {statistics.median(counts):.0f} molecules a step")


if __name__ == "__main__":
    sys.exit(main())
