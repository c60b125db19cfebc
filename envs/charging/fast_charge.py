"""``VoltGym/FastCharge-v0``: charge a cell to 80 % as fast as its limits allow, a C-rate every 30 s.

PyBaMM is the twin, or what was learned from it. The limits (voltage, temperature, anode potential) are slacks that the
agent must respect itself; nothing is clamped. See ``task.py`` for what is observed, ``objective.py`` for limits and
reward, ``scenario.py`` for what varies between episodes.
"""

from __future__ import annotations

from pathlib import Path

from voltgym.envs.charging.objective import FastChargeObjective
from voltgym.envs.charging.scenario import splits
from voltgym.envs.charging.soc_estimate import soc_watch
from voltgym.envs.charging.task import FastChargeTask
from voltgym.envs.charging.tractable import GreedyMinutes
from voltgym.envs.charging.twins import make_twin
from voltgym.envs.charging.viewer import EpisodeViewer
from voltgym.envs.core import Parts, entry_points
from voltgym.envs.scenario import pick_split


def parts(
    split: str = "train",
    cell: str | Path = "LGM50",
    fidelity: str = "SPMe",
    engine: str = "auto",
    threads: int = 1,
    observation: str = "bms",
    history: int = 4,
    max_c_rate: float = 3.0,
    target_soc: float = 0.8,
    penalty: float = 0.03,
    margin: float = 0.0,
    k: float = 0.0,
    device: str = "numpy",
    soc_estimate: bool | str | Path = False,
) -> Parts:
    """Twin, task, objective, scenario and viewer of a fast charge.

    Args:
        split: ``train``, ``validation``, ``test``, ``private``, ``cold``, ``hot`` or ``nominal``.
        cell: a name (``LGM50``, or one of PyBaMM's lithium-ion sets) or the path of a BPX file or cell YAML.
        fidelity: ``SPM``, ``SPMe`` or ``DFN``; ``learned``, or a folder of weights (``voltgym fit ... out=``).
        engine: ``auto`` (the compiled kernel where it can run this model, else PyBaMM), ``kernel`` or ``pybamm``.
        threads: over which the rows of a batch are spread. Results do not depend on it.
        observation: the information class, ``bms`` or ``full``.
        history: how many past steps a ``bms`` observation repeats.
        max_c_rate: the largest C-rate of the action space.
        target_soc: where the charge ends, as a fraction of the cell's own capacity.
        penalty: how steeply violations cost reward (see FastChargeObjective); 0 for pure cost.
        margin: how far inside the limits, in the same units, the penalty begins.
        k: how many of its standard deviations a learned twin's limits are taken worse than it says; physics has none.
        device: of a learned twin: ``numpy``, or a device of torch such as ``cpu`` or ``cuda``. Physics runs on CPUs.
        soc_estimate: whether a ``bms`` observation also shows the SOC that is estimated from the measurements, and its
            standard deviation: True for the shipped estimator, or a folder (``voltgym fit surrogate=soc out=``).
    """
    twin = make_twin(cell=cell, fidelity=fidelity, engine=engine, threads=threads, device=device)
    limit = twin.cell.upper_voltage
    task = FastChargeTask(
        voltage_limit=limit,
        observation=observation,
        history=history,
        max_c_rate=max_c_rate,
        target_soc=target_soc,
        soc=soc_watch(soc_estimate, twin.cell),
    )
    objective = FastChargeObjective(penalty=penalty, margin=margin, k=k, voltage_limit=limit, target_soc=target_soc)
    return Parts(twin, task, objective, pick_split(splits(GreedyMinutes(cell)), split), EpisodeViewer(objective))


make, make_vec = entry_points(parts, env_id="VoltGym/FastCharge-v0", max_steps=180)
