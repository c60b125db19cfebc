"""``fidelity="learned"``: the learned twin in the place of the physics, for the cell that it was fitted on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from voltgym.envs.charging.cells import Cell
from voltgym.envs.errors import UnknownName, VoltGymError, shown
from voltgym.surrogates.charging import LearnedTwin, shipped
from voltgym.surrogates.files import WeightsError

LEARNED = "learned"
NUMPY = "numpy"
SETTINGS = ("dt", "threads", "device")
"""What a learned twin can be told. It has no use for ``threads``: numpy's own are set by ``OMP_NUM_THREADS``."""


def learned_twin(
    cell: Cell, folder: Path | None = None, engine: str = "auto", device: str = NUMPY, **settings: Any
) -> LearnedTwin:
    """The learned twin of ``cell``, from the weights in ``folder`` or from those that come with the package.

    Raises:
        VoltGymError: the weights are missing or of another cell, or it was asked for what it cannot do.
    """
    for name in settings:
        if name not in SETTINGS:
            raise UnknownName("setting of the learned twin", name, SETTINGS)
    if engine != "auto":
        raise VoltGymError(
            f"engine is {engine!r}, and fidelity='learned' has none; leave engine='auto', or choose fidelity='SPMe'"
        )
    if settings.get("dt", LearnedTwin.dt) != LearnedTwin.dt:
        raise VoltGymError(
            f"dt is {settings['dt']}; the learned twin knows steps of {LearnedTwin.dt:g} s only; use fidelity='SPMe'"
        )
    _check_device(device)
    try:
        twin = LearnedTwin.load(folder or shipped(), device=device, cell=cell)
    except WeightsError as error:
        raise VoltGymError(str(error)) from None
    theirs = twin.card["cell"]
    if theirs["digest"] != cell.digest:
        raise VoltGymError(
            f"the learned twin {'in ' + str(folder) if folder else 'that is shipped'} is of {theirs['name']}, not of "
            f"{cell.name}; fit one with `voltgym fit surrogate=charging surrogate.cell={cell.key} out=FOLDER` and give "
            "fidelity=FOLDER"
        )
    twin.fidelity = LEARNED if folder is None else str(folder)
    return twin


def _check_device(device: Any) -> None:
    if device == NUMPY:
        return
    import torch

    try:
        torch.zeros(1, device=device)
    except (RuntimeError, TypeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise VoltGymError(
            f"device is {shown(device)}, which cannot be used here ({reason}); expected 'numpy', or a device of torch "
            "such as 'cpu' or 'cuda'"
        ) from None
