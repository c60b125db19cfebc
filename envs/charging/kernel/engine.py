"""Which engine runs a cell: the compiled kernel where it can, PyBaMM's solver elsewhere."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from voltgym.envs.charging.cells import Cell
from voltgym.envs.charging.kernel.compile import NoCompiler, compilers
from voltgym.envs.charging.kernel.lower import Unsupported
from voltgym.envs.charging.kernel.twin import KernelTwin
from voltgym.envs.charging.twin import PyBaMMTwin

KERNEL_FIDELITIES = ("SPM", "SPMe")
"""Fidelities whose default engine is the kernel."""


def make_twin(
    cell: str | Path | Cell = "LGM50", fidelity: str = "SPMe", dt: float = 30.0, *, threads: int = 1
) -> KernelTwin | PyBaMMTwin:
    """The fastest twin that runs ``cell`` in ``fidelity``; a fall-back is warned of, once a reason."""
    if fidelity in KERNEL_FIDELITIES:
        try:
            return KernelTwin(cell, fidelity, dt, threads=threads)
        except (NoCompiler, Unsupported) as error:
            warnings.warn(
                f"{fidelity} of {getattr(cell, 'name', cell)} runs on PyBaMM's solver, many times slower than the "
                f"compiled kernel: {error}",
                stacklevel=2,
            )
    return PyBaMMTwin(cell, fidelity, dt, threads=threads)


def describe_engine() -> dict[str, Any]:
    """What would run the default fidelities here, for ``voltgym doctor``."""
    found = compilers()
    engine = f"compiled kernel, {found[0]}" if found else "PyBaMM's IDAKLU (no C compiler found)"
    return {"Charging engine": engine, "Compilers": [str(compiler) for compiler in found]}
