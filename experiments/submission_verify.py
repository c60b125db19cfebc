"""Check a submission, compute its records again with trusted code, and keep them where they may be ranked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from voltgym.agents.oracle import Verdict, verdicts
from voltgym.envs.edit_problem import EditProblem
from voltgym.envs.errors import VoltGymError, shown
from voltgym.experiments import configs, metrics, tracks
from voltgym.experiments.collect import curve_of_designs, surrogate_gap
from voltgym.experiments.doctor import golden
from voltgym.experiments.files import plain
from voltgym.experiments.results import Run
from voltgym.experiments.standing_ranks import is_control
from voltgym.experiments.submission_bundle import Part, Submission, read_bundle
from voltgym.experiments.submission_checks import UNIQUE, check
from voltgym.experiments.submission_keep import keep_verified
from voltgym.experiments.submission_physics import apart, differences, other_fingerprint, recompute
from voltgym.experiments.submission_rerun import rerun
from voltgym.experiments.submission_text import SubmissionError
from voltgym.experiments.tracks import Track

USAGE = """usage: voltgym leaderboard verify BUNDLE [out=verified] [private=true] [other_fingerprint=false] [ours=false]

BUNDLE is a file of `voltgym leaderboard submit`. It is read strictly, nothing in it is unpickled, imported or run
(an ONNX policy aside, in a process of its own), its records are computed again from its actions or designs, and the
result is written to out=DIR with the badge `replayed`. Policies of the control tracks are run on the private split,
which needs VOLTGYM_PRIVATE_SALT; baseline and reference are run on the same episodes, and all of it is written to
DIR/private with the badge `re-run`, without scenarios and actions.

private=false            replay only what the bundle says, also of policies: open loop
other_fingerprint=true   go on where the bundle's installation gives other numbers, and list what differs
ours=true                the author may be `voltgym`
The exit status is 2 where the bundle is refused."""

DEFAULTS: dict[str, Any] = {"out": "verified", "private": True, "other_fingerprint": False, "ours": False}
OURS = "voltgym"


class Verified(NamedTuple):
    """What became of a submission."""

    runs: list[Run]
    """Replayed, or run again."""
    notes: list[str]
    """What differs from what was said, where that is no reason to refuse it."""


def verify(
    path: Path, track: Track | None = None, *, private: bool = True, other_fingerprint: bool = False, ours: bool = False
) -> Verified:
    """The runs of the bundle ``path``, every number computed here.

    ``track`` stands in for the one that it names. Raises `SubmissionError`, which says why, for a bundle that is
    refused: not what it should be, not of the track, over its budget, or not true.
    """
    submission = read_bundle(path, track)
    about = submission.about
    if about["author"].strip().lower() == OURS and not ours:
        raise SubmissionError(f"the author is {about['author']!r}, as of the entries that are shipped; name yourself")
    check(submission)
    notes = _other_installation(submission, other_fingerprint)
    runs = []
    for part in submission.parts:
        run, said = _replayed(part, submission, tolerant=bool(notes))
        notes += said
        runs.append(rerun(part, submission) if about["kind"] == "policy" and private else run)
    return Verified(runs, notes)


def _other_installation(submission: Submission, allowed: bool) -> list[str]:
    said, here = submission.about["fingerprint"], str(golden(submission.track.env_id))
    if said == here:
        return []
    text = f"its fingerprint is {said}, that of this installation {here}: other numbers, which do not compare"
    if not allowed:
        raise SubmissionError(f"{text}; install what its versions say, or list the differences: other_fingerprint=true")
    return [text]


def _replayed(part: Part, submission: Submission, tolerant: bool) -> tuple[Run, list[str]]:
    """The run with every record computed again; what differs is refused, or returned in words if ``tolerant``."""
    about, track = submission.about, submission.track
    try:
        found = recompute(part.records)
        priced = _priced(part, track)
    except (TypeError, OverflowError) as error:  # actions or designs that no environment takes
        raise SubmissionError(f"{part.where} cannot be replayed: {' '.join(str(error).split())[:200]}") from None
    notes = _design_differences(part, priced)
    for said, record in zip(part.records, found, strict=True):
        where = f"{part.where}, episode {record['episode']}"
        other = other_fingerprint(said, record)
        if other and not tolerant:
            raise SubmissionError(f"{where} has another fingerprint: {'; '.join(other)}; evaluate it with this version")
        notes += [f"{where}: {text}" for text in [*other, *differences(said, record)]]
    if notes and not tolerant:
        raise SubmissionError(f"{notes[0]} ({len(notes)} differences): it is not what its actions or designs give")
    whole = len(part.designs) == part.about["spent"].get(UNIQUE)  # in their order; else only what is handed in is known
    searched = about["kind"] == "designs" and part.about["unit"] == UNIQUE and whole
    learned = track.hand_in and _arguments(track).get("property_model") == "surrogate"
    run = submission.run(
        part,
        "replayed",
        sorted(found, key=lambda record: record["episode"]),
        surrogate_gap=surrogate_gap(priced, found) if learned else None,
        curve=curve_of_designs(priced, track) if searched else (),
    )
    return run, notes


def _arguments(track: Track) -> dict[str, Any]:
    """What the environment of a track's searches is made with."""
    return dict(configs.compose("train", track.common)["env"]["kwargs"])


def _priced(part: Part, track: Track) -> list[Verdict]:
    """The designs of a search, priced again on the level that the track searches on."""
    return priced([verdict.key for verdict in part.designs], track)


def priced(keys: Sequence[str], track: Track) -> list[Verdict]:
    """What ``keys`` (n designs) are worth to a search of ``track``, numbered from 1."""
    if not keys:
        return []
    problem = EditProblem(track.env_id, **{**_arguments(track), "split": track.split})
    canonical = [problem.key(key) for key in keys]
    return verdicts(canonical, problem.evaluate(canonical), problem.objective, 1)


def _design_differences(part: Part, found: Sequence[Verdict]) -> list[str]:
    out = []
    for said, here in zip(part.designs, found, strict=True):
        again = plain(here._asdict())
        if said.feasible != here.feasible or apart(said.value, again["value"]):
            was = f"{said.value!r}, feasible {said.feasible}"
            out.append(
                f"{part.where}, design {shown(said.key)} is {was}, found {here.value!r}, feasible {here.feasible}"
            )
    return out


def run(argv: list[str]) -> None:
    """Verify BUNDLE, print what was found, and keep it."""
    if not argv or "=" in argv[0]:
        raise VoltGymError(f"which bundle?\n{USAGE}")
    settings = configs.merge(DEFAULTS, argv[1:])
    path = Path(argv[0])
    found = verify(
        path, private=settings["private"], other_fingerprint=settings["other_fingerprint"], ours=settings["ours"]
    )
    track = tracks.load(found.runs[0].track)
    replayed = "open loop, replayed" if is_control(track) else "replayed"
    places = keep_verified(Path(str(settings["out"])), found.runs, track)
    for one in found.runs:
        share = metrics.feasible_rate(one.records)
        how = "re-run on the private split" if one.trust == "re-run" else replayed
        print(f"{one.track}  {one.entry} by {one.author}, seed {one.seed}: {how}, {share:.0%} feasible")
    print(*found.notes, *places, sep="\n")
