"""The loop on FastCharge against direct PPO: physics steps to 95 % of the reference; and what a twin alone is worth.

``python -m voltgym.experiments.benchmark_loop_control [seeds=10] [out=FOLDER] [parts=loop,shipped,direct,ppo]``

``loop``: from nothing, a policy that plans on the twin; every round's policy is scored on 50 test episodes of the
physics, which the loop does not see and which are not counted, since they are the judge's. ``shipped``: agents made on
the twin that comes with the package, without physics, and what the loop makes of them. ``direct``: PPO on the physics,
1,000,000 steps; seeds that are in the published results are read there. ``ppo``: the loop from nothing with PPO. What
is done is in ``out/result.json``: run it again to go on.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from voltgym.agents.base import Policy, load_policy
from voltgym.envs.errors import UnknownName, VoltGymError, whole_number
from voltgym.experiments import loop, loop_log, metrics, results
from voltgym.experiments.evaluate import evaluate_policy
from voltgym.experiments.files import plain, write_json
from voltgym.experiments.loop_engine import round_folder
from voltgym.experiments.progress import Progress, terminal
from voltgym.experiments.train import build_agent
from voltgym.surrogates.charging import shipped

ENV, EPISODES, SPLIT = "VoltGym/FastCharge-v0", 50, "test"
KWARGS = {"cell": "LGM50", "fidelity": "SPMe", "observation": "full"}
TRACK, VALUE, LONGEST = "control_full", "Time to target [min]", 90.0
AIM, DIRECT = 0.95, 1_000_000
ROUNDS = {"nothing": 2, "shipped": 3}
"""Rounds with a policy, by what the loop starts from."""
AGENTS = ("twin_greedy", "ppo_full")
Found = dict[str, Any]


@cache
def published() -> list[results.Run]:
    """The results of the track that come with the package."""
    return results.read(track=TRACK, check="none")


def score(records: Sequence[Any]) -> Found:
    """0 is five-stage CC, 1 full-information greedy, both on the physics; beside it the feasible share."""
    base, best = (next(run.records for run in published() if run.entry == name) for name in ("five_stage_cc", "greedy"))
    # Minutes on the twin are scored against the physics' own: so that the two scores differ by the minutes alone.
    same = [{**record, "fingerprint": other["fingerprint"]} for record, other in zip(records, best, strict=True)]
    return {"score": metrics.score(same, base, best, VALUE, LONGEST), "feasible": metrics.feasible_rate(same)}


def judged(policy: Policy, fidelity: str) -> Found:
    """A policy on the test episodes of the physics, or of a learned twin."""
    kwargs = {**KWARGS, "fidelity": fidelity}
    return score(evaluate_policy(policy, ENV, kwargs, split=SPLIT, episodes=EPISODES, agent="policy", seed=None))


def looped(out: Path, seed: int, agent: str, start: str, *more: str) -> list[Found]:
    """Every round's policy of a loop: steps paid by the end of its check, its score on the physics and on the twin."""
    first = {"shipped": 0, "nothing": 1}[start]
    config = loop.configured(
        ["env=fastcharge", f"agent={agent}", "loop=control", f"loop.start={start}", f"seed={seed}", "quiet=true",
         f"loop.fit.seed={seed}", f"rounds={ROUNDS[start] + first}", "budget=100000", *more]
    )  # fmt: skip
    loop.run(plain(config), out)
    found, spent = [], 0.0
    for verdict in loop_log.read(out / loop_log.VERDICTS):
        spent += verdict.spent
        if verdict.why != "check":
            continue
        folder = round_folder(out, verdict.round)
        policy, twin = load_policy(folder / "policy"), folder / "surrogate"
        on_twin = judged(policy, str(twin if twin.exists() else shipped()))["score"]
        check = {"check feasible": verdict.properties["feasible share"], "check": verdict.value}
        found.append(
            {"round": verdict.round - first + 1, "steps": spent, "twin": on_twin, **judged(policy, "SPMe"), **check}
        )
    return found


def direct(out: Path, seed: int) -> list[Found]:
    """PPO on the physics: what it handed in after all its steps."""
    for run in published():
        if (run.entry, run.seed) == ("ppo", seed):
            return [{"steps": run.spent["env_steps"], **score(run.records), "published": True}]
    config = loop.configured(["env=fastcharge", "agent=ppo_full", "loop=control"])
    agent: Any = build_agent(config["agent"])
    out.mkdir(parents=True, exist_ok=True)
    with Progress(terminal(f"direct PPO, seed {seed}")) as bar:
        policy = agent.train(ENV, KWARGS, budget=DIRECT, seed=seed, out=out, progress=bar)
    return [{"steps": int(agent.ledger.spent["env_steps"]), **judged(policy, "SPMe")}]


