"""How fast the compiled kernel steps cells, against ``Simulation.step`` and against the tuned single-cell twin.

``python -m voltgym.experiments.benchmark_kernel [--fidelity SPM SPMe] [--cell LGM50] [--rounds 5] [--threads 2]``

Every route steps cells through 30 s at random C-rates, new in every cell and step. A round times all routes one after
the other, so that a busy machine slows them alike; medians over rounds, in microseconds a cell-step, CPU time and wall
time. The ratio is CPU time against the naive loop that reads the three outputs an agent needs (and against the one
that reads nothing, in brackets).
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from typing import NamedTuple
from unittest.mock import patch

os.environ.setdefault("PYBAMM_DISABLE_TELEMETRY", "true")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import gymnasium as gym
import numpy as np

from voltgym.envs.charging.cells import load_cell
from voltgym.envs.charging.kernel import support
from voltgym.envs.charging.kernel.compile import CACHE_VARIABLE
from voltgym.envs.charging.kernel.run import Kernel
from voltgym.envs.charging.kernel.twin import KernelTwin, source_of
from voltgym.envs.charging.model import build_model
from voltgym.envs.charging.naive import NaiveLoop
from voltgym.envs.charging.twin import PyBaMMTwin
from voltgym.surrogates.base import State

AMBIENT, SOC, DT = 298.15, 0.2, 30.0
MOST_C = 1.2
ENV = "voltgym.envs:VoltGym/FastCharge-v0"
READ, NOT_READ = "Simulation.step, IDAKLU, 3 outputs read", "Simulation.step, IDAKLU, nothing read"


class Route(NamedTuple):
    """A way to step ``cells`` cells, and for how many steps a round times it."""

    name: str
    cells: int
    steps: int
    run: Callable[[np.ndarray], object]
    """Takes (steps, cells) C-rates."""


class Time(NamedTuple):
    """[us] a cell-step."""

    cpu: float
    wall: float


def naive(cell: str, fidelity: str, read: bool) -> Callable[[np.ndarray], object]:
    """The loop that one writes first."""
    loop = NaiveLoop(cell, fidelity, AMBIENT, SOC)
    return lambda rates: loop.run(rates[:, 0], DT, read=read)


def stepping(twin: KernelTwin | PyBaMMTwin, n: int, *, measure: bool = True) -> Callable[[np.ndarray], object]:
    """A twin from its start: ``advance``, and ``measure`` after every step."""
    start = twin.initial(support.scenarios(n))

    def run(rates: np.ndarray) -> State:
        state = start
        for rate in rates:
            state, _ = twin.advance(state, rate)
            if measure:
                twin.measure(state)
        return state

    return run


def kernel_alone(twin: KernelTwin, n: int) -> Callable[[np.ndarray], object]:
    """The compiled code and its call, without the twin around it."""
    start = twin.initial(support.scenarios(n))
    seconds = np.full(n, DT)

    def run(rates: np.ndarray) -> np.ndarray:
        y, u, h = start["y"], start["u"].copy(), start["first step [s]"]
        for rate in rates:
            u[:, 0] = -rate * twin.cell.nominal_capacity
            done = twin.kernel.advance(y, u, seconds, h)
            y, h = done.y, done.h
        return y

    return run


def environment(cell: str, fidelity: str) -> Callable[[np.ndarray], object]:
    """``env.step`` of the single environment, reset where an episode ends."""
    env = gym.make(ENV, cell=cell, fidelity=fidelity, split="train").unwrapped
    env.reset(seed=0)

    def run(rates: np.ndarray) -> None:
        for rate in rates.astype(np.float32):
            _, _, terminated, truncated, _ = env.step(rate)
            if terminated or truncated:
                env.reset()

    return run


def vector_environment(cell: str, fidelity: str, n: int) -> Callable[[np.ndarray], object]:
    """``step`` of the native vector environment."""
    env = gym.make_vec(ENV, num_envs=n, cell=cell, fidelity=fidelity, split="train")
    env.reset(seed=0)

    def run(rates: np.ndarray) -> None:
        for rate in rates.astype(np.float32):
            env.step(rate[:, None])

    return run


def routes(cell: str, fidelity: str, threads: int) -> list[Route]:
    """Everything that is timed, slowest first."""
    twin, tuned = KernelTwin(cell, fidelity, DT), PyBaMMTwin(cell, fidelity, DT)
    several = KernelTwin(cell, fidelity, DT, threads=threads)
    return [
        Route(READ, 1, 20, naive(cell, fidelity, read=True)),
        Route(NOT_READ, 1, 20, naive(cell, fidelity, read=False)),
        Route("PyBaMMTwin, N=1", 1, 40, stepping(tuned, 1)),
        Route("env.step, N=1", 1, 40, environment(cell, fidelity)),
        Route("KernelTwin, N=1", 1, 60, stepping(twin, 1)),
        Route("kernel alone, N=1", 1, 60, kernel_alone(twin, 1)),
        Route("kernel alone, N=64", 64, 20, kernel_alone(twin, 64)),
        Route("DesignVectorEnv.step, N=1024", 1024, 6, vector_environment(cell, fidelity, 1024)),
        Route("KernelTwin, N=1024", 1024, 6, stepping(twin, 1024)),
        Route("kernel alone, N=1024", 1024, 6, kernel_alone(twin, 1024)),
        Route(f"kernel alone, N=1024, {threads} threads", 1024, 6, kernel_alone(several, 1024)),
    ]


def measure(found: list[Route], rounds: int) -> dict[str, Time]:
    """Median times of every route."""
    rng = np.random.default_rng(0)
    seen: dict[str, list[Time]] = {route.name: [] for route in found}
    for route in found:
        route.run(rng.uniform(0, MOST_C, (2, route.cells)))  # builds, compiles, first calls
    for _ in range(rounds):
        for route in found:
            rates = rng.uniform(0, MOST_C, (route.steps, route.cells))
            cpu, wall = time.process_time(), time.perf_counter()
            route.run(rates)
            scale = 1e6 / rates.size
            seen[route.name].append(Time((time.process_time() - cpu) * scale, (time.perf_counter() - wall) * scale))
    return {name: Time(*map(statistics.median, zip(*times, strict=True))) for name, times in seen.items()}


def table(times: dict[str, Time]) -> list[str]:
    """The lines to print."""
    lines = [f"  {'us a cell-step':44s} {'CPU':>10s} {'wall':>10s}   times faster (CPU)"]
    for name, spent in times.items():
        ratios = [times[base].cpu / spent.cpu for base in (READ, NOT_READ)]
        lines.append(f"  {name:44s} {spent.cpu:10.2f} {spent.wall:10.2f}   x{ratios[0]:.0f} (x{ratios[1]:.0f})")
    one, many = times["kernel alone, N=1024"], next(t for name, t in times.items() if name.endswith("threads"))
    lines.append(f"  threads: x{one.wall / many.wall:.2f} in wall time")
    return lines


def compile_seconds(cell: str, fidelity: str) -> float:
    """Wall time from the C source to a loaded library, with an empty cache."""
    built = build_model(load_cell(cell), fidelity)
    with tempfile.TemporaryDirectory() as folder, patch.dict(os.environ, {CACHE_VARIABLE: folder}):
        begin = time.perf_counter()
        Kernel(source_of(built), 1)
        return time.perf_counter() - begin


def peak_memory(cell: str, fidelity: str, steps: int, n: int = 1024) -> tuple[float, float]:
    """Peak memory of this process [MiB] after a warm-up, and after ``steps`` more cell-steps."""
    import resource

    twin = KernelTwin(cell, fidelity)
    state = twin.initial(support.scenarios(n))
    rates = np.full(n, 0.5)

    def work(batches: int) -> float:
        for _ in range(batches):
            twin.measure(twin.advance(state, rates)[0])
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

    return work(50), work(steps // n)


def main(argv: list[str] | None = None) -> int:
    """Print a table a fidelity."""
    parser = argparse.ArgumentParser(prog="python -m voltgym.experiments.benchmark_kernel", description=__doc__)
    parser.add_argument("--cell", default="LGM50")
    parser.add_argument("--fidelity", nargs="+", default=["SPM", "SPMe"], choices=["SPM", "SPMe"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--memory", type=int, default=0, help="cell-steps over which to watch the memory")
    args = parser.parse_args(argv)
    for fidelity in args.fidelity:
        print(f"{args.cell}, {fidelity}, steps of {DT:g} s, random currents up to {MOST_C:g}C, {args.rounds} rounds")
        print("\n".join(table(measure(routes(args.cell, fidelity, args.threads), args.rounds))))
        worst, cells = support.errors(args.cell, fidelity, n=16, steps=40)
        errors = "voltage {:.3f} mV, temperature {:.2f} mK, anode potential {:.3f} mV".format(*worst)
        print(f"  largest error over 16 random charges of 40 steps, against IDAKLU at 1e-8 ({cells} stayed): {errors}")
        print(f"  compiled in {compile_seconds(args.cell, fidelity):.1f} s")
        if args.memory:
            before, after = peak_memory(args.cell, fidelity, args.memory)
            print(f"  peak memory before and after {args.memory:,} more cell-steps: {before:.0f} and {after:.0f} MiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
