"""Runs as a result set has them, made up: what the standings and the leaderboard are tested with."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from voltgym.experiments import tracks
from voltgym.experiments.records import Record
from voltgym.experiments.results import Run
from voltgym.experiments.scores import Hypervolume, Values
from voltgym.experiments.tracks import Track

PRINT, OTHER_PRINT = "0a1b2c3d4e5f", "ffffffffffff"
STRANGE = "<b>\"Ünsafe\" & 'quoted'</b> </script><script>alert(1)</script> 🔋" + "x" * 12
LONG = "an-entry-with-a-name-of-eighty-characters-".ljust(80, "x")
SMILES = ("CCOC(=O)OC", "COC(=O)OC", "CC1COC(=O)O1", "COCCOC", "CC#N", "CCOC(C)=O", "O=C1OCC(F)O1", "CS(C)(=O)=O")
CATHODES = ("LiNi0.8Mn0.1Co0.1O2@0.7", "LiNi0.5Mn0.3Al0.2O2@0.7", "LiNi0.6Co0.2Ti0.2O2@0.7", "LiNi0.8Co0.2O2@0.6")
TIME, MERIT = "Time to target [min]", "Score"


def control(name: str = "control_full", **changes: Any) -> Track:
    """The shipped track for control."""
    return replace(tracks.load(name), **changes)


def designs(name: str = "toy_solvent", env_id: str = "VoltGym/Solvent-v0", **changes: Any) -> Track:
    """A track of designs, made up."""
    fields: dict[str, Any] = {
        "name": name,
        "title": "Solvent, one thousand molecules",
        "env_id": env_id,
        "env_kwargs": {"goal": "solvent", "property_model": "xtb"},
        "split": "test",
        "episodes": 5,
        "hand_in": 5,
        "budget": {"unique_designs": 1000},
        "checkpoints": (100, 500),
        "score": Values(MERIT, baseline=0.2, reference=0.8),
        "optimum": "best known",
        "about": "The first of five designs is what counts.",
        "fixed": {},
        "entries": {"random_designs": (), "graph_ga": (), "botorch": ()},
        "seeds_of": {},
    }
    return replace(control(), **{**fields, **changes})


def pareto(**changes: Any) -> Track:
    """A track with two objectives."""
    score = Hypervolume("Hypervolume", {"Score": 0.0, "Cost": 1.0}, {"Score": "max", "Cost": "min"}, reference=0.6)
    about = {"title": "Cathode, a front of two objectives", "optimum": "proven", "about": ""}
    kwargs = {"property_model": "twin"}
    return designs("toy_pareto", "VoltGym/Cathode-v0", score=score, env_kwargs=kwargs, **{**about, **changes})


def charge(track: Track, episode: int, seed: int | None, minutes: float, ok: bool, **changes: Any) -> Record:
    """One episode of a control track."""
    steps = max(2, int(2 * minutes))
    rates = 1.6 * np.exp(-np.linspace(0, 1.6, steps)) + 0.1 * np.sin(np.arange(steps))
    return _record(
        track,
        episode=episode,
        seed=seed,
        feasible=ok,
        goal_reached=True,
        steps=steps,
        violated_steps=0 if ok else 3,
        worst_slacks={"Voltage [V]": 0.01 if ok else -0.02, "Temperature [K]": 4.2, "Anode potential [V]": 0.001},
        values={TIME: minutes},
        directions={TIME: "min"},
        actions=[[round(float(rate), 3)] for rate in rates],
        scenario={"Ambient temperature [K]": 283.15 + episode / 2, "Start SOC": 0.05 + episode / 300},
        **changes,
    )


def _record(track: Track, **fields: Any) -> Record:
    known: dict[str, Any] = {
        "schema": 1,
        "env_id": track.env_id,
        "env_kwargs": dict(track.env_kwargs),
        "split": track.split,
        "agent": "toy",
        "information": "full",
        "failure": "NONE",
        "return": 1.0,
        "cost": 0.0,
        "scenario": {},
        "ledger": {"env_steps": float(fields["steps"])},
        "fingerprint": {"numpy": "2.5", "golden": PRINT},
    }
    return {**known, **fields}


def control_run(track: Track, entry: str, seed: int | None, factor: float, bad: float = 0.0, **changes: Any) -> Run:
    """A run that takes ``factor`` times 30 minutes, and fails in a share ``bad`` of the episodes."""
    rng = np.random.default_rng([0 if seed is None else seed, len(entry), int(1000 * factor)])
    spread = 1 + (0 if seed is None else 0.05 * rng.standard_normal())
    base = 30 + 6 * np.sin(np.arange(track.episodes))
    minutes = np.minimum(base * factor * spread * (1 + 0.02 * rng.standard_normal(track.episodes)), 89.0)
    wrong = set(rng.permutation(track.episodes)[: round(bad * track.episodes)].tolist())
    records = [charge(track, k, seed, float(m), k not in wrong) for k, m in enumerate(minutes)]
    steps = np.linspace(50_000, 1_000_000, 20)
    curve = [
        {"spent": int(x), "value": float(30 * factor * (1 + np.exp(-x / 2e5)) * spread), "feasible": 1.0} for x in steps
    ]
    run = Run(
        track=track.name,
        version=track.version,
        entry=entry,
        seed=seed,
        information="full",
        budget=1_000_000,
        unit="env_steps",
        spent={"env_steps": 1e6, "solver_ms": 61_000.0},
        seconds=321.0,
        fingerprint=PRINT,
        config_hash="c0ffee" * 4,
        records=records,
        curve=[] if seed is None or entry in track.fixed else curve,
    )
    return replace(run, **changes)


def design_run(track: Track, entry: str, seed: int, skill: float, bad: bool = False, **changes: Any) -> Run:
    """A search that comes as near to 0.9 as its ``skill`` says; ``bad``: the physics finds its designs infeasible."""
    rng = np.random.default_rng([seed, len(entry), int(1000 * skill)])
    calls = int(next(iter(track.budget.values())))
    front = isinstance(track.score, Hypervolume)
    found = np.clip(0.9 - (1 - skill) * rng.exponential(0.4, calls) ** 0.5, 0, 1)
    value = np.maximum.accumulate(0.5 * found) if front else found
    curve = [
        {"spent": k + 1, "value": None if k % 5 == 4 else float(v), "feasible": float(k % 5 != 4)}
        for k, v in enumerate(value)
    ]
    best = np.sort(found)[::-1][: track.hand_in]
    names = CATHODES if "Cathode" in track.env_id else SMILES
    records = []
    for place, score in enumerate(best):
        design = names[(seed + place) % len(names)]
        result = {MERIT: float(score) - 0.05, "Cost": 0.2 + 0.1 * place}
        fields = {"design": design, "actions": [1], "values": result, "directions": {MERIT: "max", "Cost": "min"}}
        slacks = {"Completed": 1.0, "Similarity": 0.2 if not bad else -0.1}
        about = {"episode": place, "seed": seed, "steps": 1, "violated_steps": int(bad), "worst_slacks": slacks}
        record = _record(track, feasible=not bad, goal_reached=None, **about, **fields)
        records.append({**record, "env_kwargs": {**track.env_kwargs, "start": design}})
    unit = next(iter(track.budget))
    spent = {"unique_designs": float(calls), "surrogate_calls": float(calls), "twin_calls": 5.0, "solver_ms": 9000.0}
    run = control_run(control(episodes=1), entry, seed, 1.0)
    run = replace(run, track=track.name, version=track.version, budget=calls, unit=unit, spent=spent)
    gap = 0.5 if bad else 0.05
    return replace(run, records=records, curve=curve, surrogate_gap=gap, **changes)


def control_set(track: Track, seeds: int = 10) -> list[Run]:
    """Anchors, learners, one that fails, a provisional one, strange names, and others' entries."""
    fixed = [
        control_run(track, "greedy", 0, 1.0, information="lookahead", budget=0),
        control_run(track, "five_stage_cc", 0, 1.5, budget=0),
        control_run(track, "cccv", 0, 1.9, bad=0.04, budget=0),
    ]
    learned = {"ppo": (1.05, 0.0), "sac": (1.06, 0.02), "random": (2.8, 0.9), "careless": (0.9, 0.3)}
    runs = [control_run(track, name, k, *skill) for name, skill in learned.items() for k in range(seeds)]
    few = [control_run(track, name, k, 1.2) for name in ("early", STRANGE, LONG) for k in range(3)]
    other = [control_run(track, "ppo", k, 1.02, fingerprint=OTHER_PRINT) for k in range(seeds)]
    short = control_run(track, "short", 0, 1.1)
    return [*fixed, *runs, *few, *other, replace(short, records=short.records[:-2])]


def rerun_entry(track: Track, seeds: int = 10) -> list[Run]:
    """Somebody's entry that was run again, and one that merely reports."""
    return [
        *(control_run(track, "outsider", k, 1.01, author="a lab", trust="re-run") for k in range(seeds)),
        *(control_run(track, "boaster", k, 0.8, author="b lab") for k in range(seeds)),
    ]


def design_set(track: Track, seeds: int = 10) -> list[Run]:
    """Searches of several skills; one whose designs the physics refuses."""
    skill = {"random_designs": 0.3, "graph_ga": 0.8, "botorch": 0.85}
    runs = [design_run(track, name, k, s) for name, s in skill.items() for k in range(seeds)]
    return [*runs, *(design_run(track, "exploiter", k, 0.97, bad=True) for k in range(seeds))]


def as_records(runs: Sequence[Run]) -> list[Record]:
    """All records, as JSON gives them back."""
    return json.loads(json.dumps([record for run in runs for record in run.records]))
