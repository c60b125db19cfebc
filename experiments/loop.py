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
  voltgym loop env=fastcharge                        a twin of some 10,000 steps, a policy on it, judged by PyBaMM
  voltgym loop resume=FOLDER                         go on with one that was stopped; the same command does, too

Fits a surrogate on what the physics has said, lets an agent optimise on it with pessimism, asks the physics about a
batch of what was found, and begins again, until the budget of calls of the physics is spent. The folder has every
verdict (verdicts.jsonl), every round's surrogate, a page (loop.html) and the best as a policy for `voltgym validate`.
"""


def configured(overrides: Sequence[str]) -> dict[str, Any]:
    """The config that the overrides describe; where they name no loop, the one that fits the environment.

    Raises:
        VoltGymError: no loop fits; or an override is wrong.
    """
    named = {override.lstrip("+~").partition("=")[0] for override in overrides}
    search, _ = arguments.split(overrides)
    chosen = [o for o in overrides if not o.lstrip("+~").startswith(("loop.", "agent."))]
    env_id = configs.compose("loop", chosen)["env"]["id"]
    if "loop" in named:
        config = configs.compose("loop", overrides)
        fits = config["loop"].get("fits", {}).get("environments", [env_id])
        if env_id not in fits:
            raise VoltGymError(
                f"this loop is for {', '.join(fits)}, not for {env_id}; leave loop= out, or name another"
            )
        return config
    for name in configs.choices("loop", search):
        fits = configs.compose("loop", [f"loop={name}", *arguments.as_override(search)])["loop"].get("fits", {})
        if env_id in fits.get("environments", ()):
            agent = [f"agent={fits['agent']}"] if "agent" in fits and "agent" not in named else []
            return configs.compose("loop", [*overrides, f"loop={name}", *agent])
    raise VoltGymError(
        f"no loop is for {env_id}; name one with loop=..., see `voltgym list loop`, or write loop/NAME.yaml in your "
        "configs: a function that makes a voltgym.experiments.loop_engine.LoopProblem, and the environments it fits"
    )


def problem_of(config: Mapping[str, Any]) -> LoopProblem:
    """What the config's ``loop._target_`` makes of the environment and the agent."""
    from voltgym.experiments.train import build_agent

    how = {name: value for name, value in config["loop"].items() if name not in ("_target_", "fits", "default_budget")}
    make = found(config["loop"].get("_target_", ""))
    try:
        made = make(config["env"]["id"], config["env"]["kwargs"], build_agent(config["agent"]), **how)
    except TypeError as error:
        raise VoltGymError(f"the loop {config['loop']['_target_']} cannot be made: {error}") from None
    if not isinstance(getattr(made, "unit", None), str) or getattr(made, "direction", "") not in ("min", "max"):
        raise VoltGymError(f"{config['loop']['_target_']} makes no LoopProblem: it needs `unit` and `direction`")
    return made


def main(argv: list[str]) -> None:
    """Start a loop, or go on with one."""
    if flags := arguments.check_flags(argv):
        raise VoltGymError(f"{min(flags)} is for `voltgym train`; a loop runs one config (see `voltgym loop --help`)")
    old = [a.removeprefix("resume=") for a in argv if a.startswith("resume=")]
    if old and (len(argv) > 1 or not old[-1]):
        raise VoltGymError("resume=FOLDER goes with no other override: a loop goes on with the config it began with")
    if old:
        out = Path(old[-1])
        config = begun(out)
        if config is None:
            raise VoltGymError(f"there is no loop in {out}; start one with `voltgym loop env=... out={out}`")
    else:
        config = configured(arguments.overrides(argv))
        name = str(config["env"]["id"]).rpartition("/")[2]
        stamp = datetime.now(UTC).strftime("%Y-%m-%d_%H-%M-%S")
        out = Path("runs") / "loop" / name / stamp if config["out"] in (None, "") else Path(str(config["out"]))
    run(config, out)


