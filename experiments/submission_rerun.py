"""Policies run again on the private split: episodes that nobody has seen, salted with a secret of the maintainers."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from voltgym.agents.base import Policy, Silent
from voltgym.agents.onnx_policy import OnnxPolicy
from voltgym.envs.errors import UnknownName
from voltgym.envs.scenario import SALT_VARIABLE
from voltgym.experiments import configs
from voltgym.experiments.collect import information_of, trained_records
from voltgym.experiments.doctor import golden
from voltgym.experiments.evaluate import evaluate_policy
from voltgym.experiments.records import Record, blanked
from voltgym.experiments.results import PRIVATE, Run
from voltgym.experiments.submission_bundle import Part, Submission
from voltgym.experiments.submission_text import SubmissionError
from voltgym.experiments.tracks import Track
from voltgym.experiments.train import build_agent

LEAST_SALT = 16
"""Characters: a shorter secret could be guessed from what is published of it."""
MARK = "private split"
"""In the fingerprint of a private record: which salt it was, not what it is."""


def salt_mark() -> str:
    """What may be known of the salt: a slow hash of it. Raises `SubmissionError` without one, or a long enough."""
    salt = os.environ.get(SALT_VARIABLE, "")
    if len(salt) < LEAST_SALT:
        what = f"has {len(salt)} characters" if salt else "is not set"
        raise SubmissionError(
            f"{SALT_VARIABLE} {what}; a policy is run again on a private split, which needs a secret of at least "
            f"{LEAST_SALT} characters (or private=false: only what the bundle says is replayed)"
        )
    return hashlib.pbkdf2_hmac("sha256", salt.encode(), b"voltgym private split", 200_000).hex()[:16]


def rerun(part: Part, submission: Submission) -> Run:
    """A run of the policy of ``part`` on the private episodes. It is given observations, and nothing else."""
    about, track = submission.about, submission.track
    assert part.policy is not None
    salt_mark()
    with OnnxPolicy(part.policy, about["information"]) as policy:
        who = about["entry"], part.about["seed"]
        records = private_records(policy, track, *who, part.about["spent"])
        trained = trained_records(policy, track, *who) if track.trained_on else ()
    return submission.run(part, "re-run", records, trained=trained)


def private_records(
    policy: Policy, track: Track, agent: str, seed: int | None, spent: Mapping[str, float] | None
) -> list[Record]:
    """As many private episodes as the track has, without what would give their scenarios away."""
    found = evaluate_policy(
        policy,
        track.env_id,
        track.env_kwargs,
        split=PRIVATE,
        episodes=track.episodes,
        agent=agent,
        seed=seed,
        training=spent,
    )
    mark = {MARK: salt_mark()}
    return [blanked(record, mark) for record in found]


def anchors(track: Track, there: Sequence[Run]) -> list[Run]:
    """The fixed entries, those that a score is measured by among them, on the same private episodes.

    Those ``there`` already are kept.

    Raises `SubmissionError` where ``there`` are private records of another salt: they would not compare.
    """
    mark = salt_mark()
    for run in there:
        for record in run.records:
            if record["fingerprint"].get(MARK) != mark:
                raise SubmissionError(
                    f"{run.entry} was run on another private split ({record['fingerprint'].get(MARK)}, now {mark}): "
                    f"choose another out=, or verify all entries again"
                )
    known = {run.entry for run in there if run.author == "voltgym" and run.fingerprint == str(golden(track.env_id))}
    wanted = dict.fromkeys((*track.score.anchors, *track.fixed))
    return [anchor(track, name) for name in wanted if name not in known]


def anchor(track: Track, entry: str) -> Run:
    """One of the track's own entries, trained as the track says, on the private episodes."""
    entries = {**track.fixed, **track.entries}
    if entry not in entries:
        raise UnknownName(f"entry of {track.name}", entry, entries)
    config: dict[str, Any] = configs.compose("train", [*track.common, *entries[entry]])
    agent = build_agent(config["agent"])
    budget = config["budget"] if config["budget"] is not None else getattr(agent, "default_budget", 0)
    env = config["env"]
    with tempfile.TemporaryDirectory() as out:
        policy = agent.train(
            env["id"], env["kwargs"], budget=budget, seed=config["seed"], out=Path(out), progress=Silent()
        )
    spent = {kind: float(amount) for kind, amount in getattr(getattr(agent, "ledger", None), "spent", {}).items()}
    records = private_records(policy, track, entry, config["seed"], spent)
    return Run(
        track=track.name,
        version=track.version,
        entry=entry,
        seed=config["seed"],
        information=information_of(records[0]["information"], track),
        budget=int(budget),
        unit=agent.unit,
        spent=spent,
        seconds=0.0,
        fingerprint=str(golden(track.env_id)),
        trust="re-run",
        records=records,
        trained=trained_records(policy, track, entry, config["seed"]) if track.trained_on else (),
    )
