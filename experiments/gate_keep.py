"""What a gate has computed, kept row by row: a gate that was killed goes on where it was."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from voltgym.envs.errors import VoltGymError
from voltgym.experiments.files import append_json_line, write_json
from voltgym.experiments.gate_parts import Gate, Row
from voltgym.experiments.gate_subject import Subject
from voltgym.experiments.progress import Progress
from voltgym.experiments.records import read_json_lines

ROWS, ABOUT = "rows.jsonl", "rows.json"


class Kept:
    """The rows of one subject and gate in a folder.

    Raises:
        VoltGymError: the folder holds those of another.
    """

    def __init__(self, folder: Path, digest: str) -> None:
        self.file, self.about = folder / ROWS, folder / ABOUT
        folder.mkdir(parents=True, exist_ok=True)
        if not self.about.exists():
            self.file.unlink(missing_ok=True)
            write_json(self.about, {"digest": digest})
        elif self._digest() != digest:
            raise VoltGymError(
                f"{folder} holds the rows of another recommendation, gate or version; choose another out=, or delete it"
            )

    def _digest(self) -> Any:
        try:
            return json.loads(self.about.read_text(encoding="utf-8"))["digest"]
        except (OSError, ValueError, KeyError, TypeError):
            raise VoltGymError(f"{self.about} is damaged; delete {self.about.parent} to begin again") from None

    def rows(self) -> dict[str, Row]:
        """By case; half a last line is left out."""
        found = read_json_lines(self.file, quiet=True) if self.file.exists() else []
        return {row["case"]: row for row in found}

    def add(self, rows: Sequence[Row]) -> None:
        """Keep ``rows``, each whole or not at all."""
        for row in rows:
            append_json_line(self.file, row)


def computed(gate: Gate, subject: Subject, kept: Kept, progress: Progress) -> list[Row]:
    """A row for every case, those that are kept as they are; no more once the gate has ``enough``."""
    groups = [list(group) for group in gate.cases(subject)]
    names = [name for group in groups for name in group]
    known = {name: row for name, row in kept.rows().items() if name in set(names)}
    progress.update(sum(name in known for name in names), len(names))
    for group in groups:
        if gate.enough(list(known.values())):
            progress.update(len(names), len(names))
            break
        todo = [name for name in group if name not in known]
        if todo:
            new = gate.compute(subject, todo)
            kept.add(new)
            known |= {row["case"]: row for row in new}
            progress.update(sum(name in known for name in names), len(names))
    return [known[name] for name in names if name in known]
