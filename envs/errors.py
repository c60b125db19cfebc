"""Errors that say what was found, what was expected and what to do next."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Collection, Iterable
from numbers import Real
from typing import Any

import numpy as np


class VoltGymError(ValueError):
    """A mistake in what the user asked for. Its message is meant to be shown alone, without a traceback.

    Its kinds::

        VoltGymError
         +- UnknownName       a name that does not exist: carries a "did you mean"
             +- UnknownArgument   the same of a keyword of gym.make: a TypeError too, as Python has it
         +- BudgetExhausted   the ledger's limit would be passed (envs/ledger.py)
         +- CellError         a cell file that cannot be read or used (envs/charging/cell_files.py)
    """

    def __reduce__(self) -> Any:
        """By its message: worker processes send their errors home, and the arguments of a subclass are not its text."""
        return _again, (type(self), str(self))


class UnknownName(VoltGymError):
    """A name was not among those that exist."""

    def __init__(self, what: str, found: object, known: Iterable[object]) -> None:
        super().__init__(f"unknown {what} {shown(found)}.{_meant(found, known)}")


class UnknownArgument(UnknownName, TypeError):
    """A keyword that an environment does not take.

    Clients probe for keywords and look for Python's own error, ``TypeError: ... unexpected keyword argument 'x'``
    (TorchRL does with ``frameskip``): so it is one, in these words.
    """

    def __init__(self, text: str) -> None:
        # Gymnasium makes every TypeError of an entry point anew, with this behind it. The message says it already.
        VoltGymError.__init__(self, text.split(" was raised from the environment creator", maxsplit=1)[0])

    @classmethod
    def of(cls, env_id: str, name: str, known: Iterable[object]) -> UnknownArgument:
        """The environment ``env_id`` takes ``known`` keywords and got ``name``."""
        return cls(f"{env_id} got an unexpected keyword argument {shown(name)}.{_meant(name, known)}")


def _again(kind: type[VoltGymError], text: str) -> VoltGymError:
    error = kind.__new__(kind, text)
    error.args = (text,)
    return error


def _meant(found: object, known: Iterable[object]) -> str:
    """The name that was probably meant, and all that there are."""
    names = [str(name) for name in known]
    text = found if isinstance(found, str) else repr(found)
    close = [name for name in names if name.lower() == text.lower()]
    close = close or difflib.get_close_matches(text[:200], names, n=1, cutoff=0.5)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return f"{hint} Known: {', '.join(names)}."


def check_name(what: str, found: Any, known: Collection[object]) -> None:
    """Nothing, or :class:`UnknownName` if ``found`` (anything, hashable or not) is not one of ``known``."""
    if not isinstance(found, str) or found not in known:
        raise UnknownName(what, found, known)


def whole_number(name: str, value: Any, least: int = 1, most: int = 10**9) -> int:
    """``value`` as an int, or an error that says what was expected of ``name``."""
    real = isinstance(value, Real) and not isinstance(value, bool)
    if real and least <= value <= most and float(value).is_integer():
        return int(value)
    upper = f" and <= {most}" if real and value > most else ""
    raise VoltGymError(f"{name} is {shown(value)}; expected a whole number >= {least}{upper}")


def number(name: str, value: Any, expected: str, low: float = 0.0, high: float = float("inf")) -> float:
    """``value`` as a finite float within [``low``, ``high``], or an error that says what was ``expected``."""
    real = isinstance(value, Real) and not isinstance(value, bool)
    if real and low <= value <= min(high, sys.float_info.max):
        return float(value)
    raise VoltGymError(f"{name} is {shown(value)}; expected {expected}")


def as_array(what: str, value: Any, dtype: Any = None) -> np.ndarray:
    """``value`` as an array, or an error that says what it was: ragged lists and texts are no arrays of numbers."""
    try:
        return np.asarray(value, dtype=dtype)
    except (TypeError, ValueError, OverflowError) as error:
        raise VoltGymError(f"{what}: found {shown(value)}; expected an array of numbers ({error})") from None


def shown(value: Any, most: int = 60) -> str:
    """``value`` as an error message shows it: in one line, and not all of a long one."""
    text = " ".join(repr(value).split())
    return text if len(text) <= most else f"{text[:most]}... (a {type(value).__name__})"
