"""What a protocol does to a cell over cycles, on PyBaMM's OKane2022 with ageing. Reported, not optimised.

OKane2022's capacity loss does not rise with the C-rate of a charge (most plated lithium is stripped again), so ranking
protocols by it would reward plating. It is a number to look at beside the anode potential, not instead of it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pybamm

from voltgym.envs.charging.objective import CAPACITY_LOSS
from voltgym.envs.contracts import Measured
from voltgym.surrogates.base import Failure, State

CELL = "OKane2022"
LOSS = CAPACITY_LOSS

OPTIONS = {
    "thermal": "lumped",
    "SEI": "solvent-diffusion limited",
    "SEI porosity change": "true",
    "lithium plating": "partially reversible",
    "lithium plating porosity change": "true",
    "particle mechanics": ("swelling and cracking", "swelling only"),
    "SEI on cracks": "true",
    "loss of active material": "stress-driven",
}
"""The coupled mechanisms of O'Kane et al., Phys. Chem. Chem. Phys. 24, 7909-7922 (2022), doi:10.1039/D2CP00417H."""


def capacity_loss(
    rates: np.ndarray, edges: np.ndarray, cycles: int, fidelity: str = "SPM", target_soc: float = 0.8
) -> float:
    """Capacity [A.h] lost between the first and the last of ``cycles`` cycles; NaN if they could not be run.

    A cycle charges through the windows ``edges`` (stages + 1,) of counted SOC at ``rates`` (stages,) from empty (the
    first stage begins there), rests 10 min, and discharges at 1C to the cell's lower cut-off. The capacity is that of
    the electrode balance (PyBaMM's eSOH), so that it does not depend on the rate it is measured at.
    """
    model = {"SPM": pybamm.lithium_ion.SPM, "SPMe": pybamm.lithium_ion.SPMe}[fidelity](dict(OPTIONS))
    parameters = pybamm.ParameterValues(CELL)
    lower = float(parameters["Lower voltage cut-off [V]"])
    parameters["Upper voltage cut-off [V]"] = parameters["Upper voltage cut-off [V]"] + 0.3
    windows = np.diff(np.concatenate([[0.0], edges[1:-1], [target_soc]]))
    stages = [
        pybamm.step.c_rate(-float(rate), duration=f"{3600 * width / rate:.1f} seconds", period="60 seconds")
        for rate, width in zip(rates, windows, strict=True)
    ]
    rest = pybamm.step.rest("10 minutes", period="5 minutes")
    discharge = pybamm.step.c_rate(1, termination=f"{lower} V", period="60 seconds")
    cycle = (*stages, rest, discharge)
    simulation = pybamm.Simulation(
        model, parameter_values=parameters, experiment=pybamm.Experiment([cycle] * cycles), solver=pybamm.IDAKLUSolver()
    )
    try:
        solution = simulation.solve(initial_soc=0.0, showprogress=False)
        capacity = np.asarray(solution.summary_variables["Capacity [A.h]"])
    except (pybamm.SolverError, ValueError, KeyError):
        return float("nan")
    return float(capacity[0] - capacity[-1]) if len(capacity) >= cycles else float("nan")


class AgeingReport:
    """A protocol twin that also reports the capacity loss of a protocol."""

    def __init__(self, twin: Any, *, cycles: int) -> None:
        self.twin, self.cycles = twin, cycles
        self.cell, self.stages, self.edges = twin.twin.cell, twin.stages, twin.edges

    @property
    def fingerprint(self) -> dict[str, str]:
        """The protocol twin's."""
        return self.twin.fingerprint

    def initial(self, scenarios: State) -> State:
        """Nothing is lost yet."""
        state = self.twin.initial(scenarios)
        return state | {LOSS: np.zeros(len(state["rates"]))}

    def advance(self, state: State, action: np.ndarray) -> tuple[State, np.ndarray]:
        """The protocol, then its cycles; a row whose cycles cannot be run fails as ``SOLVER``."""
        new, failure = self.twin.advance(state, action)
        target = self.twin.target_soc
        loss = np.zeros(len(action))
        for i in np.flatnonzero(failure == Failure.NONE):
            loss[i] = capacity_loss(action[i], self.edges, self.cycles, target_soc=target)
        failure = np.where((failure == 0) & ~np.isfinite(loss), Failure.SOLVER, failure).astype(np.int8)
        return new | {LOSS: np.nan_to_num(loss)}, failure

    def measure(self, state: State) -> Measured:
        """What the protocol twin measures, and the loss."""
        return self.twin.measure(state) | {LOSS: state[LOSS]}
