"""``Oracle``: what designs are worth, asked within a hard budget of different ones, each answer on the disk at once."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from voltgym.agents.base import DAMAGE, Progress, check_same, said
from voltgym.envs.contracts import Objective
from voltgym.envs.edit_problem import EditProblem
from voltgym.envs.errors import VoltGymError, whole_number
from voltgym.envs.ledger import BudgetExhausted, Ledger
from voltgym.envs.problem import Evaluation
from voltgym.surrogates.base import Failure

UNIT = "unique_designs"
"""What a budget of designs counts: a design that was asked for before is free."""
MOST_VIOLATED = 3.0
"""How much violation, in scales of the slacks, counts at most in a fitness: worse is not told apart."""


class Verdict(NamedTuple):
    """What one design is worth."""

    key: str
    value: float | None
    """The first value of the objective; None where there is none."""
    slacks: dict[str, float]
    """In units of their scales; >= 0 is kept."""
    feasible: bool
    """Nothing failed, there is a value, and every slack is kept, less its tolerance."""
    failure: int
    """Of ``Failure``; a failed design was paid for like any other."""
    number: int
    """Which different design it was, counted from 1."""
    values: dict[str, float] = {}  # noqa: RUF012
    """All named values of the objective, in their units; none where there are none."""


class DesignLog:
    """All verdicts of a search in the order of their numbers: ``designs.jsonl``, with ``about.json`` beside it.

    A half last line, which a kill may leave, is dropped. Raises `VoltGymError` for a file that is damaged, or of a
    search that ``about`` does not describe.
    """

    def __init__(self, folder: Path, about: Mapping[str, Any]) -> None:
        self.file, self.all = folder / "designs.jsonl", list[Verdict]()
        self._at: dict[str, int] = {}
        folder.mkdir(parents=True, exist_ok=True)
        described, label = folder / "about.json", json.loads(json.dumps(dict(about), default=str))
        if not self.file.exists():
            described.write_text(json.dumps(label))
            self.file.write_text("")
            return
        try:
            check_same(self.file, json.loads(described.read_text(encoding="utf-8")), label)
            self._read()
        except VoltGymError:
            raise
        except DAMAGE as error:
            raise VoltGymError(f"{folder} is damaged ({said(error)}); delete it to start again") from None

    def _read(self) -> None:
        lines = self.file.read_text(encoding="utf-8").splitlines(keepends=True)
        whole = [line for line in lines if line.endswith("}\n")]
        if len(whole) < len(lines) - 1:
            raise ValueError("there are half lines within it")
        found = [Verdict(**json.loads(line)) for line in whole]
        if [verdict.number for verdict in found] != list(range(1, len(found) + 1)):
            raise ValueError("its designs are not numbered 1, 2, ...")
        self._keep(found)
        if len(self._at) != len(found):
            raise ValueError("a design is there twice")
        if len(whole) < len(lines):
            self.file.write_text("".join(whole), encoding="utf-8")

    def add(self, verdicts: Sequence[Verdict]) -> None:
        """Keep new ``verdicts``, on the disk too."""
        self._keep(verdicts)
        with self.file.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(verdict._asdict()) + "\n" for verdict in verdicts)

    def _keep(self, verdicts: Sequence[Verdict]) -> None:
        for verdict in verdicts:
            self._at[verdict.key] = len(self.all)
            self.all.append(verdict)

    def __contains__(self, key: str) -> bool:
        return key in self._at

    def __getitem__(self, key: str) -> Verdict:
        return self.all[self._at[key]]

    def copy_to(self, file: Path) -> None:
        """Write all verdicts to ``file``, whole or not at all."""
        part = file.with_suffix(".part")
        part.write_text("".join(json.dumps(verdict._asdict()) + "\n" for verdict in self.all), encoding="utf-8")
        part.replace(file)


class Oracle:
    """Answers what designs are worth, at most ``budget`` different ones.

    What the log in ``folder`` holds was paid for and is answered from there. An agent that is a function of its seed
    and of the answers therefore goes on exactly where it was stopped when it is run from its start again. The ledger of
    ``problem`` counts ``unique_designs``, those of the log included.

    Args:
        problem: the editing environment as a black box.
        folder: where the log is.
        about: what the search is, as JSON; a log of another one is refused.
        budget: how many different designs, failed ones included.
    """

    def __init__(self, problem: EditProblem, folder: Path, about: Mapping[str, Any], budget: int) -> None:
        self.problem, self.budget = problem, whole_number("budget", budget)
        self.log = DesignLog(folder, about)
        self.ledger = known(problem.ledger, self.log, self.budget)
        self.asked: dict[str, None] = {}
        """The different designs asked for since the start, in order; answered from the log or not."""
        self.idle = 0
        """How many questions in a row held no design that was new to the asking agent."""

    @property
    def sign(self) -> float:
        """+1 where a larger value is better, -1 where a smaller one is."""
        return sign_of(self.problem.objective)

    def ask(self, designs: Sequence[str]) -> list[Verdict]:
        """The verdicts of ``designs`` (n texts of the space), in order. Designs that were asked before are free.

        Of a batch that does not fit in the budget, what fits is priced, in order, and `BudgetExhausted` is raised.
        """
        keys = [self.problem.key(design) for design in designs]
        new = [key for key in dict.fromkeys(keys) if key not in self.log]
        fits = int(min(len(new), self.ledger.left(UNIT)))
        if fits:
            found = self.problem.evaluate(new[:fits])
            self.log.add(verdicts(new[:fits], found, self.problem.objective, len(self.log.all) + 1))
        if fits < len(new):
            raise BudgetExhausted(f"the budget of {self.budget} designs is spent; {len(new) - fits} more asked for")
        self.ledger.charge("duplicates", len(keys) - len(new))
        self.idle = 0 if any(key not in self.asked for key in keys) else self.idle + 1
        self.asked.update(dict.fromkeys(keys))
        return [self.log[key] for key in keys]

    def tell(self, progress: Progress) -> None:
        """Report designs spent, the best value, the mean of the ten best, and the share of feasible ones."""
        progress.update(len(self.log.all), self.budget, **summary(self.log.all, self.sign))


def known(ledger: Ledger, log: DesignLog, budget: int) -> Ledger:
    """``ledger``, limited to ``budget`` designs, with those of ``log`` counted as spent."""
    if len(log.all) > budget:
        raise VoltGymError(
            f"{log.file} holds {len(log.all)} designs, more than the budget of {budget}: raise budget, or search in "
            f"another folder"
        )
    ledger.charge_designs([verdict.key for verdict in log.all])
    return ledger.limit(**{UNIT: budget})


def verdicts(keys: Sequence[str], found: Evaluation, objective: Objective, first: int) -> list[Verdict]:
    """The evaluated designs ``keys`` (n) as verdicts, numbered from ``first``."""
    values = found.values[next(iter(objective.directions))]
    bounds = {name: -objective.tolerances.get(name, 0.0) for name in found.slacks}
    out = []
    for i, key in enumerate(keys):
        valued = bool(np.isfinite(values[i]) and found.failure[i] == Failure.NONE)
        slacks = {name: slack[i] for name, slack in found.slacks.items()}
        kept = bool(all(slack >= bounds[name] for name, slack in slacks.items()))
        scaled = {n: float(np.nan_to_num(s / objective.scales[n], nan=-MOST_VIOLATED)) for n, s in slacks.items()}
        value = float(values[i]) if valued else None
        named = {name: float(column[i]) for name, column in found.values.items()} if valued else {}
        out.append(Verdict(key, value, scaled, valued and kept, int(found.failure[i]), first + i, named))
    return out


def sign_of(objective: Objective) -> float:
    """+1 where a larger first value is better, -1 where a smaller one is."""
    return {"max": 1.0, "min": -1.0}[next(iter(objective.directions.values()))]


def fitness(found: Sequence[Verdict], sign: float, penalty: float = 1.0) -> np.ndarray:
    """(n,) how fit each design is, larger is better.

    A feasible one has its value, signed. Any other has its value, but no more than the worst feasible one's if it has
    none, less ``penalty`` for every violated scale (at most ``MOST_VIOLATED`` of them); one that failed loses the most.
    """
    merit = np.array([np.nan if v.value is None else sign * v.value for v in found])
    lowest = float(np.nanmin(merit)) if np.isfinite(merit).any() else 0.0
    broken = np.array([MOST_VIOLATED if v.value is None else violation(v) for v in found])
    return np.where(np.isnan(merit), min(lowest, 0.0), merit) - penalty * np.minimum(broken, MOST_VIOLATED)


def violation(verdict: Verdict) -> float:
    """How far all slacks together are broken, in their scales; 0 for a feasible design."""
    return 0.0 if verdict.feasible else float(sum(max(-slack, 0.0) for slack in verdict.slacks.values()))


def ranked(found: Iterable[Verdict], sign: float) -> list[Verdict]:
    """Best first: the feasible by their value, then the others by how little they violate, failed ones last."""

    def merit(verdict: Verdict) -> tuple[bool, bool, float]:
        if verdict.feasible and verdict.value is not None:
            return True, True, sign * verdict.value
        return False, verdict.value is not None, -violation(verdict)

    return sorted(found, key=merit, reverse=True)


def summary(found: Sequence[Verdict], sign: float) -> dict[str, float]:
    """What is worth watching of a search so far, by name."""
    if not found:
        return {}
    values = sorted(sign * v.value for v in found if v.feasible and v.value is not None)[-10:]
    best = {"best": sign * values[-1], "top10": sign * float(np.mean(values))} if values else {}
    return {**best, "feasible": float(np.mean([verdict.feasible for verdict in found]))}
