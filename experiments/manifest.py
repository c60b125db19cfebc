"""What a run was: its config's hash, seed, code, versions, machine, and how it ended."""

from __future__ import annotations

import hashlib
import json
import math
import os
import platform
import subprocess
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from voltgym.envs.scenario import SUITE_VERSION
from voltgym.experiments.files import plain

VERSIONS = (
    "voltgym",
    "gymnasium",
    "numpy",
    "scipy",
    "pybamm",
    "pybammsolvers",
    "casadi",
    "torch",
    "stable_baselines3",
    "botorch",
)
"""Distributions whose version a manifest keeps."""

PHYSICS = ("voltgym", "numpy", "pybamm", "pybammsolvers", "casadi")
"""Distributions whose version can change a number on the physics: what a record's fingerprint keeps."""


def versions(names: Iterable[str] = VERSIONS) -> dict[str, str | None]:
    """The installed version of each distribution, None where it isn't installed. Imports nothing."""
    return {name: _version(name) for name in names}


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def fingerprint(twin: Any = None) -> dict[str, str | None]:
    """What the numbers of a record depend on: versions, the suite's scenarios, the engine.

    A twin may have a ``fingerprint`` of its own, a dict such as ``{"cell": hash of its parameters}``, which is added.
    """
    kind = type(twin)
    own = {"engine": None if twin is None else f"{kind.__module__}.{kind.__qualname__}"}
    own |= {name: str(value) for name, value in (getattr(twin, "fingerprint", None) or {}).items()}
    return {**versions(PHYSICS), "suite": str(SUITE_VERSION), **own}


def config_hash(config: Any) -> str:
    """The SHA-256 of a resolved config (nested dicts and lists), whatever the order of its keys."""
    text = json.dumps(plain(config), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


@cache
def git_state() -> dict[str, Any]:
    """The commit of the checkout that this code runs from and whether it has changes; None each in an installation."""
    root = Path(__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return {"commit": None, "dirty": None}
    commit, changes = _git(root, "rev-parse", "HEAD"), _git(root, "status", "--porcelain")
    return {"commit": commit or None, "dirty": None if changes is None else bool(changes)}


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


DATA = ("voltgym.surrogates", "voltgym.envs")
"""Packages whose data files are hashed."""
DATA_FILES = (".parquet", ".csv", ".npz", ".safetensors", ".json")


@cache
def data_hashes() -> dict[str, str]:
    """A hash of the shipped data and weights, by the folder they are in: what a result may depend on beside code."""
    from importlib import resources

    out = {}
    for package in DATA:
        root = Path(str(resources.files(package)))
        folders = sorted({file.parent for file in root.rglob("*") if file.suffix in DATA_FILES})
        for folder in folders:
            found = hashlib.sha256()
            for file in sorted(f for f in folder.iterdir() if f.suffix in DATA_FILES):
                found.update(file.name.encode() + b"\0" + hashlib.sha256(file.read_bytes()).digest())
            name = f"{package.rpartition('.')[2]}/{folder.relative_to(root).as_posix()}"
            out[name] = found.hexdigest()[:16]
    return out


def machine() -> dict[str, Any]:
    """What kind of machine this is; nothing that names it."""
    return {"system": platform.system(), "architecture": platform.machine(), "cores": os.cpu_count()}


def now() -> str:
    """The time in UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def took(manifest: Mapping[str, Any]) -> float:
    """Seconds from a run's last start to its end, or until now; NaN where its times are none."""
    begun, end = (manifest.get("resumed") or [manifest.get("started")])[-1], manifest.get("finished")
    try:
        until = datetime.fromisoformat(end) if end else datetime.now(UTC)
        return (until - datetime.fromisoformat(begun)).total_seconds()
    except (TypeError, ValueError):
        return math.nan


def start(config: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest of a run of the resolved ``config`` that begins now."""
    return {
        "status": "training",
        "started": now(),
        "resumed": [],
        "finished": None,
        "error": None,
        "seed": config.get("seed"),
        "budget": config.get("budget"),
        "config_hash": config_hash(config),
        "config": config,
        "git": git_state(),
        "python": platform.python_version(),
        "versions": versions(),
        "data": data_hashes(),
        "machine": machine(),
    }
