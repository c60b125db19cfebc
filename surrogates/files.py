"""Weights on the disk: safetensors, which hold arrays and nothing that runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np


class WeightsError(ValueError):
    """A file of weights that is missing or damaged; the message says which and what to do."""


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays by name, whole or not at all."""
    from safetensors.numpy import save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, part)
    part.replace(path)


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a file. Raises :class:`WeightsError`."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    if not path.is_file():
        raise WeightsError(f"there are no weights in {path}; make them again with `voltgym fit`")
    try:
        return dict(load_file(path))
    except (SafetensorError, OSError, ValueError) as error:
        raise WeightsError(f"{path} is damaged ({error}); make it again with `voltgym fit`") from None
