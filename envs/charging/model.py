"""PyBaMM's charging model, discretised, with everything that varies between cells and steps as an input.

``build_model(load_cell("LGM50"), "SPMe")`` gives plain CasADi functions of the state ``y`` and the inputs ``u``: the
equations, the outputs, how far inside its domain the model is, and the initial state. Whoever integrates them (IDAKLU
in ``twin.py``, generated code in ``kernel/``) needs nothing else from PyBaMM.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import casadi
import numpy as np
import pybamm

from voltgym.envs.charging.cells import Cell, CellError
from voltgym.envs.charging.scaling import scaled
from voltgym.envs.errors import check_name

FIDELITIES: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {"SPM": pybamm.lithium_ion.SPM, "SPMe": pybamm.lithium_ion.SPMe, "DFN": pybamm.lithium_ion.DFN}
)
"""Single particle model, the same with electrolyte, Doyle-Fuller-Newman. Sources: ``pybamm.print_citations()``."""

OPTIONS = {"thermal": "lumped", "contact resistance": "true"}
"""PyBaMM's model options: one temperature for the cell, a series resistance whose heat counts."""

INPUTS: tuple[str, ...] = (
    "Current function [A]",  # PyBaMM's sign: negative on charge
    "Ambient temperature [K]",  # also the initial temperature
    "Initial SOC",  # of the cell's own capacity
    "Negative exchange-current factor",  # times the set's exchange-current density in the negative electrode
    "Negative diffusivity factor",  # times the set's negative particle diffusivity
    "Cooling factor",  # times the set's heat-transfer coefficient
    "Capacity factor",  # times the set's electrode width
    "Contact resistance [Ohm]",  # beside the set's own, which is 0 unless the cell was calibrated
)
"""The inputs, in the order of the vector ``u``."""

OUTPUTS: Mapping[str, str] = MappingProxyType(
    {
        "Voltage [V]": "Voltage [V]",
        "Temperature [K]": "Volume-averaged cell temperature [K]",
        "Anode potential [V]": "Negative electrode surface potential difference at separator interface [V]",
        "Discharge capacity [A.h]": "Discharge capacity [A.h]",
        "Negative surface stoichiometry": "X-averaged negative particle surface stoichiometry",
        "Positive surface stoichiometry": "X-averaged positive particle surface stoichiometry",
        "Negative average stoichiometry": "Average negative particle stoichiometry",
        "Electrolyte concentration in negative electrode [mol.m-3]": (
            "X-averaged negative electrolyte concentration [mol.m-3]"
        ),
        "Electrolyte concentration in positive electrode [mol.m-3]": (
            "X-averaged positive electrolyte concentration [mol.m-3]"
        ),
    }
)
"""voltgym's names of what is observed -> PyBaMM's variables, in the order of the output vector."""

VOLTAGE_MARGIN = 1.0
"""[V] beyond the cell's cut-offs, where the model ends. Far out: limits are the business of objectives."""


@dataclass(frozen=True)
class BuiltModel:
    """A discretised model as functions of ``y`` (n_states,) and ``u`` (len(inputs),). ``M dy/dt = equations(y, u)``."""

    cell: Cell
    fidelity: str
    model: Any
    """The discretised ``pybamm.BaseModel``."""
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    domain: tuple[str, ...]
    n_states: int
    n_differential: int
    """The first ``n_differential`` states are differential (M = 1), the others algebraic (M = 0)."""
    equations: casadi.Function
    """(y, u) -> (n_states,): the time derivatives, then the algebraic residuals."""
    observe: casadi.Function
    """(y, u) -> (len(outputs),)."""
    inside: casadi.Function
    """(y, u) -> (len(domain),), >= 0 where the equations hold."""
    initial: casadi.Function
    """u -> (n_states,): the cell at rest. Consistent for every fidelity, since a cell at rest has no currents."""
    digest: str
    """SHA-256 of the functions and the cell: changes whenever a number of the model does."""