def begun(out: Path) -> dict[str, Any] | None:
    """The config of the loop in ``out``; None where there is none yet. Another kind of run there is an error."""
    folder = RunFolder(out)
    if not folder.begun():
        return None
    found = folder.manifest().get("loop")
    if not isinstance(found, dict) or not all(name in found for name in ("env", "agent", "loop", "seed", "budget")):
        raise VoltGymError(f"{out} holds a run that is no loop; choose another out=")
    return found


def run(config: Mapping[str, Any], out: Path) -> LoopLog:
    """The loop of a config in ``out``, to its end; its manifest says how it ended."""
    asked = config["loop"].get("default_budget") if config["budget"] is None else config["budget"]
    budget = number("budget", asked, "calls of the physics, such as budget=50", 1, 1e12)
    rounds = None if config.get("rounds") is None else whole_number("rounds", config["rounds"])
    seed = whole_number("seed", config["seed"], least=0, most=2**31)
    folder, problem = RunFolder(out), problem_of(config)
    config, quiet = plain(config), bool(bool(config.get("quiet")))
    with alone(out):
        old = begun(out)
        log = LoopLog(out, {name: config[name] for name in ("env", "agent", "loop", "seed")})
        first = {} if old is None else {"started": folder.manifest()["started"]}
        write_json(
            folder.manifest_file, {**manifest.start(_as_run(config, budget, problem.unit)), "loop": config, **first}
        )
        try:
            _go(config, problem, folder, log, budget, rounds, seed)
        except BaseException as error:
            status = "failed" if isinstance(error, Exception) else "interrupted"
            folder.note(status=status, finished=manifest.now(), error=f"{type(error).__name__}: {error}")
            if status == "interrupted" and not quiet:
                print(f"go on with `voltgym loop resume={out}`", file=sys.stderr)
            raise
        folder.note(status="finished", finished=manifest.now(), spent={problem.unit: log.spent})
    return log


def _as_run(config: Mapping[str, Any], budget: float, unit: str) -> dict[str, Any]:
    """What the loop's config is as that of a run, so that whatever takes a run folder takes a loop's."""
    usual = configs.compose("train", ["evaluation=nominal", "evaluation.recheck.episodes=0"])
    kept = {name: config[name] for name in ("env", "agent", "seed")}
    return {**kept, "evaluation": usual["evaluation"], "name": "loop", "quiet": True, "budget": budget, "unit": unit}


def _go(
    config: Mapping[str, Any],
    problem: LoopProblem,
    folder: RunFolder,
    log: LoopLog,
    budget: float,
    rounds: int | None,
    seed: int,
) -> None:
    from voltgym.agents.base import save_policy
    from voltgym.experiments import loop_page
    from voltgym.surrogates.files import WeightsError

    seen = progress.terminal(f"loop {config['env']['id']}", bool(config.get("quiet")))
    kept = progress.Thinned(progress.LearningCurve(folder.curve_file))
    with progress.Progress([*seen, kept]) as bar:
        try:
            loop_engine.run(problem, folder.path, log, budget=budget, seed=seed, rounds=rounds, progress=bar)
        except WeightsError as error:
            place = folder.path / "rounds"
            raise VoltGymError(
                f"{error}; or delete the surrogate of that round in {place}: it is fitted again"
            ) from None
    page = loop_page.write_page(folder.path, log.all, problem, config)
    top = loop_engine.best(log.all, problem.direction)
    if top is not None:
        policy, kwargs = problem.hand_in(log.all, folder.path)
        save_policy(policy, folder.policy, env_id=config["env"]["id"], env_kwargs=kwargs)
        whole = folder.manifest()["config"]
        folder.note(config={**whole, "env": {**whole["env"], "kwargs": plain(kwargs)}})  # what the policy is for
    if not config.get("quiet"):
        none = "nothing feasible: there is no policy"
        said = none if top is None else f"best {top.value:g}, {loop_page.text(top.design)}"
        print(f"{log.spent:g} {problem.unit} on the physics, {said}\n{page} shows it")


if __name__ == "__main__":
    from voltgym.experiments.cli import run_command

    run_command("loop", sys.argv[1:])
