"""Which episodes a report shows, and what their actions did: the physics again, from the records."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from voltgym.envs.contracts import Objective
from voltgym.envs.errors import VoltGymError
from voltgym.envs.plotting import Panel, Trace, column, margin_text
from voltgym.experiments.evaluate import replay
from voltgym.experiments.making import make_core, make_env
from voltgym.experiments.records import Record

Group = tuple[str, str, str]
"""Environment id, split, and the environment's other arguments as JSON: what one table or chart is of."""


@dataclass(frozen=True)
class Picture:
    """An episode of interest: why, the record, its panels, and what is wrong with them or why there are none."""

    title: str
    record: Record
    panels: Sequence[Panel]
    problem: str = ""


def grouped(records: Sequence[Record]) -> dict[Group, list[Record]]:
    """Records by what they are of, in the order of their first."""
    groups: dict[Group, list[Record]] = {}
    for record in records:
        key = record["env_id"], record["split"], json.dumps(record["env_kwargs"], sort_keys=True)
        groups.setdefault(key, []).append(record)
    return groups


def first_value(record: Record) -> tuple[str, float]:
    """The result that episodes are ranked by, NaN where there is none."""
    name = next(iter(record["values"]), "Return")
    value = record["values"].get(name, record["return"])
    return name, math.nan if value is None else float(value)


def objective_of(record: Record) -> Objective | None:
    """The objective that the episode was judged by; None for a plain Gymnasium environment or if it cannot be made."""
    try:
        core = make_core(record["env_id"], 1, record["env_kwargs"], split=record["split"])
    except VoltGymError:
        return None
    return None if core is None else core.objective


def tightest(record: Record, objective: Objective) -> tuple[str, float]:
    """The limit that the episode came nearest to, and its slack in units of the objective's scale."""
    slacks = {n: record["worst_slacks"][n] for n in objective.scales if record["worst_slacks"].get(n) is not None}
    if not slacks:
        return "", math.inf
    name = min(slacks, key=lambda n: slacks[n] / objective.scales[n])
    return name, slacks[name] / objective.scales[name]


def choose(records: Sequence[Record], objective: Objective) -> list[tuple[str, Record]]:
    """The first episode, the best and the worst by value, and the one with the smallest margin; each once."""
    name, direction = next(iter(objective.directions.items()))
    sign = 1 if direction == "min" else -1
    best, worst = ("fastest", "slowest") if "[min]" in name and sign > 0 else ("best", "worst")
    valued = [r for r in records if math.isfinite(first_value(r)[1])]
    chosen = [("nominal" if records[0]["split"] == "nominal" else "first episode", records[0])]
    if valued:
        good = [r for r in valued if r["feasible"]] or valued
        chosen.append((f"{best} feasible" if good[0]["feasible"] else best, min(good, key=_by(sign))))
        chosen.append((worst, max(valued, key=_by(sign))))
    chosen.append(("smallest margin", min(records, key=lambda r: tightest(r, objective)[1])))
    titles: dict[int, list[str]] = {}
    for title, record in chosen:
        titles.setdefault(record["episode"], []).append(title)
    by_episode = {record["episode"]: record for _, record in chosen}
    if len(records) == 1:
        return [(chosen[0][0].capitalize(), records[0])]
    return [(" · ".join(said).capitalize(), by_episode[episode]) for episode, said in titles.items()]


def _by(sign: int) -> Any:
    return lambda record: sign * first_value(record)[1]


def picture(title: str, record: Record) -> Picture:
    """What the record's actions do, as panels. A record that cannot be replayed or drawn says why instead."""
    try:
        return Picture(title, record, *panels_of(record))
    except VoltGymError as error:
        return Picture(title, record, [], str(error))
    except Exception as error:  # an environment and a viewer of somebody's own: the rest of the report stands
        return Picture(title, record, [], f"{type(error).__name__}: {error}")


