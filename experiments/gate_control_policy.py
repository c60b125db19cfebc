"""How what is handed to a control gate acts: numbers as a protocol, and what a policy is bound to."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from voltgym.agents.protocols import RatesBySOC
from voltgym.envs.core import Episodes
from voltgym.envs.errors import VoltGymError
from voltgym.experiments.gate_subject import Subject


class Shown:
    """What a policy is bound to: the episodes that are played, with the twin that it was made for.

    A controller with a model of its own takes it from the twin, and must not get a better one for the judging.
    """

    def __init__(self, core: Episodes, twin: Any) -> None:
        self._core, self.twin = core, twin

    def __getattr__(self, name: str) -> Any:
        return getattr(self._core, name)


def read_numbers(text: str) -> list[float]:
    """The numbers of a design. Raises `VoltGymError` where they are none."""
    try:
        found = [float(part) for part in text.split(",")]
    except ValueError:
        found = []
    if not found or not all(math.isfinite(x) for x in found):
        raise VoltGymError(f"design is {text!r}; expected numbers such as 1.2,1.1,0.9,0.7,0.5")
    return found


def bounds(core: Episodes, count: int) -> np.ndarray:
    """(2, count) of the action space."""
    space: Any = core.task.action_space
    return np.stack([space.low.ravel(), space.high.ravel()])[:, :count]


def by_soc(count: int, core: Episodes, subject: Subject) -> RatesBySOC:
    """Numbers that are no action: C-rates in windows of the SOC that the task observes."""
    names = getattr(core.task, "names", ())
    if not {"Counted SOC", "SOC"} & set(names):
        shape = core.task.action_space.shape
        wanted = shape[0] if shape else "no"
        raise VoltGymError(
            f"the design has {count} number(s); {subject.env_id} takes {wanted} here (a protocol of {count} stages: "
            f"env.kwargs.stages={count})"
        )
    return RatesBySOC(stages=count, low=0.0, high=float(core.task.action_space.high[0]))  # type: ignore[attr-defined]
