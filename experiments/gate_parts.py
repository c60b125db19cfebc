"""What a gate says: checks, of which those that fail are the reasons, and estimates with their intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np

from voltgym.experiments.gate_subject import Subject
from voltgym.experiments.page import Section
from voltgym.experiments.statistics import interval, mean

Row = dict[str, Any]
"""What was computed of one case, as JSON has it; ``case`` is its name."""
Z95 = 1.959963984540054
"""Standard deviations to either side of a 95 % interval of a normal distribution."""


@dataclass(frozen=True)
class Check:
    """One thing that was looked at. One that did not pass is a reason not to deploy."""

    limit: str
    """What is limited, with its unit: ``"Anode potential [V]"``."""
    passed: bool
    text: str
    """In a sentence."""
    where: str = ""
    """In which scenario it is worst."""
    margin: float | None = None
    """What is left at the worst, in ``unit``; negative beyond the limit."""
    unit: str = ""
    threshold: float | str | None = None
    """What the margin, or whatever the text says, is held against."""
    kind: str = "limit"
    """``limit``, ``validity`` (nothing is known there), ``value``, ``promise`` or ``design``."""


class Share(NamedTuple):
    """How many of the drawn scenarios are feasible, with a Wilson interval of 95 %."""

    passed: int
    of: int
    value: float
    low: float
    high: float


class Value(NamedTuple):
    """The expected value with its 95 % interval; NaN where nothing is left to average."""

    name: str
    direction: str
    mean: float
    low: float
    high: float
    of: int
    method: str


@dataclass(frozen=True)
class Judgement:
    """What a gate found. ``deploy`` is that no check failed."""

    level: str
    """On what it was judged, in words."""
    use: str
    """The declared use: its name, and in words for what."""
    use_about: str
    checks: Sequence[Check]
    share: Share
    value: Value
    gap: Mapping[str, Any]
    """How far what the agent trained on was off."""
    scenarios: Sequence[Mapping[str, Any]]
    notes: Sequence[str] = ()
    """What to know beside the verdict."""
    fingerprint: Mapping[str, Any] = field(default_factory=dict)

    @property
    def deploy(self) -> bool:
        """Whether every check passed."""
        return all(check.passed for check in self.checks)


class Gate(Protocol):
    """What judges a recommendation of one kind of environment; a YAML in ``conf/gate/`` names it by ``_target_``.

    ``compute`` is called with some cases at a time, whose rows are kept at once: what was computed before a kill is not
    computed again. The rest is done from the rows.
    """

    def subject(self, subject: Subject) -> Subject:
        """``subject`` made ready: a design that came as text read. Raises `VoltGymError` where it cannot be judged."""
        ...

    def cases(self, subject: Subject) -> Sequence[Sequence[str]]:
        """The names of all cases, in groups that are computed together."""
        ...

    def compute(self, subject: Subject, cases: Sequence[str]) -> list[Row]:
        """A row a case."""
        ...

    def enough(self, rows: Sequence[Row]) -> bool:
        """Whether the rows so far decide, so that no more need be computed."""
        ...

    def judge(self, subject: Subject, rows: Sequence[Row]) -> Judgement:
        """What the rows say."""
        ...

    def sections(self, subject: Subject, rows: Sequence[Row], judgement: Judgement) -> list[Section]:
        """The pictures of the page."""
        ...


def wilson(passed: int, of: int) -> Share:
    """A share with its 95 % interval after Wilson 1927, J. Am. Stat. Assoc. 22, 209 (from memory); NaN of nothing."""
    if not of:
        return Share(0, 0, math.nan, math.nan, math.nan)
    p, z2 = passed / of, Z95**2
    middle = (p + z2 / (2 * of)) / (1 + z2 / of)
    half = Z95 / (1 + z2 / of) * math.sqrt(p * (1 - p) / of + z2 / (4 * of**2))
    return Share(passed, of, p, max(middle - half, 0.0), min(middle + half, 1.0))


def expected(name: str, direction: str, values: Sequence[float], method: str) -> Value:
    """The mean of the finite ``values`` with a bootstrap interval (``statistics.interval``)."""
    kept = np.array([value for value in values if value is not None and math.isfinite(value)], dtype=float)
    if not kept.size:
        return Value(name, direction, math.nan, math.nan, math.nan, 0, method)
    found = interval([kept[:, None]], mean)
    return Value(name, direction, found.value, found.low, found.high, len(kept), method)


def unit_of(name: str) -> str:
    """The unit in a name's brackets; nothing where it has none."""
    return name.rpartition(" [")[2].rstrip("]") if name.endswith("]") else ""


def kept_promise(promised: float | None, found: float | None, direction: str, least: float) -> tuple[bool, float]:
    """Whether ``found`` is worth at least the share ``least`` of what was ``promised``, and that share.

    Nothing promised is kept; nothing found keeps no promise.
    """
    if promised is None or not math.isfinite(promised) or promised == 0:
        return True, math.nan
    if found is None or not math.isfinite(found) or found == 0:
        return False, 0.0
    share = found / promised if direction == "max" else promised / found
    return share >= least, share
