"""What one writes first: ``pybamm.Simulation``, stepped. The yardstick for speed, and at 1e-8 for accuracy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pybamm

from voltgym.envs.charging.cells import load_cell
from voltgym.envs.charging.model import FIDELITIES, OPTIONS, OUTPUTS, VOLTAGE_MARGIN
from voltgym.surrogates.base import Failure, State

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


class NaiveTwin:
    """A charging twin on ``Simulation.step``, cell by cell, for the nominal cell: the yardstick of a whole training.

    Every episode has its own ``Solution``; what the task reads is read from it after each step, as one would.
    """

    def __init__(self, cell: str | Path, fidelity: str, dt: float = 30.0) -> None:
        self.cell, self.fidelity, self.dt = load_cell(cell), fidelity, dt
        self._loop: NaiveLoop | None = None

    def initial(self, scenarios: State) -> State:
        """Cells at rest. All scenarios must have the same ambient temperature and initial SOC."""
        ambient, soc = scenarios["Ambient temperature [K]"], scenarios["Initial SOC"]
        self._loop = self._loop or NaiveLoop(self.cell.name, self.fidelity, float(ambient[0]), float(soc[0]))
        n = len(soc)
        solutions = np.array([pybamm.EmptySolution() for _ in range(n)], dtype=object)
        rest = np.tile([3.3, float(ambient[0]), 0.4], (n, 1))  # before the first step nothing has been solved
        return {"solution": solutions, "seen": rest, "SOC": soc.astype(float), "rate": np.zeros(n), "time": np.zeros(n)}

    def advance(self, state: State, c_rate: np.ndarray) -> tuple[State, np.ndarray]:
        """One step of each, read at its end. A step that ends early fails as ``DOMAIN``."""
        assert self._loop is not None
        solutions, seen = state["solution"].copy(), state["seen"].copy()
        failure = np.zeros(len(c_rate), dtype=np.int8)
        for i, rate in enumerate(c_rate):
            inputs = {"Current function [A]": -float(rate) * self.cell.nominal_capacity}
            try:
                solutions[i] = self._loop._simulation.step(self.dt, inputs=inputs, starting_solution=solutions[i])
                early = solutions[i].termination != "final time"
            except pybamm.SolverError:
                early = True
            if early:
                failure[i] = Failure.DOMAIN
                continue
            seen[i] = [solutions[i][OUTPUTS[name]].entries[-1] for name in WATCHED]
        gained = c_rate * self.dt / 3600 * self.cell.nominal_capacity / self.cell.capacity
        new = {"solution": solutions, "seen": seen, "SOC": state["SOC"] + gained, "rate": np.array(c_rate, dtype=float)}
        return new | {"time": state["time"] + self.dt}, failure

    def measure(self, state: State) -> dict[str, np.ndarray]:
        """What the ``bms`` observation and the limits need; extremes are those of the step's end."""
        voltage, temperature, anode = state["seen"].T
        return {
            "Voltage [V]": voltage,
            "Maximum voltage [V]": voltage,
            "Temperature [K]": temperature,
            "Maximum temperature [K]": temperature,
            "Anode potential [V]": anode,
            "Minimum anode potential [V]": anode,
            "SOC": state["SOC"],
            "Counted SOC": state["SOC"],
            "Time [s]": state["time"],
            "C-rate": state["rate"],
            "Current [A]": -state["rate"] * self.cell.nominal_capacity,
            "Capacity [A.h]": np.full(len(voltage), self.cell.capacity),
        }
