"""The gate of policies and protocols: closed loop on the highest level, over scenarios of the declared use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from voltgym.agents.policies import DesignPolicy
from voltgym.envs.core import Episodes
from voltgym.envs.errors import VoltGymError, check_name
from voltgym.experiments.doctor import golden
from voltgym.experiments.files import plain
from voltgym.experiments.gate_control_judge import judge
from voltgym.experiments.gate_control_page import sections
from voltgym.experiments.gate_control_policy import Shown, bounds, by_soc, read_numbers
from voltgym.experiments.gate_parts import Judgement, Row
from voltgym.experiments.gate_scenarios import Case, Listed
from voltgym.experiments.gate_subject import Subject
from voltgym.experiments.making import make_core
from voltgym.experiments.manifest import fingerprint
from voltgym.experiments.page import Section
from voltgym.experiments.rollout import Acting, Outcome, play

KEPT = ("feasible", "goal_reached", "failure", "steps", "worst_slacks", "values")
"""What of an outcome a row keeps."""
BEYOND = "beyond"


class ControlGate:
    """Plays a policy, or a protocol given as numbers, in every scenario of its use on the level that judges.

    Beside it, the same scenarios on the level that it trained on: what is promised there and not kept is the gap.

    Args:
        level: what the level that judges is called.
        change: arguments of the environment that make it.
        reset: arguments that are set so where a recommendation's environment has them.
        trained: the argument that says on what an agent trained; None where there is one level only.
        limits: ``{short name: {slack, tolerance}}``, in place of the objective's own tolerances.
        uses: what can be declared: ``splits`` of the environment, in words ``about``, ``scenarios``, and ``beyond``,
            another use that is looked at and told.
        information: the classes of policies that can be deployed.
        least_share: of the scenarios that must be feasible.
        least_promise: the share of the promised value that must be kept.
        value: ``name``, ``direction`` and ``charge`` of what is expected; empty for the environment's first value.
        slowest: by use, the least ``60 charge / value``; none where it is not given.
        chunk: scenarios that run together.
        use: one of ``uses`` in place of the one that the environment's split says.
    """

    def __init__(
        self,
        *,
        level: str,
        change: Mapping[str, Any],
        reset: Mapping[str, Any],
        trained: str | None,
        limits: Mapping[str, Mapping[str, Any]],
        uses: Mapping[str, Mapping[str, Any]],
        information: Sequence[str],
        least_share: float,
        least_promise: float,
        value: Mapping[str, Any],
        slowest: Mapping[str, float],
        chunk: int,
        use: str | None = None,
    ) -> None:
        self.level, self.change, self.reset, self.trained = level, dict(change), dict(reset), trained
        self.uses = dict(uses)
        self.tolerances = {limit["slack"]: float(limit["tolerance"]) for limit in limits.values()}
        self.information, self.least_share, self.least_promise = tuple(information), least_share, least_promise
        self.value, self.slowest, self.chunk, self.chosen = dict(value), dict(slowest), int(chunk), use
        if use is not None:
            check_name("use", use, self.uses)

    # -- what is judged --------------------------------------------------------------------------------------------

    def subject(self, subject: Subject) -> Subject:
        """``subject`` with its numbers read as a protocol; `VoltGymError` for what the environment cannot take."""
        core = self._core(subject, 1, {})
        for name in self.tolerances:
            check_name("slack", name, [*core.objective.scales])
        if subject.policy is not None:
            return subject
        numbers = read_numbers(subject.design or "")
        design = None if core.task.action_space.shape == (len(numbers),) else by_soc(len(numbers), core, subject)
        low, high = (design.bounds if design else bounds(core, len(numbers)))[:, 0]
        for x in numbers:
            if not low <= x <= high:
                raise VoltGymError(f"the design has {x:g}; {subject.env_id} takes {low:g} to {high:g}")
        return subject.with_policy(DesignPolicy(design, numbers))

    def use_of(self, subject: Subject) -> str:
        """The declared use: what was chosen, or what the split of the environment stands for."""
        split = self._core(subject, 1, {}).split
        named = next((name for name, use in self.uses.items() if split in use["splits"]), None)
        return self.chosen or named or next(iter(self.uses))

    def _sets(self, subject: Subject) -> list[tuple[str, list[Case]]]:
        """(prefix, cases) of the declared use, and of the one beyond it."""
        use = self.uses[self.use_of(subject)]
        wanted = [("", use), *([(BEYOND + " ", self.uses[use["beyond"]])] if use["beyond"] else [])]
        return [(prefix, self._source(one)(lambda split: self._core(subject, 1, {}, split))) for prefix, one in wanted]

    @staticmethod
    def _source(use: Mapping[str, Any]) -> Any:
        from voltgym.experiments.gate_config import made

        return made(use["scenarios"], "the scenarios of the gate")

    # -- what is computed ------------------------------------------------------------------------------------------

    def cases(self, subject: Subject) -> list[list[str]]:
        """Numbered scenarios, ``chunk`` at a time."""
        out = []
        for prefix, cases in self._sets(subject):
            names = [f"{prefix}{i}" for i in range(len(cases))]
            out += [names[i : i + self.chunk] for i in range(0, len(names), self.chunk)]
        return out

    def compute(self, subject: Subject, cases: Sequence[str]) -> list[Row]:
        """Play them on the level that judges, and on the one that was trained on."""
        known = {f"{prefix}{i}": case for prefix, found in self._sets(subject) for i, case in enumerate(found)}
        chosen = [known[name] for name in cases]
        physics, trained = self._played(subject, chosen, self.judging(subject)), self._played(subject, chosen, {})
        rows = []
        for name, case, found, said in zip(cases, chosen, physics, trained, strict=True):
            about = {"case": name, "label": case.label, "drawn": case.drawn, "scenario": case.scenario}
            rows.append(plain({**about, "found": _kept(found), "promised": _kept(said)}))
        return rows

    def _played(self, subject: Subject, cases: Sequence[Case], change: Mapping[str, Any]) -> list[Outcome]:
        core = self._core(subject, len(cases), change)
        core.scenario = Listed([case.scenario for case in cases])
        return self._play(subject, core, len(cases), None)

    def _play(self, subject: Subject, core: Episodes, n: int, traces: list | None) -> list[Outcome]:
        policy, twin = subject.policy, self._core(subject, 1, {}).twin
        assert policy is not None, "a design was read as a policy by `subject`"

        def acting(played: Episodes) -> Acting:
            return Acting(policy, Shown(played, twin))  # type: ignore[arg-type]

        return play(core, acting, list(range(n)), tolerances=self.tolerances, traces=traces)

    def traced(self, subject: Subject, row: Row) -> tuple[Episodes, list[dict[str, Any]], np.ndarray]:
        """A row's scenario again on the level that judges: the episode at its start, its trace, its first action."""
        core = self._core(subject, 1, self.judging(subject))
        core.scenario = Listed([row["scenario"], row["scenario"]])
        traces: list[list[dict[str, Any]]] = []
        outcome = self._play(subject, core, 1, traces)[0]
        core.reset(np.array([0]), [None], [0])
        return core, traces[0], np.asarray(outcome["actions"][:1], dtype=core.task.action_space.dtype)

    def judging(self, subject: Subject) -> dict[str, Any]:
        """The arguments that make the level that judges."""
        return {**{name: value for name, value in self.reset.items() if name in subject.env_kwargs}, **self.change}

    def _core(self, subject: Subject, n: int, change: Mapping[str, Any], split: str | None = None) -> Episodes:
        kwargs = {**subject.env_kwargs, **change, **({} if split is None else {"split": split})}
        core = make_core(subject.env_id, n, kwargs)
        if core is None:
            raise VoltGymError(
                f"{subject.env_id} is a plain Gymnasium environment: it has no slacks that a gate could hold against "
                "limits; compose it of a twin, a task and an objective (docs/bring-your-own.md), or name a gate of "
                "your own by gate=NAME (docs/validate.md)"
            )
        return core

    # -- what it says ----------------------------------------------------------------------------------------------

    def enough(self, rows: Sequence[Row]) -> bool:
        """Never: which limit fails where is part of the verdict."""
        return False

    def judge(self, subject: Subject, rows: Sequence[Row]) -> Judgement:
        """See ``gate_control_judge.py``."""
        core = self._core(subject, 1, self.judging(subject))
        mark = golden(subject.env_id)
        made_by = {**fingerprint(core.twin), **({} if mark is None else {"golden": mark})}
        return judge(self, subject, rows, core.objective, made_by)

    def sections(self, subject: Subject, rows: Sequence[Row], judgement: Judgement) -> list[Section]:
        """See ``gate_control_page.py``."""
        return sections(self, subject, rows, judgement)


def _kept(outcome: Outcome) -> dict[str, Any]:
    return {name: outcome[name] for name in KEPT}
