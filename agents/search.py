"""``DesignSearch``: what every search of numbers within bounds does around its proposals."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from voltgym.agents.base import Progress
from voltgym.agents.points import REACHED, Point, Points, best_of, main_value, write_curve
from voltgym.agents.policies import DesignPolicy
from voltgym.agents.tally import Tally
from voltgym.agents.validation import validation_split
from voltgym.envs.episodes import COMPLETED
from voltgym.envs.errors import UnknownName, VoltGymError, check_name, whole_number
from voltgym.envs.ledger import Ledger
from voltgym.envs.problem import Design, DesignProblem, Evaluation
from voltgym.surrogates.base import Failure

Propose = Callable[[DesignProblem, Sequence[Point], int, int], np.ndarray]
"""(problem, points so far, count, budget) -> (count, d) designs within the bounds: a function of these alone."""
Proposer = Callable[[int], Propose]
"""A seed to a ``Propose``."""
UNITS = ("evaluations", "unique_designs")
IDLE, MOST_ASKED = 200, 5
"""A search of different designs ends after so many evaluations in a row of known ones, or so many a unit of budget."""


class DesignSearch:
    """Evaluates what is proposed, over whole episodes, until the budget is spent.

    Every design that was evaluated is kept at once in ``checkpoint/points.jsonl``; a search that is found there goes on
    exactly as it would have, if it stopped between two batches. The result is the best feasible design that was
    evaluated, or, if there is none, the one that violates least.

    Args:
        design: how numbers become actions; None where they are the action. One that is to be saved has ``arguments``.
        split, episodes: what a design is evaluated on (mean value, worst slacks): the first ``episodes`` of the split.
            None for the environment's own, but ``validation`` in place of ``train``. One episode if it is ``nominal``.
        margins: how much of a slack must be left, by name, in the slack's unit.
        about: what else the search depends on; a checkpoint of another one is refused.
        unit: what a budget counts: ``evaluations``, or ``unique_designs`` where the environment counts designs. Then
            one that was priced before costs nothing, and the search ends when it asks for nothing else any more.
    """

    def __init__(
        self,
        design: Design | None = None,
        *,
        split: str | None = None,
        episodes: int = 1,
        margins: Mapping[str, float] | None = None,
        about: Mapping[str, Any] | None = None,
        unit: str = "evaluations",
    ) -> None:
        check_name("unit", unit, UNITS)
        self.unit = unit
        self.design, self.split, self.episodes = design, split, whole_number("episodes", episodes)
        self.margins, self.about = dict(margins or {}), dict(about or {})
        self.ledger = Ledger()

    def run(
        self,
        proposer: Proposer,
        batch_size: int,
        env_id: str,
        env_kwargs: Mapping[str, Any],
        *,
        budget: int,
        seed: int,
        out: Path,
        progress: Progress,
    ) -> DesignPolicy:
        """Search with a ``budget`` of ``unit``, ``batch_size`` at a time. ``self.ledger`` is what was spent."""
        split = validation_split(env_id, env_kwargs, self.split)
        problem = self._problem(env_id, {**env_kwargs, "split": split})
        judged = {"split": split, "episodes": problem.episodes, "margins": self.margins}
        judged |= {} if self.unit == UNITS[0] else {"unit": self.unit}
        which = {"environment": env_id, "arguments": dict(env_kwargs), "seed": seed, "design": self._described()}
        points = Points(out / "checkpoint", {**which, **judged, **self.about})
        tally = Tally(out / "checkpoint", problem.ledger)
        points.cut(tally.resume(len(points.all)))
        self.ledger = problem.ledger.limit(**{self.unit: budget})
        self.ledger.spent["evaluations"] = len(points.all)
        write_curve(points.all, problem, out / "curve.jsonl")
        propose = proposer(seed)
        while (left := int(self.ledger.left(self.unit))) > 0 and not self._over(points.all, budget):
            new = self._evaluated(propose(problem, points.all, min(left, batch_size), budget), problem)
            tally.keep(len(points.all) + len(new))
            points.add(new)
            write_curve(points.all, problem, out / "curve.jsonl")
            self._tell(points.all, problem, budget, progress)
        if not points.all:
            raise VoltGymError(f"a budget of {budget} {self.unit} finds nothing; expected at least 1")
        return DesignPolicy(self.design, best_of(points.all, problem).x)

    def margin(self, name: str) -> float:
        """How much of a slack must be left, in its unit."""
        return self.margins.get(name, 0.0)

    def _evaluated(self, x: np.ndarray, problem: DesignProblem) -> list[Point]:
        """The designs ``x`` (n, d) as points: together, but one by one where it matters which of them was a new one."""
        out = []
        for rows in [x] if self.unit == UNITS[0] else [row[None] for row in x]:
            if self.ledger.left(self.unit) < len(rows):
                break  # the design that an episode begins with was paid for, too
            out += self._judge(rows, problem.evaluate(rows), problem)
            if not self.ledger.spent[self.unit]:
                raise VoltGymError(
                    f"unit is {self.unit!r}, which this environment does not count; expected {UNITS[0]!r}"
                )
        return out

    def _over(self, points: Sequence[Point], budget: int) -> bool:
        """Whether a search of different designs hardly asks for any that is not known."""
        if self.unit == UNITS[0]:
            return False
        idle = len(points) > IDLE and points[-1].spent == points[-1 - IDLE].spent
        return idle or len(points) >= MOST_ASKED * budget

    def _tell(self, points: Sequence[Point], problem: DesignProblem, budget: int, progress: Progress) -> None:
        feasible, best = float(np.mean([p.feasible for p in points])), best_of(points, problem)
        numbers = {"best": best.value} if best.feasible and best.value is not None else {}
        progress.update(int(self.ledger.spent[self.unit]), budget, **numbers, feasible=feasible)

    def _problem(self, env_id: str, kwargs: Mapping[str, Any]) -> DesignProblem:
        count = 1 if kwargs["split"] == "nominal" else self.episodes
        problem = DesignProblem(env_id, self.design, episode=list(range(count)), **kwargs)
        for name in self.margins:
            if name not in problem.objective.scales:
                raise UnknownName(f"slack of {env_id}", name, problem.objective.scales)
        return problem

    def _described(self) -> Any:
        return self.design and {
            "class": type(self.design).__qualname__,
            "arguments": getattr(self.design, "arguments", None),
        }

    def _judge(self, x: np.ndarray, found: Evaluation, problem: DesignProblem) -> list[Point]:
        """The evaluated designs as points."""
        now = int(self.ledger.spent[self.unit])
        objective = problem.objective
        values = found.values[main_value(problem)[0]]
        out = []
        for i, row in enumerate(x):
            least = {name: self.margin(name) - objective.tolerances.get(name, 0.0) for name in found.slacks}
            kept = all(found.slacks[name][i] >= bound for name, bound in least.items())
            reached = bool(np.isfinite(values[i]))
            scaled = {n: float(np.nan_to_num(s[i], nan=-1e6) / scale(n, problem)) for n, s in found.slacks.items()}
            out.append(
                Point(
                    x=[float(number) for number in row],
                    value=float(values[i]) if reached else None,
                    slacks={**scaled, REACHED: 1.0 if reached else -1.0},
                    feasible=bool(kept and reached and found.failure[i] == Failure.NONE),
                    spent=now - (len(x) - 1 - i),
                )
            )
        return out


def scale(name: str, problem: DesignProblem) -> float:
    """What a violation of one is of a slack."""
    return {COMPLETED: 1.0, REACHED: 1.0, **problem.objective.scales}[name]


class SearchAgent:
    """What agents share that search with ``DesignSearch``: a subclass says in ``_proposer`` what to evaluate next.

    Args:
        design, split, episodes, margins, about, unit: of ``DesignSearch``.
        at_once: designs proposed together, at most.
        default_budget: of ``unit``, where none is asked for.
    """

    def __init__(self, design: Design | None, *, at_once: int, default_budget: int, **judged: Any) -> None:
        self.search = DesignSearch(design, **judged)
        self.at_once, self.default_budget = at_once, default_budget

    @property
    def unit(self) -> str:
        """What a budget counts."""
        return self.search.unit

    @property
    def ledger(self) -> Ledger:
        """What the last search spent."""
        return self.search.ledger

    def train(
        self, env_id: str, env_kwargs: Mapping[str, Any], *, budget: int, seed: int, out: Path, progress: Progress
    ) -> DesignPolicy:
        """Search with a ``budget`` of ``unit``; see the class. ``self.ledger`` is what was spent."""
        how: dict[str, Any] = {"budget": budget, "seed": seed, "out": out, "progress": progress}
        return self.search.run(self._proposer, self.at_once, env_id, env_kwargs, **how)

    def _proposer(self, seed: int) -> Propose:
        raise NotImplementedError
