"""A cathode on the highest tier of the twin: several placements of the metals, each relaxed to the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from voltgym.envs.cathode.composition import Design, parse
from voltgym.envs.cathode.metals import PARTS
from voltgym.envs.cathode.objective import PEAK, RETENTION
from voltgym.envs.cathode.physics import TIERS, Curve, Relaxations, levels, properties
from voltgym.envs.cathode.table import rows as shipped_rows
from voltgym.envs.cathode.table import shipped
from voltgym.envs.contracts import Objective
from voltgym.experiments.gate_designs import Draw, Window
from voltgym.experiments.gate_parts import Check, Row
from voltgym.surrogates.cathode_features import capacity, numbers
from voltgym.surrogates.cathode_names import ENERGY, VOLTAGE, VOLUME


class Starts:
    """Tier F3 of the twin: up to five amounts of lithium from each of three placements of the metals.

    Args:
        voltage: [V], one standard deviation of what the twin's average voltage is off.
        peak: [C], of the relation that heat follows.
        retention: [%], of the one that life follows.
        most_spread: [V] of the average voltage over the starts, as a standard deviation.
        seconds: after which a relaxation is given up.
    """

    tier = "F3"

    def __init__(
        self, voltage: float, peak: float, retention: float, most_spread: float, seconds: float = 900.0
    ) -> None:
        self.voltage, self.peak, self.retention = voltage, peak, retention
        self.most_spread, self.seconds = most_spread, seconds
        self.level = f"the twin's tier {self.tier} ({len(TIERS[self.tier].starts)} starts)"

    @cached_property
    def _source(self) -> Relaxations:
        source = Relaxations(seconds=self.seconds)
        source.known = shipped_rows(source.method)
        return source

    @cached_property
    def _failures(self) -> Mapping[tuple[str, int, int], str]:
        """Shipped relaxations that did not converge, by formula, lithium and start: they need not be tried again."""
        import pyarrow.parquet as pq

        table = pq.read_table(shipped()).to_pylist() if shipped().exists() else []
        bad = [row for row in table if not row["converged"] and row["method"] == self._source.method]
        return {(row["formula"], row["lithium"], row["start"]): row["reason"] for row in bad}

    # -- computing -------------------------------------------------------------------------------------------------

    def variants(self, design: str) -> list[list[str]]:
        """A relaxation each; half a minute to some where it is not kept."""
        composition = parse(design).composition
        return [
            [f"start {start}, {lithium} of {PARTS} Li"]
            for start in TIERS[self.tier].starts
            for lithium in levels(TIERS[self.tier], composition)
        ]

    def compute(self, design: str, variant: str) -> Row:
        """Energy and volume of a relaxed cell; none where it did not converge."""
        composition = parse(design).composition
        start, lithium, *_ = (int(word) for word in variant.replace(",", "").split() if word.isdigit())
        about: Row = {"label": variant, "start": start, "lithium": lithium, "needed": True}
        known = self._failures.get((composition.formula, lithium, start))
        if known:
            return {**about, "values": None, "reason": known}
        found = self._source.get(composition, lithium, start, TIERS[self.tier].force)
        values = {name: float(found[name]) for name in ("energy", "volume", "force", "steps")}
        return {**about, "values": values if found["converged"] else None, "reason": str(found["reason"])}

    def _each(self, design: str, rows: Sequence[Row]) -> dict[int, dict[str, float]]:
        """By start: voltage, energy, volume change."""
        out = {}
        for start, curve in self._curves(rows).items():
            out[start] = properties(parse(design), curve, self._source.lithium())
        return out

    def _curves(self, rows: Sequence[Row]) -> dict[int, Curve]:
        out = {}
        for start in sorted({row["start"] for row in rows}):
            own = [row for row in rows if row["start"] == start]
            if all(row["values"] is not None for row in own):
                lithium = tuple(row["lithium"] for row in own)
                energy, volume = (tuple(row["values"][name] for row in own) for name in ("energy", "volume"))
                out[start] = Curve(lithium, energy, volume)
        return out

    # -- judging ---------------------------------------------------------------------------------------------------

    def draws(
        self, design: str, rows: Sequence[Row], spread: Mapping[str, float], rng: np.random.Generator, count: int
    ) -> list[Draw]:
        """The starts in turn, each as far from their mean as it is, and what the twin itself may be off."""
        found, per_volt = self._each(design, rows), float(capacity(numbers([design])[0])[0])
        names = (VOLTAGE, ENERGY, VOLUME)
        mean = {name: float(np.mean([one[name] for one in found.values()])) for name in names}
        starts = list(found)
        out = []
        for i in range(count):
            start = starts[i % len(starts)]
            volts, peak, life = rng.standard_normal(3) * (self.voltage, self.peak, self.retention)
            changes = {name: found[start][name] - mean[name] for name in names}
            changes[VOLTAGE] += float(volts)
            changes[ENERGY] += float(volts) * per_volt
            out.append(Draw(f"start {start}, draw {i + 1}", {**changes, PEAK: float(peak), RETENTION: float(life)}))
        return out

    def windows(self, objective: Objective) -> list[Window]:
        """The zero points of the desirabilities."""
        known: Any = objective
        return [Window(name, zero, 1.0 if full > zero else -1.0) for name, (zero, full) in known.terms.items()]

    def checks(self, design: str, rows: Sequence[Row]) -> list[Check]:
        """Whether the starts agree."""
        found = self._each(design, rows)
        if len(found) < 2:
            return []
        volts = [one[VOLTAGE] for one in found.values()]
        apart, most = float(np.std(volts, ddof=1)), self.most_spread
        said = f"over the starts the average voltage has a standard deviation of {apart:.3f} V, {most:g} V allowed"
        return [Check("Starts", apart <= most, said, "", most - apart, "V", most, "validity")]

    def chart(self, design: str, rows: Sequence[Row]) -> list[str]:
        """The composition, and the voltage over the lithium that is out, by start."""
        from voltgym.envs.cathode.pictures import bar_svg
        from voltgym.experiments.svg import Chart, Series, draw

        series, metal = [], self._source.lithium() if self._curves(rows) else 0.0
        for start, curve in self._curves(rows).items():
            steps = [(10 * (PARTS - a), 10 * (PARTS - b), volts) for a, b, volts in curve.windows(metal)]
            x = np.array([end for a, b, _ in steps for end in (a, b)], dtype=float)
            y = np.array([volts for _, _, volts in steps for _ in (0, 1)], dtype=float)
            series.append(Series(f"start {start}", x, y, start))
        bar = f'<div class="bar">{bar_svg(_key(parse(design)))}</div>'
        if not series:
            return [bar]
        about = f"Between {min(s.y.min() for s in series):.2f} and {max(s.y.max() for s in series):.2f} V."
        title = "Voltage between amounts of lithium [V]"
        return [bar, draw(Chart(title, "lithium taken out [%]", series, about, height=150))]


def _key(design: Design) -> str:
    return design.key
