"""What estimators are asked about, checked: arrays of one shape with the columns that they know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


class InputError(ValueError):
    """What an estimator was given is no table of its columns; the message says what was found and expected."""


def shaped(values: Any, columns: Sequence[str], inner: int = 1) -> np.ndarray:
    """(n, ..., len(columns)) floats with ``inner`` axes after the first, or an error; no rows at all are fine, too.

    Raises:
        InputError: ragged, not numbers, or of another shape.
    """
    expected = f"(n, {'samples, ' * (inner - 1)}{len(columns)})"
    named = ", ".join(columns)
    try:
        found = np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        raise InputError(
            f"found something that is no array of numbers of one length; expected {expected}: {named}. "
            "Histories of other lengths are asked about one call a length."
        ) from None
    if found.size == 0 and len(found) == 0:
        return np.zeros((0, *[1] * (inner - 1), len(columns)))
    if found.ndim != inner + 1 or found.shape[-1] != len(columns) or 0 in found.shape:
        raise InputError(f"found an array of shape {found.shape}; expected {expected}, the last axis being: {named}")
    return found


def table(columns: Mapping[str, Any], names: Sequence[str]) -> np.ndarray:
    """(n, len(names)) of columns by name, in the order of ``names``.

    Raises:
        InputError: some are missing, or are not of one length.
    """
    missing = [name for name in names if name not in columns]
    if missing:
        raise InputError(f"the table lacks {', '.join(map(repr, missing))}; it has {', '.join(map(repr, columns))}")
    return shaped(np.column_stack([np.asarray(columns[name], dtype=float) for name in names]), names)
