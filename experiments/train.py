"""Train an agent on an environment within a budget, evaluate it on the physics, keep everything in one run folder."""

from __future__ import annotations

import os
import shlex
import sys
import warnings
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

from voltgym.agents.base import Agent, Policy, save_policy
from voltgym.envs.errors import VoltGymError, whole_number
from voltgym.envs.ledger import Ledger
from voltgym.experiments import arguments, configs, manifest, progress, swept, tables
from voltgym.experiments.evaluate import check_evaluation, evaluate_run
from voltgym.experiments.files import plain, write_json
from voltgym.experiments.locks import alone
from voltgym.experiments.making import make_env
from voltgym.experiments.runs import RunFolder

USAGE = """usage: voltgym train [group=choice ...] [key=value ...] [-m]

  voltgym train env=thevenin agent=ppo budget=20000 seed=0
  voltgym train env=thevenin agent=ppo,sac seed=0,1,2 -m        a sweep: every combination
  voltgym train env=gymnasium env.id=CartPole-v1 agent=ppo       any Gymnasium environment
  voltgym train -m +benchmark=core                              every agent on every track, see `voltgym benchmark`
  voltgym train resume=RUN                                      go on with an unfinished run
  voltgym train ... --cfg job                                   show the config and do nothing

The groups and their choices: `voltgym list`."""


def run_training(config: Mapping[str, Any], path: Path) -> RunFolder:
    """Train, save, evaluate and report, as the resolved ``config`` says, in the folder ``path``.

    Whatever happens is in the manifest: its status is ``training``, ``evaluating``, ``finished``, ``failed`` or
    ``interrupted``. An agent that left a checkpoint in the folder goes on from there.
    """
    configs.check_whole(config)
    run = RunFolder(path)
    with alone(path):
        return _run(config, run)


def _run(config: Mapping[str, Any], run: RunFolder) -> RunFolder:
    agent = build_agent(config["agent"])
    whole_number("seed", config["seed"], least=0, most=2**32 - 1)
    config = plain({**config, "budget": _budget(config, agent), "unit": agent.unit})
    write_json(run.manifest_file, {**manifest.start(config), **_before(run)})
    try:
        policy = _train(agent, config, run)
        run.note(status="evaluating")
        seen = progress.terminal("evaluate", config["quiet"])
        with progress.Progress([*seen, progress.Thinned(progress.LearningCurve(run.evaluating_file))]) as bar:
            records = evaluate_run(run, policy, config["evaluation"], bar)
        made_by = records[0]["fingerprint"] if records else {}  # the solver's engine, the golden episode
        run.note(status="finished", finished=manifest.now(), fingerprint=made_by)
    except BaseException as error:
        status = "failed" if isinstance(error, Exception) else "interrupted"
        run.note(status=status, finished=manifest.now(), error=f"{type(error).__name__}: {error}")
        if status == "interrupted" and not config["quiet"]:
            print(f"go on with `voltgym train resume={run.path}`", file=sys.stderr)
        raise
    draw_report(run.path)
    if not config["quiet"]:
        tables.show([tables.summary(str(config["name"]), records, config["evaluation"])] if records else [])
        print(f"{run.path}: report.html shows it, `voltgym evaluate {run.path} ...` plays it elsewhere")
    return run


def _before(run: RunFolder) -> dict[str, Any]:
    """What the manifest keeps of an earlier start of the same run."""
    if not run.manifest_file.exists():
        return {}
    old = run.manifest()
    return {"started": old["started"], "resumed": [*old.get("resumed", []), manifest.now()]}


def _train(agent: Agent, config: Mapping[str, Any], run: RunFolder) -> Policy:
    env = config["env"]
    make_env(env["id"], env["kwargs"]).close()  # what is wrong with it is said here, in one line
    check_evaluation(env, config["evaluation"])  # not after hours of training
    seen = progress.terminal(f"train {config['name']}", config["quiet"])
    kept: list[progress.Sink] = [progress.LearningCurve(run.curve_file), progress.TensorBoard(run.tensorboard)]
    with progress.Progress([*seen, *(progress.Thinned(sink) for sink in kept)]) as bar:
        policy = agent.train(
            env["id"], env["kwargs"], budget=config["budget"], seed=config["seed"], out=run.path, progress=bar
        )
    if isinstance(ledger := getattr(agent, "ledger", None), Ledger):
        run.note(spent=dict(ledger.spent))  # what it was, not what was asked for
    save_policy(policy, run.policy, env_id=env["id"], env_kwargs=env["kwargs"])
    return policy


def draw_report(path: Path) -> None:
    """Write the report of a finished run or comparison; a report that cannot be drawn is only a warning."""
    from voltgym.experiments.report import write_report

    try:
        write_report(path)
    except Exception as error:  # the results are whole; a picture that cannot be drawn must not make it look lost
        warnings.warn(f"{path} is finished, but not its report: {type(error).__name__}: {error}", stacklevel=2)


def build_agent(config: Mapping[str, Any]) -> Agent:
    """The agent that ``config`` describes by ``_target_`` and its arguments. Errors are one line."""
    from hydra.errors import HydraException
    from hydra.utils import instantiate

    if "_target_" not in config:
        raise VoltGymError("the agent's config has no _target_; expected the dotted name of a class, see conf/agent/")
    try:
        agent = instantiate(config, _convert_="all")
    except HydraException as error:
        cause = error.__cause__ or error
        said = " ".join(str(cause).split())
        help_ = "see `voltgym list agent` for what there is, or install the package that has it"
        raise VoltGymError(f"agent {config['_target_']} cannot be built: {said}; {help_}") from None
    if not isinstance(agent, Agent):
        raise VoltGymError(f"{config['_target_']} is not an agent: it needs `unit` and `train`, see agents/base.py")
    return agent


