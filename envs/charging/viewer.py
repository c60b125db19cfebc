"""Pictures of a charge: what was done, what the cell did, and how near it came to each limit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from voltgym.envs.charging.objective import ANODE, TEMPERATURE, TIME_TO_TARGET, VOLTAGE, Limits
from voltgym.envs.charging.protocol_twin import ProtocolTwin
from voltgym.envs.plotting import INK, LIMIT, LINE, Panel, Trace, Viewer, column, draw_panels, margin_text
from voltgym.surrogates.base import State

KELVIN = 273.15


def stacked(trace: Trace) -> dict[str, np.ndarray]:
    """Every measured quantity of a trace as (n,)."""
    return {name: column(trace, name) for name in trace[0]}


class EpisodeViewer(Viewer):
    """Draws a charge over time: C-rate, voltage, temperature, anode potential and SOC, with the limits drawn in."""

    def __init__(self, limits: Limits) -> None:
        super().__init__(self.curves, self.headline)
        self.limits = limits

    def curves(self, trace: Trace) -> list[Panel]:
        """Five panels over minutes, temperatures in C and anode potentials in mV. Marked is what breaks a limit."""
        m = stacked(trace)
        minutes = m["Time [s]"] / 60
        # Ten minutes at a time, so that the axis stands still from one frame of a film to the next.
        time: dict[str, Any] = {"x": minutes, "x_span": (0.0, 10 * max(1.0, float(np.ceil(minutes[-1] / 10 - 1e-9))))}
        volts, celsius, anode = self._levels()
        kept = {name: time | fields for name, fields in self._kept(m).items()}
        return [
            Panel("C-rate", y=m["C-rate"], held=True, span=(0, 2), **time),
            Panel(
                "Voltage [V]",
                y=m["Voltage [V]"],
                extreme=m["Maximum voltage [V]"],
                limit=volts,
                span=(volts - 0.7, volts),
                **kept[VOLTAGE],
            ),
            Panel(
                "Temperature [°C]",
                y=m["Temperature [K]"] - KELVIN,
                extreme=m["Maximum temperature [K]"] - KELVIN,
                limit=celsius,
                span=(celsius - 22, celsius),
                **kept[TEMPERATURE],
            ),
            Panel(
                "Anode potential [mV]",
                y=1e3 * m["Anode potential [V]"],
                extreme=1e3 * m["Minimum anode potential [V]"],
                limit=anode,
                span=(anode - 10, anode + 120),
                ceiling=anode + 160,
                **kept[ANODE],
            ),
            Panel("SOC [%]", y=100 * m["SOC"], goal=100 * self.limits.target_soc, span=(0, 100), **time),
        ]

    def _levels(self) -> tuple[float, float, float]:
        """The limits [V], [C], [mV]."""
        limits = self.limits
        return limits.voltage_limit, limits.temperature_limit - KELVIN, 1e3 * limits.anode_limit

    def _kept(self, measured: Mapping[str, np.ndarray]) -> dict[str, dict[str, Any]]:
        """By limit: where it is broken, by more than the tolerance, (n,) bool, and what was left to it at the worst."""
        return {
            name: {"breach": slack < -self.limits.tolerances[name], "note": f"margin {margin_text(name, slack.min())}"}
            for name, slack in self.limits.slacks(dict(measured)).items()
        }

    def headline(self, trace: Trace) -> str:
        """Time, SOC, and whether the limits were kept."""
        end = trace[-1]
        broken = any(fields["breach"].any() for fields in self._kept(stacked(trace)).values())
        said = "a limit is broken" if broken else "within the limits"
        return f"{end['Time [s]'] / 60:.1f} min    SOC {100 * end['SOC']:.1f} %    {said}"


class ProtocolViewer(Viewer):
    """Draws a protocol that ``twin`` runs: its stages over windows of SOC, and what it leaves to each limit."""

    def __init__(self, limits: Limits, twin: ProtocolTwin) -> None:
        super().__init__(self.stages, self.headline)
        self.limits, self.twin = limits, twin
        names = ("voltage_limit", "temperature_limit", "anode_limit", "target_soc")
        self.charge = Limits(**{name: getattr(limits, name) for name in names})  # without a protocol's time to target
        self.edges = np.where(np.isfinite(twin.edges), twin.edges, limits.target_soc)

    def stages(self, trace: Trace) -> list[Panel]:
        """One panel: the C-rate of every stage over counted SOC; zero before the protocol has run."""
        end = trace[-1]
        rates = np.array([end[f"C-rate of stage {i + 1}"] for i in range(len(self.edges) - 1)], dtype=float)
        soc = 100 * self.edges
        span = (float(soc[0]), float(soc[-1]))
        held = np.concatenate([rates[:1], rates])
        return [Panel("C-rate of the stages", soc, held, x_name="Counted SOC [%]", held=True, span=(0, 2), x_span=span)]

    def margins(self, trace: Trace) -> dict[str, float]:
        """What the protocol leaves to each limit at its worst moment, in the limit's unit."""
        slacks = self.limits.slacks(stacked(trace[-1:]))
        return {name: float(slack[-1]) for name, slack in slacks.items()}

    def headline(self, trace: Trace) -> str:
        """Minutes to the target, where the protocol has run."""
        if len(trace) < 2:
            return "no protocol yet"
        end = trace[-1]
        target = f"{100 * self.limits.target_soc:.0f} %"
        return f"{end[TIME_TO_TARGET]:.1f} min to {target}" if end["Reached"] > 0 else f"{target} not reached"

    def course(self, state: State, rates: np.ndarray) -> list[Panel]:
        """The charge behind a protocol: ``rates`` (1, stages) from ``state`` (of one row) on, as in `EpisodeViewer`.

        With several cells, the one that comes nearest to a limit, or furthest beyond it.
        """
        flat = self.twin.cells(state)
        cells = len(next(iter(flat.values())))
        start = self.twin.twin.measure(flat)
        traces = [[{name: values[i] for name, values in start.items()}] for i in range(cells)]
        for _, _, _, rows, measured in self.twin.pieces(flat, np.repeat(rates, cells, axis=0)):
            for j, i in enumerate(rows):
                traces[i].append({name: values[j] for name, values in measured.items()})
        return EpisodeViewer(self.charge).curves(min(traces, key=self._nearest))

    def _nearest(self, trace: Trace) -> float:
        """The smallest slack of a charge, in units of the objective's scales."""
        slacks = self.charge.slacks(stacked(trace))
        return min(float(slack.min()) / self.charge.scales[name] for name, slack in slacks.items())

    def __call__(self, trace: Trace) -> np.ndarray:
        """The protocol as (h, w, 3) uint8: the staircase, and below it a bar for the margin to each limit."""
        staircase = draw_panels(self.stages(trace), self.headline(trace), height=2.65)
        return np.concatenate([staircase, _bars(self.margins(trace), self.limits)])


