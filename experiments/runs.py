"""A run folder: what is in it, and how far it got."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from voltgym.agents.base import Policy, describe_policy, load_policy
from voltgym.envs.errors import VoltGymError
from voltgym.experiments.configs import check_whole
from voltgym.experiments.files import plain, write_json
from voltgym.experiments.records import read_json_lines

KEYS = ("status", "started", "config")
"""What no manifest is without."""

NEEDED = ("env.id", "env.kwargs", "agent", "evaluation", "name")
"""What of its config is needed to evaluate or to report a run."""


class RunFolder:
    """The files of one run. Manifest, records and policy are written whole or not at all; of the curves, which grow a
    line at a time, a kill may leave half a last line, which reading skips.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.manifest_file = self.path / "manifest.json"
        self.records_file = self.path / "episodes.jsonl"
        self.curve_file = self.path / "learning.jsonl"
        self.evaluating_file = self.path / "evaluating.jsonl"
        self.policy = self.path / "policy"
        self.tensorboard = self.path / "tensorboard"
        self.report = self.path / "report.html"

    def manifest(self) -> dict[str, Any]:
        """The manifest. Raises `VoltGymError` if this is no run folder or its manifest is damaged."""
        manifest = self._read(self.manifest_file)
        missing = [key for key in KEYS if key not in manifest]
        if missing:
            what = f"it has no {', '.join(missing)}"
            raise VoltGymError(f"{self.manifest_file} is damaged: {what}; restore it or run the training again")
        return manifest

    def config(self) -> dict[str, Any]:
        """The resolved config that the run was started with."""
        config = self.manifest().get("config")
        if not isinstance(config, dict):
            raise VoltGymError(f"{self.manifest_file} holds no config of a training; run the training again")
        try:
            check_whole(config, NEEDED)
        except VoltGymError as error:
            raise VoltGymError(f"{self.manifest_file} is damaged: {error}") from None
        return config

    def _read(self, file: Path) -> dict[str, Any]:
        if not self.path.is_dir():
            raise VoltGymError(f"there is no run folder {self.path}; runs are under runs/, see `ls runs/*/*`")
        if not file.exists():
            raise VoltGymError(f"{self.path} is not a run folder: it has no {file.name}; name the folder that holds it")
        try:
            value = json.loads(file.read_text(encoding="utf-8"))
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise VoltGymError(f"{file} is damaged ({error}); restore it or run the training again") from None
        if not isinstance(value, dict):
            raise VoltGymError(f"{file} is damaged: found {type(value).__name__}, expected an object")
        return value

    def note(self, **changes: Any) -> None:
        """Change keys of the manifest, atomically."""
        write_json(self.manifest_file, {**self.manifest(), **changes})

    def begun(self) -> bool:
        """Whether a training began here."""
        return self.manifest_file.exists()

    def status(self) -> str:
        """The manifest's status, or ``waiting`` where there is none yet."""
        return str(self.manifest()["status"]) if self.begun() else "waiting"

    def reached(self) -> tuple[int, int] | None:
        """(steps, total) of the last line of the learning curve, None where there is none."""
        if not self.curve_file.exists():
            return None
        lines = read_json_lines(self.curve_file, quiet=True)
        return (int(lines[-1]["steps"]), int(lines[-1]["total"])) if lines else None

    def how_far(self) -> str:
        """One sentence on an unfinished run: where it stopped and how to go on."""
        manifest, reached = self.manifest(), self.reached()
        where = f"at step {reached[0]} of {reached[1]}" if reached else "before its first step"
        because = f" ({manifest['error']})" if manifest.get("error") else ""
        return (
            f"the training of {self.path} stopped {where}, status {manifest['status']!r}{because}; "
            f"continue it with `voltgym train resume={self.path}`"
        )

    def load_policy(self) -> Policy:
        """The trained policy. Raises `VoltGymError` if training didn't end or the policy is of another environment."""
        config = self.config()
        if not (self.policy / "policy.json").exists():
            if self.status() == "finished":
                raise VoltGymError(
                    f"{self.policy} is gone; restore it, or train again with `voltgym reproduce {self.path}`"
                )
            raise VoltGymError(f"no policy to evaluate: {self.how_far()}")
        env = config["env"]
        about, kwargs = describe_policy(self.policy), plain(env["kwargs"])
        policy = load_policy(self.policy, env_id=env["id"])
        if about["env_kwargs"] != kwargs:
            raise VoltGymError(
                f"the policy in {self.policy} was trained with {about['env_kwargs']}, but this run's environment has "
                f"{kwargs}; use the policy that belongs to this run"
            )
        return policy
