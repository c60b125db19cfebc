"""The closed loop: fit a surrogate on what is known, recommend, run it on the physics, append, fit again.

A loop is a folder. Everything that a phase makes is there whole or not at all, and a loop that was killed goes on
behind the last thing that is there: no verdict of the physics is lost, none is asked for twice.

    loop.json  verdicts.jsonl  rounds/000/{recommended.json}  rounds/001/{surrogate/, recommended.json, ...}  policy/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any, Protocol

from voltgym.agents.base import Policy, Progress
from voltgym.envs.errors import VoltGymError
from voltgym.envs.ledger import BudgetExhausted
from voltgym.experiments.files import write_text
from voltgym.experiments.loop_log import ROUNDS, LoopLog, Recommendation, Verdict, read_batch, write_batch

DONE = ".done"
RECOMMENDED, SURROGATE = "recommended.json", "surrogate"


class LoopProblem(Protocol):
    """What a loop needs of a domain. Everything it is told and says is a function of the verdicts and the seed."""

    unit: str
    """What the budget counts: calls of the physics."""
    direction: str
    """``"min"`` or ``"max"``: what is better of a value."""

    def fit(self, verdicts: Sequence[Verdict], folder: Path, progress: Progress) -> bool | None:
        """Fit the surrogate on everything that is known and write it into ``folder``.

        False where that is too little: the round goes without one.
        """
        ...

    def recommend(
        self,
        verdicts: Sequence[Verdict],
        surrogate: Path | None,
        folder: Path,
        left: float,
        seed: int,
        progress: Progress,
    ) -> list[Recommendation]:
        """The next batch, for at most ``left`` calls of the physics; ``folder`` is the round's, to work in.

        There is no ``surrogate`` in the first round, nor where too little is known: what is recommended then is what
        one begins with. An empty batch ends the loop.
        """
        ...

    def judge(
        self, batch: Sequence[Recommendation], places: Sequence[int], round_: int, first: int, folder: Path, left: float
    ) -> Iterator[Verdict]:
        """Run ``batch`` on the physics, and say what comes of each as soon as it is known; numbered from ``first``.

        Raises `BudgetExhausted` before it would cost more than ``left``.
        """
        ...

    def summary(self, verdicts: Sequence[Verdict]) -> dict[str, float]:
        """What is worth watching: the best value so far, the surrogate's error on the newest verdicts."""
        ...

    def hand_in(self, verdicts: Sequence[Verdict], out: Path) -> tuple[Policy, Mapping[str, Any]]:
        """The best that the physics has seen as a policy, and the arguments of the environment that it is for."""
        ...


def run(
    problem: LoopProblem,
    out: Path,
    log: LoopLog,
    *,
    budget: float,
    seed: int,
    rounds: int | None,
    progress: Progress,
) -> None:
    """Go round until ``budget`` calls of the physics are spent, or ``rounds`` rounds were made; goes on in ``out``."""
    tell(problem, log, budget, progress)
    for k in count():
        if rounds is not None and k >= rounds:
            break
        batch = _recommended(problem, log, out, k, budget, seed, progress)
        if not batch or not _judged(problem, log, out, k, batch, budget, progress):
            break
    if not log.all:
        raise VoltGymError(f"a budget of {budget:g} {problem.unit} buys nothing; expected more")


def tell(problem: LoopProblem, log: LoopLog, budget: float, progress: Progress) -> None:
    """Say how far a loop is."""
    progress.update(int(log.spent), int(budget), **problem.summary(log.all))


def round_folder(out: Path, k: int) -> Path:
    """Where round ``k`` is."""
    return out / ROUNDS / f"{k:03d}"


def _recommended(
    problem: LoopProblem, log: LoopLog, out: Path, k: int, budget: float, seed: int, progress: Progress
) -> list[Recommendation]:
    """Round ``k``'s batch: what was recommended before a kill, or a new one. None where the budget is spent."""
    folder = round_folder(out, k)
    if (folder / RECOMMENDED).exists():
        return read_batch(folder / RECOMMENDED)
    known = [v for v in log.all if v.round < k]
    left = budget - sum(v.spent for v in known)  # what this round has spent is its own: the batch is the same again
    if left <= 0:
        return []
    surrogate = folder / SURROGATE if k else None
    if surrogate is not None and not (surrogate / DONE).exists():
        if problem.fit(known, surrogate, progress) is False:
            surrogate = None
        else:
            write_text(surrogate / DONE, "")
    batch = problem.recommend(known, surrogate, folder, left, seed + 1000 * k, progress)
    write_batch(folder / RECOMMENDED, batch)
    return batch


def _judged(
    problem: LoopProblem,
    log: LoopLog,
    out: Path,
    k: int,
    batch: Sequence[Recommendation],
    budget: float,
    progress: Progress,
) -> bool:
    """Judge what of a batch was not judged yet; False where the budget ends it."""
    there = log.places(k)
    places = [i for i in range(len(batch)) if i not in there]
    if not places:
        return True
    left, first = budget - log.spent, len(log.all) + 1
    try:
        for verdict in problem.judge([batch[i] for i in places], places, k, first, round_folder(out, k), left):
            log.add(verdict)
            tell(problem, log, budget, progress)
    except BudgetExhausted:
        return False
    return True


def best(verdicts: Sequence[Verdict], direction: str) -> Verdict | None:
    """The best feasible verdict."""
    sign = {"max": 1.0, "min": -1.0}[direction]
    good = [v for v in verdicts if v.feasible and v.value is not None]
    return max(good, key=lambda v: sign * float(v.value or 0.0)) if good else None


def newest_error(verdicts: Sequence[Verdict]) -> float | None:
    """The root mean square of what the surrogate was wrong by in the newest round that it predicted."""
    told = [v for v in verdicts if v.predicted is not None and v.value is not None]
    if not told:
        return None
    last = max(v.round for v in told)
    errors = [(float(v.predicted or 0.0) - float(v.value or 0.0)) ** 2 for v in told if v.round == last]
    return float((sum(errors) / len(errors)) ** 0.5)
