"""``OnnxPolicy``: anybody's network as a policy, in a process of its own that sees observations and nothing else."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import gymnasium as gym
import numpy as np

from voltgym.agents import onnx_worker as worker
from voltgym.agents.base import DAMAGE, Memory, said
from voltgym.agents.mlp import describe_space
from voltgym.envs.episodes import Episodes
from voltgym.envs.errors import VoltGymError, shown

FILE, ABOUT = "policy.onnx", "onnx.json"
START_SECONDS = 60.0
ROW_SECONDS = 1.0
"""The most that one action may take, on the clock."""
TOTAL_SECONDS = 900
"""The most that all actions together may take, on the clock and of the processor."""
MOST_REPLY = 64 * 2**20
KEPT = ("PATH", "PYTHONPATH", "SYSTEMROOT", "HOME", "LD_LIBRARY_PATH")
"""What of the environment's variables the process gets: no salt."""


class PolicyFailed(VoltGymError):
    """A policy in ONNX that is not run here, or that broke, stalled or used too much while it ran."""


class OnnxPolicy:
    """A policy in ONNX, N rows at once; each row is computed on its own.

    The file is checked before it is loaded (``onnx_checks.py``). It runs in another process, with onnxruntime on one
    thread, within limits of memory and time. Actions that are not finite go on to the environment, which calls them a
    failed action; anything else that is wrong raises `PolicyFailed`.

    Args:
        data: the file.
        information: the information class of what it observes.
        row_seconds, total_seconds: limits on the clock, of an action and of all.
    """

    def __init__(
        self, data: bytes, information: str, *, row_seconds: float = ROW_SECONDS, total_seconds: float = TOTAL_SECONDS
    ) -> None:
        self.data, self.information = data, information
        self.row_seconds, self.left = row_seconds, float(total_seconds)
        self._discrete = False
        self._channel = Channel(int(total_seconds) + 1)
        self._channel.send(worker.MODEL, data)
        kind, reply = self._channel.receive(START_SECONDS)
        if kind != worker.TEXT:
            raise PolicyFailed(f"the policy is not run: {_text(reply)}")
        self.signature = json.loads(reply)
        self._inputs: dict[str, list[Any]] = self.signature["inputs"]
        self.memory = {name: shape for name, (_, shape) in self._inputs.items() if name.startswith("memory_")}

    def bind(self, episodes: Episodes) -> None:
        """Compare the shapes with those of the task. Raises `PolicyFailed` where they differ."""
        task = episodes.task
        space: gym.Space = task.action_space
        self._discrete = describe_space(space)["kind"] == "discrete"
        action = [] if self._discrete else list(space.shape or ())
        wanted = {"observation": list(task.observation_space.shape or ()), "first": []}
        if hasattr(task, "mask"):
            wanted["mask"] = [int(space.n)]  # type: ignore[attr-defined]
        for name, (_, shape) in self._inputs.items():
            if name not in self.memory and shape != wanted.get(name):
                there = wanted.get(name, "not there")
                raise PolicyFailed(f"the policy takes {name} of shape {shape}; in {episodes.env_id} it is {there}")
        kind, shape = self.signature["outputs"]["action"]
        if shape != action or (self._discrete and not kind.startswith("int")):
            raise PolicyFailed(f"the policy's action is {kind} of shape {shape}; {episodes.env_id} takes {space}")

    def __call__(
        self,
        observation: np.ndarray,
        memory: Memory = None,
        first: np.ndarray | None = None,
        mask: np.ndarray | None = None,
    ) -> tuple[np.ndarray, Memory]:
        """(N, ...) observations to (N, ...) actions; the memory of rows that are ``first`` is zeros."""
        n = len(observation)
        begun = np.zeros(n, dtype=bool) if first is None else np.asarray(first, dtype=bool)
        given: dict[str, Any] = {"observation": observation, "first": begun, "mask": mask}
        if mask is None and "mask" in self._inputs:
            given["mask"] = np.ones((n, *self._inputs["mask"][1]))
        for name, shape in self.memory.items():
            old = np.zeros((n, *shape)) if memory is None else memory[name]
            given[name] = np.where(begun.reshape(-1, *[1] * len(shape)), 0.0, old)
        answer = self._ask({name: np.asarray(given[name], dtype=kind) for name, (kind, _) in self._inputs.items()}, n)
        kept = {name: answer["next_" + name] for name in self.memory}
        return answer["action"], kept or None

    def _ask(self, arrays: Mapping[str, np.ndarray], n: int) -> dict[str, np.ndarray]:
        begin = time.monotonic()
        self._channel.send(worker.ARRAYS, worker.pack(arrays))
        kind, reply = self._channel.receive(min(self.left, self.row_seconds * n + 1.0))
        self.left -= time.monotonic() - begin
        if kind != worker.ARRAYS:
            raise PolicyFailed(f"the policy broke while it ran: {_text(reply)}")
        try:
            answer = worker.unpack(reply)
        except DAMAGE as error:
            raise PolicyFailed(f"the policy's answer cannot be read: {said(error)}") from None
        for name, (_, shape) in self.signature["outputs"].items():
            if name not in answer or answer[name].shape != (n, *shape):
                raise PolicyFailed(f"the policy's {name} does not have the shape {(n, *shape)} that it declares")
        return answer

    def close(self) -> None:
        """End the process."""
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def save(self, path: Path) -> None:
        """Write the file and its information class into the folder ``path``."""
        path.mkdir(parents=True, exist_ok=True)
        (path / FILE).write_bytes(self.data)
        (path / ABOUT).write_text(json.dumps({"information": self.information}))

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what :meth:`save` wrote."""
        about = json.loads((path / ABOUT).read_text())
        return cls((path / FILE).read_bytes(), about["information"])


def _text(reply: bytes) -> str:
    return reply.decode("utf-8", "replace") or "its process ended: it crashed, or used too much memory or time"


class Channel:
    """The process and its two pipes."""

    def __init__(self, cpu_seconds: int) -> None:
        kept = {name: os.environ[name] for name in KEPT if name in os.environ}
        self.process = subprocess.Popen(
            [sys.executable, "-m", worker.__name__, str(cpu_seconds)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**kept, "OMP_NUM_THREADS": "1"},
            bufsize=0,
        )
        self.close = weakref.finalize(self, _end, self.process)

    def send(self, kind: bytes, data: bytes) -> None:
        """One frame; a process that has ended is noticed when its answer is read."""
        view = memoryview(worker.HEAD.pack(kind, len(data)) + data)
        try:
            while view:
                view = view[self.process.stdin.write(view) :]  # type: ignore[union-attr]
        except (OSError, ValueError):
            return

    def receive(self, seconds: float) -> tuple[bytes, bytes]:
        """The next frame, an empty one where the process has ended. Raises `PolicyFailed` after ``seconds``."""
        end = time.monotonic() + seconds
        head = self._read(worker.HEAD.size, end, seconds)
        if len(head) < worker.HEAD.size:
            return b"", b""
        kind, length = worker.HEAD.unpack(head)
        if length > MOST_REPLY:
            self.close()
            raise PolicyFailed(f"the policy gave {length} bytes at once; expected at most {MOST_REPLY}")
        return kind, self._read(length, end, seconds)

    def _read(self, count: int, end: float, seconds: float) -> bytes:
        pipe, parts = self.process.stdout, list[bytes]()
        assert pipe is not None
        while count:
            ready = select.select([pipe], [], [], max(0.0, end - time.monotonic()))[0] if not pipe.closed else [None]
            if not ready:
                self.close()
                raise PolicyFailed(f"the policy took more than {shown(round(seconds, 3))} s; it was stopped")
            part = b"" if pipe.closed else os.read(pipe.fileno(), min(count, 2**20))
            if not part:
                break
            parts.append(part)
            count -= len(part)
        return b"".join(parts)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
