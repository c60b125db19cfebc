"""The gate against recommendations whose verdict is known: 20 bad ones of perturbed physics, 20 good ones.

``voltgym benchmark-gate [out=runs/gate] [only=NAME,NAME] [quiet=true]``

The thresholds are those of ``conf/gate/``, which were committed before the planted set. Writes ``planted.csv`` and
``planted.json`` with the confusion table into ``out``, and a folder a recommendation with its verdict and page. One
that was judged before by the same thresholds is not judged again. Good ones are checked by a criterion that does not
ask the gate (``gate_planted_tuner.py``, ``gate_planted_solvents.py``, ``gate_planted_cathodes.py``) before they are
judged.
"""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

from voltgym.envs.errors import VoltGymError
from voltgym.experiments import configs, gate_config
from voltgym.experiments.files import write_json, write_text
from voltgym.experiments.gate_planted import Outcome, Planted, chosen, confusion, outcome
from voltgym.experiments.gate_subject import Subject
from voltgym.experiments.gate_verdict import FILE, Verdict, read_verdict
from voltgym.experiments.validate import validate

ABOUT = "planted.json"
DEFAULTS: dict[str, Any] = {"out": "runs/gate", "only": "", "quiet": False}


def plants() -> list[Planted]:
    """All of them, bad ones first."""
    from voltgym.experiments.gate_planted_cathodes import BAD_CATHODES, GOOD_CATHODES
    from voltgym.experiments.gate_planted_charging import BAD, GOOD
    from voltgym.experiments.gate_planted_solvents import BAD_SOLVENTS, GOOD_SOLVENTS

    return [*BAD, *BAD_SOLVENTS, *BAD_CATHODES, *GOOD, *GOOD_SOLVENTS, *GOOD_CATHODES]


def check_sure(plant: Planted, subject: Subject) -> None:
    """Raise `VoltGymError` if a good one is not good by the criterion of its domain."""
    from voltgym.experiments.gate_planted_cathodes import sure_cathodes
    from voltgym.experiments.gate_planted_solvents import known_good
    from voltgym.experiments.gate_planted_tuner import sure

    criteria = {
        "charging": sure,
        "solvent": lambda one: one.design in known_good(),
        "cathode": lambda one: one.design in sure_cathodes(),
    }
    if not criteria[plant.domain](subject):
        raise VoltGymError(f"{plant.name} ({subject.label}) is not good by its own criterion: plant another")


def read_json(file: Path) -> Any:
    """What is in a file; None where there is none."""
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else None


def judged(plant: Planted, folder: Path, quiet: bool) -> Verdict:
    """The verdict on one, kept or new."""
    frozen = {name: gate_config.find("", name=name).hash for name in ("charging", "solvent", "cathode")}
    about = {"how": plant.how, "thresholds": frozen[plant.domain]}
    if (folder / FILE).exists() and read_json(folder / ABOUT) == about:
        return read_verdict(folder / FILE)
    if (folder / ABOUT).exists() and read_json(folder / ABOUT) != about:
        shutil.rmtree(folder)  # of another plant or other thresholds, and made by this command
    write_json(folder / ABOUT, about)
    subject = plant.make(folder)
    if plant.good:
        check_sure(plant, subject)
    thresholds = gate_config.find(subject.env_id)
    command = f"voltgym benchmark-gate only={plant.name}"
    return validate(subject, thresholds, folder, command, quiet=quiet, **plant.options)


def run(out: Path, names: Sequence[str], quiet: bool) -> list[Outcome]:
    """Judge them one by one; the table is written after each."""
    found = []
    for plant in chosen(plants(), names):
        found.append(outcome(plant, judged(plant, out / plant.name, quiet)))
        last = found[-1]
        word = "right" if last.right else "WRONG"
        print(f"{word}  {'good' if last.good else 'bad '}  {last.name}: {last.reasons or 'deploy'}", flush=True)
        write(out, found)
    return found


def write(out: Path, found: Sequence[Outcome]) -> None:
    """The table, and what it comes to."""
    text = io.StringIO()
    table = csv.DictWriter(text, Outcome._fields, lineterminator="\n")
    table.writeheader()
    table.writerows([one._asdict() for one in found])
    write_text(out / "planted.csv", text.getvalue())
    hashes = {name: gate_config.find("", name=name).hash for name in ("charging", "solvent", "cathode")}
    reasons = sum(bool(one.expected_reason) for one in found)
    write_json(
        out / "planted.json", {"confusion": confusion(found), "for the reason planted": reasons, "thresholds": hashes}
    )


def main(argv: list[str]) -> None:
    """Judge all that are planted and print the confusion table."""
    settings = configs.merge(DEFAULTS, argv)
    names = [name for name in str(settings["only"] or "").split(",") if name]
    found = run(Path(str(settings["out"])), names, bool(settings["quiet"]))
    for name, count in confusion(found).items():
        print(f"{name:18s} {count:3d}")
    held = [one for one in found if not one.good]
    why = sum(bool(one.expected_reason) for one in held)
    print(f"of {len(held)} bad ones {why} for the reason that they were planted with")


if __name__ == "__main__":
    from voltgym.experiments.cli import run_command

    run_command("benchmark-gate", sys.argv[1:])
