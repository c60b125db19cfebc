"""Open-circuit voltages of positive electrodes as PyBaMM ships them: measured curves to compare a twin with."""

from __future__ import annotations

import numpy as np

PARAMETER = "Positive electrode OCP [V]"


def mean_voltage(parameter_set: str, low: float, high: float, points: int = 101) -> float:
    """The mean open-circuit voltage against lithium of a parameter set's positive electrode [V].

    Over stoichiometries from ``low`` to ``high``, as many ``points`` apart: what lithium between them gives on average.
    The sets cite where their curves were measured; outside the range of its cell a curve is an extrapolation.
    """
    import pybamm

    values = pybamm.ParameterValues(parameter_set)
    curve = values[PARAMETER]
    at = np.linspace(low, high, points)
    symbol = curve(pybamm.Vector(at)) if callable(curve) else curve
    volts = np.asarray(values.process_symbol(symbol).evaluate()).ravel()
    return float(np.trapezoid(volts, at) / (high - low))
