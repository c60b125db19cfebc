"""The closed loop over designs: an agent optimises on the surrogate, BoTorch chooses the batch, the physics judges it.

What kind of thing a design is, a ``Field`` knows: ``loop_edits.py`` (molecules, cathodes), ``loop_points.py`` (numbers
within bounds).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from voltgym.agents.base import Agent, Policy, Progress
from voltgym.agents.oracle import sign_of
from voltgym.envs.contracts import Measured
from voltgym.envs.errors import VoltGymError, number, whole_number
from voltgym.envs.ledger import BudgetExhausted
from voltgym.experiments.loop_engine import best, newest_error
from voltgym.experiments.loop_field import Field
from voltgym.experiments.loop_log import Recommendation, Verdict
from voltgym.surrogates.growing import FEWEST, Joint

LOST = 100.0
"""What a design costs that reaches no goal, in scales of the slacks."""
SAMPLES = 64
START, AGENT, ACQUISITION = "start", "agent", "acquisition"


class DesignLoop:
    """``loop_engine.LoopProblem`` over the designs of a field.

    A batch is ``exploit`` designs that the agent likes best on the surrogate, with pessimism, and others by noisy log
    expected improvement among all candidates: what the agent found, what is near the best, and designs from anywhere.

    Args:
        field: the designs.
        agent: optimises on the surrogate.
        initial: designs to begin with, before there is a surrogate.
        batch: designs a round.
        exploit: how many of them are the agent's favourites.
        agent_budget: what the agent may ask the surrogate, in its own unit.
        candidates: how many are weighed.
        penalty: how much worse, in the unit of the value or its logarithm, breaking more makes what breaks a limit.
        logarithm: weigh the logarithm of the value: for times, whose ratios count.
    """

    unit = "designs"

    def __init__(
        self, field: Field, agent: Agent, *, initial: int = 8, batch: int = 4, exploit: int = 1,
        agent_budget: int = 500, candidates: int = 600, penalty: float = 0.5, logarithm: bool = False,
    ) -> None:  # fmt: skip
        if agent.unit != field.unit:
            raise VoltGymError(
                f"{type(agent).__name__} counts {agent.unit}; this loop needs an agent that searches and counts "
                f"{field.unit}, such as agent={field.usual}; see `voltgym list agent`"
            )
        self.field, self.agent = field, agent
        self.initial, self.batch = (
            whole_number("loop.initial", initial, least=FEWEST),
            whole_number("loop.batch", batch),
        )
        self.exploit = whole_number("loop.exploit", exploit, least=0, most=batch)
        self.agent_budget = whole_number("loop.agent_budget", agent_budget)
        self.candidates = whole_number("loop.candidates", candidates, least=2, most=5000)
        self.penalty, self.logarithm = number("loop.penalty", penalty, "a number >= 0"), bool(logarithm)
        self.sign = sign_of(field.objective)
        self.direction = {1.0: "max", -1.0: "min"}[self.sign]
        self._name = next(iter(field.objective.directions))

    # -- the surrogate ---------------------------------------------------------------------------------------------

    def fit(self, verdicts: Sequence[Verdict], folder: Path, progress: Progress) -> bool:
        """A surrogate of everything that the physics could say something of."""
        rows = self._learned(verdicts)
        latent = np.array([[v.properties[name] for name in self.field.latent] for v in rows], dtype=float)
        known = np.isfinite(latent.reshape(len(rows), -1))
        if not len(rows) or int(known.sum(axis=0).min()) < FEWEST:
            return False
        self.field.grow([v.design for v in rows], latent.reshape(len(rows), -1), len(verdicts)).save(folder)
        return True

    def _learned(self, verdicts: Sequence[Verdict]) -> list[Verdict]:
        return [v for v in verdicts if all(name in v.properties for name in self.field.latent)]

    # -- what to try next ------------------------------------------------------------------------------------------

    def recommend(
        self, verdicts: Sequence[Verdict], surrogate: Path | None, folder: Path, left: float, seed: int,
        progress: Progress,
    ) -> list[Recommendation]:  # fmt: skip
        """The next batch; see the class."""
        rng = np.random.default_rng(seed)
        if surrogate is None:
            return self._begin(verdicts, rng, left)
        count = int(min(self.batch, left))
        liked = self.field.optimised(self.agent, surrogate, self.agent_budget, seed, folder / AGENT)
        known = self._learned(verdicts)
        pool = self._pool(verdicts, liked, rng)
        if not pool:
            return []
        designs = [*(v.design for v in known), *pool]
        joints, utility = self.field.load(surrogate).joint(designs), self._utility(verdicts, designs)
        chosen = self._chosen(joints, utility, len(known), pool, liked, count, seed)
        return self._told(designs, joints, chosen, seed)

    def _begin(self, verdicts: Sequence[Verdict], rng: np.random.Generator, left: float) -> list[Recommendation]:
        """Designs to begin with; of those that were judged none again."""
        seen = {self.field.key(v.design) for v in verdicts}
        count = int(min(max(self.initial - len(verdicts), self.batch), left))
        new = [d for d in self.field.start(rng, count + len(seen)) if self.field.key(d) not in seen]
        return [Recommendation(design, why=START) for design in new[:count]]

    def _pool(self, verdicts: Sequence[Verdict], liked: Sequence[Any], rng: np.random.Generator) -> list[Any]:
        """The candidates: none that was judged, none twice."""
        seen = {self.field.key(v.design) for v in verdicts}
        good = sorted((v for v in verdicts if v.value is not None), key=lambda v: (v.feasible, self.sign * v.value))  # type: ignore[operator]
        near = [v.design for v in reversed(good[-5:])]
        pool: dict[str, Any] = {}
        for design in (*liked[: self.candidates // 2], *self.field.around([*near, *liked[:5]], self.candidates, rng)):
            key = self.field.key(design)
            if key not in seen and len(pool) < self.candidates:
                pool.setdefault(key, design)
        return list(pool.values())

    def _chosen(
        self, joints: Sequence[Joint], utility: Any, known: int, pool: Sequence[Any], liked: Sequence[Any], count: int,
        seed: int,
    ) -> list[tuple[int, str]]:  # fmt: skip
        """(place among known and pool, why) of the batch."""
        from voltgym.agents.botorch_batch import choose

        places = {self.field.key(design): known + i for i, design in enumerate(pool)}
        favourites = [places[key] for key in map(self.field.key, liked) if key in places]
        first = list(dict.fromkeys(favourites))[: min(self.exploit, count)]
        free = [i for i in range(known, known + len(pool)) if i not in first]
        rest = choose(joints, utility, [*range(known), *first], free, count - len(first), seed=seed) if free else []
        return [*((i, AGENT) for i in first), *((i, ACQUISITION) for i in rest)]

    def _utility(
        self, verdicts: Sequence[Verdict], designs: Sequence[Any]
    ) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
        """What samples of the latent values are worth: the value where all slacks are kept.

        Else less than the worst value seen, the less the more is broken: what breaks a limit wins nothing by its value.
        """
        imagined = self.field.imagined(designs)
        values = [v.value for v in verdicts if v.value is not None] or [0.0]
        floor = float(self._worth(np.array(values)).min())

        def utility(latent: np.ndarray, places: np.ndarray) -> np.ndarray:
            value, cost = self._judged(imagined(latent, places))
            worth = np.where(cost > 0, floor - self.penalty * np.log1p(cost), self._worth(value))
            return worth.reshape(latent.shape[:2])

        return utility

    def _worth(self, value: np.ndarray) -> np.ndarray:
        return self.sign * (np.log(np.maximum(value, 1e-9)) if self.logarithm else value)

    def _judged(self, measured: Measured) -> tuple[np.ndarray, np.ndarray]:
        """(n,) values and costs, of what is measured."""
        objective = self.field.objective
        value = objective.value(measured)[self._name]
        allowed = objective.tolerances
        broken = (
            np.maximum(-(slack + allowed.get(n, 0.0)) / objective.scales[n], 0.0)
            for n, slack in objective.slacks(measured).items()
        )
        lost = ~np.isfinite(value)
        return np.where(lost, 0.0, value), np.where(lost, LOST, sum(broken, np.zeros(len(value))))

    def _told(
        self, designs: Sequence[Any], joints: Sequence[Joint], chosen: Sequence[tuple[int, str]], seed: int
    ) -> list[Recommendation]:
        """What is expected of the chosen, with one standard deviation, from samples of what is learned."""
        places = np.array([i for i, _ in chosen], dtype=int)
        if not len(places):
            return []
        rng = np.random.default_rng(seed)
        mean = np.stack([joint.mean[places] for joint in joints], axis=-1)
        std = np.stack([np.sqrt(np.maximum(np.diag(joint.covariance)[places], 0.0)) for joint in joints], axis=-1)
        drawn = mean + std * rng.standard_normal((SAMPLES, *mean.shape))
        measured = self.field.imagined(designs)(drawn, places)
        values = self.field.objective.value(measured)[self._name].reshape(SAMPLES, -1).T
        return [self._expected(designs[i], why, row) for (i, why), row in zip(chosen, values, strict=True)]

    def _expected(self, design: Any, why: str, values: np.ndarray) -> Recommendation:
        """A recommendation and the mean and spread of sampled ``values``; none where most of them reach no goal."""
        reached = values[np.isfinite(values)]
        if 2 * len(reached) < len(values):
            return Recommendation(design, why=why)
        return Recommendation(design, float(reached.mean()), float(reached.std()), why)

    # -- what the physics says -------------------------------------------------------------------------------------

    def judge(
        self, batch: Sequence[Recommendation], places: Sequence[int], round_: int, first: int, folder: Path, left: float
    ) -> Iterator[Verdict]:
        """One design after the other."""
        for i, (one, place) in enumerate(zip(batch, places, strict=True)):
            if i + 1 > left:
                raise BudgetExhausted(f"{left:g} {self.unit} are left")
            found = self.field.price(one.design)
            rest = {f"slack {name}": slack for name, slack in found.slacks.items()}
            yield Verdict(
                number=first + i, round=round_, place=place, design=one.design, predicted=one.value, std=one.std,
                why=one.why, value=found.value, feasible=found.feasible, failure=found.failure, spent=1.0,
                properties={**found.latent, **rest},
            )  # fmt: skip

    def summary(self, verdicts: Sequence[Verdict]) -> dict[str, float]:
        """The best value, the newest error of the surrogate, and the share of feasible designs."""
        if not verdicts:
            return {}
        top, error = best(verdicts, self.direction), newest_error(verdicts)
        out = {} if top is None else {"best": float(top.value or 0.0)}
        out |= {} if error is None else {"error": error}
        return out | {"feasible": float(np.mean([v.feasible for v in verdicts]))}

    def hand_in(self, verdicts: Sequence[Verdict], out: Path) -> tuple[Policy, Mapping[str, Any]]:
        """The best designs that the physics has seen."""
        good = [v for v in verdicts if v.feasible and v.value is not None]
        if not good:
            raise VoltGymError(f"none of {len(verdicts)} designs is feasible: there is nothing to hand in; spend more")
        return self.field.hand_in([v.design for v in sorted(good, key=lambda v: -self.sign * float(v.value or 0.0))])
