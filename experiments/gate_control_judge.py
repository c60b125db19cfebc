"""What the rows of a control gate say: checks, expected value, and how far what was trained on was off."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from voltgym.envs.contracts import Objective
from voltgym.envs.episodes import COMPLETED
from voltgym.envs.plotting import margin_text
from voltgym.experiments.gate_parts import Check, Judgement, Row, Share, Value, expected, kept_promise, unit_of, wilson
from voltgym.experiments.gate_subject import Subject

if TYPE_CHECKING:
    from voltgym.experiments.gate_control import ControlGate

BEYOND = "beyond"
DRAWN_MEAN = "mean over the drawn scenarios that reach the goal; bootstrap over scenarios"


def judge(
    gate: ControlGate, subject: Subject, rows: Sequence[Row], objective: Objective, made_by: Mapping[str, Any]
) -> Judgement:
    """The verdict's parts, from the rows of the declared use; those beyond it are told beside it."""
    use = gate.use_of(subject)
    own = [row for row in rows if not row["case"].startswith(BEYOND)]
    tolerances = {**objective.tolerances, **gate.tolerances}
    name = gate.value.get("name") or next(iter(objective.directions))
    direction = gate.value.get("direction") or objective.directions[name]
    drawn = [row for row in own if row["drawn"]]
    value = expected(name, direction, _values(drawn, "found", name), DRAWN_MEAN)
    share = wilson(sum(row["found"]["feasible"] for row in drawn), len(drawn))
    checks = [
        *_observable(gate, subject),
        *_solved(gate, own),
        *[_limit(limit, tolerances.get(limit, 0.0), gate, own) for limit in _limits(objective, own)],
        _reached(own),
        _feasible(gate, own),
        *_useful(gate, use, value),
        *_promised(gate, own, name, direction),
    ]
    about = gate.uses[use]["about"]
    scenarios = [_told(row, name) for row in rows]
    gap = gap_of(gate, subject, own, name)
    notes = _notes(gate, use, rows, tolerances, share)
    return Judgement(gate.level, use, about, checks, share, value, gap, scenarios, notes, made_by)


def _limits(objective: Objective, rows: Sequence[Row]) -> list[str]:
    there = rows[0]["found"]["worst_slacks"] if rows else {}
    return [name for name in objective.scales if name in there]


def _values(rows: Sequence[Row], level: str, name: str) -> list[float]:
    found = [row[level]["values"].get(name) for row in rows if row[level]["goal_reached"]]
    return [math.nan if value is None else float(value) for value in found]


def _observable(gate: ControlGate, subject: Subject) -> list[Check]:
    policy = subject.policy
    sees = getattr(policy, "information", "bms")
    fine = sees in gate.information
    allowed = ", ".join(gate.information)
    said = f"it acts on what can be measured where it is deployed (class {sees!r})"
    if not fine:
        said = f"it needs what no battery-management system measures (class {sees!r}, allowed: {allowed})"
    return [Check("Information", fine, said, threshold=allowed, kind="validity")]


def _solved(gate: ControlGate, rows: Sequence[Row]) -> list[Check]:
    """A scenario that the physics could not solve is not validated, which is no pass."""
    bad = [row for row in rows if row["found"]["failure"] not in ("NONE", "LIMIT")]
    if not bad:
        return [Check("Solved", True, f"{gate.level} ran through in all {len(rows)} scenarios", kind="validity")]
    how = f"{gate.level} ended with {bad[0]['found']['failure']}"
    said = f"{how} in {len(bad)} of {len(rows)} scenarios: not validated there"
    return [Check("Solved", False, said, bad[0]["label"], threshold=0, kind="validity")]


def _limit(name: str, tolerance: float, gate: ControlGate, rows: Sequence[Row]) -> Check:
    slack = [_number(row["found"]["worst_slacks"].get(name)) for row in rows]
    worst = int(np.argmin([x if math.isfinite(x) else -math.inf for x in slack]))
    broken = sum(not x >= -tolerance for x in slack)
    where, margin = rows[worst]["label"], slack[worst]
    plain, left = name.split(" [")[0], margin_text(name, margin) if math.isfinite(margin) else "unknown"
    said = f"{plain}: {left} left at the worst, {where}"
    if broken:
        allowed = margin_text(name, tolerance).lstrip("+")
        said = f"{plain}: broken in {broken} of {len(rows)} scenarios, {left} at {where} ({allowed} allowed)"
    return Check(name, not broken, said, where, margin, unit_of(name), -tolerance)


def _reached(rows: Sequence[Row]) -> Check:
    missing = [row for row in rows if not row["found"]["goal_reached"]]
    if not missing:
        return Check("Goal", True, f"the goal is reached in all {len(rows)} scenarios")
    said = f"the goal is not reached in {len(missing)} of {len(rows)} scenarios, as at {missing[0]['label']}"
    return Check("Goal", False, said, missing[0]["label"], threshold=0)


def _feasible(gate: ControlGate, rows: Sequence[Row]) -> Check:
    good = sum(row["found"]["feasible"] for row in rows)
    share = good / len(rows) if rows else 0.0
    bad = next((row["label"] for row in rows if not row["found"]["feasible"]), "")
    said = f"{good} of {len(rows)} scenarios are feasible, {100 * gate.least_share:.0f} % asked for"
    return Check("Feasible", share >= gate.least_share, said, bad, share - gate.least_share, "", gate.least_share)


