"""Numbers within bounds as the field of a loop: environments of one decision, such as a whole charging protocol."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from voltgym.agents.base import Agent, Policy, Silent
from voltgym.agents.oracle import verdicts
from voltgym.agents.points import Point
from voltgym.agents.policies import DesignPolicy
from voltgym.envs.contracts import Measured
from voltgym.envs.errors import VoltGymError
from voltgym.envs.making import make_episodes
from voltgym.envs.problem import DirectAction, Evaluation, run_to_end
from voltgym.experiments.loop_field import Priced
from voltgym.surrogates.base import Failure
from voltgym.surrogates.growing import Growing

DIGITS = 6
"""Of a number of a design: what is judged is what is written down."""
REAL = (Failure.NONE, Failure.LIMIT)
"""A step that came to this really happened: what it measures is to be learned from."""


class PointField:
    """``loop_field.Field`` over an environment whose episode is one action, a Box.

    Args:
        env_id, env_kwargs: the environment.
        level: the ``property_model`` that is the physics.
        grow: ``(designs (n, d), latent (n, k), bounds (2, d)) -> Growing``.
        load: reads a surrogate back.
        latent: what is learned.
        finish: from what is learned (by name) and (r, d) designs to what the environment measures beside it.
        pessimism: standard deviations that the agent's environment takes off what the surrogate says.
    """

    unit, usual = "evaluations", "cma"

    def __init__(
        self, env_id: str, env_kwargs: Mapping[str, Any], *, level: str,
        grow: Callable[[np.ndarray, np.ndarray, np.ndarray], Growing], load: Callable[[Path], Growing],
        latent: Sequence[str], finish: Callable[[Measured, np.ndarray], Measured], pessimism: float,
    ) -> None:  # fmt: skip
        self.env_id, self.level, self.pessimism = env_id, level, pessimism
        self.kwargs = {name: value for name, value in env_kwargs.items() if name != "property_model"}
        self.core = make_episodes(env_id, 1, **{"split": "nominal", **self.kwargs, "property_model": level})
        self.design = DirectAction(self.core.task.action_space)  # type: ignore[arg-type]
        self.objective, self.latent = self.core.objective, tuple(latent)
        self._grow, self.load, self._finish = grow, load, finish

    def start(self, rng: np.random.Generator, count: int) -> list[list[float]]:
        """The first points of a scrambled Sobol sequence."""
        from voltgym.agents.botorch_parts import sobol

        return self._listed(sobol(self.design.bounds.shape[1], 0, count, int(rng.integers(2**31))))

    def grow(self, designs: Sequence[list[float]], latent: np.ndarray, seed: int) -> Growing:
        """By the function that the config names."""
        try:
            return self._grow(np.array(designs, dtype=float), latent, self.design.bounds)
        except (ValueError, TypeError) as error:
            raise VoltGymError(f"loop.grow cannot fit a surrogate: {error}") from None

    def optimised(self, agent: Agent, surrogate: Path, budget: int, seed: int, out: Path) -> list[list[float]]:
        """What the agent evaluated on the surrogate with pessimism: the feasible ones by value, then the others."""
        kwargs = {"split": "nominal", **self.kwargs, "property_model": str(surrogate), "k": self.pessimism}
        shutil.rmtree(out, ignore_errors=True)  # of a search that was killed: it is as quickly made again
        agent.train(self.env_id, kwargs, budget=budget, seed=seed, out=out, progress=Silent())
        lines = (out / "checkpoint" / "points.jsonl").read_text(encoding="utf-8").splitlines()
        points = [Point(**json.loads(line)) for line in lines]
        better = {"max": -1.0, "min": 1.0}[next(iter(self.objective.directions.values()))]

        def order(point: Point) -> tuple[bool, float]:
            broken = -sum(min(slack, 0.0) for slack in point.slacks.values())
            return not point.feasible, better * float(point.value or 0.0) if point.feasible else broken

        return [[round(x, DIGITS) for x in point.x] for point in sorted(points, key=order)]

    def around(self, designs: Sequence[list[float]], count: int, rng: np.random.Generator) -> list[list[float]]:
        """Two thirds near ``designs``, on several scales; the rest anywhere."""
        low, high = self.design.bounds
        near = (np.array(designs, dtype=float).reshape(-1, len(low)) - low) / (high - low)
        anywhere = rng.uniform(size=(count // 3, len(low)))
        if not len(near):
            return self._listed(anywhere)
        many = 2 * count // 3
        scale = 10 ** rng.uniform(-3, -0.7, size=(many, 1)) * (rng.uniform(size=(many, len(low))) < 0.6)
        close = near[rng.integers(len(near), size=many)] + scale * rng.standard_normal((many, len(low)))
        return self._listed(np.concatenate([np.clip(close, 0, 1), anywhere]))

    def _listed(self, unit: np.ndarray) -> list[list[float]]:
        low, high = self.design.bounds
        return np.clip(np.round(low + unit * (high - low), DIGITS), low, high).tolist()

    def imagined(self, designs: Sequence[list[float]]) -> Callable[[np.ndarray, np.ndarray], Measured]:
        """As the environment would measure them, what is learned taken for sure."""
        table = np.array(designs, dtype=float)

        def measured(latent: np.ndarray, places: np.ndarray) -> Measured:
            columns = {name: latent[..., j].ravel() for j, name in enumerate(self.latent)}
            return columns | self._finish(columns, np.tile(table[places], (len(latent), 1)))

        return measured

    def price(self, design: list[float]) -> Priced:
        """Play it on the physics."""
        core = self.core.resized(1)
        core.reset(np.arange(1), [None], [0])
        before = {name: core.measured[name][0] for name in self.latent}
        values, slacks, failure = run_to_end(core, np.array([design], dtype=float), self.design, [0])
        found = verdicts([self.key(design)], Evaluation(values, slacks, failure), self._scaled(slacks), 1)[0]
        after = {name: float(core.measured[name][0]) for name in self.latent}
        # What is as it was before the first step was not reached: a stage that never began has no extremes.
        latent = {name: x if x != before[name] and np.isfinite(x) else float("nan") for name, x in after.items()}
        real = found.failure in REAL and not np.isnan(list(latent.values())).all()
        return Priced(found.value, found.feasible, found.failure, latent if real else {}, found.slacks)

    def _scaled(self, slacks: Mapping[str, Any]) -> Any:
        """The objective, with a scale of 1 for what the environment itself adds to the slacks."""
        of = self.objective
        scales = {**dict.fromkeys(slacks, 1.0), **of.scales}
        return SimpleNamespace(scales=scales, tolerances=of.tolerances, directions=of.directions)

    def key(self, design: list[float]) -> str:
        """Its numbers as JSON."""
        return json.dumps(design)

    def hand_in(self, designs: Sequence[list[float]]) -> tuple[Policy, Mapping[str, Any]]:
        """The first."""
        return DesignPolicy(None, designs[0]), {"split": "nominal", **self.kwargs, "property_model": self.level}
