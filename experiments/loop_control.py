"""The closed loop for control: a twin learned from charges, a policy made on it, the physics as judge of the policy.

A round is a twin fitted on every charge so far, a policy made on that twin with pessimism, one check of the policy on
fixed validation episodes of the physics, and further charges with it where the twin's networks disagree most. All of it
is paid for, the checks too. What is handed in is the policy that did best in its check.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from voltgym.agents.base import POLICY_FILE, Agent, Policy, Progress, load_policy, save_policy
from voltgym.envs.core import Episodes, make_episodes
from voltgym.envs.errors import VoltGymError, check_name, number, whole_number
from voltgym.envs.ledger import BudgetExhausted
from voltgym.experiments.fit_charging import plan_of
from voltgym.experiments.loop_control_charges import Charge, follow, keep, place_of, protocols, read
from voltgym.experiments.loop_control_choice import EXPLORE, SETS, Foreseen, choose, exploring, foresee
from voltgym.experiments.loop_control_fit import refit
from voltgym.experiments.loop_control_parts import CHECK, Trained, affordable, alike, physical
from voltgym.experiments.loop_control_verdict import judged, minutes_of
from voltgym.experiments.loop_engine import SURROGATE, best
from voltgym.experiments.loop_log import Recommendation, Verdict
from voltgym.surrogates.charging import shipped

CHARGE = "charge"
NOTHING, SHIPPED = "nothing", "shipped"
POOL = 10_000
"""The training episodes of a round are numbered from so many times the round: no two rounds share one."""
ROOM = 1.3, 10
"""A charge may take so many times the steps that the twin expects, and so many more."""


class ControlLoop:
    """``loop_engine.LoopProblem`` for FastCharge; calls of the physics are its steps.

    Args:
        env_id: the environment.
        env_kwargs: its arguments, of the physics.
        agent: makes a policy on the learned twin.
        observation: what the policy sees, ``full`` or ``bms``.
        start: ``nothing``, or ``shipped`` to go on from the twin that comes with the package, whose own charges are
            not counted.
        first: how many charges to begin with, by set (see ``loop_control_choice.SETS``), where nothing is known.
        protocols: shares of the exploring charges by kind of protocol.
        charges: episodes a round beside the check.
        random_share: of these, the share that is chosen by chance, not by disagreement.
        noise: on the actions of these, as the standard deviation of their logarithm.
        check: validation episodes that every policy is judged on.
        pool: training episodes that are looked at on the twin for those that it disagrees on.
        agent_budget: steps on the learned twin that the agent may take.
        pessimism: standard deviations that every limit is taken worse on the twin.
        fit, refit: how to train, from nothing and where a twin is gone on with; as ``conf/surrogate/charging.yaml``.
    """

    unit, direction = "env_steps", "min"

    def __init__(
        self, env_id: str, env_kwargs: Mapping[str, Any], agent: Agent, *, observation: str | None, start: str,
        first: Mapping[str, int], protocols: Mapping[str, float], charges: int, random_share: float, noise: float,
        check: int, pool: int, agent_budget: int, pessimism: float, fit: Mapping[str, Any], refit: Mapping[str, Any],
    ) -> None:  # fmt: skip
        check_name("loop.start", start, (NOTHING, SHIPPED))
        self.env_id, self.agent, self.start = env_id, agent, start
        self.kwargs = physical(env_kwargs) | ({} if observation is None else {"observation": observation})
        self.first = {name: whole_number(f"loop.first.{name}", first.get(name, 0), least=0) for name in SETS}
        self.protocols = dict(protocols)
        self.charges, self.check = whole_number("loop.charges", charges, least=0), whole_number("loop.check", check)
        self.pool = whole_number("loop.pool", pool, least=max(1, self.charges), most=POOL)
        self.random_share = number("loop.random_share", random_share, "a share from 0 to 1", 0.0, 1.0)
        self.noise = number("loop.noise", noise, "a number >= 0")
        self.agent_budget = whole_number("loop.agent_budget", agent_budget, least=0)
        self.pessimism = number("loop.pessimism", pessimism, "a number of standard deviations >= 0")
        self.plans = plan_of(fit, "loop.fit"), plan_of(refit, "loop.refit")

    # -- the surrogate ---------------------------------------------------------------------------------------------

    def fit(self, verdicts: Sequence[Verdict], folder: Path, progress: Progress) -> None:
        """The twin of every charge so far, gone on with from the last round's, if there was one."""
        rounds = folder.parents[1]
        found = [(v, read(place_of(rounds / f"{v.round:03d}", v.place))) for v in verdicts]
        charges = [charge for _, some in found for charge in some]
        keys = [(v.round, 1000 * v.place + i) for v, some in found for i in range(len(some))]
        before = self._before(folder)
        plan = self.plans[0 if before is None else 1]
        updates, done = plan.single + sum(count for _, count in plan.stretches), 0

        def tell(text: str) -> None:
            nonlocal done
            done = min(updates, done + 500)
            self._tell(verdicts, progress, fitted=done / updates)

        refit(charges, keys, self._cell, self._config(EXPLORE), plan, before, folder, tell)

    def _before(self, folder: Path) -> Path | None:
        """The twin that round's fit goes on from."""
        last = folder.parents[1] / f"{int(folder.parent.name) - 1:03d}" / SURROGATE
        if last.exists():
            return last
        return shipped() if self.start == SHIPPED else None

    def _tell(self, verdicts: Sequence[Verdict], progress: Progress, **numbers: float) -> None:
        spent = int(sum(v.spent for v in verdicts))
        progress.update(spent, max(getattr(progress, "total", 0), spent), **self.summary(verdicts), **numbers)

    # -- what to try next ------------------------------------------------------------------------------------------

    def recommend(
        self, verdicts: Sequence[Verdict], surrogate: Path | None, folder: Path, left: float, seed: int,
        progress: Progress,
    ) -> list[Recommendation]:  # fmt: skip
        """Exploring charges where nothing is known; else a check of a new policy, and charges with it."""
        if surrogate is None and self.start == NOTHING:
            return affordable(self._begin(seed), left)
        twin = surrogate or shipped()
        policy = self._policy(verdicts, twin, folder, seed, progress)
        core = make_episodes(self.env_id, 1, **{**self.kwargs, "fidelity": str(twin), "split": "train"})
        fixed = [("validation", k) for k in range(self.check)]
        pool = [("train", POOL * int(folder.name) + k) for k in range(self.pool)]
        apart = foresee(core, policy, pool, doubts=False).disagreement
        chosen = choose(apart, self.charges, self.random_share, np.random.default_rng(seed))
        seen = foresee(core, policy, [*fixed, *(pool[i] for i, _ in chosen)])
        checked = self._checked(seen.some(slice(self.check)))
        rest = seen.some(slice(self.check, None))
        charges = [self._charge(rest, j, pool[i][1], float(apart[i]), why, seed) for j, (i, why) in enumerate(chosen)]
        room = left - 2 * checked.design["steps"]  # the next policy wants a check, too: without one, more is no use
        return affordable([checked], left) + affordable(charges, room)

    def _begin(self, seed: int) -> list[Recommendation]:
        out = []
        for kind, count in self.first.items():
            steps = self._config(kind)["steps"]
            made = ({"kind": kind, "seed": seed, "number": k, "steps": steps} for k in range(count))
            out += [Recommendation(design, why=kind) for design in made]
        return out

    def _policy(self, verdicts: Sequence[Verdict], twin: Path, folder: Path, seed: int, progress: Progress) -> Policy:
        """What the agent makes on the twin: made, or read where a kill came after it."""
        kept = folder / "policy"
        if not (kept / POLICY_FILE).exists():
            tell = Trained(lambda share: self._tell(verdicts, progress, trained=share))
            kwargs = {**self.kwargs, "fidelity": str(twin), "k": self.pessimism}
            work = folder / "training"
            work.mkdir(parents=True, exist_ok=True)
            made = self.agent.train(self.env_id, kwargs, budget=self.agent_budget, seed=seed, out=work, progress=tell)
            save_policy(made, kept, env_id=self.env_id, env_kwargs=self.kwargs)
        return load_policy(kept, env_id=self.env_id)

    def _checked(self, seen: Foreseen) -> Recommendation:
        """The check of a policy: a design of its own, whose value is the policy's."""
        caps = [self._cap(seen, i) for i in range(self.check)]
        design = {"kind": CHECK, "split": "validation", "episodes": self.check, "caps": caps, "steps": sum(caps)}
        std = float(np.sqrt(np.mean(seen.std**2) / self.check))
        return Recommendation(design, minutes_of(seen.minutes, seen.feasible), std, CHECK)

    def _charge(
        self, seen: Foreseen, j: int, episode: int, disagreement: float, why: str, seed: int
    ) -> Recommendation:  # fmt: skip
        """A charge with the policy, a little at random, of ``seen``'s episode ``j``."""
        design = {"kind": CHARGE, "split": "train", "episode": episode, "noise": self.noise, "seed": seed}
        design |= {"steps": self._cap(seen, j), "disagreement": disagreement}
        value = float(seen.minutes[j]) if np.isfinite(seen.minutes[j]) else None
        return Recommendation(design, value, float(seen.std[j]), why)

    def _cap(self, seen: Foreseen, i: int) -> int:
        """How many steps a charge may take: some more than expected, or all where the twin does not see its end."""
        most = self._physics.max_steps
        return min(most, int(np.ceil(ROOM[0] * int(seen.steps[i]))) + ROOM[1]) if np.isfinite(seen.minutes[i]) else most

    # -- what the physics says -------------------------------------------------------------------------------------

    def judge(
        self, batch: Sequence[Recommendation], places: Sequence[int], round_: int, first: int, folder: Path, left: float
    ) -> Iterator[Verdict]:
        """Designs of a kind side by side; their charges are on the disk before a verdict is known.

        What a kill interrupts is run again from the same numbers: a row of the physics depends on that row alone.
        """
        twin = folder / SURROGATE if (folder / SURROGATE).exists() else shipped() if self.start == SHIPPED else None
        for some in alike([*zip(batch, places, strict=True)]):
            most = sum(one.design["steps"] for one, _ in some)
            if most > left:
                raise BudgetExhausted(f"{left:g} {self.unit} are left, and the next charges may take {most}")
            for (one, place), charges in zip(some, self._run([one.design for one, _ in some], folder), strict=True):
                keep(charges, place_of(folder, place))
                verdict = judged(one, charges, twin, self._physics)._replace(number=first, round=round_, place=place)
                left, first = left - verdict.spent, first + 1
                yield verdict
        least = next((one.design["steps"] for one in batch if one.design["kind"] == CHECK), 0)
        if left < least:
            raise BudgetExhausted(f"{left:g} {self.unit} are left, and another check may take {least}")

    def _run(self, designs: Sequence[Mapping[str, Any]], folder: Path) -> list[list[Charge]]:
        """The charges of each of some designs of one kind."""
        kind = designs[0]["kind"]
        if kind in SETS:
            return [[charge] for charge in protocols(self._physics.twin, self._config(kind), designs)]
        policy = load_policy(folder / "policy", env_id=self.env_id)
        whole = kind == CHECK
        if whole:
            still = {"noise": 0.0, "seed": 0}
            designs = [{**still, **designs[0], "episode": k, "steps": n} for k, n in enumerate(designs[0]["caps"])]
        core = make_episodes(self.env_id, len(designs), **{**self.kwargs, "split": designs[0]["split"]})
        charges = follow(core, policy, designs)
        return [charges] if whole else [[charge] for charge in charges]

    def summary(self, verdicts: Sequence[Verdict]) -> dict[str, float]:
        """The best policy's minutes, the share of its episodes that keep the limits, and the twin's newest errors."""
        top = best(verdicts, self.direction)
        out = {} if top is None else {"best": float(top.value or 0.0), "feasible": top.properties["feasible share"]}
        told = [v for v in verdicts if "anode error [V]" in v.properties]
        newest = [v for v in told if v.round == told[-1].round]
        for name, unit, times in (("voltage", "V", 1e3), ("temperature", "K", 1e3), ("anode", "V", 1e3)):
            if newest:
                squares = [v.properties[f"{name} error [{unit}]"] ** 2 for v in newest]
                out[f"{name} error [m{unit}]"] = times * float(np.mean(squares)) ** 0.5
        return out

    def hand_in(self, verdicts: Sequence[Verdict], out: Path) -> tuple[Policy, Mapping[str, Any]]:
        """The policy that did best in its check."""
        top = best(verdicts, self.direction)
        if top is None:
            raise VoltGymError(f"no policy of {len(verdicts)} verdicts keeps the limits: spend more")
        return load_policy(out / "rounds" / f"{top.round:03d}" / "policy", env_id=self.env_id), self.kwargs

    # -- the two levels --------------------------------------------------------------------------------------------

    @cached_property
    def _physics(self) -> Episodes:
        return make_episodes(self.env_id, 1, **{**self.kwargs, "split": "train"})

    @property
    def _cell(self) -> Any:
        twin: Any = self._physics.twin
        return twin.cell

    def _config(self, kind: str) -> dict[str, Any]:
        """The set that charges of a kind are drawn from."""
        cell, fidelity = (self.kwargs.get(name, usual) for name, usual in (("cell", "LGM50"), ("fidelity", "SPMe")))
        high = float(self._physics.task.action_space.high[0])  # type: ignore[attr-defined]
        return {**exploring(f"loop {kind}", cell, fidelity, self.protocols, high), **SETS[kind]}