def build_model(cell: Cell, fidelity: str = "SPMe") -> BuiltModel:
    """The model of ``cell``, built once a process for each cell and fidelity.

    The capacity factor scales the electrode's width, so that the capacity and the heat scale linearly while
    stoichiometry limits and the cooled surface stay. The initial stoichiometries are linear in the initial SOC between
    the cell's limits, which is what state of charge means (charge over capacity).

    Args:
        cell: what :func:`voltgym.envs.charging.cells.load_cell` gives.
        fidelity: "SPM", "SPMe" or "DFN".

    Raises:
        UnknownName: no such fidelity.
        CellError: the cell lacks a parameter that the model needs.
    """
    check_name("fidelity", fidelity, FIDELITIES)
    return _build(cell, fidelity)


@lru_cache(maxsize=32)
def _build(cell: Cell, fidelity: str) -> BuiltModel:
    model = FIDELITIES[fidelity](dict(OPTIONS))
    bound_domain(model, cell, fidelity)
    parameters = _parameters(cell)
    geometry = model.default_geometry
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            parameters.process_model(model)
            parameters.process_geometry(geometry)
            mesh = pybamm.Mesh(geometry, model.default_submesh_types, model.default_var_pts)
            discretised = pybamm.Discretisation(mesh, model.default_spatial_methods).process_model(model)
    except Exception as error:  # a set from outside may lack or break anything: say which cell and what in one line
        reason = " ".join(str(error.args[0] if error.args else error).split())[:300]
        raise CellError(
            f"{cell.name} ({cell.source}) cannot be built as {fidelity} with a lumped thermal model: {reason}. "
            "Add what is missing to the cell's parameters, or use another cell."
        ) from None
    built = _functions(cell, fidelity, discretised)
    _check_at_rest(built)
    return built


def _check_at_rest(built: BuiltModel) -> None:
    """A cell that is nothing but NaN before anything has happened is a mistake in its parameters, not an episode."""
    rest = {"Current function [A]": 0.0, "Ambient temperature [K]": 298.15, "Initial SOC": 0.5}
    u = np.array([rest.get(name, 0.0 if "resistance" in name else 1.0) for name in built.inputs])
    y = built.initial(u)
    found = dict(zip(built.outputs, built.observe(y, u).full().ravel(), strict=True))
    found["the rates of change"] = float(np.sum(built.equations(y, u).full()))
    bad = [name for name, value in found.items() if not np.isfinite(value)]
    if bad:
        raise CellError(
            f"{built.cell.name} ({built.cell.source}) as {built.fidelity}, at rest at 25 C and 50 %, has no finite "
            f"{', '.join(bad)}. Check its functions and numbers for NaN, division by zero and negative concentrations."
        )


def _parameters(cell: Cell) -> pybamm.ParameterValues:
    """The cell's parameters with :data:`INPUTS` in them."""
    p = cell.parameters()
    u = {name: pybamm.InputParameter(name) for name in INPUTS}
    soc = u["Initial SOC"]
    negative = p["Maximum concentration in negative electrode [mol.m-3]"]
    positive = p["Maximum concentration in positive electrode [mol.m-3]"]
    exchange = "Negative electrode exchange-current density [A.m-2]"
    diffusivity = "Negative particle diffusivity [m2.s-1]"
    p.update(
        {
            "Current function [A]": u["Current function [A]"],
            "Ambient temperature [K]": u["Ambient temperature [K]"],
            "Initial temperature [K]": u["Ambient temperature [K]"],
            "Initial concentration in negative electrode [mol.m-3]": negative * (cell.x0 + soc * (cell.x100 - cell.x0)),
            "Initial concentration in positive electrode [mol.m-3]": positive * (cell.y0 + soc * (cell.y100 - cell.y0)),
            exchange: scaled(p[exchange], u["Negative exchange-current factor"]),
            diffusivity: scaled(p[diffusivity], u["Negative diffusivity factor"]),
            "Electrode width [m]": scaled(p["Electrode width [m]"], u["Capacity factor"]),
            "Contact resistance [Ohm]": _beside(p.get("Contact resistance [Ohm]"), u["Contact resistance [Ohm]"]),
        }
    )
    cooling = "Total heat transfer coefficient [W.m-2.K-1]"
    if cooling in p:  # where it is missing, PyBaMM says so when the thermal model is built
        p[cooling] = scaled(p[cooling], u["Cooling factor"])
    return p


