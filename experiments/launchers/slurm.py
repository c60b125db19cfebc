"""On a cluster with Slurm, or on this machine the same way, by submitit (github.com/facebookincubator/submitit)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from voltgym.envs.errors import UnknownName, VoltGymError
from voltgym.experiments.configs import one_line
from voltgym.experiments.launchers.processes import ProcessLauncher
from voltgym.experiments.sweep_process import run_process

CLUSTERS = ("slurm", "local", "debug")


class SubmititLauncher(ProcessLauncher):
    """One array of Slurm jobs. The sweep's folder must be seen from every node.

    Args:
        cluster: ``slurm``; ``local`` for processes on this machine; ``debug`` for this process.
        parameters: of ``submitit.AutoExecutor.update_parameters``, such as ``timeout_min``, ``slurm_partition``,
            ``slurm_array_parallelism``, ``mem_gb``, ``cpus_per_task``.
    """

    def __init__(self, cluster: str = "slurm", **parameters: Any) -> None:
        super().__init__()
        if cluster not in CLUSTERS:
            raise UnknownName("hydra.launcher.cluster", cluster, CLUSTERS)
        self.cluster, self.parameters = cluster, parameters

    def each(self, sweep: Path, numbers: Sequence[int]) -> Sequence[int | BaseException]:
        """Submit, and wait; a job that the scheduler lost is an exception in its place."""
        try:
            import submitit
        except ImportError:
            raise VoltGymError("hydra/launcher=submitit needs submitit: pip install 'voltgym[submitit]'") from None
        try:
            executor = submitit.AutoExecutor(folder=sweep / "submitit", cluster=self.cluster)
        except RuntimeError as error:  # no Slurm here
            raise VoltGymError(f"nothing could be submitted to {self.cluster}: {one_line(error)}") from None
        try:
            executor.update_parameters(**self.parameters)
        except (AssertionError, NameError, TypeError, ValueError) as error:
            raise VoltGymError(f"hydra.launcher: submitit refuses its parameters: {one_line(error)}") from None
        try:
            jobs = executor.map_array(run_process, [sweep] * len(numbers), numbers)
        except (FileNotFoundError, RuntimeError) as error:
            raise VoltGymError(f"nothing could be submitted to {self.cluster}: {one_line(error)}") from None
        try:
            return [_result(job) for job in jobs]
        except BaseException:
            for job in jobs:
                job.cancel(check=False)
            raise


def _result(job: Any) -> int | BaseException:
    try:
        return int(job.result())
    except Exception as error:  # whatever became of it there: the other jobs are waited for
        return error
