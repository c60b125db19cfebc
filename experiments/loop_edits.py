"""Cathodes and molecules as the field of a loop: designs by key, priced on a level of the fidelity ladder."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np

from voltgym.agents.base import Agent, Policy, Silent
from voltgym.agents.designs import DESIGNS_FILE, HandIn, starts
from voltgym.agents.oracle import UNIT, Verdict, ranked, sign_of, verdicts
from voltgym.envs.contracts import Measured
from voltgym.envs.edit_problem import EditProblem
from voltgym.envs.errors import VoltGymError, check_name
from voltgym.envs.imagine import Imagined, imaginable
from voltgym.experiments.loop_field import Priced
from voltgym.surrogates.growing import Growing

LISTED = 5000
"""A space that lists so many designs or fewer is weighed whole."""
RANDOM, EPISODES = "random", "episodes"
"""What a loop begins with."""
STARTS = 64
"""Training episodes that are looked at for their starts."""


class EditField:
    """``loop_field.Field`` over an editing environment.

    Args:
        env_id, env_kwargs: the environment.
        level: the ``property_model`` that is the physics.
        grow: ``(keys, latent (n, k), seed) -> Growing``, what is learned in the order of the physics' ``latent``.
        load: reads a surrogate back.
        pessimism: standard deviations that the agent's environment takes off what the surrogate says.
        begin: ``random``, or ``episodes``: with designs that training episodes start from.
        exhaustive: a space that lists its designs is priced on the surrogate whole, in place of the agent's search.
    """

    unit, usual = UNIT, "graph_ga"

    def __init__(
        self, env_id: str, env_kwargs: Mapping[str, Any], *, level: str,
        grow: Callable[[Sequence[str], np.ndarray, int], Growing], load: Callable[[Path], Growing], pessimism: float,
        exhaustive: bool = False, begin: str = RANDOM,
    ) -> None:  # fmt: skip
        self.env_id, self.level, self.pessimism = env_id, level, pessimism
        self.exhaustive = bool(exhaustive)
        check_name("loop.begin", begin, (RANDOM, EPISODES))
        self.begin = begin
        self.kwargs = {name: value for name, value in env_kwargs.items() if name != "property_model"}
        self.problem = EditProblem(env_id, **{**self.kwargs, "property_model": level})
        self.objective = self.problem.objective
        if not isinstance(self.problem.task.action_space, gym.spaces.Discrete):
            raise VoltGymError(f"a loop over designs edits them: {env_id} has no edits with these arguments (action=)")
        self.latent = tuple(imaginable(self.problem.twin).latent)
        self._grow, self.load = grow, load

    def start(self, rng: np.random.Generator, count: int) -> list[str]:
        """Different ones of those that episodes begin with, as far as there are any; designs at random."""
        there = starts(self.env_id, self.kwargs, STARTS) if self.begin == EPISODES else []
        found = dict.fromkeys(there[i] for i in rng.permutation(len(there)))
        for _ in range(20):
            if len(found) >= count:
                break
            found.update(dict.fromkeys(self.problem.sample(rng, count)))
        return list(found)[:count]

    def grow(self, designs: Sequence[str], latent: np.ndarray, seed: int) -> Growing:
        """By the function that the config names."""
        try:
            return self._grow(designs, latent, seed)
        except (ValueError, TypeError) as error:
            raise VoltGymError(f"loop.grow cannot fit a surrogate: {error}") from None

    def optimised(self, agent: Agent, surrogate: Path, budget: int, seed: int, out: Path) -> list[str]:
        """What the agent priced on the surrogate with pessimism, best first."""
        kwargs = {**self.kwargs, "property_model": str(surrogate), "k": self.pessimism}
        if self.exhaustive and (listed := self._listed()):
            lower = EditProblem(self.env_id, **kwargs)
            every = verdicts(listed, lower.evaluate(listed), lower.objective, 1)
            return [verdict.key for verdict in ranked(every, sign_of(self.objective))]
        shutil.rmtree(out, ignore_errors=True)  # of a search that was killed: it is as quickly made again
        agent.train(self.env_id, kwargs, budget=budget, seed=seed, out=out, progress=Silent())
        found = [Verdict(**json.loads(line)) for line in (out / DESIGNS_FILE).read_text("utf-8").splitlines()]
        return [verdict.key for verdict in ranked(found, sign_of(self.objective))]

    def around(self, designs: Sequence[str], count: int, rng: np.random.Generator) -> list[str]:
        """All designs, where the space lists them; else neighbours of ``designs`` and some at random."""
        if listed := self._listed():
            return [listed[i] for i in rng.permutation(len(listed))]
        near = [other for design in designs[:5] for other in self.problem.neighbours(design)]
        return [*near[:count], *self.problem.sample(rng, max(1, count // 10))]

    def _listed(self) -> list[str]:
        """All designs, where the space lists them and they are not too many."""
        listed = list(getattr(self.problem.space, "designs", ()))
        return listed if len(listed) <= LISTED else []

    def imagined(self, designs: Sequence[str]) -> Callable[[np.ndarray, np.ndarray], Measured]:
        """As the physics' level of the environment would measure them."""
        return Imagined(self.problem.twin, designs)

    def price(self, design: str) -> Priced:
        """Ask the physics; on the environment's own ledger, too."""
        found = verdicts([design], self.problem.evaluate([design]), self.objective, 1)[0]
        row = imaginable(self.problem.twin).learnable([design])[0]
        latent = dict(zip(self.latent, row.tolist(), strict=True)) if np.isfinite(row).all() else {}
        return Priced(found.value, found.feasible, found.failure, latent, found.slacks)

    def key(self, design: str) -> str:
        """It is one."""
        return design

    def hand_in(self, designs: Sequence[str]) -> tuple[Policy, Mapping[str, Any]]:
        """The first twenty."""
        return HandIn(designs[:20]), {**self.kwargs, "property_model": self.level}
