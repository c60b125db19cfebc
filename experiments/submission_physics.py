"""Records computed again from their actions, and what differs from what was said."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from voltgym.envs.episodes import Episodes
from voltgym.envs.errors import VoltGymError, shown
from voltgym.experiments.doctor import golden
from voltgym.experiments.making import make_core
from voltgym.experiments.manifest import PHYSICS, fingerprint
from voltgym.experiments.records import Record, make_record
from voltgym.experiments.rollout import Replaying, play

TOLERANCE = 1e-6
"""Relative, or absolute below one: what numbers may differ by and still be the same."""
EXACT = ("feasible", "goal_reached", "failure", "steps", "violated_steps", "design", "scenario")
CLOSE = ("return", "cost", "worst_slacks", "values")
BATCH = 64


def recompute(records: Sequence[Record], prepare: Callable[[Episodes], None] | None = None) -> list[Record]:
    """``records`` with everything that the physics decides computed again from their actions.

    What identifies a record, and what its training spent, stays; the fingerprint is of this installation. ``prepare``
    is called with the episodes before they begin. Raises `VoltGymError` for records that cannot be replayed.
    """
    groups: dict[str, list[int]] = {}
    for i, record in enumerate(records):
        label = json.dumps([record["env_id"], record["env_kwargs"], record["split"]], sort_keys=True)
        groups.setdefault(label, []).append(i)
    out: dict[int, Record] = {}
    for rows in groups.values():
        for first in range(0, len(rows), BATCH):
            part = rows[first : first + BATCH]
            out |= dict(zip(part, _replayed([records[i] for i in part], prepare), strict=True))
    return [out[i] for i in range(len(records))]


def _replayed(records: Sequence[Record], prepare: Callable[[Episodes], None] | None) -> list[Record]:
    first = records[0]
    core = make_core(first["env_id"], len(records), first["env_kwargs"], split=first["split"])
    if core is None:
        raise VoltGymError(f"{first['env_id']} is a plain Gymnasium environment: its records cannot be replayed")
    if prepare is not None:
        prepare(core)
    logs = [record["actions"] for record in records]
    outcomes = play(
        core,
        lambda core: Replaying(logs, core),
        [record["episode"] for record in records],
        lengths=[len(log) for log in logs],
    )
    mark = golden(first["env_id"])
    made_by = {**fingerprint(core.twin), **({} if mark is None else {"golden": mark})}
    out = []
    for record, outcome in zip(records, outcomes, strict=True):
        training = {kind: amount for kind, amount in record["ledger"].items() if kind.startswith("training ")}
        kept = {name: value for name, value in record.items() if name not in ("recheck", "design", "schema")}
        ledger = {**outcome["ledger"], **training}
        out.append(make_record(**{**kept, **outcome, "ledger": ledger, "fingerprint": made_by}))
    return out


def decisive(mark: Mapping[str, Any]) -> dict[str, Any]:
    """What of a fingerprint says that numbers are the same: where golden ones are known, versions need not be."""
    return {name: value for name, value in mark.items() if "golden" not in mark or name not in PHYSICS}


def other_fingerprint(said: Record, found: Record) -> list[str]:
    """In words, in what two records' installations differ that decides on numbers; empty where in nothing."""
    one, two = decisive(said["fingerprint"]), decisive(found["fingerprint"])
    return [
        f"{n} {shown(one.get(n))}, here {shown(two.get(n))}" for n in sorted({**one, **two}) if one.get(n) != two.get(n)
    ]


def differences(said: Record, found: Record) -> list[str]:
    """In words, what a record says that is not what was found; empty where it is."""
    out = [
        f"{name} is {shown(said.get(name), 200)}, found {shown(found.get(name), 200)}"
        for name in EXACT
        if said.get(name) != found.get(name) and not (name == "design" and said.get(name) is None)
    ]
    for name in CLOSE:
        one, two = said[name], found[name]
        if not isinstance(one, Mapping):
            one, two = {name: one}, {name: two}
        for part in {**one, **two}:
            if part not in one or part not in two or apart(one[part], two[part]):
                out.append(f"{part} is {one.get(part)!r}, found {two.get(part)!r}")
    return out


def apart(one: float | None, two: float | None) -> bool:
    """Whether two numbers differ by more than ``TOLERANCE``; None stands for NaN."""
    if one is None or two is None:
        return one is not two
    return not abs(one - two) <= TOLERANCE * max(1.0, abs(one))
