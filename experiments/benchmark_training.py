"""How long PPO takes on FastCharge with the compiled kernel, against the same PPO over ``Simulation.step``.

``python -m voltgym.experiments.benchmark_training [STEPS] [NAIVE_STEPS]`` (1,000,000 and 4,096 by default: the naive
run would take hours, so it is measured on fewer steps and scaled). Wall time, one thread; then the fast one's profile.
"""

from __future__ import annotations

import cProfile
import os
import pstats
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

os.environ.setdefault("PYBAMM_DISABLE_TELEMETRY", "true")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import gymnasium as gym

from voltgym.agents.base import Silent
from voltgym.agents.sb3 import SB3Agent
from voltgym.envs.charging.fast_charge import parts
from voltgym.envs.charging.naive import NaiveTwin
from voltgym.envs.core import Parts, entry_points
from voltgym.experiments import configs
from voltgym.experiments.train import build_agent

NAIVE_ID = "VoltGymBenchmark/NaiveFastCharge-v0"
FAST_ID = "VoltGym/FastCharge-v0"


def naive_parts(split: str = "nominal") -> Parts:
    """FastCharge with ``Simulation.step`` as its twin."""
    ours = parts(split=split, observation="bms")
    return ours._replace(twin=NaiveTwin("LGM50", "SPMe"))


make, make_vec = entry_points(naive_parts, env_id=NAIVE_ID, max_steps=180)


def agent() -> SB3Agent:
    """PPO as ``conf/agent/ppo.yaml`` has it, without validation or checkpoints on the way."""
    config: Any = configs.compose("train", ["env=fastcharge_nominal", "agent=ppo"])["agent"]
    never = 10**12
    return build_agent({**config, "validate_every": never, "checkpoint_every": never})  # type: ignore[return-value]


def seconds(env_id: str, steps: int) -> float:
    """Wall time of one training on the nominal cell."""
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        agent().train(env_id, {"split": "nominal"}, budget=steps, seed=0, out=Path(folder), progress=Silent())
        return time.perf_counter() - begin


def profile(steps: int) -> dict[str, float]:
    """Share of the time by place, of a fast training."""
    watch = cProfile.Profile()
    watch.enable()
    seconds(FAST_ID, steps)
    watch.disable()
    spent: dict[str, float] = defaultdict(float)
    for (file, _, name), (_, _, own, _, _) in pstats.Stats(watch).stats.items():  # type: ignore[attr-defined]
        spent[_place(file, name)] += own
    total = sum(spent.values())
    return {place: share / total for place, share in sorted(spent.items(), key=lambda item: -item[1])}


def _place(file: str, name: str) -> str:
    known = {
        "charging/kernel": "kernel: integrating the cells",
        "stable_baselines3": "Stable-Baselines3",
        "torch": "PyTorch",
        "voltgym/envs": "environment: tasks, objectives, episodes",
        "/envs/": "environment: tasks, objectives, episodes",
        "/agents/": "adapter",
        "numpy": "numpy",
    }
    text = f"{file} {name}"
    return next((place for part, place in known.items() if part in text), "other")


def main(argv: list[str]) -> None:
    """Print both times, their ratio, and the profile."""
    steps, few = (int(argv[0]) if argv else 1_000_000), (int(argv[1]) if len(argv) > 1 else 4_096)
    gym.register(NAIVE_ID, entry_point=make, vector_entry_point=make_vec)
    seconds(FAST_ID, 4_096)  # compiles, if it has to
    fast = seconds(FAST_ID, steps)
    slow = seconds(NAIVE_ID, few) * steps / few
    print(f"PPO, FastCharge SPMe, {steps:,} steps: {fast:.0f} s ({steps / fast:,.0f} steps/s)")
    print(f"the same over Simulation.step: {slow / 3600:.2f} h, scaled from {few:,} steps")
    print(f"x{slow / fast:.0f}")
    print("where the time goes (profiled on 100,000 steps; the profiler favours compiled code):")
    for place, share in profile(100_000).items():
        if share >= 0.01:
            print(f"  {share:5.0%}  {place}")


if __name__ == "__main__":
    main(sys.argv[1:])
