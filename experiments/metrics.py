"""Pure functions from records to numbers. Nothing here runs an environment or reads a file."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from voltgym.envs.errors import VoltGymError
from voltgym.experiments.records import Record, key

PHYSICS = ("cell", "model")
"""What of a fingerprint says which physics an episode was: digests of the cell's parameters and of the equations."""


class MetricError(VoltGymError):
    """Records that cannot be compared, or a score that is not defined for them."""


def feasible_rate(records: Sequence[Record]) -> float:
    """The share of feasible episodes, NaN where the environment has no slacks to judge by."""
    judged = [record["feasible"] for record in records if record["feasible"] is not None]
    return float(np.mean(judged)) if judged else float("nan")


def violated_step_rate(records: Sequence[Record]) -> float:
    """The share of all executed steps that violate a limit, NaN where there are no slacks to judge by, or no steps."""
    judged = [record for record in records if record["violated_steps"] is not None]
    steps = sum(record["steps"] for record in judged)
    return sum(record["violated_steps"] for record in judged) / steps if steps else float("nan")


def worst_margins(records: Sequence[Record]) -> dict[str, float]:
    """The smallest slack over all episodes, by name, in the slack's unit; >= 0 is feasible."""
    names = dict.fromkeys(name for record in records for name in record["worst_slacks"])
    return {name: _lowest(record["worst_slacks"].get(name) for record in records) for name in names}


def _lowest(values: object) -> float:
    numbers = [value for value in values if value is not None]  # type: ignore[attr-defined]
    return float(min(numbers)) if numbers else float("nan")


def values(records: Sequence[Record], name: str) -> np.ndarray:
    """(n,) the named result of every episode, NaN where there is none. Raises `MetricError` for an unknown name."""
    known = dict.fromkeys(k for record in records for k in record["values"])
    if records and name not in known:
        raise MetricError(f"no value {name!r} in these records; they have {', '.join(map(repr, known)) or 'none'}")
    return np.array([np.nan if r["values"].get(name) is None else r["values"][name] for r in records], dtype=float)


def times(records: Sequence[Record], name: str, maximum: float) -> np.ndarray:
    """(n,) the time ``name`` of every episode; an infeasible or unfinished episode counts with ``maximum``."""
    feasible = np.array([record["feasible"] is True for record in records], dtype=bool)
    found = values(records, name)
    return np.where(feasible & np.isfinite(found), found, maximum)


def paired(*groups: Sequence[Record]) -> list[list[Record]]:
    """Each group sorted by episode, after a check that all hold the same episodes with the same scenarios.

    Raises `MetricError` if an episode is missing or double, if a scenario differs (another suite version, say), or if
    the physics does (another cell or fidelity).
    """
    tables = []
    for group in groups:
        table = {key(record): record for record in group}
        if len(table) != len(group):
            raise MetricError(f"{len(group)} records of only {len(table)} episodes: an episode is there twice")
        tables.append(table)
    first = tables[0]
    for table in tables[1:]:
        missing = sorted(first.keys() ^ table.keys())
        if missing:
            env_id, split, episode = missing[0]
            raise MetricError(
                f"these records are of different episodes: {len(first)} and {len(table)}, of which {len(missing)} have "
                f"no partner (first: {env_id}, {split!r}, episode {episode}); evaluate both on the same episodes"
            )
        for where, record in table.items():
            if record["scenario"] != first[where]["scenario"]:
                raise MetricError(
                    f"episode {where[2]} of {where[1]!r} has two different scenarios in these records: they were made "
                    f"with different versions of {where[0]}; evaluate both with the same one"
                )
            one, other = (
                {name: r["fingerprint"].get(name) for name in PHYSICS if name in r["fingerprint"]}
                for r in (first[where], record)
            )
            if one != other:
                raise MetricError(
                    f"episode {where[2]} of {where[1]!r} was run on another cell or fidelity in some of these records "
                    f"({one} and {other}); evaluate all on the same"
                )
    return [[table[where] for where in sorted(first)] for table in tables]


def score(
    agent: Sequence[Record], baseline: Sequence[Record], reference: Sequence[Record], name: str, maximum: float
) -> float:
    """Where an agent's times stand: 0 at the baseline, 1 at the reference, not clipped at either.

    ``sum(log(t_base / t_agent)) / sum(log(t_base / t_ref))`` over the paired episodes; an infeasible episode counts
    with the maximal time. Raises `MetricError` where the reference is not faster than the baseline.
    """
    if not maximum > 0:
        raise MetricError(f"the maximal time is {maximum!r}; expected a number > 0 in the unit of {name!r}")
    t_agent, t_base, t_ref = (times(group, name, maximum) for group in paired(agent, baseline, reference))
    if not len(t_agent):
        raise MetricError("no episodes to score")
    if min(t_agent.min(), t_base.min(), t_ref.min()) <= 0:
        raise MetricError(f"a time {name!r} is not positive; the score is a ratio of logarithms of times")
    span = float(np.sum(np.log(t_base / t_ref)))
    if not span > 0:
        raise MetricError(
            f"the reference is not faster than the baseline over these {len(t_ref)} episodes "
            f"(sum of log ratios {span:.3g}): the score is not defined"
        )
    return float(np.sum(np.log(t_base / t_agent))) / span


def fingerprint_differences(*groups: Sequence[Record]) -> list[str]:
    """What differs between the fingerprints of these records, one line each; empty where all agree."""
    seen: dict[str, set[str]] = {}
    for record in (record for group in groups for record in group):
        for name, value in record["fingerprint"].items():
            seen.setdefault(name, set()).add(str(value))
    return [f"{name}: {' and '.join(sorted(found))}" for name, found in seen.items() if len(found) > 1]
