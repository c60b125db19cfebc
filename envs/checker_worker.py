"""Can an environment be made in a worker process, and does it do there what it does here?"""

from __future__ import annotations

import hashlib
import pickle
import subprocess
import sys
from collections.abc import Mapping
from typing import Any, Self

import gymnasium as gym
import numpy as np

from voltgym.envs.checker_tools import Absent, Mend, Subject, arrays, expect

_CODE = (
    "import pickle, sys; from voltgym.envs.checker_worker import fingerprint; "
    "print(fingerprint(*pickle.load(sys.stdin.buffer)))"
)


class Worker:
    """A fresh Python process that makes the environment by its id while the other checks run."""

    def __init__(self, env_id: str, kwargs: Mapping[str, Any]) -> None:
        self.env_id = f"voltgym.envs:{env_id}" if env_id.startswith("VoltGym/") else env_id
        self.kwargs = dict(kwargs)
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Start, if the id says which module registers it."""
        if ":" in self.env_id:
            pipe = subprocess.PIPE
            self.process = subprocess.Popen([sys.executable, "-c", _CODE], stdin=pipe, stdout=pipe, stderr=pipe)
            assert self.process.stdin is not None
            self.process.stdin.write(pickle.dumps((self.env_id, self.kwargs)))
            self.process.stdin.close()
            self.process.stdin = None
        return self

    def __exit__(self, *error: object) -> None:
        """Leave no process behind."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.communicate()

    def compare(self, subject: Subject) -> str:
        """The first steps there are the first steps here, bit for bit."""
        if self.process is None:
            raise Absent(f"{self.env_id} does not say which module registers it; check 'package.module:{self.env_id}'")
        out, problem = self.process.communicate(timeout=300)
        if self.process.returncode:
            last = problem.decode().strip().splitlines()[-1:]
            raise Mend(
                f"making {self.env_id} in a fresh process failed: {''.join(last)}; it must be made from its id alone"
            )
        here, there = fingerprint(self.env_id, subject.kwargs), out.decode().split()[-1]
        expect(here == there, f"the first steps in a fresh process have other bits ({there[:8]} against {here[:8]})")
        return f"{self.env_id} is made in a fresh process and its first steps have the same bits"


def fingerprint(env_id: str, kwargs: Mapping[str, Any]) -> str:
    """A hash of the first three steps of seed 0."""
    env = gym.make(env_id, **kwargs).unwrapped
    env.action_space.seed(0)
    digest = hashlib.sha256()
    observation, info = env.reset(seed=0)
    for _ in range(4):
        values = [np.asarray(observation), *arrays(info), *map(np.asarray, info["slacks"].values())]
        for value in values:
            digest.update(value.tobytes())
        observation, reward, terminated, truncated, info = env.step(env.action_space.sample())
        digest.update(np.float64(reward).tobytes())
        if terminated or truncated:
            break
    return digest.hexdigest()
