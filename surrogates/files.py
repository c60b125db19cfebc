"""Weights on the disk: compressed npz files, which are read without pickle and hold nothing that runs."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np


class WeightsError(ValueError):
    """A file of weights that is missing or damaged; the message says which and what to do."""


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays by name, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    part.replace(path)


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a file. Raises :class:`WeightsError`."""
    if not path.is_file():
        raise WeightsError(f"there are no weights in {path}; make them again with `voltgym fit`")
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return dict(arrays)
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise WeightsError(f"{path} is damaged ({error}); make it again with `voltgym fit`") from None
