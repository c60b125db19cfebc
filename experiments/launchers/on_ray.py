"""On a Ray cluster, or on this machine with Ray (docs.ray.io): a task a job, which Ray runs again if its node dies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from voltgym.envs.errors import VoltGymError
from voltgym.experiments.configs import one_line
from voltgym.experiments.launchers.processes import ProcessLauncher
from voltgym.experiments.sweep_process import run_process


class RayLauncher(ProcessLauncher):
    """The sweep's folder must be seen from every node.

    Args:
        init: of ``ray.init``; ``{address: auto}`` joins a cluster that is there, otherwise one is started here.
        remote: of ``ray.remote``, such as ``num_cpus``; ``max_retries`` is how often a job begins again when its node
            or its worker dies: it goes on where it was.
    """

    def __init__(self, init: Mapping[str, Any] | None = None, remote: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        self.init, self.remote = dict(init or {}), {"num_cpus": 1, "max_retries": 3, **(remote or {})}

    def each(self, sweep: Path, numbers: Sequence[int]) -> Sequence[int | BaseException]:
        """Hand over all, and wait."""
        try:
            import ray
        except ImportError:
            raise VoltGymError("hydra/launcher=ray needs Ray: pip install 'voltgym[ray]'") from None
        here = not ray.is_initialized()
        try:
            if here:
                ray.init(**self.init)
            task = ray.remote(**self.remote)(run_process)
        except (ConnectionError, RuntimeError, TypeError, ValueError) as error:
            raise VoltGymError(f"hydra.launcher: Ray cannot begin: {one_line(error)}") from None
        try:
            return [_result(ray, reference) for reference in [task.remote(sweep, n) for n in numbers]]
        finally:
            if here:
                ray.shutdown()


def _result(ray: Any, reference: Any) -> int | BaseException:
    try:
        return int(ray.get(reference))
    except ray.exceptions.RayError as error:
        return error
