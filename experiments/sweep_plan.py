"""What a sweep consists of: its jobs, in ``sweep.json``, which is written before the first of them begins."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from voltgym.envs.errors import VoltGymError
from voltgym.experiments import manifest
from voltgym.experiments.files import write_json
from voltgym.experiments.runs import RunFolder

FILE = "sweep.json"
VERSION = 1
SLUG = 60
"""Characters of a job's label that its folder's name keeps."""


@dataclass(frozen=True)
class Job:
    """One run of a sweep."""

    number: int
    overrides: tuple[str, ...]
    """Of ``voltgym train``."""
    label: str
    """What tells it from the others, such as ``agent=ppo,seed=1``."""
    folder: str
    """Of its run, within the sweep's."""


@dataclass(frozen=True)
class Sweep:
    """A sweep's folder and its jobs.

    Args:
        path: the folder.
        config: the name of the config that is composed.
        places: the override that names further places of configs; none, if there are none.
        launcher: the overrides that choose and set the launcher.
        jobs: in the order of their numbers.
        search: how further jobs are chosen (``search.py``); None where all are known.
    """

    path: Path
    config: str = "train"
    places: tuple[str, ...] = ()
    launcher: tuple[str, ...] = ()
    jobs: tuple[Job, ...] = ()
    search: Mapping[str, Any] | None = None
    about: Mapping[str, Any] = field(default_factory=dict)

    def run(self, job: Job) -> RunFolder:
        """The folder of a job's run."""
        return RunFolder(self.path / job.folder)

    def status(self, job: Job) -> str:
        """The status of a job's run, or ``damaged`` where it cannot be read: the other jobs do not need it."""
        try:
            return self.run(job).status()
        except VoltGymError:
            return "damaged"

    def write(self) -> None:
        """Keep it, whole."""
        jobs = [{"number": j.number, "label": j.label, "folder": j.folder, "overrides": j.overrides} for j in self.jobs]
        about = dict(self.about) or {"started": manifest.now(), "git": manifest.git_state()}
        how = {"config": self.config, "places": self.places, "launcher": self.launcher, "search": self.search}
        write_json(self.path / FILE, {"version": VERSION, **about, **how, "jobs": jobs})


def is_sweep(path: Path) -> bool:
    """Whether a folder is a sweep's."""
    return (path / FILE).is_file()


def read(path: Path) -> Sweep:
    """The sweep in a folder. Raises `VoltGymError` where there is none, or it is damaged."""
    file = path / FILE
    if not file.is_file():
        raise VoltGymError(f"{path} is not the folder of a sweep: it has no {FILE}; sweeps are under runs/sweeps/")
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
        if kept["version"] != VERSION:
            raise ValueError(f"it has version {kept['version']!r}, this voltgym reads {VERSION}")
        jobs = tuple(Job(j["number"], tuple(j["overrides"]), j["label"], j["folder"]) for j in kept["jobs"])
        about = {name: kept[name] for name in ("started", "git")}
        places, launcher = tuple(kept["places"]), tuple(kept["launcher"])
        found = Sweep(path, str(kept["config"]), places, launcher, jobs, kept["search"], about)
        _check(found)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise VoltGymError(f"{file} is damaged ({error}); restore it, or start the sweep in another folder") from None
    return found


def _check(sweep: Sweep) -> None:
    """Raise `ValueError` where a plan that was read is none."""
    jobs = sweep.jobs
    if not jobs or [job.number for job in jobs] != list(range(len(jobs))):
        raise ValueError("its jobs are not numbered from 0 on")
    outside = [j.folder for j in jobs if Path(j.folder).is_absolute() or ".." in Path(j.folder).parts]
    if outside:
        raise ValueError(f"a job's folder is {outside[0]!r}")
    if len({job.folder for job in jobs}) < len(jobs):
        raise ValueError("two of its jobs have one folder")
    texts = [*sweep.places, *sweep.launcher, *(text for job in jobs for text in job.overrides)]
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("an override is no text")
    if sweep.search is not None and not isinstance(sweep.search["sweeper"], dict):
        raise ValueError("its search has no sweeper")


def jobs_of(combinations: Sequence[Sequence[str]], before: Sequence[Job] = ()) -> tuple[Job, ...]:
    """A job a combination of overrides, numbered on from those ``before``."""
    varied = _varied([*(job.overrides for job in before), *combinations])
    names = brief(varied)
    out = []
    for number, overrides in enumerate(combinations, start=len(before)):
        told = [(names[key], o.partition("=")[2]) for o in overrides if (key := _key(o)) in varied]
        label = ",".join(f"{name}={value}" for name, value in told) or "only"
        out.append(Job(number, tuple(overrides), label, f"{number:03d}-{slug(label)}"))
    return tuple(out)


def _varied(combinations: Sequence[Sequence[str]]) -> list[str]:
    """The keys of which the jobs differ."""
    values: dict[str, set[str]] = {}
    for overrides in combinations:
        for override in overrides:
            values.setdefault(_key(override), set()).add(override)
    return [key for key, found in values.items() if len(found) > 1]


def _key(override: str) -> str:
    return override.partition("=")[0].lstrip("+")


def brief(keys: Sequence[str]) -> dict[str, str]:
    """The last part of each dotted key, or all of it where two keys end alike."""
    last = [key.rpartition(".")[2] for key in keys]
    return {key: end if last.count(end) == 1 else key for key, end in zip(keys, last, strict=True)}


def slug(label: str) -> str:
    """A label as a part of a folder's name, which has no ``=`` or ``,``: commands would take it for an override."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", label.replace("=", "-"))[:SLUG].strip("._-") or "job"
