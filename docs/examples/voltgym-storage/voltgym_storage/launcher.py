"""``hydra/launcher=nice``: the jobs of a sweep at low priority. A launcher is a class and the YAML that names it.

A subclass of voltgym's ``ProcessLauncher`` says only where a job's process runs; that finished jobs are left alone and
interrupted ones go on is done for it. Any launcher of Hydra's works, too.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from voltgym.envs.errors import whole_number
from voltgym.experiments.launchers.processes import ProcessLauncher

# voltgym's own module runs one job of a sweep; the first line makes it wait for others.
CODE = (
    "import os, sys; os.nice(int(sys.argv.pop())); "
    "from voltgym.experiments.sweep_job import run; sys.exit(run(sys.argv[1:]))"
)


class NiceLauncher(ProcessLauncher):
    """Args: ``n_jobs`` at a time; ``niceness`` of each, as of the command ``nice`` (Linux and macOS)."""

    def __init__(self, n_jobs: int = 2, niceness: int = 10) -> None:
        super().__init__()
        self.n_jobs = whole_number("hydra.launcher.n_jobs", n_jobs)
        self.niceness = whole_number("hydra.launcher.niceness", niceness, least=0, most=19)

    def each(self, sweep: Path, numbers: Sequence[int]) -> Sequence[int | BaseException]:
        """Threads that each wait for a process; the exit statuses, in order."""

        def process(number: int) -> int:
            command = [sys.executable, "-c", CODE, str(sweep), str(number), str(self.niceness)]
            return subprocess.run(command, stdin=subprocess.DEVNULL, check=False).returncode

        with ThreadPoolExecutor(self.n_jobs) as pool:
            return list(pool.map(process, numbers))
