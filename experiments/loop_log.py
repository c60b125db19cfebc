"""What a loop recommends and what the physics says of it, a line of JSON each, on the disk before the next is asked."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from voltgym.agents.base import DAMAGE, said
from voltgym.envs.errors import VoltGymError
from voltgym.experiments.files import append_json_line, plain, write_json

VERDICTS, ABOUT, ROUNDS = "verdicts.jsonl", "loop.json", "rounds"


class Recommendation(NamedTuple):
    """Something that is to be run on the physics."""

    design: Any
    """What it is, as JSON: a key, a list of numbers, a description of an episode."""
    value: float | None = None
    """What the surrogate expects of it, in the unit of the objective's first value; None where it has no say."""
    std: float | None = None
    """One standard deviation of that."""
    why: str = ""
    """In a word: ``start``, ``acquisition``, ``best``, ..."""


class Verdict(NamedTuple):
    """A recommendation, and what the physics says of it."""

    number: int
    """Counted from 1, in the order judged."""
    round: int
    place: int
    """In its round's batch, counted from 0."""
    design: Any
    predicted: float | None
    std: float | None
    why: str
    value: float | None
    """The objective's first value; None where there is none."""
    feasible: bool
    failure: int
    """Of ``Failure``; what failed was paid for like anything else."""
    spent: float
    """Calls of the physics that it cost, in the loop's unit."""
    properties: dict[str, float] = {}  # noqa: RUF012
    """What a surrogate learns from, and slacks, by name."""


class LoopLog:
    """All verdicts of a loop in order: ``verdicts.jsonl``, with ``loop.json`` beside it that says which loop it is.

    A half last line, which a kill may leave, is dropped. Raises `VoltGymError` for a file that is damaged, or of a loop
    that ``about`` does not describe.
    """

    def __init__(self, folder: Path, about: Mapping[str, Any]) -> None:
        self.file, self.all = folder / VERDICTS, list[Verdict]()
        described, label = folder / ABOUT, json.loads(json.dumps(plain(about), default=str))
        if not described.exists():
            if stale := next((p for p in (self.file, folder / ROUNDS) if p.exists()), None):
                raise VoltGymError(f"{stale} is there, but {ABOUT} is not; choose another out=, or delete the folder")
            write_json(described, label)
            return
        try:
            self._check_same(json.loads(described.read_text(encoding="utf-8")), label)
            self.all = read(self.file)
        except VoltGymError:
            raise
        except DAMAGE as error:
            raise VoltGymError(f"{folder} is damaged ({said(error)}); delete it to start again") from None

    def _check_same(self, found: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
        for name, (old, new) in different(found, expected).items():
            raise VoltGymError(
                f"{self.file.parent} holds another loop: its {name} is {old!r}, this one's is {new!r}; choose another "
                "out=, or delete the folder to start again"
            )

    @property
    def spent(self) -> float:
        """Calls of the physics, in the loop's unit."""
        return float(sum(verdict.spent for verdict in self.all))

    def places(self, round_: int) -> set[int]:
        """Which of a round's recommendations were judged."""
        return {verdict.place for verdict in self.all if verdict.round == round_}

    def add(self, verdict: Verdict) -> None:
        """Keep one more, on the disk too."""
        kept = plain(verdict._asdict())
        append_json_line(self.file, kept)
        self.all.append(Verdict(**kept))  # as a resumed loop reads it: NaN is None


def different(found: Any, expected: Any, name: str = "") -> dict[str, tuple[Any, Any]]:
    """What differs between two configs, by dotted name: (found, expected)."""
    if isinstance(found, Mapping) and isinstance(expected, Mapping):
        out: dict[str, tuple[Any, Any]] = {}
        for key in (*expected, *(key for key in found if key not in expected)):
            out |= different(found.get(key), expected.get(key), f"{name}.{key}" if name else str(key))
        return out
    return {} if found == expected else {name: (found, expected)}


def read(file: Path) -> list[Verdict]:
    """The verdicts in ``file``; none if there is no file. Raises what readers raise over damaged ones."""
    if not file.exists():
        return []
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    whole = [line for line in lines if line.endswith("}\n")]
    if len(whole) < len(lines) - 1:
        raise ValueError("there are half lines within it")
    found = [Verdict(**json.loads(line)) for line in whole]
    if not all(isinstance(verdict.spent, int | float) and isinstance(verdict.round, int) for verdict in found):
        raise ValueError("a verdict has no number of calls or of its round")
    if [verdict.number for verdict in found] != list(range(1, len(found) + 1)):
        raise ValueError("its verdicts are not numbered 1, 2, ...")
    return found


def write_batch(file: Path, batch: Sequence[Recommendation]) -> None:
    """Keep what a round recommends, whole or not at all."""
    write_json(file, [one._asdict() for one in batch])


def read_batch(file: Path) -> list[Recommendation]:
    """What :func:`write_batch` wrote."""
    try:
        return [Recommendation(**one) for one in json.loads(file.read_text(encoding="utf-8"))]
    except DAMAGE as error:
        raise VoltGymError(f"{file} is damaged ({said(error)}); delete it: it is made again") from None
