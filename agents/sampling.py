"""Designs drawn at random from the space: what a search must beat, and what its acceleration is measured by."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from voltgym.agents.base import Policy, Progress
from voltgym.agents.designs import begin, finish
from voltgym.agents.oracle import UNIT
from voltgym.envs.errors import whole_number
from voltgym.envs.ledger import BudgetExhausted, Ledger


class RandomDesignsAgent:
    """Prices samples of the space, ``batch`` at a time, until the budget of different designs is spent.

    Args:
        batch: designs drawn together.
        hand_in: how many of the best designs are handed in.
        patience: batches without a new design, after which the space is taken to be exhausted.
        default_budget: designs, where no budget is asked for.
    """

    unit = UNIT

    def __init__(self, *, batch: int = 10, hand_in: int = 20, patience: int = 200, default_budget: int = 1000) -> None:
        self.batch, self.hand_in = whole_number("batch", batch), whole_number("hand_in", hand_in)
        self.patience, self.default_budget = whole_number("patience", patience), default_budget
        self.ledger = Ledger()

    def train(
        self, env_id: str, env_kwargs: Mapping[str, Any], *, budget: int, seed: int, out: Path, progress: Progress
    ) -> Policy:
        """Draw until ``budget`` designs are priced. ``self.ledger`` is what was spent."""
        about = {"class": "RandomDesignsAgent", "batch": self.batch}
        oracle = begin(env_id, env_kwargs, budget=budget, seed=seed, out=out, agent=about)
        self.ledger = oracle.ledger
        rng = np.random.default_rng(seed)
        with suppress(BudgetExhausted):
            while oracle.idle < self.patience:
                oracle.ask(oracle.problem.sample(rng, self.batch))
                oracle.tell(progress)
        oracle.tell(progress)
        return finish(oracle, out, self.hand_in)
