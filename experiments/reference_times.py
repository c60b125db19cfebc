"""Minutes of the reference controllers on the nominal cell at 25 C: greedy, the best CC-CV, the best five-stage CC."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from voltgym.agents.base import Policy, Silent
from voltgym.agents.protocols import RatesBySOC
from voltgym.agents.reference import TunedDesign
from voltgym.envs.charging.cells import load_cell
from voltgym.envs.charging.objective import TIME_TO_TARGET, VOLTAGE
from voltgym.envs.charging.references import Greedy
from voltgym.envs.errors import VoltGymError
from voltgym.experiments.evaluate import evaluate_policy

FAST_CHARGE = "VoltGym/FastCharge-v0"
CELLS = ("Chen2020", "LGM50")
CC_RATES = np.round(np.arange(0.5, 1.51, 0.01), 2)
EVALUATIONS = 400


def minutes(policy: Policy, **kwargs: Any) -> float:
    """Of the nominal episode; NaN where it is not feasible."""
    record = evaluate_policy(policy, FAST_CHARGE, kwargs, split="nominal", episodes=1, agent="reference", seed=None)[0]
    return record["values"][TIME_TO_TARGET] if record["feasible"] else float("nan")


def best_cccv(cell: str) -> tuple[float, float]:
    """(C-rate, minutes) of the fastest feasible CC-CV among ``CC_RATES``."""
    found = {}
    for rate in CC_RATES[::-1]:  # the first feasible one from above is the fastest
        time = minutes(Greedy(limits=[VOLTAGE], max_rate=float(rate)), cell=cell)
        if np.isfinite(time):
            found = {float(rate): time}
            break
    return next(iter(found.items()), (float("nan"), float("nan")))


def best_five_stage(cell: str) -> tuple[np.ndarray, float]:
    """(C-rates, minutes) of the fastest feasible five-stage CC that ``EVALUATIONS`` evaluations of COBYQA found."""
    agent = TunedDesign(RatesBySOC(5), start=0.6, split="nominal", episodes=1)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        policy: Any = agent.train(FAST_CHARGE, {"cell": cell}, budget=EVALUATIONS, seed=0, out=out, progress=Silent())
    return np.array(policy.x), minutes(policy, cell=cell)


def main(argv: list[str]) -> None:
    """Print the table."""
    if argv:
        raise VoltGymError(f"reference-times takes no arguments; found {' '.join(argv)}")
    print(f"10 to 80 % at 25 C, SPMe, every limit kept; five-stage CC: best of {EVALUATIONS} evaluations")
    for name in CELLS:
        cell = load_cell(name)
        counted = 0.1 + 0.7 * cell.nominal_capacity / cell.capacity
        rate, cccv = best_cccv(name)
        rates, staged = best_five_stage(name)
        print(f"{name} ({cell.nominal_capacity:.1f} Ah nominal, {cell.capacity:.3f} Ah own)")
        print(f"  greedy, SOC counted on nominal capacity  {minutes(Greedy(), cell=name, target_soc=counted):6.2f} min")
        print(f"  greedy, SOC of the cell's own capacity   {minutes(Greedy(), cell=name):6.2f} min")
        print(f"  five-stage CC {np.round(rates, 2).tolist()}  {staged:6.2f} min")
        print(f"  CC-CV at {rate:.2f}C  {cccv:6.2f} min", flush=True)


if __name__ == "__main__":
    from voltgym.experiments.cli import run_command

    run_command("reference-times", sys.argv[1:])
