"""The verdict as a document: JSON that follows ``gate.schema.json``, and in words."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema

from voltgym.envs.errors import VoltGymError
from voltgym.experiments.files import plain, write_json
from voltgym.experiments.gate_config import Thresholds
from voltgym.experiments.gate_parts import Check, Judgement, Value
from voltgym.experiments.gate_subject import Subject
from voltgym.experiments.manifest import VERSIONS, data_hashes, git_state, now, versions

SCHEMA_VERSION = 1
FILE = "verdict.json"
DEPLOY, DO_NOT_DEPLOY = 0, 3
"""Exit statuses; 2 is a mistake of the user's."""
MORE_VERSIONS = ("tblite", "rdkit", "pyscf", "sevenn", "ase")

Verdict = dict[str, Any]


def document(subject: Subject, thresholds: Thresholds, found: Judgement, command: str) -> Verdict:
    """A checked verdict."""
    out = plain(
        {
            "schema": SCHEMA_VERSION,
            "deploy": found.deploy,
            "summary": sentence(found, thresholds),
            "recommendation": _about(subject),
            "use": {"name": found.use, "about": found.use_about},
            "level": found.level,
            "reasons": [_reason(check) for check in found.checks if not check.passed],
            "checks": [{"passed": check.passed, **_reason(check)} for check in found.checks],
            "expected": found.value._asdict(),
            "feasible": found.share._asdict(),
            "surrogate_gap": found.gap,
            "scenarios": found.scenarios,
            "notes": found.notes,
            "thresholds": thresholds.about(),
            "fingerprint": found.fingerprint,
            "versions": versions((*VERSIONS, *MORE_VERSIONS)),
            "data": data_hashes(),
            "git": git_state(),
            "command": command,
            "made": now(),
        }
    )
    check_verdict(out, "a new verdict")
    return out


def _about(subject: Subject) -> dict[str, Any]:
    return {
        "label": subject.label,
        "kind": "design" if subject.design is not None else "policy",
        "source": subject.source,
        "design": subject.design,
        "env_id": subject.env_id,
        "env_kwargs": dict(subject.env_kwargs),
        "information": getattr(subject.policy, "information", None),
        "digest": subject.digest,
    }


def _reason(check: Check) -> dict[str, Any]:
    names = ("limit", "kind", "where", "margin", "unit", "threshold", "text")
    return {name: getattr(check, name) for name in names}


def sentence(found: Judgement, thresholds: Thresholds) -> str:
    """The verdict in a sentence or two."""
    changed = " The thresholds were changed: this is not the frozen gate." if thresholds.changes else ""
    if found.deploy:
        return f"Deploy, for {found.use_about}. {value_text(found.value)}.{changed}"
    why = "; ".join(check.text for check in found.checks if not check.passed)
    return f"Do not deploy: {why}.{changed}"


def value_text(value: Value) -> str:
    """The expected value with its interval."""
    if value.mean != value.mean:
        return f"{value.name}: no value"
    unit = value.name.rpartition(" [")[2].rstrip("]") if value.name.endswith("]") else ""
    spread = "" if value.low != value.low else f" (95 %: {value.low:.3g} to {value.high:.3g})"
    return f"{value.name.split(' [')[0]} {value.mean:.3g} {unit}".rstrip() + spread


@cache
def _validator() -> jsonschema.Draft202012Validator:
    text = resources.files("voltgym.experiments").joinpath("gate.schema.json").read_text(encoding="utf-8")
    return jsonschema.Draft202012Validator(json.loads(text))


def check_verdict(verdict: Any, where: str) -> None:
    """Raise `VoltGymError`, naming ``where``, if ``verdict`` does not follow the schema."""
    problem = jsonschema.exceptions.best_match(_validator().iter_errors(verdict))
    if problem is not None:
        raise VoltGymError(f"{where}: not a verdict: {problem.json_path}: {problem.message}")


def read_verdict(file: Path) -> Verdict:
    """A verdict from a file. Raises `VoltGymError` for what is none."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise VoltGymError(f"{file} is no verdict ({error}); `voltgym validate ... out=FOLDER` writes one") from None
    check_verdict(found, str(file))
    return dict(found)


def write_verdict(folder: Path, verdict: Verdict) -> Path:
    """``verdict.json`` in ``folder``."""
    write_json(folder / FILE, verdict)
    return folder / FILE


def status(verdicts: Sequence[Mapping[str, Any]]) -> int:
    """The exit status: 0 where all may be deployed."""
    return DEPLOY if all(verdict["deploy"] for verdict in verdicts) else DO_NOT_DEPLOY
