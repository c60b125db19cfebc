"""What is wrong with the runs of an entry, in words: runs that cannot be ranked say why, and hold up no others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from voltgym.experiments.records import Record
from voltgym.experiments.results import Run
from voltgym.experiments.tracks import Track


def entry_fault(runs: Sequence[Run], track: Track) -> str:
    """Why these runs of one entry cannot be scored; empty where they can."""
    double = [seed for seed, count in Counter(run.seed for run in runs).items() if count > 1]
    if double:
        return f"seed {double[0]} is there {sum(run.seed == double[0] for run in runs)} times"
    faults = [(run, run_fault(run, track)) for run in runs]
    return next((f"seed {run.seed}: {fault}" for run, fault in faults if fault), "")


def run_fault(run: Run, track: Track) -> str:
    """Why one run cannot be scored; empty where it can."""
    return _budget_fault(run, track) or _episode_fault(run.records, track) or _problem_fault(run.records, track)


def _budget_fault(run: Run, track: Track) -> str:
    most = track.budget.get(run.unit)
    if most is None and run.budget:
        return f"its budget counts {_words(run.unit)}, that of the track {_words(' and '.join(track.budget))}"
    if most is None or run.budget <= most:
        return ""
    return f"its budget is {run.budget:,} {_words(run.unit)}, the track allows {most:,}"


def _episode_fault(records: Sequence[Record], track: Track) -> str:
    """With designs any number may be handed in, up to the most; else every episode must be there."""
    found = Counter(record["episode"] for record in records)
    double = [episode for episode, count in found.items() if count > 1]
    if double:
        return f"episode {double[0]} is there {found[double[0]]} times"
    if track.hand_in:
        most = max(track.hand_in, track.episodes)
        return f"{len(found)} designs are handed in, {most} may be" if len(found) > most else ""
    missing = [k for k in range(track.episodes) if k not in found]
    if missing:
        return f"{track.episodes - len(missing)} of {track.episodes} episodes are there; {_listed(missing)} missing"
    more = sorted(found.keys() - set(range(track.episodes)))
    return f"the track has {track.episodes} episodes; {_listed(more)} too many" if more else ""


def _listed(numbers: Sequence[int]) -> str:
    text = ", ".join(str(n) for n in numbers[:3]) + (", ..." if len(numbers) > 3 else "")
    return f"{text} {'is' if len(numbers) == 1 else 'are'}"


def _problem_fault(records: Sequence[Record], track: Track) -> str:
    """A record of another environment, split or arguments is of another problem."""
    expected, before = _arguments(track.env_kwargs), None
    for record in records:
        where = record["env_id"].rpartition(":")[2], record["split"]
        if where != (track.env_id.rpartition(":")[2], track.split):
            return f"episode {record['episode']} is of {where[0]}, split {where[1]!r}"
        if record["env_kwargs"] is before:
            continue
        before = record["env_kwargs"]
        found = _arguments(before)
        if found != expected:
            names = sorted(n for n in {**found, **expected} if found.get(n) != expected.get(n))
            return f"episode {record['episode']} was run with other arguments: {', '.join(names)}"
    return ""


def _arguments(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is part of the answer: a design that is handed in is where its episode starts, made in any way."""
    return {name: _plain(value) for name, value in kwargs.items() if name not in ("start", "action", "split")}


def _plain(value: Any) -> Any:
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _words(unit: str) -> str:
    return unit.replace("_", " ")
