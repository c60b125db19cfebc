"""What the runs of a sweep say together: runs that differ in their seed alone are one group, with intervals."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from voltgym.envs.errors import VoltGymError
from voltgym.experiments import metrics, statistics, sweep_plan
from voltgym.experiments.collect import surrogate_gap, verdicts_of
from voltgym.experiments.manifest import config_hash, took
from voltgym.experiments.records import Record, read_json_lines, read_records
from voltgym.experiments.runs import RunFolder
from voltgym.experiments.statistics import ENOUGH_RUNS, Interval
from voltgym.experiments.sweep_plan import brief
from voltgym.experiments.tables import entry

NOTHING = Interval(math.nan, math.nan, math.nan)
ASIDE = ("seed", "quiet", "name", "unit")
"""Keys of a config in which runs of one group may differ."""


@dataclass(frozen=True)
class Found:
    """A finished run: its folder, what its manifest says, its records of one environment and split."""

    path: Path
    manifest: Mapping[str, Any]
    records: Sequence[Record]

    @property
    def config(self) -> Mapping[str, Any]:
        """The resolved config of the training."""
        return self.manifest["config"]

    @property
    def where(self) -> tuple[str, str]:
        """Environment and split: what runs are comparable on."""
        return str(self.records[0]["env_id"]), str(self.records[0]["split"])

    @property
    def seconds(self) -> float:
        """From its last start to its end."""
        return took(self.manifest)

    def curve(self) -> list[Mapping[str, Any]]:
        """Its validation scores, or what the agent reported while it learned."""
        for name in ("curve.jsonl", "learning.jsonl"):
            file = self.path / name
            if file.exists():
                return read_json_lines(file, quiet=True)
        return []

    def gap(self) -> float | None:
        """The surrogate gap of what a search of designs handed in; None where nothing was judged by another level."""
        level = self.config["evaluation"]["kwargs"].get("property_model")
        if level in (None, self.config["env"]["kwargs"].get("property_model")):
            return None
        return surrogate_gap(verdicts_of(self.path), self.records)


@dataclass(frozen=True)
class Group:
    """Runs that differ in their seed alone.

    Args:
        label: what tells it from the other groups.
        runs: of one environment and split.
        feasible: share of feasible episodes, the mean over runs.
        value: the main result: per run the mean over its feasible episodes, then the interquartile mean over runs.
        returns: the same of the returns of all episodes.
        without: runs without a feasible episode, which ``value`` leaves out.
        gap: score on what a search learned from less that on the judge of its designs, both at the mean.
    """

    label: str
    runs: Sequence[Found]
    name: str
    better: str
    feasible: float = math.nan
    value: Interval = NOTHING
    returns: Interval = NOTHING
    without: int = 0
    gap: Interval = NOTHING
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def provisional(self) -> bool:
        """Whether there are too few runs for the interval to be trusted."""
        return len(self.runs) < ENOUGH_RUNS

    @property
    def seconds(self) -> float:
        """The median of what a run took."""
        return float(np.median([run.seconds for run in self.runs]))


def gather(folder: Path) -> tuple[list[Found], list[Path]]:
    """The finished runs below ``folder``, and the run folders of those that are not finished, or have no records.

    Raises:
        VoltGymError: there is no such folder, or no run in it.
    """
    if not folder.is_dir():
        raise VoltGymError(f"there is no folder {folder}; sweeps are under runs/sweeps/")
    sweeps = {file.parent: sweep_plan.read(file.parent) for file in folder.rglob(sweep_plan.FILE)}
    planned = {sweep.run(job).path for sweep in sweeps.values() for job in sweep.jobs}
    found, unfinished = list[Found](), [path for path in sorted(planned) if not RunFolder(path).begun()]
    for run in _runs(folder, sweeps, planned):
        manifest = run.manifest()
        if manifest["status"] != "finished":
            unfinished.append(run.path)
            continue
        run.config()
        parts = _split(run, manifest)
        found += parts
        unfinished += [] if parts else [run.path]
    if not found and not unfinished:
        raise VoltGymError(f"there is no run in {folder}; name the folder of a sweep, or one that holds run folders")
    return found, unfinished


def _runs(folder: Path, sweeps: Collection[Path], jobs: Collection[Path]) -> list[RunFolder]:
    """The run folders below ``folder``; of ``sweeps``, those of ``jobs``: a run that was reproduced there is none."""
    found = sorted(file.parent for file in folder.rglob("manifest.json"))
    return [RunFolder(path) for path in found if path in jobs or not set(sweeps) & set(path.parents)]


def _split(run: RunFolder, manifest: Mapping[str, Any]) -> list[Found]:
    """A run for each environment, split and setting that it was evaluated on."""
    parts: dict[tuple[str, str, str], list[Record]] = {}
    for record in read_records(run.records_file):
        parts.setdefault((record["env_id"], record["split"], config_hash(_setting(record))), []).append(record)
    return [Found(run.path, manifest, records) for records in parts.values()]


def _setting(record: Record) -> Mapping[str, Any]:
    """The arguments of the environment that a policy was judged in; a design has some of its own."""
    kwargs: Mapping[str, Any] = {} if record.get("design") else record["env_kwargs"]
    return kwargs


def groups(found: Sequence[Found]) -> dict[tuple[str, str], list[Group]]:
    """By environment and split: the groups, best value first.

    Raises:
        VoltGymError: two runs of one group have the same seed: a seed counts once.
    """
    settings = {id(run): overrides(run) for run in found}
    out: dict[tuple[str, str], dict[str, list[Found]]] = {}
    for run in found:
        same = {key: value for key, value in run.config.items() if key not in ASIDE}
        alike = config_hash([same, _setting(run.records[0])])
        out.setdefault(run.where, {}).setdefault(alike, []).append(run)
    varied = {where: _varied([settings[id(run)] for run in found if run.where == where]) for where in out}
    tables = {where: [_group(runs, settings, varied[where]) for runs in parts.values()] for where, parts in out.items()}
    return {where: sorted(table, key=_order) for where, table in tables.items()}


def _group(runs: Sequence[Found], settings: Mapping[int, Mapping[str, str]], varied: Sequence[str]) -> Group:
    seeds = [run.manifest.get("seed") for run in runs]
    twice = sorted({str(seed) for seed in seeds if seeds.count(seed) > 1})
    if twice:
        raise VoltGymError(
            f"seed {twice[0]} is there more than once with the same config ({runs[0].path} ...): a seed counts once; "
            "aggregate one sweep at a time, or remove a run"
        )
    said = {key: settings[id(runs[0])][key] for key in varied if key in settings[id(runs[0])]}
    names = brief(varied)
    label = ",".join(f"{names[key]}={value}" for key, value in said.items()) or str(runs[0].config["name"])
    entries = [entry("", run.records) for run in runs]
    values = np.array([e.value[1] for e in entries])
    known = values[np.isfinite(values)]
    returns = np.array([np.mean([np.nan if r["return"] is None else r["return"] for r in run.records]) for run in runs])
    return Group(
        label=label,
        runs=runs,
        name=entries[0].value[0],
        better=entries[0].better,
        feasible=float(np.mean([metrics.feasible_rate(run.records) for run in runs])),
        value=_interval(known),
        returns=_interval(returns[np.isfinite(returns)]),
        without=len(values) - len(known),
        gap=_interval(np.array([gap for run in runs if (gap := run.gap()) is not None])),
        settings=said,
    )


def mean_value(run: Found) -> float:
    """The main result of one run: the mean over its feasible episodes."""
    return entry("", run.records).value[1]


def _interval(values: np.ndarray) -> Interval:
    """The interquartile mean over runs; the interval is unknown where there is one run."""
    if not len(values):
        return NOTHING
    if len(values) == 1:
        return Interval(float(values[0]), math.nan, math.nan)
    return statistics.interval([values[:, None]])


def _order(group: Group) -> tuple[float, str]:
    value = group.value.value * (1 if group.better == "min" else -1)
    return (value if math.isfinite(value) else math.inf), group.label


def overrides(run: Found) -> dict[str, str]:
    """What was set on a run's command line, by key: those that only say where it goes, and its seed, aside."""
    import yaml

    file = run.path / ".hydra" / "overrides.yaml"
    try:
        texts = (yaml.safe_load(file.read_text(encoding="utf-8")) if file.exists() else None) or []
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise VoltGymError(f"{file} is damaged ({' '.join(str(error).split())}); restore it, or remove it") from None
    if not isinstance(texts, list):
        raise VoltGymError(
            f"{file} is damaged: found {texts!r}, expected a list of overrides; restore it, or remove it"
        )
    pairs = [str(text).lstrip("+").partition("=") for text in texts]
    found = {key: value for key, _, value in pairs if key not in ASIDE and not key.startswith("hydra")}
    asked = {**run.config["env"]["kwargs"], **run.config["evaluation"].get("kwargs", {})}
    other = {f"kwargs.{k}": str(v) for k, v in _setting(run.records[0]).items() if v != asked.get(k)}
    return {"agent": str(run.config["name"]), **found, **other}


def _varied(settings: Sequence[Mapping[str, str]]) -> list[str]:
    """The keys of which runs differ."""
    keys = dict.fromkeys(key for one in settings for key in one)
    return [key for key in keys if len({one.get(key) for one in settings}) > 1]
