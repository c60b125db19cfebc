"""``VoltGym/ProtocolDesign-v0``: design a multi-stage fast-charge protocol; one decision is the whole episode.

The search of Attia et al. (Nature 578, 397-402, 2020, doi:10.1038/s41586-020-1994-5), with PyBaMM as the twin and the
limits as slacks in place of cycle life. With ``cells > 1`` a protocol must hold for several cells of the split at once.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np

from voltgym.envs.charging.objective import ProtocolObjective
from voltgym.envs.charging.protocol_learned import learned_protocol_twin
from voltgym.envs.charging.protocol_twin import ProtocolTwin
from voltgym.envs.charging.scenario import splits
from voltgym.envs.charging.tractable import GreedyMinutes
from voltgym.envs.charging.twins import make_twin
from voltgym.envs.charging.viewer import ProtocolViewer
from voltgym.envs.contracts import Measured, Scenario
from voltgym.envs.core import Parts, entry_points
from voltgym.envs.errors import VoltGymError, number, whole_number
from voltgym.envs.scenario import pick_split
from voltgym.surrogates.base import State


class ProtocolTask:
    """Action: (stages,) C-rates. Observation: (2,) the ambient temperature and the counted SOC before the charge."""

    observation = "bms"  # the information class: both can be measured or counted
    observation_space = gym.spaces.Box(-np.inf, np.inf, (2,), np.float32)

    def __init__(self, *, stages: int, min_c_rate: float, max_c_rate: float) -> None:
        self.action_space = gym.spaces.Box(min_c_rate, max_c_rate, (stages,), np.float32)

    def decode(self, action: np.ndarray) -> np.ndarray:
        """(N, stages) C-rates."""
        return np.asarray(action, dtype=float)

    def observe(self, state: State, measured: Measured) -> np.ndarray:
        """(N, 2) float32, means over the cells."""
        ambient = (measured["Ambient temperature [K]"] - 298.15) / 10
        return np.stack([ambient, (measured["Counted SOC at start"] - 0.1) / 0.1], axis=1).astype(np.float32)

    def done(self, state: State, measured: Measured) -> np.ndarray:
        """(N,) every cell reached the target."""
        return measured["Reached"] > 0


class Group:
    """A scenario of several cells: (cells,) values a name."""

    def __init__(self, one: Scenario, cells: int) -> None:
        self.one, self.cells = one, cells

    def __call__(self, rng: np.random.Generator) -> dict[str, Any]:
        """Draw every cell from the same split."""
        drawn = [self.one(rng) for _ in range(self.cells)]
        return {name: np.array([scenario[name] for scenario in drawn]) for name in drawn[0]}


def parts(
    split: str = "nominal",
    cell: str | Path = "LGM50",
    fidelity: str = "SPMe",
    engine: str = "auto",
    threads: int = 1,
    stages: int = 5,
    cells: int = 1,
    min_c_rate: float = 0.1,
    max_c_rate: float = 3.0,
    target_soc: float = 0.8,
    penalty: float = 0.1,
    ageing_cycles: int = 0,
    property_model: str = "twin",
    k: float = 0.0,
) -> Parts:
    """Twin, task, objective, scenario and viewer of a protocol design.

    Args:
        split: as in FastCharge; ``nominal`` is the cell as its parameter set has it, at 25 C from 10 %.
        cell: a name or a file, as in FastCharge; ``LGM50`` and ``Mohtat2020`` are the two published tasks.
        fidelity: ``SPM``, ``SPMe`` or ``DFN``; ``learned``, or a folder of weights, as in FastCharge.
        engine: ``auto`` (the compiled kernel where it can run this model, else PyBaMM), ``kernel`` or ``pybamm``.
        threads: over which the rows of a batch are spread. Results do not depend on it.
        stages: how many equal windows of counted SOC between 10 % and the target.
        cells: how many cells of the split one protocol must serve.
        min_c_rate: the smallest C-rate of a stage.
        max_c_rate: the largest C-rate of a stage.
        target_soc: where the charge ends, of each cell's own capacity.
        penalty: reward lost per unit of violation (10 mV, 1 K, 10 mV of anode potential).
        ageing_cycles: report the capacity that PyBaMM's OKane2022 loses in so many cycles of the protocol (0: do not).
        property_model: ``twin`` runs the charge; ``surrogate``, or a folder of weights, looks it up in what was learned
            of whole protocols, of one cell in the nominal scenario.
        k: pessimism, in standard deviations, where there are any.
    """
    stages, cells = whole_number("stages", stages, most=1000), whole_number("cells", cells, most=10_000)
    ageing_cycles = whole_number("ageing_cycles", ageing_cycles, least=0, most=10_000)
    max_c_rate = number("max_c_rate", max_c_rate, "a C-rate such as 3.0", low=1e-3, high=100)
    min_c_rate = number("min_c_rate", min_c_rate, "a C-rate below max_c_rate", low=1e-3, high=0.999 * max_c_rate)
    target_soc = number(
        "target_soc",
        target_soc,
        "a fraction such as 0.8, above any start",
        low=0.31,
        high=0.99,
    )
    inner = make_twin(cell=cell, fidelity=fidelity, engine=engine, threads=threads)
    protocol = ProtocolTwin(inner, stages=stages, target_soc=target_soc)
    task_of: dict[str, Any] = {
        "stages": stages,
        "cells": cells,
        "split": split,
        "target_soc": target_soc,
        "cell": str(cell),
    }
    learned = learned_protocol_twin(property_model, **task_of)
    twin: Any = learned or protocol
    if learned and ageing_cycles:
        raise VoltGymError("ageing_cycles is for property_model='twin'; expected 0 with a surrogate")
    if ageing_cycles:
        from voltgym.envs.charging.ageing import AgeingReport

        twin = AgeingReport(twin, cycles=ageing_cycles)
    task = ProtocolTask(stages=stages, min_c_rate=min_c_rate, max_c_rate=max_c_rate)
    limits = {"voltage_limit": inner.cell.upper_voltage, "target_soc": target_soc, "k": k}
    objective = ProtocolObjective(penalty=penalty, ageing=ageing_cycles > 0, **limits)
    scenario = Group(pick_split(splits(GreedyMinutes(cell)), split), cells)
    return Parts(twin, task, objective, scenario, None if learned else ProtocolViewer(objective, protocol))


make, make_vec = entry_points(parts, env_id="VoltGym/ProtocolDesign-v0", max_steps=1)
