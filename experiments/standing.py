"""What is said of one entry of a track."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from voltgym.experiments.results import Run
from voltgym.experiments.standing_search import Search
from voltgym.experiments.statistics import Interval, Rank
from voltgym.experiments.tables import ENOUGH_FEASIBLE

NAN = float("nan")
OURS = "voltgym"
"""The author of the shipped runs."""
RANKED, UNTRUSTED, APART, FAULTY = "ranked", "not ranked", "another fingerprint", "not scored"
"""The sections of a track."""
SECTIONS = (RANKED, UNTRUSTED, APART, FAULTY)


UNKNOWN = Interval(NAN, NAN, NAN)


@dataclass(frozen=True)
class Standing:
    """What is said of one entry: all runs of one author's agent with one fingerprint and one badge."""

    entry: str
    author: str
    information: str
    trust: str
    fingerprint: str
    runs: tuple[Run, ...] = field(repr=False)
    fixed: bool
    """No seed changes it: one run is all there is."""
    provisional: bool
    """Fewer than ten seeds."""
    feasible: float
    """The share of feasible episodes; with designs, of runs whose first one is feasible (of a front: any). NaN where
    there is nothing to judge by."""
    violated: float
    """The share of steps that violate a limit."""
    value: float
    """The mean of the track's value over the feasible episodes, or over the first designs that are feasible."""
    margins: Mapping[str, float]
    """The worst slack by name."""
    spent: Mapping[str, float]
    """The mean over runs, by kind."""
    solver_seconds: float
    scores: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)), repr=False)
    """(runs, episodes); (0, 0) where there are none."""
    score: Interval = UNKNOWN
    gap: float = NAN
    """What is missing to a score of 1 on average."""
    train_gap: float = NAN
    """Score on as many episodes of the split that was trained on, less that on the others: > 0 does not carry over."""
    improvement: float = NAN
    """How likely a run is better than the baseline in an episode."""
    most_violated: float = 1.0
    """What the track allows of ``violated``."""
    search: Search | None = None
    rank: Rank | None = None
    """Among the ranked entries of its information class."""
    section: str = RANKED
    why: str = ""
    """Why it is not ranked."""

    @property
    def below(self) -> bool:
        """Too few feasible episodes, or too many violated steps: ranked below all others."""
        return self.feasible < ENOUGH_FEASIBLE or self.violated > self.most_violated

    @property
    def budget(self) -> int:
        """The largest of its runs."""
        return max(run.budget for run in self.runs)

    @property
    def unit(self) -> str:
        """What the budget counts."""
        return self.runs[0].unit