def _beside(own: Any, more: pybamm.Symbol) -> Any:
    """The cell's own contact resistance and the scenario's, in series."""
    return own + more if own else more


def bound_domain(model: Any, cell: Cell, fidelity: str) -> None:
    """Put the limits of the equations' domain in place of PyBaMM's voltage cut-offs.

    Exchange-current densities are square roots of surface stoichiometry, one minus it, and electrolyte concentration:
    beyond these the equations mean nothing.
    """
    v = model.variables
    bounds = {
        "Negative surface stoichiometry above 0": v["Minimum negative particle surface stoichiometry"],
        "Negative surface stoichiometry below 1": 1 - v["Maximum negative particle surface stoichiometry"],
        "Positive surface stoichiometry above 0": v["Minimum positive particle surface stoichiometry"],
        "Positive surface stoichiometry below 1": 1 - v["Maximum positive particle surface stoichiometry"],
        "Voltage above its lower bound [V]": v["Voltage [V]"] - (cell.lower_voltage - VOLTAGE_MARGIN),
        "Voltage below its upper bound [V]": cell.upper_voltage + VOLTAGE_MARGIN - v["Voltage [V]"],
    }
    electrolyte = v["Electrolyte concentration [mol.m-3]"]
    if fidelity != "SPM":  # its electrolyte does not change
        bounds["Electrolyte concentration above 0 [mol.m-3]"] = pybamm.min(electrolyte)
    model.events = [pybamm.Event(name, expression) for name, expression in bounds.items()]


def _functions(cell: Cell, fidelity: str, model: Any) -> BuiltModel:
    n = model.len_rhs_and_alg
    y, u = casadi.MX.sym("y", n), casadi.MX.sym("u", len(INPUTS))
    t = casadi.MX(0)
    named = {name: u[i] for i, name in enumerate(INPUTS)}

    def convert(symbol: pybamm.Symbol) -> casadi.MX:
        return symbol.to_casadi(t, y, inputs=named)

    equations = [convert(model.concatenated_rhs)]
    if model.len_alg:
        equations.append(convert(model.concatenated_algebraic))
    outputs = [convert(model.get_processed_variable(name)) for name in OUTPUTS.values()]
    bounds = [convert(event.expression) for event in model.events]
    functions = {
        "equations": casadi.Function("equations", [y, u], [casadi.vertcat(*equations)]),
        "observe": casadi.Function("observe", [y, u], [casadi.vertcat(*outputs)]),
        "inside": casadi.Function("inside", [y, u], [casadi.vertcat(*bounds)]),
        "initial": casadi.Function("initial", [u], [convert(model.concatenated_initial_conditions)]),
    }
    text = "".join([cell.digest, fidelity, *(f.serialize() for f in functions.values())])
    return BuiltModel(
        cell=cell,
        fidelity=fidelity,
        model=model,
        inputs=INPUTS,
        outputs=tuple(OUTPUTS),
        domain=tuple(event.name for event in model.events),
        n_states=n,
        n_differential=model.len_rhs,
        **functions,
        digest=hashlib.sha256(text.encode()).hexdigest(),
    )


def input_vector(model: BuiltModel, values: Mapping[str, Any], size: int) -> np.ndarray:
    """(size, len(inputs)) inputs from named arrays, in the model's order."""
    return np.column_stack([np.broadcast_to(np.asarray(values[name], float), (size,)) for name in model.inputs])
