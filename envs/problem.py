"""``DesignProblem``: whole episodes as a black box ``x -> (values, slacks)``, for any ask/tell optimiser."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import gymnasium as gym
import numpy as np

from voltgym.envs.episodes import Episodes, counted
from voltgym.envs.errors import VoltGymError, as_array, shown, whole_number
from voltgym.envs.ledger import Ledger
from voltgym.envs.making import make_episodes
from voltgym.surrogates.base import Failure


class Evaluation(NamedTuple):
    """What a batch of ``n`` designs is worth. Over several episodes: the mean value, the worst slack."""

    values: dict[str, np.ndarray]
    """(n,) by name of ``objective.value``; NaN where an episode did not reach its goal."""
    slacks: dict[str, np.ndarray]
    """(n,) by name, the lowest over the steps of all episodes; >= 0 is feasible."""
    failure: np.ndarray
    """(n,) int8 of ``Failure``: the first one met."""


Act = Callable[[np.ndarray], np.ndarray]


class Design(Protocol):
    """How a vector of numbers becomes behaviour."""

    @property
    def bounds(self) -> np.ndarray:
        """(2, d): the lowest and the highest of every number."""
        ...

    def policy(self, x: np.ndarray, episodes: Episodes) -> Act:
        """A function from (n, ...) observations to (n, ...) actions for the rows ``x`` (n, d)."""
        ...


class DirectAction:
    """The design is the action itself: for environments of one decision an episode."""

    def __init__(self, space: gym.spaces.Box) -> None:
        self.space = space

    @property
    def bounds(self) -> np.ndarray:
        """(2, d) of the action space."""
        return np.stack([self.space.low.ravel(), self.space.high.ravel()]).astype(float)

    def policy(self, x: np.ndarray, episodes: Episodes) -> Act:
        """Act with ``x``, whatever is observed."""
        return lambda observation: x.reshape(len(x), *self.space.shape)


class DesignProblem:
    """Evaluate designs on fixed episodes of a split of an environment.

    ``design`` says how ``x`` acts; left out, ``x`` is the action. ``ledger`` counts ``evaluations`` (one a design,
    before the work) beside the environment's own steps; set limits on it to have a hard budget.
    """

    def __init__(
        self,
        env_id: str,
        design: Design | None = None,
        *,
        split: str = "validation",
        episode: int | Sequence[int] = 0,
        **kwargs: Any,
    ) -> None:
        chosen = episode if isinstance(episode, Sequence | np.ndarray) else [episode]
        self.episodes = [whole_number("episode", k, least=0) for k in chosen]
        if not self.episodes:
            raise VoltGymError("episode is empty; expected one or more whole numbers >= 0")
        self._one = one = make_episodes(env_id, 1, split=split, **kwargs)
        if design is None:
            if not isinstance(one.task.action_space, gym.spaces.Box):
                raise VoltGymError(f"{env_id} has no Box actions: say with design= how numbers become actions")
            design = DirectAction(one.task.action_space)
        if isinstance(design, type) or not (hasattr(design, "bounds") and hasattr(design, "policy")):
            raise VoltGymError(f"design is {shown(design)}; expected an object with `bounds` and `policy`, see Design")
        self.design = design
        self.objective = one.objective

    @property
    def ledger(self) -> Ledger:
        """What was spent, of everything that the environment counts."""
        return self._one.ledger

    @property
    def bounds(self) -> np.ndarray:
        """(2, d): the lowest and the highest of every number."""
        return self.design.bounds

    def evaluate(self, x: np.ndarray) -> Evaluation:
        """Run ``x`` (n, d) on every episode. Values outside the bounds or not finite are an error."""
        x = self._checked(x)
        self.ledger.charge("evaluations", len(x))
        count = len(self.episodes)
        core = self._one.resized(len(x) * count)
        values, slacks, failure = run_to_end(core, np.repeat(x, count, axis=0), self.design, self.episodes * len(x))
        first = np.argmax(failure.reshape(-1, count) != Failure.NONE, axis=1)
        return Evaluation(
            {name: v.reshape(-1, count).mean(axis=1) for name, v in values.items()},
            {name: s.reshape(-1, count).min(axis=1) for name, s in slacks.items()},
            failure.reshape(-1, count)[np.arange(len(x)), first],
        )

    def _checked(self, x: np.ndarray) -> np.ndarray:
        x = np.atleast_2d(as_array("designs", x, float))
        low, high = self.bounds
        if x.ndim != 2 or x.shape[1] != len(low) or not len(x):
            raise VoltGymError(f"designs have shape {x.shape}; expected (n, {len(low)}), n at least 1")
        if not (np.isfinite(x).all() and (x >= low - 1e-9).all() and (x <= high + 1e-9).all()):
            raise VoltGymError(f"designs must be finite and within {low.tolist()} ... {high.tolist()}; clip them first")
        return np.clip(x, low, high)


def run_to_end(
    core: Episodes, x: np.ndarray, design: Design, episodes: Sequence[int]
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], np.ndarray]:
    """Play every row of ``core`` until it ends: values at the end, lowest slacks, failures, each (n,)."""
    rows = np.arange(core.n)
    observation, info = core.reset(rows, [None] * core.n, list(episodes))
    observation = observation.copy()
    act = design.policy(x, core)
    nobody = np.zeros(core.n, dtype=bool)
    slacks = {name: slack.copy() for name, slack in counted(core.objective, info["slacks"], nobody).items()}
    failure = np.zeros(core.n, dtype=np.int8)
    while rows.size:
        new, _, terminated, truncated, info = core.step(rows, act(observation)[rows])
        observation[rows] = new
        failure[rows] = info["failure"]
        for name, slack in counted(core.objective, info["slacks"], terminated | truncated).items():
            slacks[name][rows] = np.minimum(slacks[name][rows], slack)
        rows = rows[~(terminated | truncated)]
    return core.objective.value(core.measured), slacks, failure
