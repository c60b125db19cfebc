"""A bundle: what a submission says of itself, its records, designs and policies, and the hash of each file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema

from voltgym.agents.oracle import Verdict
from voltgym.envs.errors import shown
from voltgym.experiments import tracks
from voltgym.experiments.doctor import golden
from voltgym.experiments.files import plain
from voltgym.experiments.records import Record, RecordError, check_record
from voltgym.experiments.results import Run
from voltgym.experiments.submission_text import SubmissionError, read_json, read_lines, read_yaml, write_yaml
from voltgym.experiments.submission_zip import ABOUT, DESIGNS, EPISODES, MANIFEST, POLICY, read_zip, write_zip
from voltgym.experiments.tracks import Track

SCHEMA = 1
KINDS: Mapping[str, tuple[str, ...]] = {
    "actions": (EPISODES,),
    "designs": (EPISODES, DESIGNS),
    "policy": (EPISODES, POLICY),
}
"""The files of each run, by kind of submission."""


@dataclass(frozen=True)
class Part:
    """One run of a submission: of one seed."""

    about: Mapping[str, Any]
    """``seed``, ``unit``, ``budget``, ``spent``, ``seconds``, ``config_hash``."""
    records: Sequence[Record]
    designs: Sequence[Verdict] = ()
    policy: bytes | None = None

    @property
    def where(self) -> str:
        """Its folder."""
        return f"runs/{self.about['seed']}"


@dataclass(frozen=True)
class Submission:
    """What is in a bundle, each part of it in its place; whether it is true is another question."""

    about: Mapping[str, Any]
    """``submission.yaml``, as its schema says; the runs aside."""
    track: Track
    parts: Sequence[Part]

    def run(self, part: Part, trust: str, records: Sequence[Record], **more: Any) -> Run:
        """The run of ``part`` with ``records`` that were computed here."""
        names = ("seed", "unit", "budget", "seconds")
        return Run(
            track=self.track.name,
            version=self.track.version,
            entry=self.about["entry"],
            author=self.about["author"],
            information=self.about["information"],
            spent=dict(part.about["spent"]),
            fingerprint=str(golden(self.track.env_id)),
            config_hash=part.about.get("config_hash", ""),
            trust=trust,
            records=records,
            **{name: part.about[name] for name in names},
            **more,
        )


@cache
def _validator(name: str = "") -> jsonschema.Draft202012Validator:
    text = resources.files("voltgym.experiments").joinpath("submission.schema.json").read_text(encoding="utf-8")
    schema = json.loads(text)
    return jsonschema.Draft202012Validator(schema["$defs"][name] if name else schema)


def _check(value: Any, where: str, name: str = "") -> Any:
    problem = jsonschema.exceptions.best_match(_validator(name).iter_errors(value))
    if problem is not None:
        text = " ".join(problem.message.split())
        text = text if len(text) < 240 else f"{text[:80]} ... {text[-120:]}"
        raise SubmissionError(f"{where}: {problem.json_path}: {text}; see experiments/submission.schema.json")
    return value


# -- writing -----------------------------------------------------------------------------------------------------------


def pack(about: Mapping[str, Any], parts: Sequence[Part]) -> bytes:
    """The bytes of a bundle, the same each time. Raises `SubmissionError` for what does not follow the schema."""
    whole = plain({"schema": SCHEMA, **about, "runs": [dict(part.about) for part in parts]})
    files = {ABOUT: write_yaml(_check(whole, ABOUT))}
    for part in parts:
        files[f"{part.where}/{EPISODES}"] = _lines(part.records)
        if part.designs:
            files[f"{part.where}/{DESIGNS}"] = _lines([verdict._asdict() for verdict in part.designs])
        if part.policy is not None:
            files[f"{part.where}/{POLICY}"] = part.policy
    sums = {name: {"sha256": _digest(data), "bytes": len(data)} for name, data in sorted(files.items())}
    manifest = json.dumps({"schema": SCHEMA, "files": sums}, indent=1)
    return write_zip({**files, MANIFEST: manifest.encode()})


def _lines(values: Sequence[Any]) -> bytes:
    texts = [json.dumps(plain(v), ensure_ascii=False, allow_nan=False, sort_keys=True) for v in values]
    return "".join(text + "\n" for text in texts).encode("utf-8")


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


# -- reading -----------------------------------------------------------------------------------------------------------


def read_bundle(path: Path, track: Track | None = None) -> Submission:
    """What the bundle ``path`` holds, every file of it there, whole, and as its schema says.

    ``track`` stands in for the one that it names. Nothing is unpickled, imported or run. Raises `SubmissionError`.
    """
    files = read_zip(path)
    _check_manifest(files)
    about = _check(read_yaml(_file(files, ABOUT), ABOUT), ABOUT)
    track = track or tracks.load(about["track"])
    if (about["track"], about["track_version"]) != (track.name, track.version):
        raise SubmissionError(
            f"{ABOUT} is of {about['track']}, version {about['track_version']}; here is {track.name}, version "
            f"{track.version}: run the track as it is now, and submit that"
        )
    _check_names(files, about)
    parts = [_part(files, run, about["kind"], track) for run in about["runs"]]
    return Submission({name: value for name, value in about.items() if name != "runs"}, track, parts)


def _file(files: Mapping[str, bytes], name: str) -> bytes:
    if name not in files:
        raise SubmissionError(f"the bundle has no {name}; make it with `voltgym leaderboard submit`")
    return files[name]


def _check_manifest(files: Mapping[str, bytes]) -> None:
    manifest = _check(read_json(_file(files, MANIFEST), MANIFEST), MANIFEST, "manifest")["files"]
    here = set(files) - {MANIFEST}
    if here != set(manifest):
        odd = sorted(here ^ set(manifest))[0]
        raise SubmissionError(f"{shown(odd)} is only in one of the bundle and its {MANIFEST}; make the bundle again")
    for name, said in manifest.items():
        if (len(files[name]), _digest(files[name])) != (said["bytes"], said["sha256"]):
            raise SubmissionError(f"{name} is not the file of the {MANIFEST}: it was changed; make the bundle again")


def _check_names(files: Mapping[str, bytes], about: Mapping[str, Any]) -> None:
    seeds = [run["seed"] for run in about["runs"]]
    twice = [seed for seed in seeds if seeds.count(seed) > 1]
    if twice:
        raise SubmissionError(f"{ABOUT}: seed {twice[0]} is there twice; expected a run a seed")
    expected = {ABOUT, MANIFEST} | {f"runs/{seed}/{name}" for seed in seeds for name in KINDS[about["kind"]]}
    if expected != set(files):
        odd = sorted(expected ^ set(files))[0]
        what = "is missing" if odd in expected else f"does not belong into a submission of {about['kind']}"
        raise SubmissionError(f"{odd} {what}; make the bundle with `voltgym leaderboard submit`")


def _part(files: Mapping[str, bytes], run: Mapping[str, Any], kind: str, track: Track) -> Part:
    where = f"runs/{run['seed']}"
    most = max(track.hand_in, 0 if track.hand_in else track.episodes)
    records = read_lines(files[f"{where}/{EPISODES}"], f"{where}/{EPISODES}", most)
    for number, record in enumerate(records, 1):
        try:
            check_record(record, f"{where}/{EPISODES}, line {number}")
        except RecordError as error:
            raise SubmissionError(" ".join(str(error).split())[:400]) from None
    designs: list[Verdict] = []
    if kind == "designs":
        name = f"{where}/{DESIGNS}"
        lines = read_lines(files[name], name, 2 * max(track.budget.values(), default=0) + 10)
        designs = [Verdict(**_check(line, f"{name}, line {i}", "design")) for i, line in enumerate(lines, 1)]
    return Part(run, records, designs, files[f"{where}/{POLICY}"] if kind == "policy" else None)
