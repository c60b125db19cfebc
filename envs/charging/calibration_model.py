"""The charging model with any of a cell's parameters as inputs, on the compiled kernel: many trial cells at once.

The same equations as the environments' (:mod:`voltgym.envs.charging.model`); what differs is what can be varied, and
that it follows a measured current row by row.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pybamm

from voltgym.envs.charging.calibration_parameters import CONTACT, Parameter
from voltgym.envs.charging.cells import Cell
from voltgym.envs.charging.kernel.compile import NoCompiler
from voltgym.envs.charging.kernel.lower import Unsupported, lower
from voltgym.envs.charging.kernel.run import Kernel
from voltgym.envs.charging.kernel.source import write_source
from voltgym.envs.charging.model import FIDELITIES, OPTIONS, bound_domain
from voltgym.envs.charging.scaling import scaled
from voltgym.envs.errors import VoltGymError, check_name

TOLERANCES: dict[str, Any] = {"rtol": 1e-6, "atol": 1e-8, "otol": 1e-7}
"""Tight, for differences between trial cells: sensitivities then agree to four digits with those at 1e-7."""

COMPILED = ("SPM", "SPMe")
_HEAD = ("Current function [A]", "Ambient temperature [K]", "Initial temperature [K]", "x", "y")
_OUTPUTS = ("Voltage [V]", "Volume-averaged cell temperature [K]")
_CAPACITY = ("active material volume fraction", "Maximum concentration in {} electrode [mol.m-3]")
_BISECTIONS = 45


class Rows(NamedTuple):
    """What a cycler applied: (m,) arrays, time increasing."""

    time: np.ndarray
    """[s]"""
    current: np.ndarray
    """[A], positive on charge. Between two rows flows the current of the later one, whose voltage was read with it."""
    ambient: float
    """[K]"""
    start: float
    """[K], of the cell in the first row."""

    def upto(self, n: int) -> Rows:
        """The first ``n`` rows."""
        return self._replace(time=self.time[:n], current=self.current[:n])


class Response(NamedTuple):
    """What n trial cells answered: (n, m). NaN from where a cell left the domain of the equations."""

    voltage: np.ndarray
    """[V]"""
    temperature: np.ndarray
    """[K]"""


class CalibrationModel:
    """``cell`` with ``parameters`` as inputs.

    A cell begins at rest at a given open-circuit voltage, and holds the lithium that its parameter set says: the
    electrodes' initial concentrations there, in their maximal concentrations and fractions of active material. The
    same goes for the cell that is written afterwards, so that environments see what was fitted.

    Raises:
        UnknownName: no such fidelity (the DFN is too large for the kernel).
        VoltGymError: a parameter cannot be an input of the equations, or nothing here can compile them.
    """

    def __init__(self, cell: Cell, parameters: Sequence[Parameter], fidelity: str = "SPMe") -> None:
        check_name("fidelity of a calibration", fidelity, COMPILED)
        self.cell, self.parameters, self.fidelity = cell, tuple(parameters), fidelity
        self._inputs = (*_HEAD, *(f"calibrated {p.name}" for p in self.parameters))
        values = cell.parameters()
        self._lithium = _lithium(values)
        self.kernel = self._compiled(values)

    def run(self, values: np.ndarray, ocv: np.ndarray, rows: Rows) -> Response:
        """What trial cells answer.

        Args:
            values: (n, k) of the parameters, in their units (factors where they are functions).
            ocv: (n,) [V] open-circuit voltage at the start.
            rows: what is applied.
        """
        u = self._input(np.atleast_2d(np.asarray(values, float)), np.asarray(ocv, float), rows)
        y, n = self.kernel.initial(u), len(u)
        out, h = np.full((2, n, len(rows.time)), np.nan), np.zeros(n)
        u[:, 0] = -rows.current[0]
        out[:, :, 0] = self.kernel.observe(y, u).T
        for j, seconds in enumerate(np.diff(rows.time), start=1):
            u[:, 0] = -rows.current[j]  # PyBaMM's sign
            done = self.kernel.advance(y, u, np.full(n, seconds), h, **TOLERANCES)
            y, h = done.y, done.h
            out[:, :, j] = np.where(done.status == 0, done.outputs.T, np.nan)
            if done.status.any():  # a row that ended stays where it is, and answers no more
                y[done.status != 0] = np.nan
        return Response(*out)

    def cycle(
        self, values: Sequence[float], ocv: float, steps: Sequence[tuple[float, float]], every: float, ambient: float
    ) -> np.ndarray:
        """(4, m): time [s], current [A], voltage [V] and temperature [K] of one cell that a cycler steps.

        Args:
            values: (k,) of the parameters.
            ocv: [V] at the start.
            steps: (C-rate, positive on charge; longest duration [s]). A step ends at the cell's voltage cut-offs.
            every: [s] between rows.
            ambient: [K]
        """
        u = self._input(np.asarray([values], float), np.array([ocv]), Rows(np.zeros(1), np.zeros(1), ambient, ambient))
        y, h = self.kernel.initial(u), np.zeros(1)
        out = [np.array([0.0, 0.0, *self.kernel.observe(y, u)[0]])]
        for rate, longest in steps:
            current = rate * self.cell.nominal_capacity
            u[:, 0] = -current
            for _ in range(round(longest / every)):
                done = self.kernel.advance(y, u, np.full(1, every), h, **TOLERANCES)
                voltage = done.outputs[0, 0]
                over = voltage > self.cell.upper_voltage if rate > 0 else voltage < self.cell.lower_voltage
                if done.status.any() or (rate and over):
                    break
                y, h = done.y, done.h
                out.append(np.array([out[-1][0] + every, current, *done.outputs[0]]))
        return np.array(out).T

    def _input(self, values: np.ndarray, ocv: np.ndarray, rows: Rows) -> np.ndarray:
        u = np.zeros((len(values), len(self._inputs)))
        u[:, 1], u[:, 2], u[:, len(_HEAD) :] = rows.start, rows.start, values
        x_own, y_own, ratio = self._held(values)
        low = np.maximum(1e-4, x_own - (1 - 1e-4 - y_own) * ratio)
        high = np.minimum(1 - 1e-4, x_own + (y_own - 1e-4) * ratio)
        for _ in range(_BISECTIONS):  # the open-circuit voltage grows with the lithium in the negative electrode
            u[:, 3] = (low + high) / 2
            u[:, 4] = y_own + (x_own - u[:, 3]) / ratio
            above = self.kernel.observe(self.kernel.initial(u), u)[:, 0] > ocv
            low, high = np.where(above, low, u[:, 3]), np.where(above, u[:, 3], high)
        u[:, 1] = rows.ambient
        return u

    def _held(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(n,) initial stoichiometries of the set, and the positive electrode's capacity over the negative one's."""
        x, y, ratio = (np.full(len(values), number) for number in self._lithium)
        for p, column in zip(self.parameters, values.T, strict=True):
            relative = column / p.own if p.own else 1.0
            if p.name == f"Negative electrode {_CAPACITY[0]}":
                ratio = ratio / relative
            elif p.name == f"Positive electrode {_CAPACITY[0]}":
                ratio = ratio * relative
            elif p.name == _CAPACITY[1].format("negative"):
                ratio, x = ratio / relative, x / relative
            elif p.name == _CAPACITY[1].format("positive"):
                ratio, y = ratio * relative, y / relative
        return x, y, ratio

    def _compiled(self, values: pybamm.ParameterValues) -> Kernel:
        model = FIDELITIES[self.fidelity](dict(OPTIONS))
        bound_domain(model, self.cell, self.fidelity)
        values.update(self._as_inputs(values), check_already_exists=False)
        geometry = model.default_geometry
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                values.process_model(model)
                values.process_geometry(geometry)
                mesh = pybamm.Mesh(geometry, model.default_submesh_types, model.default_var_pts)
                model = pybamm.Discretisation(mesh, model.default_spatial_methods).process_model(model)
                outputs = [model.get_processed_variable(name) for name in _OUTPUTS]
                groups = {
                    "outputs": outputs,
                    "extremes": outputs,
                    "events": [event.expression for event in model.events],
                    "initial": [model.concatenated_initial_conditions],
                }
                return Kernel(write_source(lower(model, groups, self._inputs)))
        except NoCompiler as error:
            raise VoltGymError(f"calibration compiles the cell's equations, and cannot: {error}") from None
        except Unsupported as error:
            raise VoltGymError(f"{self.cell.name} as {self.fidelity} cannot be calibrated: {error}") from None
        except Exception as error:  # whatever PyBaMM says of an input where it wants a number
            reason = " ".join(str(error).split())[:300]
            names = ", ".join(p.short for p in self.parameters)
            raise VoltGymError(
                f"{self.cell.name} as {self.fidelity} cannot be built with {names} free: {reason}. Fit fewer."
            ) from None

    def _as_inputs(self, values: pybamm.ParameterValues) -> Mapping[str, Any]:
        u = {name: pybamm.InputParameter(name) for name in self._inputs}
        changed: dict[str, Any] = {name: u[name] for name in _HEAD[:3]}
        for p in self.parameters:
            free = u[f"calibrated {p.name}"]
            changed[p.name] = scaled(values[p.name], free) if p.factor else free
        changed.setdefault(CONTACT, values.get(CONTACT, 0.0))
        for side, part in (("negative", "x"), ("positive", "y")):
            most = f"Maximum concentration in {side} electrode [mol.m-3]"
            changed[f"Initial concentration in {side} electrode [mol.m-3]"] = changed.get(most, values[most]) * u[part]
        return changed


def _lithium(values: pybamm.ParameterValues) -> tuple[float, float, float]:
    """The set's initial stoichiometries, and the positive electrode's capacity over the negative one's."""
    both = []
    for side in ("negative", "positive"):
        initial = values.evaluate(values[f"Initial concentration in {side} electrode [mol.m-3]"])
        both.append(float(initial) / float(values[f"Maximum concentration in {side} electrode [mol.m-3]"]))
    symbols = pybamm.LithiumIonParameters()
    capacities = [float(values.evaluate(side.Q_init)) for side in (symbols.n, symbols.p)]
    return both[0], both[1], capacities[1] / capacities[0]
