"""Judge a policy or a design on the highest fidelity: deploy or not, which limit fails where, how far off it was."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

from voltgym.envs.errors import UnknownName, VoltGymError, whole_number
from voltgym.experiments import arguments, configs, gate_config, gate_keep, gate_page, gate_verdict
from voltgym.experiments.gate_config import Thresholds
from voltgym.experiments.gate_subject import Subject, of_design, of_place
from voltgym.experiments.gate_verdict import Verdict
from voltgym.experiments.manifest import PHYSICS, config_hash, versions
from voltgym.experiments.progress import Progress, terminal

USAGE = """usage: voltgym validate RUN|POLICY|FILE.onnx|design=DESIGN [env=NAME] [use=NAME] [out=FOLDER]

  voltgym validate runs/fastcharge/ppo/2026-...              the policy of a run; of a search its best design (top=N)
  voltgym validate POLICY env=fastcharge                     a policy folder; an .onnx file (information=bms|full)
  voltgym validate env=protocol design=1.4,1.1,0.9,0.7,0.5   C-rates of a protocol
  voltgym validate env=solvent design=CC1COC(=O)O1           a molecule; design= may stand several times
  voltgym validate env=cathode design=LiNi0.5Mn0.3Al0.2O2@0.7
use=           what it is declared for, where the gate has several (nominal, field, cold, hot); else by the env's split
env.kwargs.x=  arguments of the environment, as for `voltgym train`
gate=NAME      another gate than the one for the environment; gate.key=value changes a threshold, which the verdict says
option.x=      of the gate, no threshold: option.dft=true computes DFT of molecules
out=           a folder for verdict.json, verdict.html and what was computed; a run that was killed goes on there
The exit status is 0 for deploy, 3 for do not deploy, 2 for a mistake in what was asked for."""

OPTIONS = ("use", "out", "top", "information", "quiet", "gate")


@dataclass
class Request:
    """What the command line says."""

    places: list[Path] = field(default_factory=list)
    designs: list[str] = field(default_factory=list)
    env: list[str] = field(default_factory=list)
    gate: list[str] = field(default_factory=list)
    options: dict[str, Any] = field(default_factory=dict)
    """Of the gate."""
    settings: dict[str, str] = field(default_factory=dict)
    search: tuple[str, ...] = ()

    @classmethod
    def of(cls, argv: Sequence[str]) -> Request:
        """From ``argv``; a `VoltGymError` for what is not known."""
        search, rest = arguments.split(list(argv))
        out = cls(search=search)
        for text in rest:
            out._take(text)
        if not out.places and not out.designs:
            raise VoltGymError(f"what is to be validated?\n{USAGE}")
        return out

    def _take(self, text: str) -> None:
        key, sign, value = text.partition("=")
        bare = key.lstrip("+")
        if not sign or Path(text).exists():
            self.places.append(Path(text).expanduser())
        elif bare == "design":
            self.designs.append(value)
        elif bare == "env" or bare.startswith("env."):
            self.env.append(text)
        elif bare.startswith(gate_config.PREFIX):
            self.gate.append(text)
        elif bare.startswith("option."):
            self.options |= configs.merge({"option": {}}, [text])["option"]
        elif bare in OPTIONS:
            self.settings[bare] = value
        else:
            raise UnknownName(
                "option", bare, [*OPTIONS, "design", "env", "env.kwargs.NAME", "gate.NAME", "option.NAME"]
            )

    def environment(self) -> dict[str, Any] | None:
        """The environment that was named, if one was."""
        if not self.env:
            return None
        found = configs.compose("train", [*arguments.as_override(self.search), *self.env])["env"]
        return {"id": found["id"], "kwargs": dict(found["kwargs"])}

    def subjects(self) -> list[Subject]:
        """What is to be judged, in the order that it was named."""
        env, top = self.environment(), whole_number("top", _number(self.settings.get("top", "1")))
        if self.designs and env is None:
            raise VoltGymError(f"what is {self.designs[0]!r} a design of? Give env=, as in env=solvent")
        seen = self.settings.get("information", "bms")
        found = [subject for place in self.places for subject in of_place(place, env, top, seen)]
        return [*found, *(of_design(design, env or {}) for design in self.designs)]


def validate(
    subject: Subject, thresholds: Thresholds, folder: Path, command: str, *, quiet: bool = False, **options: Any
) -> Verdict:
    """Judge one recommendation; verdict, page and rows go into ``folder``."""
    gate = thresholds.make(**options)
    ready = gate.subject(subject)
    physics = versions((*PHYSICS, *gate_verdict.MORE_VERSIONS))  # rows of other physics are other rows
    digest = config_hash([ready.digest, thresholds.hash, sorted(options.items()), physics])
    kept = gate_keep.Kept(folder, digest)
    with Progress(terminal(f"validate {subject.label[:40]}", quiet)) as bar:
        rows = gate_keep.computed(gate, ready, kept, bar)
    found = gate.judge(ready, rows)
    verdict = gate_verdict.document(ready, thresholds, found, command)
    gate_verdict.write_verdict(folder, verdict)
    gate_page.write_page(folder, verdict, gate.sections(ready, rows, found))
    return verdict


def run(argv: Sequence[str]) -> list[Verdict]:
    """Judge all that ``argv`` names; a verdict each."""
    asked = Request.of(argv)
    subjects, out = asked.subjects(), []
    command = shlex.join(["voltgym", "validate", *argv])
    options = {**asked.options, **({"use": asked.settings["use"]} if "use" in asked.settings else {})}
    for number, subject in enumerate(subjects, 1):
        thresholds = gate_config.find(subject.env_id, asked.gate, asked.search, asked.settings.get("gate"))
        which = config_hash([subject.digest, thresholds.hash, sorted(options.items())])
        folder = _folder(asked.settings.get("out"), subject.label, which, number if len(subjects) > 1 else None)
        verdict = validate(subject, thresholds, folder, command, quiet=asked.settings.get("quiet") == "true", **options)
        print(
            f"{subject.label}: {verdict['summary']}", *verdict["notes"], f"page: {folder / gate_page.FILE}", sep="\n  "
        )
        out.append(verdict)
    return out


def _folder(out: str | None, label: str, which: str, number: int | None) -> Path:
    """Where one of them goes; of several that share ``out``, a folder in it."""
    name = re.sub(r"[^A-Za-z0-9.@-]+", "_", label)[:40] or "design"
    if out is None:
        return Path("runs") / "validate" / f"{name}-{which[:8]}"
    return Path(out).expanduser() if number is None else Path(out).expanduser() / f"{number}-{name}"


def _number(text: str) -> Any:
    try:
        return float(text)
    except ValueError:
        return text


def main(argv: list[str]) -> None:
    """Judge, print, and exit with 3 where anything must not be deployed."""
    code = gate_verdict.status(run(argv))
    if code:
        sys.exit(code)


if __name__ == "__main__":
    from voltgym.experiments.cli import run_command

    run_command("validate", sys.argv[1:])
