"""From run folders to a file that others can check: records, and the actions, designs or policies they came from."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from voltgym.agents.designs import DESIGNS_FILE
from voltgym.agents.onnx_export import exportable, to_onnx
from voltgym.agents.oracle import Verdict
from voltgym.envs.errors import UnknownName, VoltGymError, shown
from voltgym.envs.making import make_episodes
from voltgym.experiments import configs, tracks
from voltgym.experiments.collect import collect
from voltgym.experiments.files import plain
from voltgym.experiments.manifest import versions
from voltgym.experiments.records import read_json_lines
from voltgym.experiments.results import Run
from voltgym.experiments.runs import RunFolder
from voltgym.experiments.standing_ranks import is_control
from voltgym.experiments.submission_bundle import KINDS, Part, pack, read_bundle
from voltgym.experiments.submission_checks import check, check_kind
from voltgym.experiments.submission_text import SubmissionError
from voltgym.experiments.submission_verify import priced
from voltgym.experiments.submission_zip import SUFFIX
from voltgym.experiments.tracks import Track

USAGE = f"""usage: voltgym leaderboard submit RUN [RUN ...] track=NAME entry=NAME author=NAME [key=value ...]

RUNs are finished run folders of one agent, a seed each. The keys:
  track=control_bms      one of conf/track
  entry=my_ppo           what tables call it
  author="Jane Doe"
  kind=policy            actions, designs or policy; left out, what the track is ranked by if the runs have it
  description=, licence= a sentence for readers
  out=FILE               the bundle; left out, ENTRY{SUFFIX}

The control tracks are ranked from policies only, which are written as ONNX; logs of actions are listed as open loop."""

DEFAULTS: dict[str, Any] = {
    "track": "",
    "entry": "",
    "author": "",
    "kind": "",
    "description": "",
    "licence": "",
    "out": "",
}


def submit(folders: Sequence[Path], track: Track, about: Mapping[str, str], kind: str = "") -> bytes:
    """The bundle of run folders, a seed each, checked as a verifier will check it (the replay aside).

    ``about`` are ``entry``, ``author``, ``description`` and ``licence``. Raises `VoltGymError` for runs that are not of
    the track, and `SubmissionError` for what a verifier would refuse.
    """
    kind = kind or _kind(folders, track)
    if kind not in KINDS:
        raise UnknownName("kind of submission", kind, KINDS)
    check_kind(kind, track)
    runs = [_of_track(collect(folder, track, about["entry"], "", trained=False), folder, track) for folder in folders]
    parts = [_part(folder, run, track, kind) for folder, run in zip(folders, runs, strict=True)]
    first = runs[0]
    for name in ("information", "fingerprint"):
        if any(getattr(run, name) != getattr(first, name) for run in runs):
            raise SubmissionError(f"the runs differ in their {name}; submit runs of one agent on one installation")
    for place in folders[1:]:
        if other := _otherwise(folders[0], place):
            raise SubmissionError(
                f"{place} was trained otherwise than {folders[0]}: {other}; an entry is one agent, a seed a run"
            )
    whole = {
        "track": track.name,
        "track_version": track.version,
        "entry": about["entry"],
        "author": about["author"],
        "information": first.information,
        "kind": kind,
        **{name: about[name] for name in ("description", "licence") if about.get(name)},
        "fingerprint": first.fingerprint,
        "versions": {**versions(), **versions(("onnx", "onnxruntime"))},
    }
    data = pack(whole, parts)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"check{SUFFIX}"
        file.write_bytes(data)
        check(read_bundle(file, track))
    return data


def _otherwise(first: Path, other: Path) -> str:
    """What differs in the configs of two runs beside their seed; empty where nothing does."""
    mine, theirs = ({name: RunFolder(f).config().get(name) for name in TRAINED} for f in (first, other))
    return ", ".join(
        f"{name} {shown(mine[name])} and {shown(theirs[name])}" for name in TRAINED if mine[name] != theirs[name]
    )


TRAINED = ("env", "agent", "budget", "unit")
"""What of a run's config makes another agent."""


def _kind(folders: Sequence[Path], track: Track) -> str:
    """What the track is ranked by, if the runs have it."""
    if track.hand_in:
        return "designs"
    ready = is_control(track) and all(exportable(RunFolder(folder).load_policy()) for folder in folders)
    return "policy" if ready else "actions"


def _of_track(run: Run, folder: Path, track: Track) -> Run:
    """The run with the records that the track is judged by: there may be others in its folder."""
    wanted = plain(dict(track.env_kwargs))
    if track.hand_in:
        return run
    found = [r for r in run.records if r["env_kwargs"] == wanted and r["episode"] < track.episodes]
    if len(found) != track.episodes:
        raise SubmissionError(
            f"{folder} has {len(found)} of the {track.episodes} episodes of {track.name}, split {track.split!r}, with "
            f"{wanted}; evaluate it on them with `voltgym evaluate {folder}`"
        )
    return replace(run, records=[{**record, "agent": run.entry} for record in found])


def _part(folder: Path, run: Run, track: Track, kind: str) -> Part:
    about = {
        "seed": run.seed,
        "unit": run.unit,
        "budget": run.budget,
        "spent": dict(run.spent),
        "seconds": run.seconds,
        "config_hash": str(RunFolder(folder).manifest().get("config_hash", "")),
    }
    records = [{name: value for name, value in record.items() if name != "recheck"} for record in run.records]
    designs = _designs(folder, run, track) if kind == "designs" else []
    policy = _policy(folder, track) if kind == "policy" else None
    return Part(about, records, designs, policy)


def _designs(folder: Path, run: Run, track: Track) -> list[Verdict]:
    """Every design that was priced, or those handed in where the run searched numbers and kept no list."""
    file = folder / DESIGNS_FILE
    if file.exists():
        return [Verdict(**plain(line)) for line in read_json_lines(file)]
    return priced([record["env_kwargs"]["start"] for record in run.records], track)


def _policy(folder: Path, track: Track) -> bytes:
    policy = RunFolder(folder).load_policy()
    task = make_episodes(track.env_id, 1, **{**track.env_kwargs, "split": track.split}).task
    return to_onnx(policy, task.observation_space.shape or (), masked=hasattr(task, "mask"))


def run(argv: list[str]) -> None:
    """Write the bundle of RUNs."""
    folders = [Path(a) for a in argv if "=" not in a]
    settings = configs.merge(DEFAULTS, [a for a in argv if "=" in a])
    missing = [name for name in ("track", "entry", "author") if not settings[name]]
    if not folders or missing:
        raise VoltGymError(f"which {'runs' if not folders else missing[0]}?\n{USAGE}")
    about = {name: str(settings[name]) for name in ("entry", "author", "description", "licence")}
    data = submit(folders, tracks.load(str(settings["track"])), about, str(settings["kind"]))
    file = Path(str(settings["out"]) or f"{about['entry']}{SUFFIX}")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    print(f"{file}: {len(data)} bytes; check it with `voltgym leaderboard verify {file} private=false`")
