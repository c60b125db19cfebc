"""What a calibration writes for machines: the cell's file and ``result.json``; and its lines for a terminal."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from voltgym.experiments.calibrate import Calibration, digest
from voltgym.experiments.calibration_fisher import ALIKE, CONDITION, VAGUE
from voltgym.experiments.cycler_data import TIME
from voltgym.experiments.files import plain, write_json

ENGINE = "scipy.optimize.least_squares (trust region) on the compiled kernel"


def write_result(folder: Path, done: Calibration) -> dict[str, Any]:
    """Write the cell's file and ``result.json`` into ``folder``; what ``result.json`` holds."""
    from voltgym.envs.charging.calibration_cell import write_cell
    from voltgym.envs.charging.cells import load_cell

    fit = done.fit
    values, ocv = fit.values(done.x)
    parameters = [_parameter(done, i, float(v)) for i, v in enumerate(values[0])]
    asked = [p for p in parameters if p["asked for"]]
    notes = [
        f"Data: {done.options.data.name}, SHA-256 {digest(done.options.data)[:16]}.",
        *(f"{p['name']}: {p['value']:.6g} +- {p['half interval']:.2g} (95 %)" for p in asked),
    ]
    fitted = list(zip(fit.model.parameters, map(float, values[0]), strict=True))
    file, why = write_cell(folder, done.options.stem, done.cell, fitted, notes)
    info = fit.information(done.x)
    closest, a, b = info.closest()
    result = {
        "file": file.name,
        "format": "BPX" if file.suffix == ".json" else "voltgym cell file",
        "why not BPX": why,
        "base": {"cell": done.cell.name, "version": done.cell.version, "digest": done.cell.digest},
        "digest": load_cell(file).digest,
        "capacity [A.h]": load_cell(file).capacity,
        "data": {"file": done.options.data.name, "sha256": digest(done.options.data), "rows fitted": len(fit.cycle),
                 "hours": float(np.ptp(fit.cycle[TIME])) / 3600, "voltages left out": int(fit.leave_out.sum()),
                 "sign": done.options.sign},
        "fidelity": fit.model.fidelity,
        "engine": ENGINE,
        "temperature fitted": fit.temperature,
        "parameters": parameters,
        "start voltage [V]": float(ocv[0]),
        "Fisher": {"names": info.names, "condition number": info.condition, "correlation": info.correlation,
                   "alike": info.alike, "most alike": [a, b, closest],
                   "limits": {"condition number": CONDITION, "alike": ALIKE, "half interval": VAGUE}},
        "residuals": {"voltage [V]": fit.deviation[0], "temperature [K]": fit.deviation[1] if fit.temperature else None,
                      "voltage noise [V]": done.noise[0],
                      "temperature noise [K]": done.noise[1] if fit.temperature else None},
        "quality": [{"level": f.level, "text": f.text} for f in done.quality.findings],
        "notes": list(done.notes),
        "versions": {name: version(name) for name in ("voltgym", "pybamm", "scipy", "numpy")},
    }  # fmt: skip
    write_json(folder / "result.json", result)
    cleaned: dict[str, Any] = plain(result)
    return cleaned


def _parameter(done: Calibration, i: int, value: float) -> dict[str, Any]:
    p, fit = done.fit.model.parameters[i], done.fit
    asked = i < fit.asked
    half = float(fit.information(done.x).half[i]) * value if asked else None
    return {
        "name": p.name,
        "short": p.short,
        "kind": "factor of a function" if p.factor else "value",
        "asked for": asked,
        "base": p.own,
        "start": float(fit.start[i]),
        "value": value,
        "half interval": half,
        "low": None if half is None else value - half,
        "high": None if half is None else value + half,
    }


def lines(result: dict[str, Any]) -> list[str]:
    """The result for a terminal."""
    out = [f"{'parameter':<26}{'start':>12}{'value':>12}   95 % interval"]
    for p in result["parameters"]:
        half = p["half interval"]
        said = (
            f"+- {half:.2g} ({100 * half / p['value']:.2g} %)" if half is not None and p["value"] else "fitted beside"
        )
        out.append(f"{p['short']:<26}{p['start']:>12.5g}{p['value']:>12.5g}   {said}")
    fisher, off = result["Fisher"], result["residuals"]
    a, b, alike = fisher["most alike"]
    out.append(
        f"condition number {fisher['condition number']:.3g} (limit {CONDITION:g}); most alike {a} and {b}, {alike:.3f}"
    )
    out.append(f"residuals {1e3 * off['voltage [V]']:.2f} mV, noise {1e3 * off['voltage noise [V]']:.2f} mV")
    return [*out, *(f"note: {text}" for text in result["notes"])]
