"""What is to be validated: a policy or a design, and the environment that it is meant for."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from voltgym.agents.base import POLICY_FILE, Policy, describe_policy, load_policy
from voltgym.agents.designs import DESIGNS_FILE
from voltgym.agents.onnx_policy import OnnxPolicy
from voltgym.agents.oracle import Verdict
from voltgym.envs.errors import VoltGymError
from voltgym.experiments.files import plain
from voltgym.experiments.manifest import config_hash
from voltgym.experiments.records import read_json_lines
from voltgym.experiments.runs import RunFolder

INFORMATION = ("bms", "full")
"""What a policy in ONNX may be said to see."""


@dataclass(frozen=True)
class Subject:
    """One recommendation."""

    label: str
    """What it is called."""
    source: str
    """Where it came from, in words."""
    env_id: str
    env_kwargs: Mapping[str, Any]
    """What the agent that made it trained with, the split among them if it had one."""
    policy: Policy | None = None
    design: str | None = None
    """As it was written."""
    content: str = ""
    """A hash of the policy's files."""
    note: str = ""

    @property
    def digest(self) -> str:
        """What identifies it: of two that are equal in this, the same is found."""
        about = (self.env_id, plain(self.env_kwargs), self.design, self.content)
        return config_hash({"subject": list(about)})

    @property
    def kind(self) -> str:
        """``policy`` or ``design``."""
        return "design" if self.policy is None else "policy"

    def with_policy(self, policy: Policy, note: str = "") -> Subject:
        """The same, its design read as a policy."""
        return replace(self, policy=policy, note=note)

    def with_kwargs(self, **changes: Any) -> Subject:
        """The same, with other arguments of the environment."""
        return replace(self, env_kwargs={**self.env_kwargs, **changes})


def of_design(design: str, env: Mapping[str, Any]) -> Subject:
    """A design as text, for the environment ``env`` (``id`` and ``kwargs``)."""
    if not design.strip():
        raise VoltGymError("design= is empty; give one, as in design=CC1COC(=O)O1 or design=1.2,1.1,0.9,0.7,0.5")
    return Subject(design, "a design given by hand", env["id"], dict(env["kwargs"]), design=design.strip())


def of_place(place: Path, env: Mapping[str, Any] | None, top: int, information: str) -> list[Subject]:
    """What is in a run folder, a policy folder, or an ONNX file.

    Raises:
        VoltGymError: it is none of them, or the environment is missing.
    """
    if place.suffix == ".onnx":
        return [_of_onnx(place, env, information)]
    if (place / "manifest.json").exists():
        return _of_run(RunFolder(place), top)
    if (place / POLICY_FILE).exists():
        return [_of_policy(place, env)]
    raise VoltGymError(
        f"{place} is no run folder (manifest.json), no policy folder ({POLICY_FILE}) and no .onnx file; name one, or "
        "give design=... and env=..."
    )


def _of_run(run: RunFolder, top: int) -> list[Subject]:
    config, policy = run.config(), run.load_policy()
    env, name = config["env"], str(config["name"])
    if (run.path / DESIGNS_FILE).exists() or hasattr(policy, "designs"):
        designs = list(getattr(policy, "designs", ())) or _best(run)
        about = f"the best designs of the run {run.path.name}"
        return [Subject(d, about, env["id"], dict(env["kwargs"]), design=d) for d in designs[:top]]
    content = files_hash(run.policy)
    about = f"the policy of the run {run.path.name}"
    return [Subject(name, about, env["id"], dict(env["kwargs"]), policy=policy, content=content)]


def _best(run: RunFolder) -> list[str]:
    found = [Verdict(**line) for line in read_json_lines(run.path / DESIGNS_FILE)]
    good = sorted((v for v in found if v.feasible and v.value is not None), key=lambda v: -float(v.value or 0.0))
    if not good:
        raise VoltGymError(f"no design of {run.path} is feasible where it was searched: there is nothing to validate")
    return [verdict.key for verdict in good]


def _of_policy(place: Path, env: Mapping[str, Any] | None) -> Subject:
    about = describe_policy(place)
    kwargs = dict(about["env_kwargs"]) if env is None else dict(env["kwargs"])
    policy = load_policy(place, env_id=None if env is None else env["id"])
    return Subject(place.name, "a policy folder", about["env_id"], kwargs, policy=policy, content=files_hash(place))


def _of_onnx(place: Path, env: Mapping[str, Any] | None, information: str) -> Subject:
    if env is None:
        raise VoltGymError(f"{place.name} does not say what it is for: give env=..., as in env=fastcharge")
    if information not in INFORMATION:
        raise VoltGymError(f"information is {information!r}; expected {' or '.join(INFORMATION)}: what the policy sees")
    try:
        data = place.read_bytes()
    except OSError as error:
        raise VoltGymError(f"{place} cannot be read: {error.strerror}") from None
    kwargs = {"observation": information, **env["kwargs"]} if "observation" in env["kwargs"] else dict(env["kwargs"])
    policy = OnnxPolicy(data, information)
    content = hashlib.sha256(data).hexdigest()
    return Subject(place.stem, "a policy in ONNX", env["id"], kwargs, policy=policy, content=content)


def files_hash(folder: Path) -> str:
    """SHA-256 of the names and contents of a folder's files."""
    found = hashlib.sha256()
    for file in sorted(f for f in folder.rglob("*") if f.is_file()):
        found.update(str(file.relative_to(folder)).encode() + b"\0" + hashlib.sha256(file.read_bytes()).digest())
    return found.hexdigest()
