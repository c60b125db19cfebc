"""How long full-information greedy takes over the weather, and how often a draw would be redrawn: a table."""

from __future__ import annotations

import sys

import numpy as np

from voltgym.envs.charging.fast_charge import parts
from voltgym.envs.charging.objective import TIME_TO_TARGET
from voltgym.envs.charging.references import Greedy
from voltgym.envs.charging.scenario import LONGEST, Spread
from voltgym.envs.core import Episodes
from voltgym.envs.errors import VoltGymError
from voltgym.surrogates.base import take

BANDS = ((0.0, 10.0), (10.0, 20.0), (20.0, 30.0), (30.0, 35.0), (35.0, 40.0))


def greedy_minutes(ambient_c: tuple[float, float], draws: int, seed: int = 0) -> np.ndarray:
    """(draws,) minutes that greedy needs from draws of a band of ambient temperature [C], nothing redrawn."""
    twin, task, objective = parts()[:3]
    core = Episodes(twin, task, objective, Spread(ambient_c), n=draws, max_steps=180, env_id="redraws")
    rows, rng = np.arange(draws), np.random.default_rng(seed)
    observation, _ = core.reset(rows, [rng] * draws)
    policy, memory = Greedy(), None
    policy.bind(core)
    while rows.size:
        action, memory = policy(observation, memory)
        observation, _, terminated, truncated, _ = core.step(rows, action)
        going = ~(terminated | truncated)
        rows, observation, memory = rows[going], observation[going], take(memory or {}, going)
    return core.objective.value(core.measured)[TIME_TO_TARGET]


def main(argv: list[str]) -> None:
    """Print the table; the number of draws a band is the one argument (default 500)."""
    if argv and (len(argv) > 1 or not argv[0].isdecimal() or int(argv[0]) < 1):
        raise VoltGymError(f"found {' '.join(argv)}; expected one whole number >= 1, the draws a band (default 500)")
    draws = int(argv[0]) if argv else 500
    print(f"{'ambient [C]':>12} {'draws':>6} {'median':>7} {'slowest [min]':>14} {f'over {LONGEST:.0f} min':>12}")
    for band in BANDS:
        minutes = np.nan_to_num(greedy_minutes(band, draws), nan=np.inf)
        low, high = band
        span = f"{low:.0f}-{high:.0f}"
        share = np.mean(minutes > LONGEST)
        print(f"{span:>12} {draws:>6} {np.median(minutes):>7.1f} {minutes.max():>14.1f} {share:>12.1%}", flush=True)


if __name__ == "__main__":
    from voltgym.experiments.cli import run_command

    run_command("redraws", sys.argv[1:])