def _useful(gate: ControlGate, use: str, value: Value) -> list[Check]:
    least = gate.slowest.get(use)
    if least is None:
        return []
    if not math.isfinite(value.mean):
        return [Check("Expected value", False, "no drawn scenario reaches the goal: there is no value", kind="value")]
    slowest = 60 * float(gate.value["charge"]) / least
    fine = value.mean <= slowest
    said = f"{value.mean:.1f} min expected, at most {slowest:.0f} are worth a controller"
    return [
        Check("Expected value", fine, said, margin=slowest - value.mean, unit="min", threshold=slowest, kind="value")
    ]


def _promised(gate: ControlGate, rows: Sequence[Row], name: str, direction: str) -> list[Check]:
    """Over the scenarios that both levels finish, so that like is compared with like."""
    if gate.trained is None:
        return []
    both = [row for row in rows if row["found"]["goal_reached"] and row["promised"]["goal_reached"]]
    if not both:
        return []
    said, found = (float(np.mean(_values(both, level, name))) for level in ("promised", "found"))
    fine, share = kept_promise(said, found, direction, gate.least_promise)
    text = f"{100 * share:.0f} % of the value that it was trained for is kept ({said:.2f} promised, {found:.2f} found)"
    return [
        Check("Promise", fine, text, margin=share - gate.least_promise, threshold=gate.least_promise, kind="promise")
    ]


def gap_of(gate: ControlGate, subject: Subject, rows: Sequence[Row], name: str) -> dict[str, Any]:
    """What the level that was trained on says, less what was found; a positive margin's gap is optimism.

    Margins are compared where both ran to the end: one that broke off early has not met its worst moment.
    """
    if gate.trained is None:
        return {"of": None, "text": "there is one level only, so nothing was predicted by another"}
    level = str(subject.env_kwargs.get(gate.trained, "SPMe"))
    if level == gate.change.get(gate.trained):
        return {"of": level, "text": f"it was made on {level} itself: there is no surrogate between"}
    whole = [row for row in rows if {row["found"]["failure"], row["promised"]["failure"]} == {"NONE"}]
    out: dict[str, Any] = {"of": level, "against": gate.level, "scenarios": len(whole), "limits": {}}
    for limit in whole[0]["found"]["worst_slacks"] if whole else ():
        if limit not in (COMPLETED, name):  # the value's own limit is told by the value
            out["limits"][limit] = _differences(whole, limit)
    both = [row for row in rows if row["found"]["goal_reached"] and row["promised"]["goal_reached"]]
    off = np.array(_values(both, "promised", name)) - np.array(_values(both, "found", name))
    out["value"] = {"name": name, "mean": float(off.mean()) if off.size else None}
    shares = [float(np.mean([row[where]["feasible"] for row in rows])) for where in ("promised", "found")]
    out["feasible"] = {"promised": shares[0], "found": shares[1]}
    worst = max(out["limits"].items(), key=lambda item: _scaled(item), default=None)
    out["text"] = f"nothing that {level} said can be compared"
    if worst is not None and worst[1]["most"] is not None:
        most, what = margin_text(worst[0], worst[1]["most"]).lstrip("+"), worst[0].split(" [")[0].lower()
        out["text"] = f"{level} was too optimistic by at most {most}, of the margin to the {what}"
        if worst[1]["most"] <= 0:
            out["text"] = f"{level} was nowhere too optimistic of a margin"
    return out


def _scaled(item: tuple[str, Mapping[str, Any]]) -> float:
    """Optimism in units that compare: the spread of the margin's gap says nothing, so its size against the unit."""
    name, gap = item
    scale = {"V": 0.01, "K": 1.0}.get(unit_of(name), 1.0)
    return -math.inf if gap["most"] is None else gap["most"] / scale


def _differences(rows: Sequence[Row], limit: str) -> dict[str, float | None]:
    pairs = [(_number(row["promised"]["worst_slacks"].get(limit)), _number(row["found"]["worst_slacks"].get(limit)))
             for row in rows]  # fmt: skip
    off = np.array([said - found for said, found in pairs])
    off = off[np.isfinite(off)]
    if not off.size:
        return {"mean": None, "most": None, "least": None}
    return {"mean": float(off.mean()), "most": float(off.max()), "least": float(off.min())}


def _notes(
    gate: ControlGate, use: str, rows: Sequence[Row], tolerances: Mapping[str, float], share: Share
) -> list[str]:
    out = [
        f"Corners are looked at and must hold; the share ({share.passed} of {share.of}) and the expected value count "
        "the drawn scenarios only."
    ]
    beyond = [row for row in rows if row["case"].startswith(BEYOND)]
    if beyond:
        about, good = gate.uses[gate.uses[use]["beyond"]]["about"], sum(row["found"]["feasible"] for row in beyond)
        only = "It is good for no more than that" if good < len(beyond) else "It holds there, too"
        out.append(f"Beyond its declared use ({about}) {good} of {len(beyond)} scenarios are feasible. {only}.")
    return out


def _told(row: Row, name: str) -> dict[str, Any]:
    found = row["found"]
    return {
        "case": row["case"],
        "label": row["label"],
        "drawn": row["drawn"],
        "beyond": row["case"].startswith(BEYOND),
        "scenario": row["scenario"],
        "feasible": found["feasible"],
        "failure": found["failure"],
        "value": found["values"].get(name),
        "margins": found["worst_slacks"],
        "promised": {"value": row["promised"]["values"].get(name), "margins": row["promised"]["worst_slacks"]},
    }


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)
