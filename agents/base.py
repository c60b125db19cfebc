"""What an agent and a policy are, and how a trained policy is kept and found again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np

from voltgym.envs.errors import VoltGymError

Memory = dict[str, np.ndarray] | None
"""What a policy remembers between steps: arrays whose first axis is the episode, or nothing."""


class Progress(Protocol):
    """Where long work says how far it is."""

    def update(self, done: int, total: int, **numbers: float) -> None:
        """``done`` of ``total`` (in the agent's unit), and what is worth watching, e.g. ``reward=1.2``."""
        ...


class Silent:
    """Progress that nobody watches."""

    def update(self, done: int, total: int, **numbers: float) -> None:
        """Say nothing."""


@runtime_checkable
class Policy(Protocol):
    """Observations in, actions out, for N episodes at once; deterministic.

    A policy may have ``bind(episodes)``: it is called with the ``Episodes`` before the first step. One that only reads
    the layout of the task there keeps its information class; one that looks ahead in the twin says so.
    """

    information: str
    """What it may see: ``"bms"`` (what a battery-management system measures), ``"full"`` (the observed state and
    parameters) or ``"lookahead"`` (it asks the twin itself)."""

    def __call__(
        self,
        observation: np.ndarray,
        memory: Memory = None,
        first: np.ndarray | None = None,
        mask: np.ndarray | None = None,
    ) -> tuple[np.ndarray, Memory]:
        """(N, ...) observations to (N, ...) actions. ``first`` (N,) bool marks rows whose episode has just begun."""
        ...

    def save(self, path: Path) -> None:
        """Write the policy into the folder ``path`` (JSON, npz or safetensors; never pickle)."""
        ...

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what :meth:`save` wrote."""
        ...


@runtime_checkable
class Agent(Protocol):
    """Something that makes a policy for an environment within a budget."""

    unit: str
    """What the budget counts: ``"env_steps"`` or ``"evaluations"`` (whole episodes of a design)."""

    def train(
        self,
        env_id: str,
        env_kwargs: Mapping[str, Any],
        *,
        budget: int,
        seed: int,
        out: Path,
        progress: Progress,
    ) -> Policy:
        """Learn. Checkpoints go to ``out / "checkpoint"``; what is found there is continued."""
        ...


POLICY_FILE = "policy.json"


def save_policy(policy: Policy, path: Path, *, env_id: str, env_kwargs: Mapping[str, Any]) -> None:
    """Keep a policy and what it was made for. The description is written last: a half-written policy has none."""
    path.mkdir(parents=True, exist_ok=True)
    policy.save(path)
    kind = type(policy)
    about = {
        "_target_": f"{kind.__module__}.{kind.__qualname__}",
        "env_id": env_id,
        "env_kwargs": dict(env_kwargs),
        "information": policy.information,
    }
    part = path / (POLICY_FILE + ".part")
    part.write_text(json.dumps(about, indent=2))
    part.replace(path / POLICY_FILE)


def describe_policy(path: Path) -> dict[str, Any]:
    """What :func:`save_policy` said of a policy: ``_target_``, ``env_id``, ``env_kwargs``, ``information``."""
    file = path / POLICY_FILE
    if not file.exists():
        raise VoltGymError(f"no policy in {path}: {POLICY_FILE} is missing; was the training finished?")
    try:
        about = json.loads(file.read_text())
        return {name: about[name] for name in ("_target_", "env_id", "env_kwargs", "information")}
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise VoltGymError(f"{file} is damaged ({error}); train again, or restore the file") from None


def load_policy(path: Path, *, env_id: str | None = None) -> Policy:
    """The policy kept in ``path``. Asking for one of another environment is an error."""
    about = describe_policy(path)
    if env_id is not None and about["env_id"] != env_id:
        where = f"{about['env_id']}, not on {env_id}"
        raise VoltGymError(f"the policy in {path} was trained on {where}; train one on {env_id}")
    module, _, name = about["_target_"].rpartition(".")
    try:
        kind = getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError):
        raise VoltGymError(f"the policy in {path} needs {about['_target_']}, which is not installed") from None
    try:
        return kind.load(path)
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise VoltGymError(f"the policy in {path} is damaged ({error}); train again, or restore its files") from None
