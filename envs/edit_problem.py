"""``EditProblem``: an editing environment as a black box over designs, for optimisers that propose whole designs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from voltgym.envs.edits import START, DesignSpace, EditTwin
from voltgym.envs.errors import VoltGymError, whole_number
from voltgym.envs.ledger import Ledger
from voltgym.envs.making import make_episodes
from voltgym.envs.problem import Evaluation
from voltgym.envs.scenario import generator


class EditProblem:
    """Price designs of an editing environment by their key (a SMILES, a formula): no bounds, but moves.

    The ledger counts ``unique_designs``: a design that was asked for before costs nothing. Set a limit on it to have a
    hard budget; a batch that does not fit is not run.

    Args:
        env_id: an environment whose twin is an ``EditTwin``.
        split, episode: which scenario; it gives the ``start``.
        kwargs: of the environment.
    """

    def __init__(self, env_id: str, *, split: str = "nominal", episode: int = 0, **kwargs: Any) -> None:
        core = make_episodes(env_id, 1, split=split, **kwargs)
        if not isinstance(core.twin, EditTwin):
            raise VoltGymError(f"{env_id} edits no design: use voltgym.envs.problem.DesignProblem for it")
        self.env_id, self.twin, self.objective, self.task = env_id, core.twin, core.objective, core.task
        scenario = core.scenario(generator(env_id, split, whole_number("episode", episode, least=0)))
        self.start: str = self.space.canonical(scenario[START])
        """The design that the episode begins with."""

    @property
    def space(self) -> DesignSpace:
        """The designs and their edits."""
        return self.twin.space

    @property
    def ledger(self) -> Ledger:
        """What was spent."""
        return self.twin.ledger

    def key(self, design: str) -> str:
        """The canonical form of a design. Raises `VoltGymError` if it is not of the space."""
        return self.space.canonical(design)

    def sample(self, rng: np.random.Generator, n: int) -> list[str]:
        """``n`` designs at random. Free: nothing is priced."""
        return self.space.sample(rng, n)

    def neighbours(self, design: str) -> list[str]:
        """The designs one edit away. Free."""
        return self.space.neighbours(design)

    def embed(self, designs: Sequence[str]) -> np.ndarray:
        """(n, f) features of designs: what the environment's observation has of them. Free."""
        features = self.twin.embed
        if features is None:
            raise VoltGymError(f"{self.env_id} has no features of its designs: give its EditTwin `embed`")
        return features(list(designs))

    def evaluate(self, designs: Sequence[str]) -> Evaluation:
        """The values, slacks and failures of ``designs`` (n keys of the space); NaN where one failed."""
        measured, failure = self.twin.price([self.key(design) for design in designs])
        return Evaluation(self.objective.value(measured), self.objective.slacks(measured), failure)
