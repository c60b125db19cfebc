"""Which scenarios a gate looks at: a frozen lattice of corners and draws, or episodes of a split."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from voltgym.envs.core import Episodes
from voltgym.envs.errors import VoltGymError, whole_number
from voltgym.envs.scenario import generator

KELVIN = 273.15


class Case(NamedTuple):
    """One scenario of a gate."""

    label: str
    """In words, short."""
    scenario: Mapping[str, Any]
    drawn: bool
    """It was drawn and stands for its like; corners are looked at, and no share or mean counts them."""


Make = Callable[[str | None], Episodes]
"""One episode of the environment in a split; None for its own."""


class Source(Protocol):
    """Where scenarios come from."""

    def __call__(self, make: Make) -> list[Case]:
        """The scenarios for an environment that ``make`` makes; always the same."""
        ...


class Lattice:
    """Corners of what may vary, and a Latin hypercube of draws within it.

    Args:
        base: the value of everything that a scenario has.
        ranges: lowest and highest of what varies.
        at: by name, the values at which every one of ``cells`` is looked at.
        cells: by label, what differs from ``base`` in a corner.
        draws: how many draws; each range is cut into as many equal strata, and each stratum is met once.
        seed: of the draws.
    """

    def __init__(
        self,
        base: Mapping[str, float],
        ranges: Mapping[str, Sequence[float]],
        at: Mapping[str, Sequence[float]],
        cells: Mapping[str, Mapping[str, float]],
        draws: int,
        seed: int,
    ) -> None:
        self.base, self.ranges, self.at, self.cells = dict(base), dict(ranges), dict(at), dict(cells)
        self.draws, self.seed = whole_number("draws", draws, least=0, most=10_000), seed
        for name in [*self.ranges, *self.at, *(n for cell in self.cells.values() for n in cell)]:
            if name not in self.base:
                raise VoltGymError(f"the scenarios vary {name!r}, which `base` does not have; add it there")

    def __call__(self, make: Make) -> list[Case]:
        """Corners first. The environment's scenarios may have a shape of their own: every cell of it is the same."""
        core = make("nominal")
        like = core.scenario(generator(core.env_id, "nominal", 0))
        missing = [name for name in like if name not in self.base and name != "Redraws"]
        if missing:
            raise VoltGymError(f"scenarios of {core.env_id} have {missing[0]!r}, which the gate's `base` lacks")
        return [case._replace(scenario=_shaped(case.scenario, like)) for case in (*self._corners(), *self._drawn())]

    def _corners(self) -> list[Case]:
        out = []
        for name, values in self.at.items():
            for value in values:
                for label, change in self.cells.items():
                    out.append(Case(f"{label}, {_said(name, value)}", {**self.base, name: value, **change}, False))
        return out

    def _drawn(self) -> list[Case]:
        rng, columns = np.random.default_rng(self.seed), {}
        for name, (low, high) in self.ranges.items():
            strata = (rng.permutation(self.draws) + rng.random(self.draws)) / max(self.draws, 1)
            columns[name] = low + strata * (high - low)
        first = next(iter(self.ranges), "")
        out = []
        for i in range(self.draws):
            found = {name: float(column[i]) for name, column in columns.items()}
            out.append(Case(f"draw {i + 1}, {_said(first, found[first])}", {**self.base, **found}, True))
        return out


class Drawn:
    """Episodes of a split, by number: what an environment draws itself.

    Args:
        split: None for that of the environment, ``validation`` in place of ``train``.
        first, count: which; those that an evaluation uses begin at 0.
    """

    def __init__(self, split: str | None = None, first: int = 1000, count: int = 32) -> None:
        self.split = split
        self.first, self.count = whole_number("first", first, least=0), whole_number("count", count)

    def __call__(self, make: Make) -> list[Case]:
        """Of the environment's own scenarios."""
        own = make(None).split
        split = self.split or ("validation" if own == "train" else own)
        core = make(split)
        numbers = range(self.first, self.first + self.count)
        return [Case(f"episode {k} of {split}", core.scenario(generator(core.env_id, split, k)), True) for k in numbers]


class Listed:
    """A scenario for an environment: those of a list, in order."""

    def __init__(self, scenarios: Sequence[Mapping[str, Any]]) -> None:
        self._left = iter(scenarios)

    def __call__(self, rng: np.random.Generator) -> dict[str, Any]:
        """The next one; the generator is not asked."""
        return dict(next(self._left))


def _shaped(scenario: Mapping[str, float], like: Mapping[str, Any]) -> dict[str, Any]:
    return {name: np.full(np.shape(value), scenario.get(name, 0)) if np.shape(value) else scenario.get(name, 0)
            for name, value in like.items()}  # fmt: skip


def _said(name: str, value: float) -> str:
    """A value in few words: kelvin as C."""
    return f"{value - KELVIN:.1f} °C" if name.endswith("[K]") else f"{name} {value:.3g}"
