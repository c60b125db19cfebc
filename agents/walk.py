"""A random walk among designs: what any search must beat at equal cost."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from voltgym.agents.base import Policy, Progress
from voltgym.agents.designs import begin, finish, starts
from voltgym.agents.oracle import UNIT, Oracle
from voltgym.envs.errors import whole_number
from voltgym.envs.ledger import BudgetExhausted, Ledger
from voltgym.surrogates.base import take


class RandomWalkAgent:
    """Episodes of uniformly random valid edits from the start designs; every design on the way is priced.

    The budget counts different designs. ``rows`` episodes run side by side; each begins with a start design drawn at
    random and ends after ``steps`` edits. The same seed prices the same designs. It ends early where ``patience``
    rounds of steps in a row find no design that is new.

    Args:
        steps: edits of an episode.
        rows: episodes side by side.
        starts: how many episodes of the split are looked at for their start designs.
        hand_in: how many of the best designs are handed in.
        patience: rounds without a new design, after which the space is taken to be exhausted.
        default_budget: designs, where no budget is asked for.
    """

    unit = UNIT

    def __init__(
        self,
        *,
        steps: int = 12,
        rows: int = 16,
        starts: int = 64,
        hand_in: int = 20,
        patience: int = 200,
        default_budget: int = 1000,
    ) -> None:
        given = {"steps": steps, "rows": rows, "starts": starts, "hand_in": hand_in, "patience": patience}
        whole = {name: whole_number(name, value) for name, value in given.items()}
        self.steps, self.rows, self.starts, self.hand_in, self.patience = whole.values()
        self.default_budget = default_budget
        self.ledger = Ledger()

    def train(
        self, env_id: str, env_kwargs: Mapping[str, Any], *, budget: int, seed: int, out: Path, progress: Progress
    ) -> Policy:
        """Walk until ``budget`` designs are priced. ``self.ledger`` is what was spent."""
        about = {"class": "RandomWalkAgent", "steps": self.steps, "rows": self.rows, "starts": self.starts}
        oracle = begin(env_id, env_kwargs, budget=budget, seed=seed, out=out, agent=about)
        self.ledger = oracle.ledger
        rng = np.random.default_rng(seed)
        with suppress(BudgetExhausted):
            pool = starts(env_id, env_kwargs, self.starts)
            while oracle.idle < self.patience:
                self._episodes(oracle, [pool[i] for i in rng.integers(len(pool), size=self.rows)], rng, progress)
        oracle.tell(progress)
        return finish(oracle, out, self.hand_in)

    def _episodes(self, oracle: Oracle, designs: list[str], rng: np.random.Generator, progress: Progress) -> None:
        """``steps`` edits from each of ``designs``; a row whose design cannot be priced, or that is stuck, waits."""
        space = oracle.problem.space
        oracle.ask(designs)
        state = space.initial(designs)
        for _ in range(self.steps):
            mask = space.mask(state)
            mask[:, space.stop] = False
            rows = np.flatnonzero(mask.any(axis=1))
            if not rows.size:
                break
            state, mask = take(state, rows), mask[rows]
            action = np.where(mask, rng.random(mask.shape), -1.0).argmax(axis=1)
            new, failure = space.apply(state, action)
            verdicts = oracle.ask(list(space.keys(new)))
            state = take(new, np.flatnonzero((failure == 0) & np.array([v.failure == 0 for v in verdicts])))
            oracle.tell(progress)
            if not len(space.keys(state)):
                break