def _bars(margins: Mapping[str, float], limits: Limits) -> np.ndarray:
    """A bar for each margin, (h, w, 3) uint8: as long as it is in units of the objective's scale."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    longest = 5.0
    names, rows = list(margins), list(range(len(margins)))
    lengths = np.array([np.clip(margins[n] / limits.scales[n], -longest, longest) for n in names])
    kept = [margins[n] >= -limits.tolerances[n] for n in names]
    figure = Figure(figsize=(6.4, 1.7), dpi=100, facecolor="white")
    canvas = FigureCanvasAgg(figure)
    axis = figure.add_axes((0.235, 0.1, 0.74, 0.68))
    axis.barh(rows, lengths, color=[LINE if fine else LIMIT for fine in kept], height=0.55)
    axis.axvline(0, color=LIMIT, linewidth=1.2, linestyle=(0, (5, 3)))
    for row, name, length in zip(rows, names, lengths, strict=True):
        side = 1 if length >= 0 else -1
        text = margin_text(name, margins[name])
        axis.text(length + 0.12 * side, row, text, va="center", ha="left" if side > 0 else "right", fontsize=8.5)
    axis.set_yticks(rows, [n.split(" [")[0] for n in names], fontsize=8.5, color=INK)
    axis.set_xlim(-longest - 2, longest + 2)
    axis.set_xticks([])
    axis.invert_yaxis()
    axis.spines[:].set_visible(False)
    axis.tick_params(length=0)
    axis.set_title("Margin to each limit at the worst moment (left of the line: broken)", fontsize=8.5, color=INK)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
