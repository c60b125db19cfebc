"""Interatomic potentials by name, as ASE calculators. Their weights are inside the installed packages."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from functools import cache
from importlib.metadata import version
from typing import Any

from voltgym.envs.errors import check_name

SEVENNET, CHGNET = "sevennet", "chgnet"
MODEL = "7net-mf-0"
MODAL = "R2SCAN"
"""SevenNet-MF-0 (Kim et al. 2024, arXiv:2409.07947; from memory) on its r2SCAN channel."""


def _sevennet() -> Any:
    from sevenn.calculator import SevenNetCalculator

    return SevenNetCalculator(MODEL, modal=MODAL, device="cpu")


def _chgnet() -> Any:
    from chgnet.model.dynamics import CHGNetCalculator

    return CHGNetCalculator(use_device="cpu", on_isolated_atoms="ignore")


POTENTIALS: Mapping[str, Callable[[], Any]] = {SEVENNET: _sevennet, CHGNET: _chgnet}
"""The twin's, and a second opinion (CHGNet; Deng et al. 2023, Nat. Mach. Intell. 5, 1031; from memory)."""
_PACKAGES = {SEVENNET: "sevenn", CHGNET: "chgnet"}


@cache
def calculator(name: str = SEVENNET) -> Any:
    """The calculator of a potential; loads its weights (seconds) the first time, and keeps PyTorch to one thread."""
    check_name("potential", name, POTENTIALS)
    import torch

    torch.set_num_threads(1)  # a cell of forty atoms is slower on more
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # advice on accelerators for GPUs
        return POTENTIALS[name]()


def label(name: str) -> str:
    """The potential and its version: part of every result."""
    check_name("potential", name, POTENTIALS)
    what = f"{MODEL} {MODAL}" if name == SEVENNET else name
    return f"{what}, {_PACKAGES[name]} {version(_PACKAGES[name])}, ase {version('ase')}"
