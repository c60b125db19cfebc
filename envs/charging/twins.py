"""Which twin runs a cell: the compiled kernel where it can, PyBaMM's own solver elsewhere, or a learned one."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from voltgym.envs.charging.cells import Cell, load_cell
from voltgym.envs.charging.kernel.compile import NoCompiler, compilers
from voltgym.envs.charging.kernel.lower import Unsupported
from voltgym.envs.charging.kernel.twin import KernelTwin
from voltgym.envs.charging.learned import LEARNED, learned_twin
from voltgym.envs.charging.model import FIDELITIES
from voltgym.envs.charging.twin import PyBaMMTwin
from voltgym.envs.errors import VoltGymError, check_name, number
from voltgym.envs.levels import level_and_weights

COMPILED = ("SPM", "SPMe")
"""Fidelities that the kernel is for."""


def make_twin(cell: str | Path | Cell = "LGM50", fidelity: str = "SPMe", engine: str = "auto", **settings: Any) -> Any:
    """A charging twin.

    Args:
        cell: a name, a cell file, a BPX file, or a ``Cell``.
        fidelity: ``SPM``, ``SPMe`` or ``DFN``; ``learned``, or a folder with the weights of a learned twin.
        engine: ``auto`` (the kernel where it can run this model, else PyBaMM), ``kernel`` or ``pybamm``. Both integrate
            the same equations; they differ in speed, and in voltage by less than 0.1 mV.
        settings: of the engine, such as ``threads``; of the learned twin, ``device``.

    Raises:
        UnknownName: no such cell, fidelity or engine.
        VoltGymError: ``engine="kernel"`` was asked for and cannot run here, or a setting is wrong.
    """
    level, folder = level_and_weights(fidelity, LEVELS, argument="fidelity", learned=LEARNED)
    check_name("engine", engine, ENGINES)
    cell = cell if isinstance(cell, Cell) else load_cell(cell)
    return LEVELS[level](cell, level, engine, folder, settings)


def _physics(cell: Cell, fidelity: str, engine: str, folder: Path | None, settings: dict[str, Any]) -> Any:
    settings.pop("device", None)  # of a learned twin; whoever evaluates on the physics need not take it away
    known = _settings(engine)
    for name, value in settings.items():
        check_name(f"setting of the engine {engine!r}", name, known)
        if name == "dt":
            number("dt", value, "the length of a step in seconds, > 0", low=1e-6)
    return ENGINES[engine](cell=cell, fidelity=fidelity, **settings)


def _learned(cell: Cell, fidelity: str, engine: str, folder: Path | None, settings: dict[str, Any]) -> Any:
    return learned_twin(cell, folder, engine, **settings)


def _settings(engine: str) -> list[str]:
    """What an engine can be told; ``auto`` what both can, since it may end with either."""
    kernel, slow = (list(inspect.signature(kind).parameters)[2:] for kind in (KernelTwin, PyBaMMTwin))
    return {"kernel": kernel, "pybamm": slow}.get(engine, [name for name in kernel if name in slow])


def _auto(cell: Cell, fidelity: str, **settings: Any) -> Any:
    if fidelity in COMPILED:
        try:
            return KernelTwin(cell=cell, fidelity=fidelity, **settings)
        except (Unsupported, NoCompiler) as error:
            _warn(cell.name, fidelity, str(error))
    return PyBaMMTwin(cell=cell, fidelity=fidelity, **settings)


@lru_cache(maxsize=64)
def _warn(cell: str, fidelity: str, reason: str) -> None:
    """Say once a process why it will be slow."""
    warnings.warn(
        f"{cell} {fidelity} runs on PyBaMM's solver, about a hundred times slower in batches: {reason}", stacklevel=4
    )


def _kernel(cell: Cell, fidelity: str, **settings: Any) -> Any:
    check_name("fidelity of the engine 'kernel'", fidelity, COMPILED)  # a DFN would compile for many minutes
    try:
        return KernelTwin(cell=cell, fidelity=fidelity, **settings)
    except (Unsupported, NoCompiler) as error:
        raise VoltGymError(f"{cell.name} {fidelity} cannot run on the kernel: {error}; use engine='auto'") from error


def describe_engines() -> dict[str, str]:
    """Which engine runs which fidelity on this machine, and with what it is compiled."""
    found = compilers()
    fast = (
        f"compiled kernel ({found[0]})"
        if found
        else "PyBaMM's IDAKLU (no C compiler found; `pip install ziglang` brings one)"
    )
    rest = [name for name in FIDELITIES if name not in COMPILED]
    return {", ".join(COMPILED): fast, ", ".join(rest): "PyBaMM's IDAKLU", LEARNED: "networks in numpy, or on a device"}


ENGINES: Mapping[str, Callable[..., Any]] = {"auto": _auto, "kernel": _kernel, "pybamm": PyBaMMTwin}
"""Twins by the name of their engine."""

LEVELS: Mapping[str, Callable[..., Any]] = {**dict.fromkeys(FIDELITIES, _physics), LEARNED: _learned}
"""What makes a twin, by the name of the fidelity."""
