"""Charts of what estimators of states say: SOC over a drive and a charge, fades with the life that was predicted."""

from __future__ import annotations

from typing import Any

import numpy as np

from voltgym.experiments import page
from voltgym.experiments.cycling_table import END, NOMINAL, Rows, Set, lives, read, rul_rows, soh_rows
from voltgym.experiments.svg import Chart, Series, draw
from voltgym.surrogates.calibration import Z90
from voltgym.surrogates.rul_features import LAST
from voltgym.surrogates.state_sensors import Sensors

TRUE, LEARNED, FILTER, COUNTED = 6, 0, 1, 7
"""Styles of curves."""
HIGH = 130.0
SEED = 3


def sections() -> list[page.Section]:
    """SOC, SOH and RUL."""
    found = read(None)
    return [
        page.Section("State of charge", [soc_figure()]),
        page.Section("State of health", [soh_figure(found)]),
        page.Section("Remaining useful life", [rul_figure(found)]),
    ]


def profile() -> tuple[dict[str, np.ndarray], np.ndarray]:
    """(1, L) true samples of a drive, a rest and a charge of a cell that nobody learned from, and what sensors say."""
    from voltgym.envs.charging.twins import make_twin
    from voltgym.experiments.data_profiles import KINDS, played
    from voltgym.surrogates.state_sensors import histories

    twin, rng = make_twin(fidelity="SPMe"), np.random.default_rng(SEED)
    rates = np.clip(KINDS["day"](rng, 130, 3.0, 2.0), -1.5, 1.0)[None]
    cell = {"Ambient temperature [K]": 288.15, "Initial SOC": 0.75, "Negative exchange-current factor": 0.85}
    cell |= {"Negative diffusivity factor": 0.9, "Capacity factor": 0.96, "Contact resistance [Ohm]": 0.004}
    true = played(twin, {name: np.array([value]) for name, value in cell.items()}, rates, {})
    names = ("Voltage [V]", "Temperature [K]", "C-rate", "SOC")
    volts, kelvin, rate, soc = (true[name] for name in names)
    measured = histories(volts, kelvin, rate, soc - 0.08, twin.cell.nominal_capacity, Sensors(start=0.0), rng)
    return true, measured  # counted from a start that is 8 % too low


def soc_figure() -> page.Figures:
    """A drive and a charge: SOC, its errors, the measured voltage."""
    from voltgym.experiments.fit_soc import follow
    from voltgym.surrogates.soc import load_shipped
    from voltgym.surrogates.soc_baselines import Kalman, counting

    model, (true, measured) = load_shipped(), profile()
    mean, std, _ = follow(model, measured)
    others = {"Kalman filter": (Kalman.of_card(model.card).follow(measured).soc, FILTER)}
    others["coulomb counting"] = counting(measured, 0.1).soc, COUNTED
    minutes, soc = np.arange(measured.shape[1]) / 2, true["SOC"][0]
    band = mean[0] - Z90 * std[0], mean[0] + Z90 * std[0]
    curves = [Series("estimated, 90 % band", minutes, mean[0], LEARNED, between=band)]
    curves += [Series(name, minutes, values[0], style) for name, (values, style) in others.items()]
    curves.append(Series("true", minutes, soc, TRUE))
    off = [Series("estimated", minutes, 100 * (mean[0] - soc), LEARNED,
                  between=(100 * (band[0] - soc), 100 * (band[1] - soc)))]  # fmt: skip
    off += [Series(name, minutes, 100 * (values[0] - soc), style) for name, (values, style) in others.items()]
    said = f"Largest error after ten minutes: {100 * np.nanmax(np.abs(mean[0] - soc)[20:]):.2f} % estimated."
    charts = [
        draw(Chart("SOC", "time [min]", curves, said, y_span=(0.0, 1.0), height=HIGH)),
        draw(Chart("Error [% SOC]", "time [min]", off, said, y_span=(-10.0, 4.0), height=HIGH)),
        draw(Chart("Voltage [V]", "time [min]", [Series("measured", minutes, measured[0, :, 0], TRUE)], height=HIGH)),
    ]
    caption = (
        "A drive, a rest and a charge of a simulated cell at 15 C, with less capacity, slower kinetics and more "
        "resistance than the nominal one. Counting begins 8 % too low. Sensors are noisy."
    )
    legend = [page.key("true", TRUE), page.key("estimated, 90 % band", LEARNED), page.key("Kalman filter", FILTER)]
    return page.Figures(charts, caption, [*legend, page.key("coulomb counting", COUNTED)])


