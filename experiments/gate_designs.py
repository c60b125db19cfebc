"""The gate of things that are designed: physics from several sides, and draws within what is not known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, Protocol

import numpy as np

from voltgym.envs.contracts import Measured, Objective
from voltgym.envs.edit_problem import EditProblem
from voltgym.envs.errors import VoltGymError, whole_number
from voltgym.experiments.gate_config import made
from voltgym.experiments.gate_designs_judge import judge, refused
from voltgym.experiments.gate_designs_page import sections
from voltgym.experiments.gate_parts import Check, Judgement, Row
from voltgym.experiments.gate_subject import Subject
from voltgym.experiments.page import Section


class Window(NamedTuple):
    """What one quantity is worth nothing beyond."""

    name: str
    zero: float
    """Where it is worth nothing; on the far side of it, it is out."""
    sign: float
    """+1 where more is better."""
    reference: float = 0.0
    """What it is measured from."""
    apart: bool = False
    """The distance from the reference counts."""


class Draw(NamedTuple):
    """One way that a design may turn out."""

    label: str
    changes: Mapping[str, float]
    """By name of what is measured: what is added to it."""


class Physics(Protocol):
    """What a domain knows of its designs; a gate's YAML names it by ``_target_``."""

    level: str
    """What it is called."""

    def variants(self, design: str) -> Sequence[Sequence[str]]:
        """The names of what is computed, in groups."""
        ...

    def compute(self, design: str, variant: str) -> Row:
        """``values`` by name, or None and a ``reason``; ``needed`` where the verdict cannot do without it."""
        ...

    def draws(
        self, design: str, rows: Sequence[Row], spread: Mapping[str, float], rng: np.random.Generator, count: int
    ) -> list[Draw]:
        """``count`` ways it may turn out; ``spread`` are the standard deviations of what the level measures."""
        ...

    def windows(self, objective: Objective) -> list[Window]:
        """What each quantity must be within."""
        ...

    def checks(self, design: str, rows: Sequence[Row]) -> list[Check]:
        """What the domain looks at beside limits and windows."""
        ...

    def chart(self, design: str, rows: Sequence[Row]) -> list[str]:
        """Pictures of the design and of what was computed, as SVG."""
        ...


class DesignGate:
    """Judges a design on physics, with what is not known of it drawn.

    Args:
        physics: ``_target_`` and arguments of a :class:`Physics`.
        change: arguments of the environment that make the level that judges.
        reset: arguments that are set so where a recommendation's environment has them.
        draws, seed: how many ways the design may turn out, and of which seed.
        least_within: the share of the draws that must be within each window and each limit.
        least_share: the share that must be within all of them.
        least_value: the least expected score.
        least_promise: the share of the promised score, at the mean, that must be kept.
        most_gap: by name, how far what was promised may be from physics.
        use: what designs are declared for, in words.
        options: of the physics, from the command line.
    """

    def __init__(
        self,
        *,
        physics: Mapping[str, Any],
        change: Mapping[str, Any],
        reset: Mapping[str, Any],
        draws: int,
        seed: int,
        least_within: float,
        least_share: float,
        least_value: float,
        least_promise: float,
        most_gap: Mapping[str, float],
        about: str,
        use: str | None = None,
        **options: Any,
    ) -> None:
        if use is not None:
            raise VoltGymError(f"use is {use!r}, but designs are declared for one use only: {about}; leave it out")
        self.physics: Physics = made({**physics, **options}, "the physics of the gate")
        self.change, self.reset = dict(change), dict(reset)
        self.count, self.seed = whole_number("gate.draws", draws, least=10, most=100_000), seed
        self.least_within, self.least_share = least_within, least_share
        self.least_value, self.least_promise, self.most_gap = least_value, least_promise, dict(most_gap)
        self.about = about

    def subject(self, subject: Subject) -> Subject:
        """``subject`` with its design as the space writes it; with a note where it is none of the space."""
        if subject.design is None:
            raise VoltGymError(
                f"{subject.label} is a policy that edits designs; what is validated is a design: give design=..., or "
                "the run of a search, whose best design is taken"
            )
        try:
            return replace(subject, design=self.problem(subject, False).key(subject.design))
        except VoltGymError as error:
            return replace(subject, note=str(error))

    def problem(self, subject: Subject, judging: bool) -> EditProblem:
        """The designs of the environment on the level that judges, or on the one that was searched on."""
        kwargs = {name: value for name, value in subject.env_kwargs.items() if name not in ("split", "start")}
        reset = {name: value for name, value in self.reset.items() if name in kwargs}
        change = {**reset, **self.change} if judging else {}
        return EditProblem(subject.env_id, **{**kwargs, **change, "split": "nominal"})

    def cases(self, subject: Subject) -> list[list[str]]:
        """What is computed; nothing of what is no design."""
        return [] if subject.note else [list(group) for group in self.physics.variants(subject.design or "")]

    def compute(self, subject: Subject, cases: Sequence[str]) -> list[Row]:
        """A row a variant."""
        return [{"case": case, **self.physics.compute(subject.design or "", case)} for case in cases]

    def enough(self, rows: Sequence[Row]) -> bool:
        """Without a result of the physics nothing can be said for a design."""
        return any(row["needed"] and row["values"] is None for row in rows)

    def judge(self, subject: Subject, rows: Sequence[Row]) -> Judgement:
        """See ``gate_designs_judge.py``."""
        return refused(self, subject) if subject.note else judge(self, subject, rows)

    def sections(self, subject: Subject, rows: Sequence[Row], judgement: Judgement) -> list[Section]:
        """See ``gate_designs_page.py``."""
        return [] if subject.note else sections(self, subject, rows, judgement)


def window_margins(windows: Sequence[Window], values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """(n,) by name: what is left to where a quantity is worth nothing, in its unit; negative beyond."""
    out = {}
    for window in windows:
        at = values[window.name] - window.reference
        out[window.name] = window.sign * ((np.abs(at) if window.apart else at) - window.zero)
    return out


def drawn(base: Measured, draws: Sequence[Draw]) -> dict[str, np.ndarray]:
    """(n,) by name: what is measured in every draw, taken as it is: without a standard deviation of its own."""
    n = len(draws)
    out = {name: np.full(n, float(value[0])) for name, value in base.items()}
    for name in [name for name in out if name.endswith(" std")]:
        out[name] = np.zeros(n)
    for i, draw in enumerate(draws):
        for name, change in draw.changes.items():
            out[name][i] += change
    return out
