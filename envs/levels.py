"""Levels of a fidelity ladder: one by its name, or a folder with the weights of a surrogate of one's own."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

from voltgym.envs.errors import VoltGymError, check_name

SURROGATE = "surrogate"


def level_and_weights(
    level: Any, known: Collection[str], *, argument: str = "property_model", learned: str = SURROGATE
) -> tuple[str, Path | None]:
    """The name of a level, and the folder of its weights: None for the shipped ones.

    ``level`` is one of ``known``, or a folder that ``voltgym fit surrogate=... out=FOLDER`` wrote, which is of the
    level ``learned``. ``argument`` is what the user calls it.

    Raises:
        VoltGymError: it is neither.
    """
    if isinstance(level, str) and level not in known and (os.sep in level or Path(level).is_dir()):
        folder = Path(level).expanduser()
        if not folder.is_dir():
            raise VoltGymError(
                f"{argument} is {level!r}, and there is no such folder; fit a surrogate into it with "
                f"`voltgym fit surrogate=... out={level}`, or choose one of {', '.join(known)}"
            )
        return learned, folder
    check_name(argument, level, known)
    return level, None
