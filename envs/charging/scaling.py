"""A parameter times a factor, be it a number or a function."""

from __future__ import annotations

from functools import wraps
from typing import Any

import pybamm


def scaled(value: Any, factor: Any) -> Any:
    """``factor`` times a parameter, be it a number or a function."""
    if not callable(value) or isinstance(value, pybamm.Symbol):
        return factor * value

    @wraps(value)  # PyBaMM reads the names of the arguments off it
    def product(*args: Any, **kwargs: Any) -> Any:
        return factor * value(*args, **kwargs)

    return product
