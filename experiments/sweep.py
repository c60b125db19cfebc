"""Sweeps: many runs from one command, on any launcher; one that was killed goes on with what is missing."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from voltgym.envs.errors import VoltGymError
from voltgym.experiments import arguments, configs, search_path, sweep_plan, swept
from voltgym.experiments.explain import explain
from voltgym.experiments.locks import alone
from voltgym.experiments.records import read_records
from voltgym.experiments.runs import RunFolder
from voltgym.experiments.sweep_plan import Job, Sweep
from voltgym.experiments.sweep_process import terminable
from voltgym.experiments.sweep_view import watching
from voltgym.experiments.tables import entry

LAUNCHER = "hydra/launcher", "hydra.launcher"
"""What an override of the launcher begins with."""
RUN = "RUN"


def is_launcher(override: str) -> bool:
    """Whether an override chooses or sets the launcher, which no job need know."""
    return override.lstrip("+~").startswith(LAUNCHER)


def start(config: str, overrides: Sequence[str]) -> Sweep:
    """Plan a sweep, keep the plan, and run it. Returns it when all its jobs have ended, well or not."""
    places, rest = arguments.split(overrides)
    swept.check_one_value(rest)
    if any(o.lstrip("+").startswith("hydra.sweep.subdir=") for o in rest):
        raise VoltGymError(
            "hydra.sweep.subdir is not used: the folder of a job is named after what it varies; leave it out"
        )
    chosen = tuple(o for o in rest if is_launcher(o))
    empty = Sweep(Path(), config, tuple(arguments.as_override(places)), chosen)
    with composed(empty, [o for o in rest if not _sweeps(o)]) as found:
        if not found.config.hydra.sweep.dir:
            raise VoltGymError("hydra.sweep.dir is empty; expected a folder, such as hydra.sweep.dir=runs/sweeps/first")
        path = Path(str(found.config.hydra.sweep.dir)).absolute()
        sweeper = found.plain("hydra.sweeper")
        launcher_of(found.config, found.context, None)  # one that cannot be made is said before anything is written
    if sweep_plan.is_sweep(path):
        raise VoltGymError(f"{path} already holds a sweep; go on with `voltgym train resume={path}`")
    told = [o for o in rest if not is_launcher(o) and not o.lstrip("+").startswith(("hydra.sweep", "hydra/sweeper"))]
    if str(sweeper.get("_target_")).startswith(HYDRA):
        params = sweeper.get("params") or {}
        combined = swept.combinations(told, params, places)
        if params:  # the values on the command line are checked there
            check(empty, [one.input_line for one in swept.parsed(told, params, places).values()])
        return run(planned(replace(empty, path=path), combined))
    searching = replace(empty, path=path, search={"sweeper": sweeper, "overrides": told})
    check(empty, proposed(searching)[0])  # what is wrong with it is said before anything is written
    return run(searching)


def planned(sweep: Sweep, combined: Sequence[Sequence[str]]) -> Sweep:
    """A sweep with further jobs, written down."""
    sweep = replace(sweep, jobs=(*sweep.jobs, *sweep_plan.jobs_of(combined, sweep.jobs)))
    sweep.write()
    return sweep


def several(config: str, overrides: Sequence[str]) -> bool:
    """Whether a config is a sweep without being told so: its ``hydra.mode`` is MULTIRUN."""
    places, rest = arguments.split(overrides)
    with composed(Sweep(Path(), config, tuple(arguments.as_override(places))), rest, RUN) as found:
        return str(found.config.hydra.mode).endswith("MULTIRUN")


def resume(path: Path, launcher: Sequence[str] = ()) -> Sweep:
    """Run what is missing or half done of a sweep; ``launcher`` overrides come after those it began with."""
    swept.check_one_value(launcher)
    sweep = sweep_plan.read(path.absolute())
    return run(replace(sweep, launcher=(*sweep.launcher, *launcher)))


def check(sweep: Sweep, overrides: Sequence[str]) -> None:
    """Raise `VoltGymError` if a value of ``overrides`` cannot be composed, or leaves out what a training needs.

    Every value once, not every combination: a thousand of these would take minutes.
    """
    for one in configs.expand(overrides):
        configs.check_whole(configs.compose(sweep.config, [*sweep.places, *one]))


def run(sweep: Sweep) -> Sweep:
    """Launch what is not finished, and show how far it is; then what a search asks for, until it asks no more."""
    with alone(sweep.path), terminable(), watching(sweep) as view:
        new = 0
        while True:
            left = [job for job in sweep.jobs[new:] if sweep.status(job) != "finished"]
            new = len(sweep.jobs)  # what fails is not begun again by this command
            if left:
                print(f"{sweep.path}: {len(left)} of {len(sweep.jobs)} jobs to run", file=sys.stderr, flush=True)
                launch(sweep, left)
            more = proposed(sweep)
            if not more:
                return sweep
            check(sweep, more[0])
            view.sweep = sweep = planned(sweep, more)


def proposed(sweep: Sweep) -> list[list[str]]:
    """The overrides of the jobs that a search wants next; none where nothing is searched."""
    if sweep.search is None:
        return []
    searcher = made("sweeper", sweep.search["sweeper"])
    done = {job.number for job in sweep.jobs if sweep.status(job) == "finished"}
    results = [result(sweep.run(job), searcher.metric) if job.number in done else None for job in sweep.jobs]
    told = [(job.overrides, value) for job, value in zip(sweep.jobs, results, strict=True)]
    return list(searcher.next(sweep.search["overrides"], told))


def best(sweep: Sweep) -> str:
    """The best trial of a search in one line: its result, and the overrides that make it; empty without one."""
    if sweep.search is None:
        return ""
    metric = made("sweeper", sweep.search["sweeper"]).metric
    told = [(value, job) for job in sweep.jobs if (value := result(sweep.run(job), metric)) is not None]
    known = [(value, job) for value, job in told if math.isfinite(value)]
    if not known:
        return "no trial has a result"
    value, job = max(known, key=lambda pair: pair[0])
    name = "mean return"
    if metric != "return":  # by its name and with its own sign: a search is told what is better as larger
        name, value = entry("", read_records(sweep.run(job).records_file)).value
    return f"best: {name} {value:.4g}, trial {job.number}: {' '.join(job.overrides)}"


def result(run: RunFolder, metric: str) -> float | None:
    """What a search is told of a finished run, larger is better: its mean return or main result, None without one."""
    try:
        records = read_records(run.records_file)
    except VoltGymError:
        return None
    if metric == "return":
        returns = [record["return"] for record in records]
        return None if not returns or None in returns else sum(returns) / len(returns)
    if not records:
        return None
    found = entry("", records)
    return found.value[1] * (1 if found.better == "max" else -1)


def launch(sweep: Sweep, jobs: Sequence[Job]) -> None:
    """Hand jobs to the launcher, and wait for them. Their run folders say how they ended."""
    from voltgym.experiments.launchers.processes import ProcessLauncher
    from voltgym.experiments.train import run_job

    with composed(
        sweep, [*sweep.launcher, f"hydra.sweep.dir={arguments.quoted(str(sweep.path))}", "hydra.sweep.subdir=."]
    ) as found:
        launcher = launcher_of(found.config, found.context, run_job)
    told = [list(job.overrides) for job in jobs]
    if not isinstance(launcher, ProcessLauncher):  # it runs `run_job` itself, where Hydra's config says
        told = [[*o, "quiet=true", f"hydra.sweep.subdir='{job.folder}'"] for o, job in zip(told, jobs, strict=True)]
    launcher.launch(told, initial_job_idx=jobs[0].number)


@dataclass(frozen=True)
class Composed:
    """A config with Hydra's own part, and what a launcher needs to compose the jobs'."""

    config: Any
    context: Any

    def plain(self, key: str) -> dict[str, Any]:
        """A part of the config as a plain dict."""
        from omegaconf import OmegaConf

        found: Any = OmegaConf.to_container(OmegaConf.select(self.config, key), resolve=True)
        return dict(found)


@contextmanager
def composed(sweep: Sweep, overrides: Sequence[str], mode: str = "MULTIRUN") -> Iterator[Composed]:
    """The config of a sweep, with Hydra's part."""
    import hydra
    from hydra._internal.callbacks import Callbacks
    from hydra.core.global_hydra import GlobalHydra
    from hydra.core.hydra_config import HydraConfig
    from hydra.errors import HydraException
    from hydra.types import HydraContext, RunMode
    from omegaconf.errors import OmegaConfBaseException

    search_path.register()
    with hydra.initialize_config_module(config_module=configs.PACKAGE, version_base="1.3", job_name="voltgym train"):
        inner: Any = GlobalHydra.instance().hydra
        try:
            whole = [*sweep.places, *overrides]
            config = inner.compose_config(sweep.config, whole, run_mode=RunMode[mode], from_shell=False)
            HydraConfig.instance().set_config(config)
            yield Composed(config, HydraContext(config_loader=inner.config_loader, callbacks=Callbacks(config)))
        except (HydraException, OmegaConfBaseException) as error:
            raise explain(error, overrides, lambda key: {}) from None


