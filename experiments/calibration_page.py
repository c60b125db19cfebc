"""The page of a calibration: data, fit, residuals, parameters with intervals, what was told apart, quality."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from voltgym.experiments import page
from voltgym.experiments.calibrate import Calibration
from voltgym.experiments.calibration_fisher import ALIKE, CONDITION
from voltgym.experiments.cycler_data import CURRENT, SURFACE, TIME, VOLTAGE
from voltgym.experiments.files import write_text
from voltgym.experiments.svg import Chart, Series, draw

WIDE = 0.1
"""A relative half interval above which a parameter is marked."""
HIGH = 130.0
DATA, MODEL = 0, 9
"""Styles of curves; the model is dashed, so that the data are seen below it."""


def write_page(folder: Path, done: Calibration, result: dict[str, Any]) -> Path:
    """Write ``calibration.html`` into ``folder``."""
    fitted = [p for p in result["parameters"] if p["asked for"]]
    worst = max((p["half interval"] / p["value"] for p in fitted if p["value"]), default=0.0)
    careful = bool(result["notes"]) or worst > WIDE
    html = page.render(
        f"{done.options.stem}: {done.cell.name} calibrated on {result['data']['file']}",
        f"{len(fitted)} parameters, the least certain known to {100 * worst:.2g} % (95 %); "
        f"residuals {1e3 * result['residuals']['voltage [V]']:.2f} mV.",
        page.Cell("see the notes" if careful else "fitted", "" if careful else "good"),
        [
            page.Section("Parameters", parameters(result)),
            page.Section(
                "Fit", [page.Figures(charts(done), CAPTION, [page.key("data", DATA), page.key("model", MODEL)])]
            ),
            page.Section("What the data tell apart", fisher(result)),
            page.Section("Data", quality(result)),
            page.Section("Use it", use(done, result)),
        ],
    )
    path = folder / "calibration.html"
    write_text(path, html)
    return path


CAPTION = (
    "What the cycler measured and what the fitted model answers to the same current. Residuals are model minus data; a "
    "band without structure is noise, structure is something that the model does not have."
)


def parameters(result: dict[str, Any]) -> list[page.Block]:
    """The table of values, and the notes."""
    rows = [_row(p) for p in result["parameters"]]
    rows.append(
        ["Open-circuit voltage at the start [V]", "", "", f"{result['start voltage [V]']:.4f}", "fitted beside", ""]
    )
    notes = [
        "Intervals are Cramer-Rao bounds at the fit, from the residuals' own deviation: the least that errors "
        "which are independent from row to row leave open. They do not cover what the model itself gets wrong.",
        "A factor multiplies a function of the cell (of temperature, concentration or stoichiometry).",
    ]
    table = page.Table(
        "Calibrated values", ["Parameter", "cell had", "start", "value", "95 % interval", "relative"], rows, notes
    )
    return [table, *(page.Text(text, "bad") for text in result["notes"])]


def _row(p: dict[str, Any]) -> list[str | page.Cell]:
    name = f"{p['name']}, factor" if p["kind"] != "value" else p["name"]
    head = [name, f"{p['base']:.4g}", f"{p['start']:.4g}", f"{p['value']:.5g}"]
    if p["half interval"] is None:
        return [*head, "fitted beside", ""]
    relative = p["half interval"] / p["value"] if p["value"] else float("inf")
    return [
        *head,
        f"{p['low']:.4g} to {p['high']:.4g}",
        page.Cell(f"{100 * relative:.2g} %", "bad" if relative > WIDE else ""),
    ]


def charts(done: Calibration) -> list[str]:
    """Voltage, its residuals, current; temperature and its residuals where it was fitted."""
    cycle, fit = done.fit.cycle, done.fit
    volts, warmth = (answer[0] for answer in fit.answers(done.x))
    hours = cycle[TIME] / 3600
    out = [
        _pair("Voltage [V]", hours, cycle[VOLTAGE], volts),
        _one("Voltage residual [mV]", hours, np.where(fit.leave_out, np.nan, 1e3 * (volts - cycle[VOLTAGE])),
             f"{1e3 * fit.deviation[0]:.2f} mV rms"),
        _one("Current [A], positive on charge", hours, cycle[CURRENT], "", 7),
    ]  # fmt: skip
    if SURFACE in cycle:
        out.append(_pair("Surface temperature [C]", hours, cycle[SURFACE], warmth))
    if fit.temperature:
        left = warmth - cycle[SURFACE]
        out.append(_one("Temperature residual [K]", hours, left, f"{fit.deviation[1]:.2f} K rms"))
    return out


def _pair(name: str, hours: np.ndarray, data: np.ndarray, model: np.ndarray) -> str:
    low, high = (f"{of(data):.4g} (data) and {of(model):.4g} (model)" for of in (np.nanmin, np.nanmax))
    about = f"Lowest {low}, highest {high}."
    series = [Series("data", hours, data, DATA), Series("model", hours, model, MODEL)]
    return draw(Chart(name, "time [h]", series, about, height=HIGH))


def _one(name: str, hours: np.ndarray, values: np.ndarray, note: str, style: int = 0) -> str:
    about = f"Between {np.nanmin(values):.4g} and {np.nanmax(values):.4g}."
    return draw(Chart(name, "time [h]", [Series(name, hours, values, style)], about, note=note, height=HIGH))


def fisher(result: dict[str, Any]) -> list[page.Block]:
    """Condition number, and how alike any two parameters look to the data."""
    f = result["Fisher"]
    a, b, alike = f["most alike"]
    facts = page.Facts(
        [
            ("Condition number", f"{f['condition number']:.3g} (refused above {CONDITION:g})"),
            (
                "Most alike",
                f"{a} and {b}, {alike:.3f} (refused above {ALIKE})" if len(f["names"]) > 1 else "one parameter",
            ),
        ]
    )
    tables = [_matrix("Alike: cosine between the effects of two parameters on the data", f["names"], f["alike"]),
              _matrix("Correlation between the errors of two estimates", f["names"], f["correlation"])]  # fmt: skip
    said = page.Text(
        "Sensitivities are central finite differences of 0.1 % on the physics. From the Fisher matrix, scaled to ones "
        "on its diagonal, what is fitted beside (the start voltage, the heat transfer) is taken out; from the cosines "
        "only the start voltage is."
    )
    return [facts, said, *tables]


def _matrix(caption: str, names: Sequence[str], values: Sequence[Sequence[float]]) -> page.Table:
    rows = [[name, *(f"{v:.3f}" for v in row)] for name, row in zip(names, values, strict=True)]
    return page.Table(caption, ["", *names], rows)


def quality(result: dict[str, Any]) -> list[page.Block]:
    """The report on the data."""
    data, off = result["data"], result["residuals"]
    warm = f"noise {off['temperature noise [K]']:.2f} K" if result["temperature fitted"] else "not fitted"
    facts = [
        ("File", data["file"]),
        ("SHA-256", data["sha256"][:16]),
        ("Rows fitted", str(data["rows fitted"])),
        ("Length", f"{data['hours']:.2f} h"),
        ("Current", data["sign"]),
        ("Voltages left out", str(data["voltages left out"])),
        ("Voltage noise", f"{1e3 * off['voltage noise [V]']:.2f} mV"),
        ("Temperature", warm),
    ]
    found = [page.Text(f["text"], "bad") for f in result["quality"]] or [page.Text("Nothing is wrong with the data.")]
    return [page.Facts(facts), *found]


def use(done: Calibration, result: dict[str, Any]) -> list[page.Block]:
    """How to use the cell, and by what it was made."""
    facts = [("Format", result["format"]), ("Fidelity", result["fidelity"]), ("Fitted by", result["engine"]),
             ("Capacity", f"{result['capacity [A.h]']:.4g} A.h (was {done.cell.capacity:.4g})"),
             *((name, text) for name, text in result["versions"].items())]  # fmt: skip
    lines = [f'gym.make("VoltGym/FastCharge-v0", cell="{result["file"]}")',
             f"voltgym train env=fastcharge agent=greedy env.kwargs.cell={result['file']}"]  # fmt: skip
    said = [page.Text(f"Not BPX: {result['why not BPX']}.")] if result["why not BPX"] else []
    return [page.Commands(lines), page.Facts(facts), *said]
