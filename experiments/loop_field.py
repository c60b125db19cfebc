"""What a loop over designs needs of a kind of design: how one is priced, learned, varied, and handed in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from voltgym.agents.base import Agent, Policy
from voltgym.envs.contracts import Measured, Objective
from voltgym.surrogates.growing import Growing


class Priced(NamedTuple):
    """What the physics says of one design."""

    value: float | None
    feasible: bool
    failure: int
    latent: dict[str, float]
    """By name what a surrogate learns, NaN where one is not known; empty where there is nothing to learn."""
    slacks: dict[str, float]
    """In units of their scales."""


class Field(Protocol):
    """Designs of one kind, and the two levels of one environment that they are looked at on."""

    objective: Objective
    latent: tuple[str, ...]
    """What a surrogate learns."""
    unit: str
    """What an agent that searches here counts."""
    usual: str
    """The name of one."""

    def start(self, rng: np.random.Generator, count: int) -> list[Any]:
        """Different designs to begin with."""
        ...

    def grow(self, designs: Sequence[Any], latent: np.ndarray, seed: int) -> Growing:
        """A surrogate of ``designs`` (n) and what is learned of them (n, k)."""
        ...

    def load(self, folder: Path) -> Growing:
        """The surrogate in ``folder``."""
        ...

    def optimised(self, agent: Agent, surrogate: Path, budget: int, seed: int, out: Path) -> list[Any]:
        """The designs that ``agent`` found on the surrogate, best first."""
        ...

    def around(self, designs: Sequence[Any], count: int, rng: np.random.Generator) -> list[Any]:
        """Other candidates: near ``designs``, and anywhere; about ``count``."""
        ...

    def imagined(self, designs: Sequence[Any]) -> Callable[[np.ndarray, np.ndarray], Measured]:
        """From (s, r, k) latent values and (r,) places of ``designs`` to what they would measure, (s * r,)."""
        ...

    def price(self, design: Any) -> Priced:
        """Run a design on the physics."""
        ...

    def key(self, design: Any) -> str:
        """The same design, the same text."""
        ...

    def hand_in(self, designs: Sequence[Any]) -> tuple[Policy, Mapping[str, Any]]:
        """``designs``, best first, as a policy, and the arguments of the environment that it is for."""
        ...
