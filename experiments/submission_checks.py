"""What can be said of a submission without any physics: is it of this track, within its budget, and all of it there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np

from voltgym.envs.edits import EditTwin
from voltgym.envs.episodes import Episodes
from voltgym.envs.errors import VoltGymError, shown
from voltgym.envs.making import make_episodes
from voltgym.experiments.files import plain
from voltgym.experiments.records import Record
from voltgym.experiments.standing_ranks import is_control
from voltgym.experiments.submission_bundle import Part, Submission
from voltgym.experiments.submission_text import SubmissionError
from voltgym.experiments.tracks import Track

UNIQUE = "unique_designs"
START = "start"
"""The argument of an environment that says which design an episode begins with."""
TRAINING = "training "
"""What a record's ledger calls what the training spent."""


def check_kind(kind: str, track: Track) -> None:
    """Raise `SubmissionError` where a track does not take submissions of ``kind``."""
    wanted = ("designs",) if track.hand_in else ("actions", "policy") if is_control(track) else ("actions",)
    if kind not in wanted:
        raise SubmissionError(f"{track.name} takes {' or '.join(wanted)}; this submission is of {kind}")


def check(submission: Submission) -> None:
    """Raise `SubmissionError` for anything that does not fit the track."""
    track, about = submission.track, submission.about
    check_kind(about["kind"], track)
    core = make_episodes(track.env_id, 1, **{**track.env_kwargs, "split": track.split})
    seen = getattr(core.task, "observation", None)
    if about["kind"] == "policy" and about["information"] != (seen or about["information"]):
        raise SubmissionError(f"information is {about['information']!r}; a policy in {track.name} sees {seen!r}")
    for part in submission.parts:
        check_budget(part, track)
        _check_records(part, submission, core)
        if about["kind"] == "designs":
            check_designs(part, core)


def check_budget(part: Part, track: Track) -> None:
    """What was spent is within the run's budget, and that within the track's; not one more."""
    unit, budget, spent = part.about["unit"], part.about["budget"], part.about["spent"]
    if unit not in track.budget and budget:
        raise SubmissionError(f"{part.where}: its budget is of {unit}; {track.name} counts {', '.join(track.budget)}")
    if budget > track.budget.get(unit, 0):
        raise SubmissionError(f"{part.where}: its budget is {budget} {unit}; {track.name} allows {track.budget[unit]}")
    if spent.get(unit, 0) > budget:
        raise SubmissionError(f"{part.where}: {spent[unit]:g} {unit} were spent of a budget of {budget}")
    for kind, most in track.budget.items():
        if spent.get(kind, 0) > most:
            raise SubmissionError(f"{part.where}: {spent[kind]:g} {kind} were spent; {track.name} allows {most}")


def _check_records(part: Part, submission: Submission, core: Episodes) -> None:
    track, about = submission.track, submission.about
    expected = {
        "env_id": track.env_id,
        "split": track.split,
        "agent": about["entry"],
        "seed": part.about["seed"],
        "information": about["information"],
    }
    for record in part.records:
        where = f"{part.where}, episode {record['episode']}"
        for name, value in expected.items():
            if record[name] != value:
                raise SubmissionError(f"{where}: its {name} is {shown(record[name])}; expected {value!r}")
        _check_arguments(record, track, where)
        _check_ledger(record, part, where)
        check_actions(record, core, where)
    found = [record["episode"] for record in part.records]
    if sorted(found) != list(range(len(found))) or not found:
        raise SubmissionError(
            f"{part.where}: its episodes are {shown(sorted(found))}; expected 0, 1, 2, ..., each once"
        )
    if not track.hand_in and len(found) != track.episodes:
        raise SubmissionError(f"{part.where} has {len(found)} episodes; {track.name} has {track.episodes}")


def _check_arguments(record: Record, track: Track, where: str) -> None:
    kwargs = dict(record["env_kwargs"])
    start = kwargs.pop(START, None) if track.hand_in else None
    if track.hand_in and not (isinstance(start, str) and 0 < len(start) <= 200):
        raise SubmissionError(f"{where}: its design is {shown(start)}; expected a text of 200 characters at most")
    if kwargs != plain(dict(track.env_kwargs)):
        expected = shown(plain(dict(track.env_kwargs)), 200)
        raise SubmissionError(f"{where}: its environment has {shown(kwargs, 200)}; {track.name} has {expected}")


def _check_ledger(record: Record, part: Part, where: str) -> None:
    said = {k.removeprefix(TRAINING): v for k, v in record["ledger"].items() if k.startswith(TRAINING)}
    spent = dict(part.about["spent"])
    if said != spent:
        raise SubmissionError(f"{where}: its ledger says {shown(said, 200)}; the run says {shown(spent, 200)}")


def check_actions(record: Record, core: Episodes, where: str) -> None:
    """Every action is one that the environment could have been given, and there are not more than there are steps."""
    actions, space = record["actions"], core.task.action_space
    if not 1 <= len(actions) <= core.max_steps:
        raise SubmissionError(f"{where} has {len(actions)} actions; expected 1 to {core.max_steps}")
    if not all(_is_action(action, space) for action in actions):
        bad = next(action for action in actions if not _is_action(action, space))
        raise SubmissionError(f"{where} has the action {shown(bad)}; expected samples of {space}")


def _is_action(action: Any, space: gym.Space) -> bool:
    if isinstance(space, gym.spaces.Discrete):
        return isinstance(action, int) and not isinstance(action, bool) and abs(action) < 2**31
    try:
        flat = np.array(action, dtype=object)
    except ValueError:
        return False
    return flat.shape == space.shape and all(x is None or _is_number(x) for x in flat.flat)


def _is_number(x: Any) -> bool:
    return isinstance(x, int | float) and not isinstance(x, bool) and abs(x) < 1e30


# -- designs -----------------------------------------------------------------------------------------------------------


def check_designs(part: Part, core: Episodes) -> None:
    """The designs that were priced, counted again; those handed in are among them, each once."""
    if not isinstance(core.twin, EditTwin):
        raise SubmissionError(f"{core.env_id} edits no designs: submit kind=actions")
    if [verdict.number for verdict in part.designs] != list(range(1, len(part.designs) + 1)):
        raise SubmissionError(f"{part.where}: its designs are not numbered 1, 2, 3, ...; expected every one, in order")
    keys = _canonical([verdict.key for verdict in part.designs], core.twin.space, part.where)
    counted, unit = len(keys), part.about["unit"]
    spent = part.about["spent"].get(unit, 0)
    searched_numbers = part.about["spent"].get("evaluations", 0) > 0  # it kept points: only what is handed in is listed
    if (unit == UNIQUE and counted != spent and not searched_numbers) or counted > max(
        spent, part.about["spent"].get(UNIQUE, 0)
    ):
        raise SubmissionError(f"{part.where}: {counted} different designs are listed; its ledger says {spent:g} {unit}")
    handed = [record["env_kwargs"][START] for record in part.records]
    for key in _canonical(handed, core.twin.space, part.where):
        if key not in keys:
            raise SubmissionError(f"{part.where}: {shown(key)} is handed in, but was never priced within the budget")


def _canonical(designs: Sequence[str], space: Any, where: str) -> set[str]:
    found: dict[str, str] = {}
    for design in designs:
        try:
            key = space.canonical(design)
        except VoltGymError as error:
            raise SubmissionError(f"{where}: {error}") from None
        if key in found:
            raise SubmissionError(f"{where}: {shown(design)} is there twice (as {shown(found[key])}): it counts once")
        found[key] = design
    return set(found)
