"""Errors that say what was found, what was expected and what to do next."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from numbers import Real
from typing import Any


class VoltGymError(ValueError):
    """A mistake in what the user asked for. Its message is meant to be shown alone, without a traceback.

    ```
    VoltGymError
     +- UnknownName       a name that does not exist: carries a "did you mean"
     +- BudgetExhausted   the ledger's limit would be passed (envs/ledger.py)
     +- CellError         a cell file that cannot be read or used (envs/charging/cells.py)
    ```
    """


class UnknownName(VoltGymError):
    """A name was not among those that exist."""

    def __init__(self, what: str, found: object, known: Iterable[object]) -> None:
        names = [str(name) for name in known]
        close = [name for name in names if name.lower() == str(found).lower()]
        close = close or difflib.get_close_matches(str(found), names, n=1, cutoff=0.5)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        super().__init__(f"unknown {what} {str(found)!r}.{hint} Known: {', '.join(names)}.")


def whole_number(name: str, value: Any, least: int = 1) -> int:
    """``value`` as an int, or an error that says what was expected of ``name``."""
    if isinstance(value, Real) and not isinstance(value, bool) and float(value).is_integer() and float(value) >= least:
        return int(float(value))
    raise VoltGymError(f"{name} is {value!r}; expected a whole number >= {least}")


def number(name: str, value: Any, expected: str, low: float = 0.0, high: float = float("inf")) -> float:
    """``value`` as a float within [``low``, ``high``], or an error that says what was ``expected`` of ``name``."""
    if isinstance(value, Real) and not isinstance(value, bool) and low <= float(value) <= high:
        return float(value)
    raise VoltGymError(f"{name} is {value!r}; expected {expected}")
