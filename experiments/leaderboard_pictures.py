"""What an entry did, as pictures, from its records alone: nothing is run again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from voltgym.envs.errors import VoltGymError
from voltgym.experiments.leaderboard_designs import Picture, compositions, middle_run, molecules
from voltgym.experiments.pictures import named, told
from voltgym.experiments.records import Record
from voltgym.experiments.standing import Standing
from voltgym.experiments.svg import Chart, Series, draw
from voltgym.experiments.tracks import Track

STEP = 0.5
"""Minutes that FastCharge holds a C-rate."""
MOST_C_RATE = 3.0
"""What FastCharge takes unless its arguments say otherwise."""
FIRST_SOC, TARGET_SOC = 0.1, 0.8
"""Between which the windows of a protocol are equally wide."""


def pictures(s: Standing, track: Track) -> list[Picture]:
    """What an entry did, drawn; nothing for environments that have no picture, or records that cannot be drawn."""
    name = track.env_id.rpartition(":")[2].rpartition("/")[2].partition("-v")[0]
    try:
        return [p for p in (draw_(s, track) for draw_ in KINDS.get(name, ())) if p.charts]
    except (VoltGymError, ValueError, TypeError, IndexError):  # a record of somebody's own; the rest of the page stands
        return []


def charges(s: Standing, track: Track) -> Picture:
    """The C-rate of a few episodes of one run."""
    run = middle_run(s)
    chosen = _episodes(run.records, track)
    played = [(title, record, _rates(record, track)) for title, record in chosen if len(record["actions"])]
    longest = max((STEP * len(rates) for _, _, rates in played), default=1.0)
    highest = max((float(rates.max()) for _, _, rates in played), default=1.0)
    charts = [_charge(*one, track, (longest, max(highest, 1.0))) for one in played]
    who = "its one run" if len(s.runs) == 1 else f"the run nearest to the entry's score (seed {run.seed})"
    return Picture("C-rate as played", charts, f"What the agent asked for every 30 s, in episodes of {who}.")


def _episodes(records: Sequence[Record], track: Track) -> list[tuple[str, Record]]:
    name = track.score.value
    good = [r for r in records if r["feasible"] and r["values"].get(name) is not None]
    good.sort(key=lambda r: -track.score.sign * r["values"][name])
    bad = next((r for r in records if r["feasible"] is False), None)
    chosen = [("First", records[0])] if records else []
    chosen += [("Best", good[0]), ("Worst feasible", good[-1])] if good else []
    chosen += [("Not feasible", bad)] if bad else []
    once: dict[int, tuple[str, Record]] = {}
    for title, record in chosen:
        once.setdefault(record["episode"], (title, record))
    return list(once.values())


def _rates(record: Record, track: Track) -> np.ndarray:
    """(steps,) C-rates, within what the environment takes."""
    asked = np.array([np.ravel(action)[0] for action in record["actions"]], dtype=float)
    return np.clip(asked, 0.0, float(track.env_kwargs.get("max_c_rate", MOST_C_RATE)))


def _charge(title: str, record: Record, rates: np.ndarray, track: Track, ends: tuple[float, float]) -> str:
    x = STEP * np.repeat(np.arange(len(rates) + 1), 2)[1:-1]
    value = record["values"].get(track.score.value)
    said = named(track.score.value, float("nan") if value is None else float(value))
    name = f"{title}: episode {record['episode']}"
    about = f"{said}. {told(record, 2)}."
    series = Series(name, x, np.repeat(rates, 2), 0 if record["feasible"] else 1)
    return draw(Chart(name, "Time [min]", [series], about, (0, ends[0]), (0, ends[1]), note=said, height=70))


def protocols(s: Standing, track: Track) -> Picture:
    """The protocol of every run, the middle one in colour."""
    middle = middle_run(s)
    series = []
    for run in sorted((r for r in s.runs if r.records), key=lambda r: r is middle):
        rates = np.ravel(np.array(list(run.records[0]["actions"])[:1], dtype=float))
        if rates.size:
            edges = 100 * np.linspace(FIRST_SOC, track.env_kwargs.get("target_soc", TARGET_SOC), len(rates) + 1)
            label, x = f"seed {run.seed}", np.repeat(edges, 2)[1:-1]
            series.append(Series(label, x, np.repeat(rates, 2), 0 if run is middle else 7))
    if not series:
        return Picture("", [], "")
    about = f"C-rates of the run nearest to the entry's score: {', '.join(f'{y:.2f}' for y in series[-1].y[::2])}"
    chart = Chart(
        "C-rate of the stages",
        "Counted SOC [%]",
        series,
        about,
        y_span=(0, max(1.0, float(max(s.y.max() for s in series)))),
        height=130,
    )
    return Picture("Protocols", [draw(chart)], "One line a run; coloured is the one nearest to the entry's score.")


KINDS: Mapping[str, Sequence[Callable[[Standing, Track], Picture]]] = {
    "FastCharge": (charges,),
    "ProtocolDesign": (protocols,),
    "Solvent": (molecules,),
    "SolventRediscovery": (molecules,),
    "Cathode": (compositions,),
}
"""What is drawn, by environment."""
