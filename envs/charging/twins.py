"""Which engine runs a cell: the compiled kernel for SPM and SPMe, PyBaMM's solver for DFN."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def make_twin(cell: str | Path = "LGM50", fidelity: str = "SPMe", **settings: Any) -> Any:
    from voltgym.envs.charging.kernel.twin import KernelTwin

    return KernelTwin(cell=cell, fidelity=fidelity, rtol=1e-3, atol=1e-5, **settings)
