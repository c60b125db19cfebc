"""The vocabulary that physics and learned code share: failures, predictions, states, property models.

This is the lowest layer of voltgym. A learned twin in ``surrogates/`` satisfies the protocols of ``envs/core.py`` by
structure, without importing them.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from pathlib import Path
from typing import Any, NamedTuple, Protocol, Self, runtime_checkable

import numpy as np

State = dict[str, np.ndarray]
"""A flat dict of arrays whose first axis is the episode. Strings and molecules are object arrays."""


class Failure(IntEnum):
    """Why a row of a batch went wrong. Failure is data, never an exception: one bad row must not stop the others."""

    NONE = 0
    """Nothing went wrong."""
    ACTION = 1
    """The action was not usable (NaN or infinite)."""
    LIMIT = 2
    """A hard limit was breached: the step is real, its slacks are true, the episode ends."""
    SOLVER = 3
    """The solver gave up on this row."""
    NONFINITE = 4
    """The model returned NaN or infinity."""
    DOMAIN = 5
    """The model was asked outside the domain where its equations hold (a depleted electrolyte, say)."""


class Prediction(NamedTuple):
    """What a property model says of ``n`` designs and its ``m`` properties."""

    mean: np.ndarray
    """(n, m), in the units that the model's ``names`` carry."""
    std: np.ndarray
    """(n, m), one standard deviation; zeros where the model is physics."""
    domain: np.ndarray
    """(n,), >= 0 inside the applicability domain."""
    failure: np.ndarray
    """(n,) int8 of :class:`Failure`."""


@runtime_checkable
class PropertyModel(Protocol):
    """Anything that says what a design is worth: a physics code or a surrogate of one."""

    names: tuple[str, ...]

    def predict(self, designs: Sequence[Any] | np.ndarray) -> Prediction:
        """Predict the ``names`` of every design. Fails a row at a time, through ``Prediction.failure``."""
        ...


@runtime_checkable
class Surrogate(PropertyModel, Protocol):
    """A property model that learns from data."""

    def fit(self, designs: Sequence[Any] | np.ndarray, values: np.ndarray) -> Self:
        """Learn from ``designs`` (n, ...) and their ``values`` (n, m)."""
        ...

    def save(self, path: Path) -> None:
        """Write the model (safetensors or npz, never pickle)."""
        ...

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what :meth:`save` wrote."""
        ...


def take(state: State, rows: np.ndarray) -> State:
    """The rows of a state, as a copy when ``rows`` is an index array or a mask."""
    return {name: values[rows] for name, values in state.items()}


def put(state: State, rows: np.ndarray, part: State) -> State:
    """A copy of ``state`` with ``rows`` replaced by ``part``. A partial reset or a roll-back is just this."""
    out = {name: values.copy() for name, values in state.items()}
    for name, values in part.items():
        out[name][rows] = values
    return out
