"""``action="continuous"``: a whole cathode at once, as shares of the metals and a cut-off.

For agents that act with numbers (SAC, TD3) and optimisers of vectors (BoTorch, CMA-ES): an episode is one decision. The
shares are rounded to the nearest composition of the grid, which the twin's cell of ten formula units can hold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import gymnasium as gym
import numpy as np

from voltgym.envs.cathode.composition import CUT_OFFS, Design
from voltgym.envs.cathode.metals import METALS
from voltgym.envs.cathode.space import CathodeSpace, nearest
from voltgym.envs.contracts import Measured
from voltgym.surrogates.base import Failure, State

SHARES = len(METALS)


class AnyDesign(CathodeSpace):
    """The grid of cathodes where an action is the place of a design among ``designs``: it is jumped to."""

    def __init__(self) -> None:
        super().__init__()
        self.places = {key: i for i, key in enumerate(self.designs)}
        self.stop = len(self.designs)
        self.n_actions = self.stop + 1

    def mask(self, state: State) -> np.ndarray:
        """(N, 0): every design can be had."""
        return np.zeros((len(state["removed"]), 0), dtype=bool)

    def apply(self, state: State, action: np.ndarray) -> tuple[State, np.ndarray]:
        """(N,) places of designs, and no failures."""
        action = np.asarray(action)
        keys = [key if a == self.stop else self.designs[a] for key, a in zip(state["key"], action, strict=True)]
        return self.initial(keys), np.full(len(action), Failure.NONE, dtype=np.int8)


class SimplexTask:
    """Say the shares of Ni, Mn, Co, Al, Mg, Ti and how far to charge; the episode is over then.

    Actions are (7,) in [0, 1]: six shares, divided by their sum (of the dopants only the largest counts, up to
    0.2), and where between 0.3 and 0.7 of the lithium the cut-off is. What the metals cannot give is not asked of them.
    Observation, (d,) float32: the design that the episode begins with, as fractions and cut-off, and what it measures.

    Args:
        space: of the designs.
        shown: what is measured and observed, with ``(offset, scale)``.
        references: known designs to beat, by name.
    """

    def __init__(
        self,
        space: AnyDesign,
        shown: Mapping[str, tuple[float, float]],
        references: Mapping[str, str] | None = None,
    ) -> None:
        self.space, self.references = space, dict(references or {})
        self._shown = tuple(shown)
        self._offset, self._scale = np.array(list(shown.values())).T
        self.action_space = gym.spaces.Box(0.0, 1.0, (SHARES + 1,), np.float32)
        size = len(space.feature_names) + len(shown)
        self.observation_space = gym.spaces.Box(-np.inf, np.inf, (size,), np.float32)

    def decode(self, action: np.ndarray) -> np.ndarray:
        """(N,) places of the designs that (N, 7) actions say."""
        return np.array([self.space.places[design_of(row)] for row in np.asarray(action, dtype=float)], dtype=np.int64)

    def observe(self, state: State, measured: Measured) -> np.ndarray:
        """(N, d) float32; see the class."""
        table = np.stack([measured[name] for name in self._shown], axis=1)
        found = [self.space.features(state), (table - self._offset) / self._scale]
        return np.concatenate(found, axis=1).astype(np.float32)

    def done(self, state: State, measured: Measured) -> np.ndarray:
        """(N,) True: one decision is all."""
        return np.ones(len(state["removed"]), dtype=bool)


def design_of(action: Sequence[float] | np.ndarray) -> str:
    """The key of the design that an action (7,) says; no shares at all are equal ones."""
    x = np.asarray(action, dtype=float)
    shares = x[:SHARES] if x[:SHARES].sum() > 0 else np.ones(SHARES)
    composition = nearest(shares)
    wanted = CUT_OFFS[0] + round(float(x[SHARES]) * (CUT_OFFS[-1] - CUT_OFFS[0]))
    return Design(composition, min(wanted, composition.deepest)).key


def action_of(design: Design) -> np.ndarray:
    """(7,) an action that says a design."""
    cut_off = (design.removed - CUT_OFFS[0]) / (CUT_OFFS[-1] - CUT_OFFS[0])
    return np.array([*(n / 10 for n in design.composition.counts), cut_off], dtype=np.float32)
