"""The closed loop: an agent on a learned surrogate, the physics as judge of what it finds, its verdicts as new data."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

from voltgym.envs.errors import VoltGymError, number, whole_number
from voltgym.experiments import arguments, configs, loop_engine, manifest, progress
from voltgym.experiments.files import plain, write_json
from voltgym.experiments.locks import alone
from voltgym.experiments.loop_domains import found
from voltgym.experiments.loop_engine import LoopProblem
from voltgym.experiments.loop_log import LoopLog
from voltgym.experiments.runs import RunFolder

USAGE = """usage: voltgym loop env=cathode|solvent|protocol|fastcharge|NAME [budget=CALLS] [seed=0] [out=FOLDER] [...]

  voltgym loop env=cathode budget=40                 surrogates from nothing, judged by the interatomic potential
  voltgym loop env=solvent agent=graph_ga            candidates bred on the surrogate, judged by xTB
  voltgym loop env=protocol loop.batch=8             whole charging protocols, judged by PyBaMM
  voltgym loop resume=FOLDER                         go on with one that was stopped; the same command does, too

Fits a surrogate on what the physics has said, lets an agent optimise on it with pessimism, asks the physics about a
batch of what was found, and begins again, until the budget of calls of the physics is spent. The folder has every
verdict (verdicts.jsonl), every round's surrogate, a page (report.html) and the best as a policy for `voltgym validate`.
"""


def configured(overrides: Sequence[str]) -> dict[str, Any]:
    """The config that the overrides describe; where they name no loop, the one that fits the environment.

    Raises:
        VoltGymError: no loop fits; or an override is wrong.
    """
    named = {override.lstrip("+~").partition("=")[0] for override in overrides}
    if "loop" in named:
        return configs.compose("loop", overrides)
    chosen = [o for o in overrides if not o.lstrip("+~").startswith(("loop.", "agent."))]
    env_id = configs.compose("loop", chosen)["env"]["id"]
    for name in configs.choices("loop"):
        fits = configs.compose("loop", [f"loop={name}"])["loop"].get("fits", {})
        if env_id in fits.get("environments", ()):
            agent = [] if "agent" in named else [f"agent={fits['agent']}"]
            return configs.compose("loop", [*overrides, f"loop={name}", *agent])
    raise VoltGymError(
        f"no loop is for {env_id}; name one with loop=..., see `voltgym list loop`, or write conf/loop/NAME.yaml: a "
        "function that makes a voltgym.experiments.loop_engine.LoopProblem, and the environments that it fits"
    )


def problem_of(config: Mapping[str, Any]) -> LoopProblem:
    """What the config's ``loop._target_`` makes of the environment and the agent."""
    from voltgym.experiments.train import build_agent

    how = {name: value for name, value in config["loop"].items() if name not in ("_target_", "fits", "default_budget")}
    make = found(config["loop"].get("_target_", ""))
    try:
        made = make(config["env"]["id"], config["env"]["kwargs"], build_agent(config["agent"]), **how)
    except TypeError as error:
        raise VoltGymError(f"the loop {config['loop']['_target_']} cannot be made: {error}; see `conf/loop/`") from None
    if not isinstance(made.unit, str):
        raise VoltGymError(f"{config['loop']['_target_']} makes no LoopProblem: it has no unit")
    return made


def main(argv: list[str]) -> None:
    """Start a loop, or go on with one."""
    old = [a.removeprefix("resume=") for a in argv if a.startswith("resume=")]
    if old and len(argv) > 1:
        raise VoltGymError("resume=FOLDER goes with no other override: a loop goes on with the config it began with")
    if old:
        out = Path(old[-1])
        config = RunFolder(out).manifest()["config"]
    else:
        config = configured(arguments.overrides(argv))
        name = str(config["env"]["id"]).rpartition("/")[2]
        stamp = datetime.now(UTC).strftime("%Y-%m-%d_%H-%M-%S")
        out = Path("runs") / "loop" / name / stamp if config["out"] is None else Path(str(config["out"]))
    run(plain(config), out)


def run(config: Mapping[str, Any], out: Path) -> LoopLog:
    """The loop of a resolved config in ``out``, to its end; its manifest says how it ended."""
    asked = config["loop"].get("default_budget") if config["budget"] is None else config["budget"]
    budget = number("budget", asked, "calls of the physics, such as budget=50", 1, 1e12)
    rounds = None if config["rounds"] is None else whole_number("rounds", config["rounds"])
    seed = whole_number("seed", config["seed"], least=0, most=2**31)
    folder, problem = RunFolder(out), problem_of(config)
    with alone(out):
        before = folder.manifest() if folder.begun() else None
        begin = {**manifest.start(config), "kind": "loop", "unit": problem.unit}
        old = {} if before is None else {"started": before["started"]}
        about = {name: config[name] for name in ("env", "agent", "loop", "seed")}
        write_json(folder.manifest_file, {**begin, **old})
        try:
            log = _go(config, problem, folder, about, budget, rounds, seed)
        except BaseException as error:
            status = "failed" if isinstance(error, Exception) else "interrupted"
            folder.note(status=status, finished=manifest.now(), error=f"{type(error).__name__}: {error}")
            if status == "interrupted" and not config["quiet"]:
                print(f"go on with `voltgym loop resume={out}`", file=sys.stderr)
            raise
        folder.note(status="finished", finished=manifest.now(), spent={problem.unit: log.spent})
    return log


def _go(
    config: Mapping[str, Any], problem: LoopProblem, folder: RunFolder, about: Mapping[str, Any], budget: float,
    rounds: int | None, seed: int,
) -> LoopLog:  # fmt: skip
    from voltgym.agents.base import save_policy
    from voltgym.experiments.loop_page import write_page

    seen = progress.terminal(f"loop {config['env']['id']}", config["quiet"])
    kept = progress.Thinned(progress.LearningCurve(folder.curve_file))
    with progress.Progress([*seen, kept]) as bar:
        log = loop_engine.run(problem, folder.path, about, budget=budget, seed=seed, rounds=rounds, progress=bar)
    page = write_page(folder.path, log.all, problem, config)
    top = loop_engine.best(log.all, problem.direction)
    if top is not None:
        policy, kwargs = problem.hand_in(log.all, folder.path)
        save_policy(policy, folder.policy, env_id=config["env"]["id"], env_kwargs=kwargs)
    if not config["quiet"]:
        said = "nothing feasible: there is no policy" if top is None else f"best {top.value:g}, {top.design}"
        print(f"{log.spent:g} {problem.unit} on the physics, {said}\n{page} shows it")
    return log


if __name__ == "__main__":
    from voltgym.experiments.cli import run_command

    run_command("loop", sys.argv[1:])
