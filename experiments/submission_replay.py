"""Recompute some of the committed records from scratch, chosen at random each time, and say what differs."""

from __future__ import annotations

import math
import os
import secrets
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from voltgym.envs.episodes import Episodes
from voltgym.envs.errors import VoltGymError, number, whole_number
from voltgym.envs.store import CACHE_VARIABLE
from voltgym.experiments import configs, results
from voltgym.experiments.records import Record
from voltgym.experiments.results import PRIVATE, Run
from voltgym.experiments.submission_physics import differences, other_fingerprint, recompute

USAGE = """usage: voltgym leaderboard replay [results=DIR] [share=0.05] [seed=N] [track=NAME] [physics=3]

Chooses a share of the records of each track in a result set, plays their actions again with the cache switched off, and
compares values, slacks, return and feasibility, which must agree within 1e-6 on the same fingerprint.
  seed=N       the same choice again; left out, another each time, and the number is printed
  physics=3    of the designs whose physics comes with the package as a table, how many are computed anew all the same,
               drawn over the tracks (a relaxation takes half a minute); the others are looked up in it
The exit status is 1 where anything differs, or nothing could be compared."""

DEFAULTS: dict[str, Any] = {"results": str(results.SHIPPED), "share": 0.05, "seed": None, "track": None, "physics": 3}


class Replayed(NamedTuple):
    """What a replay found."""

    compared: int
    """Records of the same fingerprint."""
    scratch: int
    """Of those whose physics is in a table, how many were computed anew."""
    table: int
    """How many were looked up in one."""
    differing: list[str]
    """In words, what is not the same."""
    apart: list[str]
    """Records of another fingerprint, and in what it differs."""


def choose(runs: Sequence[Run], share: float, seed: int) -> list[tuple[Run, Record]]:
    """At least ``share`` of the records of each track, at random; those of the private split have no actions."""
    rng, out = np.random.default_rng(seed), list[tuple[Run, Record]]()
    for track in sorted({run.track for run in runs}):
        known = [(r, e) for r in runs if r.track == track for e in r.records if e["split"] != PRIVATE and e["actions"]]
        count = min(len(known), math.ceil(share * len(known)))
        out += [known[i] for i in sorted(rng.choice(len(known), count, replace=False))] if known else []
    return out


def spread(groups: Sequence[str], count: int, rng: np.random.Generator) -> list[int]:
    """At most ``count`` places with a name, drawn at random: one of every group before the second of any."""
    turn: dict[str, int] = {}
    order = []
    for i in rng.permutation(len(groups)).tolist():
        if groups[i]:
            turn[groups[i]] = turn.get(groups[i], 0) + 1
            order.append((turn[groups[i]], i))
    return [i for _, i in sorted(order, key=lambda pair: pair[0])][:count]


def replay(chosen: Sequence[tuple[Run, Record]], physics: int, seed: int = 0) -> Replayed:
    """Play ``chosen`` again without the cache, at most ``physics`` designs of a table without the table."""
    rng = np.random.default_rng([seed, 1])
    with fresh_cache():
        shipped = _in_a_table([record for _, record in chosen])
        anew = spread(
            [run.track if there else "" for (run, _), there in zip(chosen, shipped, strict=True)], physics, rng
        )
        rest = [i for i in range(len(chosen)) if i not in anew]
        found = dict(zip(rest, recompute([chosen[i][1] for i in rest]), strict=True)) if rest else {}
        found |= {i: recompute([chosen[i][1]], forget_tables)[0] for i in anew}
    differing, apart, compared = list[str](), list[str](), 0
    for i, (run, record) in enumerate(chosen):
        where = f"{run.track}, {run.entry}, seed {run.seed}, episode {record['episode']}"
        if other := other_fingerprint(record, found[i]):
            apart.append(f"{where}: {'; '.join(other)}")
            continue
        compared += 1
        differing += [f"{where}: {text}" for text in differences(record, found[i])]
    return Replayed(compared, len(anew), sum(shipped) - len(anew), differing, apart)


@contextmanager
def fresh_cache() -> Iterator[None]:
    """Results of physics are computed anew: the cache is an empty folder meanwhile."""
    before = os.environ.get(CACHE_VARIABLE)
    with tempfile.TemporaryDirectory() as folder:
        os.environ[CACHE_VARIABLE] = folder
        try:
            yield
        finally:
            os.environ.pop(CACHE_VARIABLE)
            if before is not None:
                os.environ[CACHE_VARIABLE] = before


def _in_a_table(records: Sequence[Record]) -> list[bool]:
    """Whether the physics of each record comes with the package as a table."""
    from voltgym.experiments.making import make_core

    known: dict[str, bool] = {}
    for record in records:
        label = f"{record['env_id']} {record['env_kwargs'].get('property_model')}"
        if label not in known:
            core = make_core(record["env_id"], 1, record["env_kwargs"], split=record["split"])
            known[label] = core is not None and any(thing.known for thing in tables(core))
    return [known[f"{r['env_id']} {r['env_kwargs'].get('property_model')}"] for r in records]


def tables(core: Episodes) -> list[Any]:
    """What in the property model of an editing environment looks answers up in a shipped table (``known``)."""
    found, look = list[Any](), [getattr(core.twin, "model", None)]
    while look:
        thing = look.pop()
        if isinstance(getattr(thing, "known", None), dict):
            found.append(thing)
        look += [getattr(thing, n) for n in ("model", "relaxations", "physics") if getattr(thing, n, None) is not None]
    return found


def forget_tables(core: Episodes) -> None:
    """Let the property model compute everything anew."""
    for thing in tables(core):
        thing.known = {}


def run(argv: list[str]) -> None:
    """Replay, print what was found; exit status 1 where it is not the same."""
    settings = configs.merge(DEFAULTS, argv)
    share = number("share", settings["share"], "a share in [0.05, 1]", low=0.05, high=1.0)
    physics = whole_number("physics", settings["physics"], least=0)
    drawn = secrets.randbelow(2**31) if settings["seed"] is None else settings["seed"]
    seed = whole_number("seed", drawn, least=0, most=2**32)
    folder = Path(str(settings["results"]))
    runs = results.read(folder, settings["track"])
    chosen = choose(runs, share, seed)
    if not chosen:
        raise VoltGymError(f"{folder} has no records that can be replayed; run `voltgym benchmark core` first")
    total = sum(len(run.records) for run in runs)
    print(f"{len(chosen)} of {total} records, chosen with seed={seed}, without the cache")
    found = replay(chosen, physics, seed)
    print(f"{found.scratch} designs computed anew that the package has in a table, {found.table} looked up in it")
    print(*(f"  other fingerprint, not compared: {text}" for text in found.apart), sep="\n") if found.apart else None
    print(*(f"  DIFFERS  {text}" for text in found.differing), sep="\n") if found.differing else None
    if found.differing or not found.compared:
        print(f"{found.compared} compared, {len(found.differing)} differences: these records are not what they say")
        sys.exit(1)
    print(f"{found.compared} compared: all are the same within 1e-6")
