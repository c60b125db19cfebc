"""What an agent and a policy are, and how a trained policy is kept and found again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, Self, runtime_checkable
from zipfile import BadZipFile

import numpy as np

from voltgym.envs.errors import VoltGymError, shown

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
    """What the budget counts: ``"env_steps"``, ``"evaluations"`` (whole episodes of a design) or ``"unique_designs"``.

    An agent that spends has a ``ledger`` (``envs/ledger.py``) after ``train``; what it says goes into every record."""

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
    try:
        part.write_text(json.dumps(about, indent=2))
    except TypeError as error:
        raise VoltGymError(f"the environment's arguments {shown(env_kwargs)} cannot be kept as JSON: {error}") from None
    part.replace(path / POLICY_FILE)


def describe_policy(path: Path) -> dict[str, Any]:
    """What :func:`save_policy` said of a policy: ``_target_``, ``env_id``, ``env_kwargs``, ``information``."""
    file = Path(path) / POLICY_FILE
    if not file.is_file():
        raise VoltGymError(f"no policy in {path}: {POLICY_FILE} is missing; was the training finished?")
    try:
        about = json.loads(file.read_text(encoding="utf-8"))
        return {name: about[name] for name in ("_target_", "env_id", "env_kwargs", "information")}
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise VoltGymError(f"{file} is damaged ({said(error)}); train again, or restore the file") from None


def load_policy(path: Path, *, env_id: str | None = None) -> Policy:
    """The policy kept in ``path``. Asking for one of another environment is an error."""
    about = describe_policy(path)
    if env_id is not None and about["env_id"] != env_id:
        where = f"{about['env_id']}, not on {env_id}"
        raise VoltGymError(f"the policy in {path} was trained on {where}; train one on {env_id}")
    kind = find_class(about["_target_"], ("load", "__call__"), f"the policy in {path}")
    try:
        return kind.load(Path(path))
    except VoltGymError as error:
        raise VoltGymError(f"the policy in {path} cannot be used: {error}") from None
    except DAMAGE as error:
        what = f"is damaged ({said(error)}); train again, or restore its files"
        raise VoltGymError(f"the policy in {path} {what}") from None


DAMAGE = (OSError, EOFError, LookupError, TypeError, ValueError, AttributeError, RecursionError, BadZipFile)
"""What readers raise over files that are cut short, overwritten or edited by hand."""


def said(error: BaseException) -> str:
    """An error of somebody else's code in one line, its kind included where its text alone says little."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if isinstance(error, KeyError) or len(text) < 12 else text


def find_class(target: Any, needs: Sequence[str], who: str) -> Any:
    """The class of the dotted name ``target``, which must have the attributes ``needs``.

    Nothing is called that is not a class with them: a description on disk may come from anybody.
    """
    module, _, name = target.rpartition(".") if isinstance(target, str) else ("", "", "")
    try:
        kind = getattr(import_module(module), name)
    except (ImportError, AttributeError, TypeError, ValueError):
        raise VoltGymError(f"{who} needs {shown(target)}, which is not installed; install its package") from None
    missing = [need for need in needs if not hasattr(kind, need)]
    if not isinstance(kind, type) or missing:
        lacks = f"lacks {', '.join(missing)}" if missing else "is not a class"
        raise VoltGymError(f"{who} names {target}, which {lacks}: it is not of voltgym's making, or damaged")
    return kind


def check_same(file: Path, found: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    """Raise `VoltGymError` if a search that is resumed from ``file`` was another one than this."""
    for name, value in expected.items():
        if found.get(name) != value:
            raise VoltGymError(
                f"{file} is of another search: its {name} is {found.get(name)!r}, this one's is {value!r}; "
                f"search in another folder, or delete the file to start again"
            )