def _budget(config: Mapping[str, Any], agent: Agent) -> int:
    budget = config["budget"]
    if budget is None:
        budget = getattr(agent, "default_budget", None)
    if isinstance(budget, float) and budget.is_integer():
        budget = int(budget)  # budget=1e6
    if isinstance(budget, bool) or not isinstance(budget, int) or budget < 0:
        raise VoltGymError(f"budget is {budget!r}; expected a whole number of {agent.unit}, such as budget=20000")
    return budget


def resume(path: Path) -> RunFolder:
    """Go on with an unfinished run: from its agent's checkpoint if there is one, else from the start."""
    run = RunFolder(path)
    config, status = run.config(), run.manifest()["status"]
    if status == "finished":
        raise VoltGymError(f"{path} is finished; evaluate it with `voltgym evaluate {path}` or train in another folder")
    return run_training(config, path)


def run_job(config: Any) -> None:
    """What Hydra runs, once a job. In a sweep, a finished run is left alone and one that was begun goes on."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.errors import CompactHydraException
    from hydra.types import RunMode
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    job = HydraConfig.get()
    try:
        run = RunFolder(job.runtime.output_dir)
        if run.begun() and job.mode == RunMode.RUN:
            raise VoltGymError(
                f"{run.path} already holds a run; go on with `voltgym train resume={run.path}`, or choose "
                "hydra.run.dir=..."
            )
        if run.status() == "finished":
            return
        resolved = OmegaConf.to_container(config, resolve=True)
        assert isinstance(resolved, dict)
        run_training({str(name): value for name, value in resolved.items()}, run.path)
    except (VoltGymError, OmegaConfBaseException, OSError) as error:
        text = str(error) if isinstance(error, VoltGymError) else configs.one_line(error)
        if job.mode == RunMode.RUN:
            print(f"voltgym train: {text}", file=sys.stderr)
            sys.exit(2)
        raise CompactHydraException(f"voltgym train: {text}") from None  # the sweep's other jobs go on


def main(argv: list[str]) -> None:
    """Check the overrides, then hand over to Hydra, or to a sweep; or resume."""
    if argv in (["-h"], ["--help"]):
        print(USAGE)
        return
    named = [a for a in argv if a.lstrip("+").startswith("benchmark=")]
    old = [a.removeprefix("resume=") for a in argv if a.startswith("resume=")]
    if named:
        from voltgym.experiments import benchmark

        rest = [a for a in argv if a not in (*named, "-m", "--multirun")]
        benchmark.main([named[-1].partition("=")[2], *rest])
    elif old:
        if not all(old):
            raise VoltGymError("resume= names nothing; expected the folder of a run or of a sweep")
        _resume(Path(old[-1]), [a for a in argv if not a.startswith("resume=")])
    else:
        _start(argv)


def _resume(path: Path, rest: list[str]) -> None:
    """Go on with a run or with a sweep, which may change its launcher."""
    from voltgym.experiments import sweep, sweep_plan

    if sweep_plan.is_sweep(path):
        others = [a for a in rest if not sweep.is_launcher(a)]
        if others:
            raise VoltGymError(f"{others[0]!r}: a sweep goes on as it began; only hydra/launcher=... may change")
        _ended(sweep.resume(path, rest))
    elif rest:
        raise VoltGymError("resume=RUN goes with no other override: a run goes on with the config it began with")
    else:
        resume(path)


def _start(argv: list[str]) -> None:
    from voltgym.experiments import sweep

    flags = arguments.check_flags(argv)
    name, overrides = _value(argv, ("--config-name", "-cn")) or "train", arguments.overrides(argv)
    overrides = swept.globbed(overrides, arguments.split(overrides)[0])
    variants = configs.expand(overrides)
    for variant in variants:
        configs.check_whole(configs.compose(name, variant))
    several = "--multirun" in flags or sweep.several(name, variants[0])
    if len(variants) > 1 and not several:
        raise VoltGymError(f"{' '.join(argv)} is a sweep of several values; add -m to run every combination")
    if several and not flags - {"--multirun"}:
        _ended(sweep.start(name, overrides))
    elif len(variants) > 1:
        raise VoltGymError(f"{min(flags - {'--multirun'})} shows one config, not a sweep; give every key one value")
    else:
        _run_one([a for a in argv if a not in ("-m", "--multirun")])


def _ended(done: Any) -> None:
    """Exit status 1 if a job of a sweep did not finish."""
    from voltgym.experiments import sweep

    if said := sweep.best(done):
        print(said)
    bad = [job for job in done.jobs if done.status(job) != "finished"]
    path = shlex.quote(str(done.path))
    print(f"{len(done.jobs) - len(bad)} of {len(done.jobs)} jobs finished; `voltgym aggregate {path}`")
    if bad:
        print(f"the rest: `voltgym train resume={path}`, logs in {done.run(bad[0]).path}/log.txt", file=sys.stderr)
        sys.exit(1)


def _run_one(argv: list[str]) -> None:
    from hydra import main as hydra_main
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    sys.argv = ["voltgym train", *argv]
    run = hydra_main(config_path=f"pkg://{configs.PACKAGE}", config_name="train", version_base="1.3")(run_job)
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra raises what goes wrong, instead of printing it in its own way
    try:
        run()
    except (HydraException, OmegaConfBaseException) as error:
        raise VoltGymError(configs.one_line(error)) from None


def _value(argv: list[str], flags: tuple[str, ...]) -> str | None:
    """What follows the last of ``flags``."""
    return next((b for a, b in reversed(list(pairwise(argv))) if a in flags), None)


if __name__ == "__main__":
    from voltgym.experiments.cli import run_command

    run_command("train", sys.argv[1:])
