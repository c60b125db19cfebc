"""How long a step of cathode design takes, all rows at once, with designs that are new and designs that are known.

``python -m voltgym.experiments.benchmark_cathode [--rows 1024] [--steps 30] [--rounds 5]``

CPU time of one process, medians over rounds: random valid edits in a new environment, autoreset included, and the same
again. There are 1,785 designs, so what is new is soon over: an agent that learns lives on the second line.
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

NEW, KNOWN = "from no design known", "every design known"


def walk(env: Any, steps: int, seed: int) -> float:
    """CPU seconds of some steps of random valid edits."""
    env.reset(seed=seed)
    rng = np.random.default_rng(seed)
    spent = 0.0
    for _ in range(steps):
        mask = env.action_masks()
        action = np.argmax(mask * rng.random(mask.shape), axis=1)
        begin = time.process_time()
        env.step(action)
        spent += time.process_time() - begin
    return spent


def main(argv: list[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1024)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args(argv)
    times: dict[str, list[float]] = {NEW: [], KNOWN: []}
    for number in range(args.rounds + 1):
        env: Any = gym.make_vec("VoltGym/Cathode-v0", num_envs=args.rows).unwrapped
        for each in times.values():
            found = walk(env, args.steps, number)
            if number:  # the first round warms up
                each.append(found / args.steps / args.rows * 1e6)
    for name, each in times.items():
        middle = statistics.median(each)
        print(f"  {name:24s} {middle:8.1f} us a row's step   {1e6 / middle:8.0f} /s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
