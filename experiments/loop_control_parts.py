"""What the control loop is put together with: its environment's arguments, its batches, its progress."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np

from voltgym.envs.errors import VoltGymError, check_name
from voltgym.experiments.loop_log import Recommendation

CHECK = "check"
FIDELITIES = ("SPM", "SPMe", "DFN")
SIDE = 32
"""Charges that run side by side."""


def physical(env_kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of an environment that runs on physics, in the splits that a loop uses."""
    check_name("env.kwargs.fidelity of a loop, whose judge is physics", env_kwargs.get("fidelity", "SPMe"), FIDELITIES)
    if env_kwargs.get("split", "train") != "train":
        raise VoltGymError(
            f"env.kwargs.split is {env_kwargs['split']!r}; a loop charges in `train` and checks in `validation`: use "
            "env=fastcharge, and evaluate the policy in another split afterwards"
        )
    return dict(env_kwargs)


class Trained:
    """What an agent tells of its training, as a share of it."""

    def __init__(self, tell: Callable[[float], None]) -> None:
        self.tell = tell

    def update(self, done: int, total: int, **numbers: float) -> None:
        """Pass the share on."""
        self.tell(done / max(total, 1))


def alike(batch: Sequence[tuple[Recommendation, int]]) -> Iterator[list[tuple[Recommendation, int]]]:
    """The batch in order, in pieces of one kind; a check is a piece of its own."""
    for kind, group in groupby(batch, key=lambda item: item[0].design["kind"]):
        some, size = list(group), 1 if kind == CHECK else SIDE
        yield from (some[i : i + size] for i in range(0, len(some), size))


def affordable(batch: Sequence[Recommendation], left: float) -> list[Recommendation]:
    """As many of the first of ``batch`` as fit even if each takes all the steps that it may."""
    sums = np.cumsum([one.design["steps"] for one in batch])
    return list(batch[: int(np.searchsorted(sums, left, side="right"))])
