"""PyBaMM's ageing cell on the compiled kernel: many cells, each with ageing rates of its own, over hundreds of cycles.

The single particle model of OKane2022 with the coupled mechanisms of ``ageing.py``: a layer (SEI) that grows on the
graphite and on its cracks, lithium that plates and is stripped in part, active material that stress takes away. Each
rate may be scaled a cell, which stands for cells that differ. A cell-step of a minute takes some 4 us, where
``Simulation`` takes 0.05 CPU-s a cycle, so a thousand cycles of two hundred cells are a matter of minutes.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import pybamm

from voltgym.envs.charging.ageing import CELL, OPTIONS
from voltgym.envs.charging.cells import Cell, load_cell
from voltgym.envs.charging.kernel.compile import NoCompiler
from voltgym.envs.charging.kernel.lower import Unsupported, lower
from voltgym.envs.charging.kernel.run import Kernel
from voltgym.envs.charging.kernel.source import Source, write_source
from voltgym.envs.charging.scaling import scaled
from voltgym.envs.errors import VoltGymError

FACTORS: Mapping[str, str] = {
    "SEI factor": "SEI solvent diffusivity [m2.s-1]",
    "Negative LAM factor": "Negative electrode LAM constant proportional term [s-1]",
    "Positive LAM factor": "Positive electrode LAM constant proportional term [s-1]",
    "Plating factor": "Lithium plating kinetic rate constant [m.s-1]",
    "Cracking factor": "Negative electrode cracking rate",
    "Capacity factor": "Electrode width [m]",
}
"""What may differ between cells, times the set's own: the name here -> PyBaMM's parameter."""

CHANGED = {
    "SEI porosity change": "false",
    "lithium plating porosity change": "false",
    "contact resistance": "true",
}
"""What differs from ``ageing.OPTIONS``: pores that clog change nothing in a single particle."""

CONTACT = "Contact resistance [Ohm]"
CURRENT, AMBIENT, SOC = "Current function [A]", "Ambient temperature [K]", "Initial SOC"
INPUTS = (CURRENT, AMBIENT, SOC, CONTACT, *FACTORS)

OUTPUTS: Mapping[str, str] = {
    "Voltage [V]": "Voltage [V]",
    "Temperature [K]": "Volume-averaged cell temperature [K]",
    "Discharge capacity [A.h]": "Discharge capacity [A.h]",
    "Loss of lithium inventory [%]": "Loss of lithium inventory [%]",
    "Loss of negative active material [%]": "Loss of active material in negative electrode [%]",
    "Loss of positive active material [%]": "Loss of active material in positive electrode [%]",
    "Capacity in SEI [A.h]": "Loss of capacity to negative SEI [A.h]",
    "Capacity in SEI on cracks [A.h]": "Loss of capacity to negative SEI on cracks [A.h]",
    "Capacity in plated lithium [A.h]": "Loss of capacity to negative lithium plating [A.h]",
}
"""Names of what is told -> PyBaMM's variables."""


def kernel() -> Kernel:
    """The compiled model; compiled once a machine, lowered once a process.

    Raises:
        VoltGymError: no C compiler works here, or this PyBaMM's equations cannot be lowered.
    """
    try:
        return Kernel(_source())
    except NoCompiler as error:
        raise VoltGymError(f"cycling compiles the cell's equations, and cannot: {error}") from None
    except Unsupported as error:
        raise VoltGymError(f"{CELL} with ageing cannot be compiled: {error}. Use the pinned PyBaMM.") from None


def cell() -> Cell:
    """The cell that ages."""
    return load_cell(CELL)


def fingerprint() -> dict[str, str]:
    """Which cell and which equations."""
    return {"cell": cell().digest[:16], "model": hashlib.sha256(_source().text.encode()).hexdigest()[:16]}


@lru_cache(maxsize=1)
def _source() -> Source:
    model = pybamm.lithium_ion.SPM({**OPTIONS, **CHANGED})
    about, v = cell(), model.variables
    bounds = {
        "Negative surface stoichiometry above 0": v["Minimum negative particle surface stoichiometry"],
        "Negative surface stoichiometry below 1": 1 - v["Maximum negative particle surface stoichiometry"],
        "Positive surface stoichiometry above 0": v["Minimum positive particle surface stoichiometry"],
        "Positive surface stoichiometry below 1": 1 - v["Maximum positive particle surface stoichiometry"],
    }
    model.events = [pybamm.Event(name, expression) for name, expression in bounds.items()]
    values, geometry = _parameters(about), model.default_geometry
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        values.process_model(model)
        values.process_geometry(geometry)
        mesh = pybamm.Mesh(geometry, model.default_submesh_types, model.default_var_pts)
        model = pybamm.Discretisation(mesh, model.default_spatial_methods).process_model(model)
        outputs = [model.get_processed_variable(name) for name in OUTPUTS.values()]
    groups = {
        "outputs": outputs,
        "extremes": outputs[:1],
        "events": [event.expression for event in model.events],
        "initial": [model.concatenated_initial_conditions],
    }
    return write_source(lower(model, groups, INPUTS))


def _parameters(about: Cell) -> pybamm.ParameterValues:
    """The cell's parameters with :data:`INPUTS` in them."""
    p, u = about.parameters(), {name: pybamm.InputParameter(name) for name in INPUTS}
    negative = p["Maximum concentration in negative electrode [mol.m-3]"]
    positive = p["Maximum concentration in positive electrode [mol.m-3]"]
    x, y = (a + u[SOC] * (b - a) for a, b in ((about.x0, about.x100), (about.y0, about.y100)))
    changed: dict[str, Any] = {
        CURRENT: u[CURRENT],
        AMBIENT: u[AMBIENT],
        "Initial temperature [K]": u[AMBIENT],
        CONTACT: u[CONTACT],
        "Initial concentration in negative electrode [mol.m-3]": negative * x,
        "Initial concentration in positive electrode [mol.m-3]": positive * y,
    }
    changed |= {parameter: scaled(p[parameter], u[name]) for name, parameter in FACTORS.items()}
    p.update(changed, check_already_exists=False)
    return p


def inputs(cells: Mapping[str, np.ndarray], n: int) -> np.ndarray:
    """(n, len(INPUTS)) of (n,) arrays by name; what is left out is as the set has it, and the current is 0."""
    stands = dict.fromkeys(FACTORS, 1.0) | {CURRENT: 0.0, AMBIENT: 298.15, SOC: 1.0, CONTACT: 0.0}
    return np.column_stack([np.broadcast_to(np.asarray(cells.get(k, stands[k]), float), (n,)) for k in INPUTS])
