"""``Tally``: what a search has spent, on the disk beside its log, so that one that goes on charges nothing twice."""

from __future__ import annotations

import json
from pathlib import Path

from voltgym.agents.base import DAMAGE, said
from voltgym.envs.errors import VoltGymError
from voltgym.envs.ledger import Ledger


class Tally:
    """``ledger.jsonl``: a line a batch, written before the batch goes into the log.

    A kill between the two, or within the second, leaves a line of more than the log has: it is dropped with what there
    is of its batch, which is paid for when it is evaluated again.

    Args:
        folder: where the log is.
        ledger: what is spent on.
    """

    def __init__(self, folder: Path, ledger: Ledger) -> None:
        self.file, self.ledger, self._told = folder / "ledger.jsonl", ledger, 0

    def resume(self, count: int) -> int:
        """Go on from the last whole batch of a log of ``count`` entries: how many of them are paid for, and stay.

        All of them where there is no tally: earlier versions kept none. Raises `VoltGymError` for a damaged file.
        """
        if not self.file.exists():
            return count
        try:
            whole = [
                line for line in self.file.read_text(encoding="utf-8").splitlines(keepends=True) if line[-2:] == "}\n"
            ]
            kept = [line for line in whole if json.loads(line)["entries"] <= count]
            found = [json.loads(line) for line in kept]
            if found:
                self.ledger.restore(found[-1]["spent"], [key for line in found for key in line["designs"]])
        except DAMAGE as error:
            raise VoltGymError(f"{self.file} is damaged ({said(error)}); delete its folder to start again") from None
        self._told = len(self.ledger.designs)
        part = self.file.with_suffix(".part")
        part.write_text("".join(kept), encoding="utf-8")
        part.replace(self.file)
        return int(found[-1]["entries"]) if found else 0

    def keep(self, count: int) -> None:
        """Note what was spent until the log has ``count`` entries."""
        designs = self.ledger.designs
        line = {"entries": count, "spent": dict(self.ledger.spent), "designs": designs[self._told :]}
        self._told = len(designs)
        with self.file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
