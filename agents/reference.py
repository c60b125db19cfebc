"""References as agents: a fixed policy, and policies whose few numbers are tuned on the validation split."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from voltgym.agents.base import DAMAGE, Policy, Progress, said
from voltgym.agents.policies import DesignPolicy
from voltgym.agents.validation import validation_split
from voltgym.envs.core import Episodes, make_episodes
from voltgym.envs.episodes import COMPLETED
from voltgym.envs.errors import VoltGymError, as_array
from voltgym.envs.problem import Design, DesignProblem
from voltgym.surrogates.base import take


class Fixed:
    """An agent that has nothing to learn: its policy is given. It spends nothing."""

    unit = "env_steps"
    default_budget = 0

    def __init__(self, policy: Policy) -> None:
        self.policy = policy

    def train(
        self, env_id: str, env_kwargs: Mapping[str, Any], *, budget: int, seed: int, out: Path, progress: Progress
    ) -> Policy:
        """The policy as it is."""
        return self.policy


class FixedDesign:
    """An agent whose design is given: the numbers ``x`` of a ``design``, such as C-rates by SOC window."""

    unit = "evaluations"
    default_budget = 0

    def __init__(self, x: Sequence[float], design: Design | None = None) -> None:
        self.x, self.design = [float(number) for number in x], design

    def train(
        self, env_id: str, env_kwargs: Mapping[str, Any], *, budget: int, seed: int, out: Path, progress: Progress
    ) -> Policy:
        """The design as it is."""
        return DesignPolicy(self.design, self.x)


class TunedDesign:
    """The numbers of a design, tuned by COBYQA (Ragonneau and Zhang; SciPy's ``minimize``) within the limits.

    A search that has ended begins again beside the best so far, until the budget is spent: there are many local optima.
    The value is the mean over ``episodes`` of ``split``, every limit is a constraint on the worst of them, and the best
    design that kept every limit is the result.

    Args:
        design: how numbers become actions; None where they are the action.
        start: where the search begins, one number for all or one each.
        split, episodes: what it is tuned on; if None, ``validation`` in place of ``train``, else the environment's own.
        radius: first and last radius of the search, as a share of the bounds' width.
    """

    unit = "evaluations"
    default_budget = 400

    def __init__(
        self,
        design: Design | None = None,
        start: float | Sequence[float] = 0.7,
        split: str | None = None,
        episodes: int | Sequence[int] = 1,
        radius: tuple[float, float] = (0.1, 1e-3),
    ) -> None:
        self.design, self.start, self.split, self.radius = design, start, split, radius
        self.episodes = list(range(episodes)) if isinstance(episodes, int) else list(episodes)

    def train(
        self, env_id: str, env_kwargs: Mapping[str, Any], *, budget: int, seed: int, out: Path, progress: Progress
    ) -> Policy:
        """Search; every design that was evaluated is kept in ``checkpoint/points.jsonl``."""
        from scipy.optimize import NonlinearConstraint, minimize

        split = validation_split(env_id, env_kwargs, self.split)
        kwargs = {name: value for name, value in env_kwargs.items() if name != "split"}
        problem = DesignProblem(env_id, self.design, split=split, episode=self.episodes, **kwargs)
        self.ledger = problem.ledger.limit(evaluations=budget)
        search = _Search(problem, budget, out, progress)
        low, high = problem.bounds
        limits = NonlinearConstraint(lambda z: search.look(low + z * (high - low))[1], 0.0, np.inf)
        start, rng = as_array("start", self.start, float), np.random.default_rng(seed)
        if start.shape not in ((), low.shape) or not ((start >= low) & (start <= high)).all():
            expected = f"one number, or {len(low)}, within {low.tolist()} ... {high.tolist()}"
            raise VoltGymError(f"start is {self.start!r}; expected {expected}")
        start = np.broadcast_to(start, low.shape)
        while problem.ledger.left("evaluations") > len(low):
            minimize(
                lambda z: search.look(low + z * (high - low))[0],
                np.clip((start - low) / (high - low), 0, 1),
                method="COBYQA",
                bounds=[(0, 1)] * len(low),
                constraints=[limits],
                options={"maxfev": budget, "initial_tr_radius": self.radius[0], "final_tr_radius": self.radius[1]},
            )
            centre = self.start if search.best is None else search.best[1]
            start = centre + self.radius[0] * (high - low) * rng.normal(size=len(low))
        if search.best is None:
            raise VoltGymError(f"no design kept every limit in {budget} evaluations; start lower, or raise the budget")
        return DesignPolicy(self.design, search.best[1].tolist())


UNREACHED = 1e3
"""What a design that does not reach its goal is worth to the search, far beyond any that does."""


class _Search:
    """Evaluations of a problem, each once, with the best feasible design so far."""

    def __init__(self, problem: DesignProblem, budget: int, out: Path, progress: Progress) -> None:
        self.problem, self.budget, self.progress = problem, budget, progress
        self.name, self.direction = next(iter(problem.objective.directions.items()))
        self.seen: dict[bytes, tuple[float, np.ndarray]] = {}
        self.best: tuple[float, np.ndarray] | None = None
        self.file = out / "checkpoint" / "points.jsonl"
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self._recall()

    def _recall(self) -> None:
        """Take up a search that was interrupted: it asks for the same designs again, and what is known is free."""
        lines = self.file.read_text().splitlines(keepends=True) if self.file.exists() else []
        whole = [line for line in lines if line.endswith("}\n")]  # a kill may leave half a line
        try:
            for point in map(json.loads, whole):
                self._keep(np.array(point["x"], dtype=float), float(point["value"]), np.array(point["slacks"]))
        except DAMAGE as error:
            raise VoltGymError(f"{self.file} is damaged ({said(error)}); delete it to start again") from None
        self.file.write_text("".join(whole))
        self.problem.ledger.charge("evaluations", len(whole))

    def _keep(self, x: np.ndarray, value: float, slacks: np.ndarray) -> None:
        self.seen[x.tobytes()] = (value, slacks)
        if value < UNREACHED and slacks.min() >= 0 and (self.best is None or value < self.best[0]):
            self.best = (value, x.copy())

    def look(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        """(value to minimise, slacks in units of their scales); what was seen before costs nothing."""
        low, high = self.problem.bounds
        x = np.clip(x, low, high)
        key = x.tobytes()
        if key not in self.seen:
            if self.problem.ledger.left("evaluations") < 1:  # the optimiser asks once more than it may
                return next(reversed(self.seen.values()))
            self._evaluate(x)
        return self.seen[key]

    def _evaluate(self, x: np.ndarray) -> None:
        found = self.problem.evaluate(x)
        scales = {COMPLETED: 1.0, **self.problem.objective.scales}
        slacks = np.array([found.slacks[name][0] / scales[name] for name in found.slacks])
        value = float(found.values[self.name][0]) * (1 if self.direction == "min" else -1)
        if not np.isfinite(value):
            value, slacks = UNREACHED, np.append(slacks[:-1], -1.0)
        slacks = np.clip(slacks, -20, 20)
        self._keep(x, value, slacks)
        with self.file.open("a") as file:
            file.write(json.dumps({"x": x.tolist(), "value": value, "slacks": slacks.tolist()}) + "\n")
        done = int(self.problem.ledger.spent["evaluations"])
        self.progress.update(done, self.budget, best=self.best[0] if self.best else float("nan"))


class TunedMargins:
    """A policy with a margin to each limit, tightened until enough validation episodes keep their limits.

    Starts without margins; after each round, a limit that was broken gets the worst breach added to its margin. The
    result is the first policy with enough feasible episodes; the few worst, which ``share`` lets go, set no margin.

    Args:
        policy: makes the policy from ``margins`` (a partial of its class).
        episodes: how many episodes of ``split``.
        share: which share of them must be feasible.
        safety: what is added on top of a breach, as a share of it.
    """

    unit = "env_steps"
    default_budget = 1_000_000

    def __init__(
        self,
        policy: Callable[..., Policy],
        split: str = "validation",
        episodes: int = 100,
        share: float = 0.98,
        safety: float = 0.05,
        rounds: int = 12,
    ) -> None:
        self.policy, self.split, self.episodes = policy, split, episodes
        self.share, self.safety, self.rounds = share, safety, rounds

    def train(
        self, env_id: str, env_kwargs: Mapping[str, Any], *, budget: int, seed: int, out: Path, progress: Progress
    ) -> Policy:
        """Tighten; the margins of every round are shown as progress."""
        margins: dict[str, float] = {}
        core = make_episodes(env_id, self.episodes, **{**env_kwargs, "split": self.split})
        self.ledger = core.ledger.limit(env_steps=budget)
        for turn in range(self.rounds):
            policy = self.policy(margins=margins)
            feasible, worst = _play(core, policy)
            progress.update(turn + 1, self.rounds, feasible=float(feasible.mean()), **margins)
            if feasible.mean() >= self.share:
                return policy
            before = margins
            for name, tolerance in core.objective.tolerances.items():
                breach = -float(np.quantile(worst[name], (1 - self.share) / len(core.objective.tolerances)))
                if breach > tolerance:
                    margins = {**margins, name: margins.get(name, 0.0) + breach * (1 + self.safety)}
            if margins == before:
                raise VoltGymError(
                    f"only {feasible.mean():.0%} of the episodes are feasible, and no margin would help the others: "
                    "they fail or do not reach the target"
                )
        raise VoltGymError(f"after {self.rounds} rounds only {feasible.mean():.0%} of the episodes are feasible")


def _play(core: Episodes, policy: Policy) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Whether each row reached its goal without failure or breach, and its lowest slacks."""
    rows = np.arange(core.n)
    observation, info = core.reset(rows, [None] * core.n, list(range(core.n)))
    bind = getattr(policy, "bind", None)
    if bind:
        bind(core)
    worst = {name: slack.copy() for name, slack in info["slacks"].items()}
    goal, memory = np.zeros(core.n, dtype=bool), None
    while rows.size:
        action, memory = policy(observation, memory)
        observation, _, terminated, truncated, info = core.step(rows, action)
        for name, slack in info["slacks"].items():
            worst[name][rows] = np.minimum(worst[name][rows], slack)
        goal[rows] = terminated & (info["failure"] == 0)
        going = ~(terminated | truncated)
        rows, observation = rows[going], observation[going]
        memory = None if memory is None else take(memory, going)
    kept = [worst[name] >= -tolerance for name, tolerance in core.objective.tolerances.items()]
    return goal & np.all(kept, axis=0), worst
