"""How long a charging step takes: ``Simulation.step``, the twin, and the environment around it.

``python -m voltgym.experiments.benchmark_step [--fidelity SPMe] [--cell LGM50] [--steps 40] [--rounds 5]``

CPU time of the process, medians over rounds; every round times all routes one after the other, so that a busy machine
slows them alike. The error is against PyBaMM's own solver at rtol 1e-8 on the same currents.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import cast

os.environ.setdefault("PYBAMM_DISABLE_TELEMETRY", "true")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import gymnasium as gym
import numpy as np

from voltgym.envs.charging.naive import WATCHED, NaiveLoop
from voltgym.envs.charging.twin import PyBaMMTwin

AMBIENT, SOC, DT = 298.15, 0.1, 30.0
NAIVE, READ = "Simulation.step, IDAKLU", "the same, reading 3 outputs"


def rates(steps: int) -> np.ndarray:
    """(steps,) C-rates that rise, fall and rest, the same in every run."""
    return 0.8 + 0.5 * np.sin(np.arange(steps) / 3.0) * (np.arange(steps) % 7 != 6) - 0.1 * (np.arange(steps) % 2)


def twin(cell: str, fidelity: str) -> tuple[Callable[[np.ndarray], np.ndarray], Callable[[], object]]:
    """The twin's ``advance`` and ``measure``, and its reset."""
    made = PyBaMMTwin(cell, fidelity, DT)
    scenario = {"Ambient temperature [K]": np.array([AMBIENT]), "Initial SOC": np.array([SOC])}

    def run(c_rates: np.ndarray) -> np.ndarray:
        state, seen = made.initial(scenario), []
        for rate in c_rates:
            state, failure = made.advance(state, np.array([rate]))
            if failure[0]:
                raise SystemExit(f"The twin failed ({failure[0]}) at {rate:.2f}C; choose another cell or fidelity.")
            measured = made.measure(state)
            seen.append([measured[name][0] for name in WATCHED])
        return np.asarray(seen)

    return run, lambda: made.initial(scenario)


def environment(cell: str, fidelity: str) -> tuple[Callable[[np.ndarray], None], Callable[[], object]]:
    """``env.step`` of FastCharge at the same currents, and ``env.reset``."""
    env = gym.make("voltgym.envs:VoltGym/FastCharge-v0", cell=cell, fidelity=fidelity, split="nominal").unwrapped
    space = cast(gym.spaces.Box, env.action_space)

    def run(c_rates: np.ndarray) -> None:
        env.reset(seed=0)
        low, high = space.low, space.high
        for rate in c_rates:
            _, _, terminated, truncated, _ = env.step(np.clip(np.full(low.shape, rate, low.dtype), low, high))
            if terminated or truncated:
                env.reset(seed=0)

    return run, lambda: env.reset(seed=0)


def cpu_ms(work: Callable[[], object], count: int) -> float:
    """CPU time of one of ``count`` repetitions that ``work`` does [ms]."""
    began = time.process_time()
    work()
    return (time.process_time() - began) / count * 1e3


def main(argv: list[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m voltgym.experiments.benchmark_step", description=__doc__)
    parser.add_argument("--cell", default="LGM50")
    parser.add_argument("--fidelity", default="SPMe", choices=["SPM", "SPMe", "DFN"])
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args(argv)
    c_rates = rates(args.steps)
    step, reset = twin(args.cell, args.fidelity)
    env_step, env_reset = environment(args.cell, args.fidelity)
    loop = NaiveLoop(args.cell, args.fidelity, AMBIENT, SOC)
    routes: dict[str, Callable[[np.ndarray], object]] = {
        NAIVE: lambda rates: loop.run(rates, DT, read=False),
        READ: lambda rates: loop.run(rates, DT, read=True),
        "PyBaMMTwin.advance + measure": step,
        "FastCharge env.step": env_step,
    }
    resets = {"PyBaMMTwin.initial": reset, "FastCharge env.reset": env_reset}
    print(f"{args.cell}, {args.fidelity}, {args.steps} steps of {DT:g} s, medians of {args.rounds} rounds, CPU time")
    times = _time(routes, resets, c_rates, args.rounds)
    for name in routes:
        ratios = "".join(f"   x{times[base] / times[name]:.1f}" for base in (NAIVE, READ))
        print(f"  {name:30s} {times[name]:8.3f} ms a step{ratios}")
    for name in resets:
        print(f"  {name:30s} {times[name]:8.3f} ms")
    exact = NaiveLoop(args.cell, args.fidelity, AMBIENT, SOC, rtol=1e-8).run(c_rates, DT, read=True)
    error = np.abs(step(c_rates) - exact).max(axis=0) * 1e3
    against = ", ".join(f"{name} {e:.4f} m{name[-2]}" for name, e in zip(WATCHED, error, strict=True))
    print(f"  PyBaMMTwin's largest error against rtol 1e-8: {against}")
    return 0


def _often(one: Callable[[], object]) -> None:
    for _ in range(100):
        one()


def _time(
    routes: dict[str, Callable[[np.ndarray], object]],
    resets: dict[str, Callable[[], object]],
    c_rates: np.ndarray,
    rounds: int,
) -> dict[str, float]:
    """Median CPU time [ms] of a step of each route and of each reset."""
    for route in routes.values():
        route(c_rates[:3])  # builds, compiles, first calls
    seen: dict[str, list[float]] = {name: [] for name in (*routes, *resets)}
    for _ in range(rounds):
        for name, route in routes.items():
            seen[name].append(cpu_ms(partial(route, c_rates), len(c_rates)))
        for name, one in resets.items():
            seen[name].append(cpu_ms(partial(_often, one), 100))
    return {name: statistics.median(values) for name, values in seen.items()}


if __name__ == "__main__":
    sys.exit(main())