def panels_of(record: Record) -> tuple[list[Panel], str]:
    """The panels of the environment's viewer, or the margin to each limit where the viewer has none; and a warning.

    A viewer may have ``course(state, action) -> panels``: what happened within a step, where one step is everything.
    """
    env = make_env(record["env_id"], record["env_kwargs"], split=record["split"])
    viewer: Any = getattr(env.unwrapped, "viewer", None)
    outcome, trace = replay(record)
    core = make_core(record["env_id"], 1, record["env_kwargs"], split=record["split"])
    assert core is not None, "what was replayed has a core"
    warning = differs(record, outcome, core.objective)
    if not hasattr(viewer, "panels"):
        return margin_panels(core.objective, trace), warning
    panels = list(viewer.panels(trace))
    if hasattr(viewer, "course") and record["actions"]:
        core.reset(np.array([0]), [None], [record["episode"]])
        action = np.asarray(record["actions"][:1], dtype=core.task.action_space.dtype)
        panels += viewer.course(core.state, core.task.decode(action))
    return panels, warning


def differs(record: Record, again: Mapping[str, Any], objective: Objective) -> str:
    """A warning where the replay's margins are further from the record's than a limit's tolerance; else nothing."""
    found = []
    for name, tolerance in objective.tolerances.items():
        then, now = record["worst_slacks"].get(name), again["worst_slacks"].get(name)
        if then is not None and now is not None and abs(now - then) > tolerance:
            found.append(f"{name.split(' [')[0]} {margin_text(name, now)} now, {margin_text(name, then)} recorded")
    if not found:
        return ""
    return f"These curves are not those of the record ({'; '.join(found)}): the software has changed, evaluate again."


def margin_panels(objective: Objective, trace: Trace) -> list[Panel]:
    """A panel a limit: what was left to it in every step."""
    measured = {name: column(trace, name) for name in trace[0] if np.ndim(trace[0][name]) == 0}
    timed = "Time [s]" in measured
    x = measured["Time [s]"] / 60 if timed else np.arange(len(trace), dtype=float)
    out = []
    for name, slack in objective.slacks(measured).items():
        broken = slack < -objective.tolerances.get(name, 0.0)
        note = f"margin {margin_text(name, float(slack.min()))}"
        x_name = "Time [min]" if timed else "Step"
        out.append(Panel(f"Left to the limit: {name}", x, slack, x_name, limit=0.0, breach=broken, note=note))
    return out


def value_text(record: Record) -> str:
    """The first result of an episode with its name, such as ``Time to target 31.20 min``."""
    name, value = first_value(record)
    return named(name, value)


def named(name: str, value: float) -> str:
    """A result with its name before it and its unit behind it."""
    bare, _, unit = name.partition(" [")
    return f"{bare} {value:.2f} {unit.rstrip(']')}".rstrip() if math.isfinite(value) else f"{bare}: not reached"


BOOKKEEPING = ("Redraws",)
"""What a scenario holds that is no part of what an agent meets."""


def told(record: Record, most: int | None = None) -> str:
    """The scenario of an episode in a few words: its first ``most`` numbers, as short as they can be."""
    said = []
    for name, value in record["scenario"].items():
        numbers = np.ravel(np.asarray(value if isinstance(value, list) else [value]))
        if name not in BOOKKEEPING and numbers.size and numbers.dtype.kind in "iuf":
            said.append(_scenario_text(name, float(numbers.min()), float(numbers.max())))
    return ", ".join(said[:most])


def _scenario_text(name: str, low: float, high: float) -> str:
    kelvin, counted = name.endswith(" [K]"), "SOC" in name
    name = name.removesuffix(" [K]")
    ends = [e - 273.15 if kelvin else 100 * e if counted else e for e in (low, high)]
    texts = [f"{e:.1f}" if kelvin or counted else f"{e:.4g}" for e in ends]
    unit = " °C" if kelvin else " %" if counted else ""
    return f"{name} {' to '.join(dict.fromkeys(texts))}{unit}"
