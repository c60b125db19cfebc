"""``ProcessLauncher``: what launchers share that start every job as a process of its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher

from voltgym.experiments import sweep_plan
from voltgym.experiments.configs import one_line


class ProcessLauncher(Launcher):
    """Runs the jobs of the sweep in ``hydra.sweep.dir``. A subclass says where, in :meth:`each`."""

    def __init__(self) -> None:
        self.config: Any = None

    def setup(self, *, hydra_context: Any, task_function: Any, config: Any) -> None:
        """Keep the config of the sweep; Hydra calls this."""
        self.config = config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run the jobs; each is found by its overrides in the sweep's plan."""
        sweep = sweep_plan.read(Path(str(self.config.hydra.sweep.dir)))
        numbers = _numbers(sweep, job_overrides)
        ends = self.each(sweep.path.absolute(), numbers)
        return [_returned(list(o), end) for o, end in zip(job_overrides, ends, strict=True)]

    def each(self, sweep: Path, numbers: Sequence[int]) -> Sequence[int | BaseException]:
        """Run ``run_process(sweep, number)`` for every number; exit statuses, or what came between."""
        raise NotImplementedError


def _numbers(sweep: sweep_plan.Sweep, told: Sequence[Sequence[str]]) -> list[int]:
    """The job of each overrides; of several with the same ones (a search may repeat itself), those not finished."""
    left: dict[tuple[str, ...], list[int]] = {}
    for job in sorted(sweep.jobs, key=lambda job: sweep.status(job) == "finished"):
        left.setdefault(job.overrides, []).append(job.number)
    return [left[tuple(overrides)].pop(0) for overrides in told]


def _returned(overrides: list[str], end: int | BaseException) -> JobReturn:
    out = JobReturn(overrides=overrides, status=JobStatus.COMPLETED)
    out.return_value = end
    if end != 0:
        out.status = JobStatus.FAILED
        said = one_line(end) if isinstance(end, BaseException) else f"exit status {end}"
        out.return_value = RuntimeError(said)
    return out
