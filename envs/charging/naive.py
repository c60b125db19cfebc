"""What one writes first: ``pybamm.Simulation``, stepped. The yardstick for speed, and at 1e-8 for accuracy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pybamm

from voltgym.envs.charging.cells import load_cell
from voltgym.envs.charging.model import FIDELITIES, OPTIONS, OUTPUTS, VOLTAGE_MARGIN

WATCHED = ("Voltage [V]", "Temperature [K]", "Anode potential [V]")
"""What :meth:`NaiveLoop.run` reads, by voltgym's names."""


class NaiveLoop:
    """One cell whose parameters are plain numbers, on PyBaMM's own solver. A new run starts from rest.

    Args:
        cell: a name or file.
        fidelity: "SPM", "SPMe" or "DFN".
        ambient: [K], also the initial temperature.
        soc: the initial state of charge.
        rtol: of the solver; PyBaMM's default is 1e-4.
    """

    def __init__(self, cell: str | Path, fidelity: str, ambient: float, soc: float, rtol: float = 1e-4) -> None:
        loaded = load_cell(cell)
        self.nominal_capacity = loaded.nominal_capacity
        parameters = loaded.parameters()
        parameters.set_initial_state(soc)
        parameters.update(
            {
                "Current function [A]": "[input]",
                "Ambient temperature [K]": ambient,
                "Initial temperature [K]": ambient,
                "Upper voltage cut-off [V]": loaded.upper_voltage + VOLTAGE_MARGIN,
            }
        )
        self._simulation = pybamm.Simulation(
            FIDELITIES[fidelity](dict(OPTIONS)),
            parameter_values=parameters,
            solver=pybamm.IDAKLUSolver(rtol=rtol, atol=rtol / 100),
        )

    def run(self, c_rates: np.ndarray, dt: float, *, read: bool) -> np.ndarray:
        """Steps of ``dt`` [s] at ``c_rates`` (n,); returns the :data:`WATCHED` (n, 3) at their ends, if ``read``.

        Raises:
            RuntimeError: a step ended early. (``Simulation.step`` says nothing then, and stands still from there on.)
        """
        solution, seen = pybamm.EmptySolution(), []
        for rate in c_rates:
            inputs = {"Current function [A]": -float(rate) * self.nominal_capacity}
            solution = self._simulation.step(dt, inputs=inputs, starting_solution=solution)
            if solution.termination != "final time":
                raise RuntimeError(f"the simulation ended with {solution.termination!r} at {rate:.2f}C")
            if read:
                seen.append([solution[OUTPUTS[name]].entries[-1] for name in WATCHED])
        return np.asarray(seen)