def loops(out: Path, seed: int) -> Mapping[str, Callable[[], list[Found]]]:
    """The one loop from nothing."""
    return {f"loop {seed}": lambda: looped(out / f"loop-{seed}", seed, "twin_greedy", "nothing")}


def with_ppo(out: Path, seed: int) -> Mapping[str, Callable[[], list[Found]]]:
    """The same with PPO, which learns on the twin for as many steps as direct PPO does on the physics."""
    more = f"loop.agent_budget={DIRECT}"
    return {f"ppo on the twin {seed}": lambda: looped(out / f"ppo-{seed}", seed, "ppo_full", "nothing", more)}


def from_shipped(out: Path, seed: int) -> Mapping[str, Callable[[], list[Found]]]:
    """A loop an agent, from the twin that comes with the package."""
    return {
        f"shipped {agent} {seed}": lambda a=agent: looped(out / f"shipped-{a}-{seed}", seed, a, "shipped")  # type: ignore[misc]
        for agent in AGENTS
    }


def directs(out: Path, seed: int) -> Mapping[str, Callable[[], list[Found]]]:
    """Direct PPO."""
    return {f"direct {seed}": lambda: direct(out / f"direct-{seed}", seed)}


PARTS = {"loop": loops, "ppo": with_ppo, "shipped": from_shipped, "direct": directs}


def run(out: Path, seeds: int, parts: Sequence[str]) -> dict[str, list[Found]]:
    """Do what is not done yet, and write it."""
    file = out / "result.json"
    done: dict[str, list[Found]] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    todo = [item for seed in range(seeds) for part in parts for item in PARTS[part](out, seed).items()]
    with Progress(terminal("loop benchmark")) as bar:
        for i, (name, work) in enumerate(todo):
            if name not in done:
                done[name] = work()
                write_json(file, done)
            bar.update(i + 1, len(todo))
    return done


def reached(rounds: Sequence[Found]) -> float:
    """Steps to the first policy that scores ``AIM``; infinite where none does."""
    return next((found["steps"] for found in rounds if found["score"] >= AIM), float("inf"))


def table(done: Mapping[str, list[Found]]) -> str:
    """What was found, a line a policy, and what follows."""
    lines = [f"{'what':26} {'round':>5} {'steps':>9} {'score':>7} {'feasible':>9} {'on twin':>8}"]
    for name, rounds in sorted(done.items()):
        for found in rounds:
            twin = f"{found['twin']:8.3f}" if "twin" in found else ""
            line = f"{name:26} {found.get('round', ''):>5} {found['steps']:9.0f} {found['score']:7.3f}"
            lines.append(f"{line} {found['feasible']:9.0%} {twin}".rstrip())
    need = {kind: [reached(r) for n, r in done.items() if n.startswith(kind)] for kind in ("loop", "direct")}
    for kind, steps in need.items():
        good = [n for n in steps if np.isfinite(n)]
        median = f", median {np.median(steps):.0f} steps" if good else ""
        lines.append(f"{kind}: {len(good)} of {len(steps)} seeds reach {AIM:.0%} of the reference{median}")
    return "\n".join(lines)


def main(argv: list[str]) -> None:
    """Run it and print the table."""
    given = dict(arg.partition("=")[::2] for arg in argv)
    for name in given:
        if name not in ("seeds", "out", "parts"):
            raise UnknownName("argument", name, ("seeds", "out", "parts"))
    parts = given.get("parts", "loop,shipped,direct,ppo").split(",")
    for part in parts:
        if part not in PARTS:
            raise UnknownName("part", part, PARTS)
    text = given.get("seeds", "10")
    if not text.isdecimal():
        raise VoltGymError(f"seeds is {text!r}; expected a whole number such as seeds=10")
    out = Path(given.get("out", "runs/loop_control"))
    print(table(run(out, whole_number("seeds", int(text)), parts)))


if __name__ == "__main__":
    from voltgym.experiments.cli import run_command

    run_command("benchmark-loop-control", sys.argv[1:])