HYDRA = ("hydra_plugins.", "hydra._internal.")
"""Where the classes of Hydra's launchers are; others are found as any ``_target_``."""


def launcher_of(config: Any, context: Any, task: Any) -> Any:
    """The launcher that a config names, set up."""
    from hydra.core.plugins import Plugins

    if str(config.hydra.launcher.get("_target_")).startswith(HYDRA):
        return Plugins.instance().instantiate_launcher(context, task, config)
    launcher = made("launcher", Composed(config, context).plain("hydra.launcher"))
    if not (hasattr(launcher, "setup") and hasattr(launcher, "launch")):
        raise VoltGymError(f"{config.hydra.launcher.get('_target_')} is no launcher: it needs `setup` and `launch`")
    launcher.setup(hydra_context=context, task_function=task, config=config)
    return launcher


def made(what: str, config: Mapping[str, Any]) -> Any:
    """The launcher or sweeper that ``config`` names with ``_target_``."""
    from pkgutil import resolve_name

    told = {name: value for name, value in config.items() if name != "_target_"}
    try:
        return resolve_name(str(config.get("_target_")))(**told)
    except VoltGymError:
        raise
    except Exception as error:  # whatever importing or making somebody's raises
        said = " ".join(str(error).split())
        raise VoltGymError(f"{what} {config.get('_target_')} cannot be made: {said}") from None


def _sweeps(override: str) -> bool:
    """Whether an override has several values."""
    return swept.parse([override])[0].is_sweep_override()
