"""Make a cell of your own from cycler data: quality report, fit, intervals, a file that every environment accepts."""

from __future__ import annotations

import hashlib
import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

os.environ.setdefault("OMP_NUM_THREADS", "1")

from voltgym.envs.errors import VoltGymError
from voltgym.experiments import cycler_data, cycler_quality, progress
from voltgym.experiments.calibrate_options import SIGNS, USAGE, Options
from voltgym.experiments.calibration_fisher import refusals
from voltgym.experiments.calibration_fit import Fit, rows_of, thin
from voltgym.experiments.cycler_data import AMBIENT, CURRENT, SURFACE, Cycle
from voltgym.experiments.cycler_quality import Finding, Quality

if TYPE_CHECKING:
    from voltgym.envs.charging.cells import Cell

__all__ = ["USAGE", "main"]


@dataclass(frozen=True)
class Calibration:
    """Everything that a page or a file says of one."""

    options: Options
    cell: Cell
    fit: Fit
    x: np.ndarray
    quality: Quality
    notes: tuple[str, ...]
    """What was done to the data, what was assumed, and what to be careful about."""
    noise: tuple[float, float]
    """[V], [K] from row to row, before the fit."""


def prepared(options: Options, capacity: float) -> tuple[Cycle, Quality, list[str]]:
    """The data, the report on them, and what was done to them."""
    cycle, said = cycler_data.read(options.data), []
    if options.sign == SIGNS[1]:
        cycle = replace(cycle, columns={**cycle.columns, CURRENT: -cycle[CURRENT]})
        said.append("the current's sign was turned: the file has it positive on discharge")
    if options.repair == "true":
        cycle, repaired = cycler_quality.repair(cycle)
        said += repaired
    return cycle, cycler_quality.check(cycle, capacity, turned=options.sign == SIGNS[1]), said


def ambient_of(options: Options, cycle: Cycle) -> tuple[float, list[Finding]]:
    """The ambient temperature [C], and what to say of it."""
    if options.ambient:
        return options.number("ambient", -40, 90), []
    if AMBIENT in cycle:
        spread = float(np.ptp(cycle[AMBIENT]))
        said = f"the ambient temperature varies by {spread:.1f} K; the fit takes its median"
        return float(np.median(cycle[AMBIENT])), [Finding("warning", said)] if spread > 3 else []
    if SURFACE in cycle:
        first = float(np.median(cycle[SURFACE][:5]))
        return first, [Finding("warning", f"no {AMBIENT!r}: taken as the surface's at the start, {first:.1f} C")]
    return 25.0, [Finding("warning", f"no {AMBIENT!r}: taken as 25 C (ambient=)")]


def set_up(options: Options, cell: Cell, cycle: Cycle, quality: Quality, ambient: float) -> Fit:
    """The fit, not yet run."""
    from voltgym.envs.charging.calibration_model import CalibrationModel
    from voltgym.envs.charging.calibration_parameters import DEFAULT, choose, starts

    wanted = options.wanted or list(DEFAULT)
    warm = options.temperature == "true" and SURFACE in cycle
    asked = choose(cell, wanted)
    more = choose(cell, ["heat-transfer"]) if warm and "heat-transfer" not in [p.short for p in asked] else ()
    parameters = (*asked, *more)
    start = starts(parameters, options.starts)
    keep = thin(cycle, int(options.number("rows", 100, 1e6)), cell.nominal_capacity)
    cycle = cycle.take(keep)
    model = CalibrationModel(cell, parameters, options.fidelity)
    return Fit(model, cycle, rows_of(cycle, ambient), quality.outliers[keep], start, len(asked), warm)


def calibrate(options: Options, bar: Any) -> Calibration:
    """Read, judge, refuse or fit. Prints the report on the data."""
    from voltgym.envs.charging.cells import load_cell

    cell = load_cell(options.cell)
    cycle, quality, said = prepared(options, cell.nominal_capacity)
    say(options, cycle, quality)
    ambient, more = ambient_of(options, cycle)
    fit = set_up(options, cell, cycle, quality, ambient)
    noise = fit.deviation
    alive = fit.alive(bar)
    refused = refusals(fit.information(alive))
    if refused:
        raise VoltGymError("these data do not say what was asked for:\n  " + "\n  ".join(refused))
    x = fit.run(bar, start=alive)
    fit.settle(x)
    notes = (*said, *(f.text for f in more), *doubts(fit, x, noise))
    return Calibration(options, cell, fit, x, quality, notes, noise)


def say(options: Options, cycle: Cycle, quality: Quality) -> None:
    """Print the report; raise for its errors."""
    hours = float(np.ptp(cycle[cycler_data.TIME])) / 3600
    spread = "" if np.isnan(quality.noise) else f", voltage noise {1e3 * quality.noise:.2f} mV"
    print(f"{options.data.name}: {len(cycle)} rows, {hours:.2f} h{spread}")
    for text in quality.warnings:
        print(f"  warning: {text}")
    if quality.errors:
        raise VoltGymError(f"{options.data} cannot be calibrated on:\n  " + "\n  ".join(quality.errors))
    if not quality.warnings:
        print("  nothing is wrong with it")


def doubts(fit: Fit, x: np.ndarray, noise: tuple[float, float]) -> list[str]:
    """What to be careful about after a fit."""
    out = []
    if fit.deviation[0] > 2 * noise[0]:
        out.append(
            f"the model is off by {1e3 * fit.deviation[0]:.1f} mV where the noise is {1e3 * noise[0]:.1f} mV: "
            "it misses something, and the intervals do not cover that"
        )
    values = fit.values(x)[0][0]
    for p, value in zip(fit.model.parameters, values, strict=True):
        if value > 0.99 * p.high or (p.low > 0 and value < 1.01 * p.low):
            out.append(f"{p.short} ended at the edge of what is allowed ({value:g}): the data want something else")
    info = fit.information(x)
    out += [f"after the fit: {text}" for text in refusals(info)]
    return out


def main(argv: list[str]) -> None:
    """Calibrate a cell on DATA."""
    from voltgym.experiments.calibration_page import write_page
    from voltgym.experiments.calibration_result import lines, write_result

    options = Options.of(argv)
    if options.check == "true":
        from voltgym.envs.charging.cells import load_cell

        cycle, quality, _ = prepared(options, load_cell(options.cell).nominal_capacity)
        say(options, cycle, quality)
        return
    with progress.Progress(progress.terminal("calibrate")) as bar:
        done = calibrate(options, bar)
    folder = Path(options.out or f"{options.data.name.split('.')[0]}-calibrated")
    result = write_result(folder, done)
    page = write_page(folder, done, result)
    print("\n".join(lines(result)))
    print(f"cell: {folder / result['file']}\npage: {page}")


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    from voltgym.experiments.cli import run_command

    run_command("calibrate", sys.argv[1:])
