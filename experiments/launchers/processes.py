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
        number = {job.overrides: job.number for job in sweep.jobs}
        numbers = [number[tuple(overrides)] for overrides in job_overrides]
        ends = self.each(sweep.path.absolute(), numbers)
        return [_returned(list(o), end) for o, end in zip(job_overrides, ends, strict=True)]

    def each(self, sweep: Path, numbers: Sequence[int]) -> Sequence[int | BaseException]:
        """Run ``sweep_job.run_process(sweep, number)`` for every number; exit statuses, or what came between."""
        raise NotImplementedError


def _returned(overrides: list[str], end: int | BaseException) -> JobReturn:
    out = JobReturn(overrides=overrides, status=JobStatus.COMPLETED)
    out.return_value = end
    if end != 0:
        out.status = JobStatus.FAILED
        said = one_line(end) if isinstance(end, BaseException) else f"exit status {end}"
        out.return_value = RuntimeError(said)
    return out