def _chosen(rows: Rows) -> list[int]:
    """Rows of three new cells: short, middling and long lives."""
    new = np.flatnonzero(rows.part == "new cells")
    order = new[np.argsort(rows.y[new])]
    return [int(order[int(share * (len(order) - 1))]) for share in (0.15, 0.5, 0.85)]


def rul_figure(found: Set) -> page.Figures:
    """Fades of three cells with the life that was predicted."""
    from voltgym.surrogates.rul import load_shipped

    rows, life = rul_rows(found, Sensors(), np.random.default_rng(SEED)), lives(found)
    said = load_shipped().predict(rows.x)
    charts = [_fade(found, rows, said, life, i) for i in _chosen(rows)]
    caption = (
        f"Three cells that nobody learned from. The first {LAST} cycles are all that the estimator and the line have "
        "seen. Life ends at 80 %; the bar there is the 90 % interval of what was predicted."
    )
    legend = [page.key("capacity", TRUE), page.key("predicted end of life", LEARNED), page.key("line", FILTER)]
    return page.Figures(charts, caption, [*legend, page.GOAL._replace(label="end of life, 80 %")])


def _fade(found: Set, rows: Rows, said: Any, life: np.ndarray, i: int) -> str:
    here = found.checks["cell"] == rows.cell[i]
    cycle, soh = found.checks["cycle"][here].astype(float), found.checks["Capacity [A.h]"][here] / NOMINAL
    end, half = LAST + said.mean[i, 0], Z90 * said.std[i, 0]
    at = float(soh[cycle == LAST][0])
    bar = np.array([max(end - half, LAST), end + half])
    line = min(float(rows.baseline[i]), 2000.0)
    curves = [
        Series("capacity", cycle, soh, TRUE),
        Series("line through the first cycles", np.array([LAST, LAST + line]), np.array([at, END]), FILTER),
        Series("90 % interval", bar, np.array([END, END]), LEARNED),
        Series("predicted end of life", np.array([end]), np.array([END]), LEARNED),
    ]
    true = float(life[found.cells["cell"] == rows.cell[i]][0])
    about = f"Predicted {end:.0f} cycles, within {bar[0]:.0f} to {bar[1]:.0f}; it lived {true:.0f}."
    span = (0.0, max(true, bar[1], LAST + line) * 1.05)
    note = f"{end:.0f} predicted, {true:.0f} true"
    return draw(Chart("SOH", "cycle", curves, about, span, (0.74, 1.06), goal=END, note=note, height=HIGH))


def soh_figure(found: Set) -> page.Figures:
    """SOH of the same cells, charge by charge."""
    from voltgym.surrogates.soh import load_shipped

    rows = soh_rows(found, Sensors(), np.random.default_rng(SEED))
    ends, said = rul_rows(found, Sensors(), np.random.default_rng(SEED)), load_shipped().predict(rows.x)
    charts = []
    for i in _chosen(ends):
        here = rows.cell == ends.cell[i]
        at, mean, half = rows.cycle[here].astype(float), said.mean[here, 0], Z90 * said.std[here, 0]
        curves = [
            Series("estimated, 90 % band", at, mean, LEARNED, between=(mean - half, mean + half)),
            Series("true", at, rows.y[here], TRUE),
        ]
        worst = 100 * np.abs(mean - rows.y[here]).max()
        span = (0.0, 1.06 * float(at[-1]))
        charts.append(
            draw(Chart("SOH", "cycle", curves, x_span=span, note=f"largest error {worst:.1f} %", height=HIGH))
        )
    caption = "The same three cells: SOH from ordinary charges, each by itself, beside that of the check-up before it."
    return page.Figures(charts, caption, [page.key("true", TRUE), page.key("estimated, 90 % band", LEARNED)])
