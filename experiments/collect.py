"""From the folder of a run to what is kept of it in a result set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from voltgym.agents.base import Policy
from voltgym.agents.designs import DESIGNS_FILE, HandIn
from voltgym.agents.oracle import Verdict, ranked, sign_of
from voltgym.agents.pareto import Goals, hypervolume_curve
from voltgym.envs.contracts import Objective
from voltgym.envs.errors import VoltGymError
from voltgym.envs.making import make_episodes
from voltgym.experiments.evaluate import evaluate_policy
from voltgym.experiments.records import Record, blanked, read_json_lines, read_records
from voltgym.experiments.results import Run
from voltgym.experiments.runs import RunFolder
from voltgym.experiments.scores import Hypervolume
from voltgym.experiments.tracks import Track

AT_MEAN = "Score at the mean"
"""What editing environments call the score without pessimism."""
CURVE_FILE = "curve.jsonl"
"""In the run folder: how a training or a search of numbers went, a line a validation or an evaluation."""


def collect(folder: Path, track: Track, entry: str, config_hash: str, *, trained: bool = True) -> Run:
    """What is kept of a finished run. With designs, those handed in are judged here, on the physics of the track.

    ``trained``: evaluate it on the split that it was trained on, too, where the track says so.
    """
    run = RunFolder(folder)
    manifest, config = run.manifest(), run.config()
    if manifest["status"] != "finished":
        raise VoltGymError(run.how_far())
    verdicts = verdicts_of(folder)
    records = [r for r in read_records(run.records_file) if r["split"] == track.split]
    if track.hand_in:
        found = verdicts or _handed(records)
        records = hand_in(found, track, entry, config["seed"], manifest.get("spent"))
    chosen = [r for r in records if r["env_id"] == track.env_id]
    if not chosen:
        raise VoltGymError(f"{folder} has no records of {track.env_id}, split {track.split!r}")
    learned = track.hand_in and config["env"]["kwargs"].get("property_model") == "surrogate"
    chosen.sort(key=lambda r: r["episode"])
    return Run(
        track=track.name,
        version=track.version,
        entry=entry,
        seed=config["seed"],
        information=information_of(chosen[0]["information"], track),
        budget=int(config["budget"]),
        unit=str(config["unit"]),
        spent={kind: float(amount) for kind, amount in manifest.get("spent", {}).items()},
        seconds=_seconds(manifest),
        fingerprint=str(chosen[0]["fingerprint"].get("golden")),
        config_hash=config_hash,
        surrogate_gap=surrogate_gap(verdicts, chosen) if learned else None,
        records=chosen,
        trained=trained_records(run.load_policy(), track, entry, config["seed"])
        if trained and track.trained_on
        else (),
        curve=curve_of_designs(verdicts, track) if verdicts else _of_numbers(folder),
    )


def trained_records(policy: Policy, track: Track, agent: str, seed: int | None) -> list[Record]:
    """Records of the split that was trained on, as many episodes as are judged; without actions and scenarios."""
    found = evaluate_policy(
        policy, track.env_id, track.env_kwargs, split=track.trained_on, episodes=track.episodes, agent=agent, seed=seed
    )
    return [blanked(record) for record in found]


def information_of(own: str, track: Track) -> str:
    """The class in which an entry is ranked: its own where it looks ahead, else that of the track if it names one."""
    return own if own == "lookahead" or not track.information else track.information


def _seconds(manifest: Mapping[str, Any]) -> float:
    begin, end = (datetime.fromisoformat(manifest[name]) for name in ("started", "finished"))
    return (end - begin).total_seconds()


def hand_in(
    verdicts: Sequence[Verdict], track: Track, entry: str, seed: int, spent: Mapping[str, float] | None
) -> list[Record]:
    """A record for each of the best designs of a search, best first, judged with the arguments of the track."""
    objective = make_episodes(track.env_id, 1, **{**track.env_kwargs, "split": track.split}).objective
    best = ranked([v for v in verdicts if v.value is not None], sign_of(objective))[: track.hand_in]
    if not best:
        raise VoltGymError(f"{entry} found no design that has a value: there is nothing to hand in")
    records = evaluate_policy(
        HandIn([v.key for v in best]),
        track.env_id,
        track.env_kwargs,
        split=track.split,
        episodes=len(best),
        agent=entry,
        seed=seed,
        training=spent,
    )
    return [{**record, "episode": place} for place, record in enumerate(records)]


def _handed(records: Sequence[Record]) -> list[Verdict]:
    """The designs that the episodes of a run ended with: of a search of numbers its best one."""
    out = [
        Verdict(r["design"], r["return"], {}, True, 0, place) for place, r in enumerate(records, 1) if r.get("design")
    ]
    return list({v.key: v for v in out}.values())


def surrogate_gap(verdicts: Sequence[Verdict], records: Sequence[Record]) -> float | None:
    """Score on what was learned less that on the physics, both at the mean, over the designs handed in.

    None where the search asked the physics itself, or nothing was handed in.
    """
    said = {v.key: v.values.get(AT_MEAN) for v in verdicts}
    pairs = [(said.get(str(r.get("design"))), r["values"].get(AT_MEAN)) for r in records]
    gaps = [promised - found for promised, found in pairs if promised is not None and found is not None]
    return float(np.mean(gaps)) if gaps else None


def verdicts_of(folder: Path) -> list[Verdict]:
    """The designs that the search in a run folder priced; none where it searched no designs."""
    file = folder / DESIGNS_FILE
    return [Verdict(**line) for line in read_json_lines(file)] if file.exists() else []


def curve_of_designs(verdicts: Sequence[Verdict], track: Track) -> list[dict[str, Any]]:
    """A step a design; with several objectives its value is the hypervolume so far."""
    values: Sequence[float | None] = [v.value if v.feasible else None for v in verdicts]
    if isinstance(track.score, Hypervolume):
        objective = make_episodes(track.env_id, 1, **{**track.env_kwargs, "split": track.split}).objective
        values = _hypervolumes(verdicts, objective)
    return [
        {"spent": v.number, "value": value, "feasible": float(v.feasible)}
        for v, value in zip(verdicts, values, strict=True)
    ]


def _hypervolumes(verdicts: Sequence[Verdict], objective: Objective) -> list[float]:
    curve: np.ndarray = hypervolume_curve(verdicts, Goals.of(objective, several=True))
    return curve.tolist()


def _of_numbers(folder: Path) -> list[dict[str, Any]]:
    """A step a validation of a policy, or an evaluation of a design of numbers."""
    file = folder / CURVE_FILE
    lines = read_json_lines(file, quiet=True) if file.exists() else []
    return [
        {
            "spent": line["steps"],
            "value": line.get("value") if line.get("feasible") else None,
            "feasible": None if line.get("feasible") is None else float(line["feasible"]),
        }
        for line in lines
    ]
