"""On one machine: as many jobs at a time as asked for, by joblib."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from voltgym.envs.errors import whole_number
from voltgym.experiments.launchers.processes import ProcessLauncher
from voltgym.experiments.sweep_process import ended_together, run_process


class JoblibLauncher(ProcessLauncher):
    """Args: ``n_jobs``, at a time; -1 for as many as there are cores."""

    def __init__(self, n_jobs: int = -1) -> None:
        super().__init__()
        self.n_jobs = (os.cpu_count() or 1) if n_jobs == -1 else whole_number("hydra.launcher.n_jobs", n_jobs)

    def each(self, sweep: Path, numbers: Sequence[int]) -> Sequence[int | BaseException]:
        """Threads that each wait for a process: the jobs are processes already."""
        from joblib import Parallel, delayed

        with ended_together():
            return Parallel(n_jobs=self.n_jobs, backend="threading")(delayed(run_process)(sweep, n) for n in numbers)
