"""Run every agent on the tracks of a benchmark and keep the results that tables and leaderboard are made of."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from voltgym.envs.errors import UnknownName, VoltGymError, whole_number
from voltgym.experiments import configs, results, tracks
from voltgym.experiments.collect import collect
from voltgym.experiments.jobs import Job, display_for, run_jobs
from voltgym.experiments.manifest import config_hash
from voltgym.experiments.results import Run
from voltgym.experiments.tracks import Track

USAGE = """usage: voltgym benchmark NAME [key=value ...]        (or: voltgym train -m +benchmark=NAME [key=value ...])

NAME is one of conf/benchmark/. For example
  voltgym benchmark core                              what is not in the result set yet
  voltgym benchmark core tracks=[cathode] seeds=2     a part of it
  voltgym benchmark core entries=[ppo,sac] workers=4
Runs that are in the result set with the same configs are not run again; one that was interrupted goes on."""

DEFAULTS: dict[str, Any] = {"tracks": [], "entries": [], "seeds": None, "folder": "", "results": "", "workers": 2}


def load_benchmark(name: str, overrides: Sequence[str]) -> dict[str, Any]:
    """The benchmark ``name`` of ``conf/benchmark`` with ``key=value`` overrides, checked."""
    from omegaconf import OmegaConf

    known = configs.choices("benchmark")
    if name not in known:
        raise UnknownName("benchmark", name, known)
    text = configs.read("benchmark", name)
    raw: Any = OmegaConf.to_container(OmegaConf.create(text))
    merged = configs.merge({**DEFAULTS, **raw}, overrides)
    whole_number("workers", merged["workers"], most=1000)
    if merged["seeds"] is not None:
        whole_number("seeds", merged["seeds"])
    for track in merged["tracks"]:
        if track not in tracks.names():
            raise UnknownName("track", track, tracks.names())
    entered = [e for name in merged["tracks"] for t in (tracks.load(name),) for e in (*t.fixed, *t.entries)]
    for entry in merged["entries"]:
        if entry not in entered:
            raise UnknownName("entry", entry, sorted(set(entered)))
    return merged


class Planned(Job):
    """A run of a benchmark, and which one it is. Another config is another folder, whatever the overrides say.

    Args:
        track, entry, seed: which one.
        overrides: of `voltgym train`, the seed aside.
        folder: of all runs.
        config: what the overrides give, composed once for all seeds.
    """

    def __init__(
        self, track: Track, entry: str, seed: int, overrides: tuple[str, ...], folder: Path, config: Mapping[str, Any]
    ) -> None:
        self.hash = config_hash([track.version, {**config, "seed": seed}])
        path = folder / track.name / entry / f"{seed}-{self.hash[:8]}"
        super().__init__(f"{track.name}/{entry}/{seed}", (*overrides, f"seed={seed}"), path)
        self.track, self.entry, self.seed = track, entry, seed

    @property
    def agent(self) -> str:
        """The entry."""
        return self.entry


def once(jobs: Sequence[Planned]) -> tuple[list[Planned], list[Planned]]:
    """``jobs``, and those among them that are the same run as an earlier one, of another track."""
    first = {job.path: job for job in reversed(jobs)}
    return list(first.values())[::-1], [job for job in jobs if first[job.path] is not job]


def plan(settings: Mapping[str, Any]) -> list[Planned]:
    """Every run of a benchmark: first one seed of everything, then the next.

    What is the same run in several tracks has one folder: that of the first, or where it has begun already.
    """
    jobs = []
    folder = Path(str(settings["folder"])).absolute()
    for name in settings["tracks"]:
        track = tracks.load(name)
        for entry, overrides in {**track.fixed, **track.entries}.items():
            if settings["entries"] and entry not in settings["entries"]:
                continue
            whole = (*track.common, *overrides)
            config = configs.compose("train", whole)
            for seed in range(seeds_of(track, entry, settings["seeds"])):
                jobs.append(Planned(track, entry, seed, whole, folder, config))
    begun = {path.name: path for path in sorted(folder.glob("*/*/*"), reverse=True)}
    folders: dict[str, Path] = {}
    for job in jobs:
        own = job.path if job.path.exists() else begun.get(job.path.name, job.path)
        job.path = folders.setdefault(job.hash, own)
    return sorted(jobs, key=lambda job: job.seed)


def seeds_of(track: Track, entry: str, most: int | None = None) -> int:
    """How many seeds an entry runs with: one where nothing depends on it."""
    count = 1 if entry in track.fixed else int(track.seeds_of.get(entry, track.seeds))
    return count if most is None else min(count, most)


def todo(jobs: Sequence[Planned], kept: Sequence[Run]) -> list[Planned]:
    """Those of ``jobs`` whose results are not there yet, or are of other configs."""
    there = {(run.track, run.entry, run.seed): run.config_hash for run in kept if _whole(run)}
    return [job for job in jobs if there.get((job.track.name, job.entry, job.seed)) != job.hash]


def _whole(run: Run) -> bool:
    """Whether everything is kept that the track wants; what is not may only have to be collected again."""
    return bool(run.trained) or run.track not in tracks.names() or not tracks.load(run.track).trained_on


def merged(kept: Sequence[Run], new: Sequence[Run]) -> list[Run]:
    """All runs, new ones in place of old ones of the same entry and seed."""
    found = {(run.track, run.entry, run.seed, run.author): run for run in [*kept, *new]}
    return list(found.values())


def main(argv: list[str]) -> None:
    """Run what is missing, keep every result as soon as its run has ended; exit status 1 if a run failed."""
    if not argv or "=" in argv[0]:
        raise VoltGymError(f"which benchmark?\n{USAGE}")
    settings = load_benchmark(argv[0], argv[1:])
    place = Path(str(settings["results"]))
    jobs = todo(plan(settings), results.read(place, check="none"))
    if not jobs:
        print(f"nothing to do: {place} has every run")
        return
    first, again = once(jobs)
    failed = run_jobs(first, settings["workers"], Keeping(display_for(first), place), every=1.0)
    there = [job for job in again if job.status() == "finished"]
    failed += run_jobs(there, 1, Keeping(display_for(there), place)) if there else []
    for job in failed:
        print(f"{job.name} failed: {job.last_words()} (more in {job.path / 'log.txt'})", file=sys.stderr)
    if failed:
        sys.exit(1)


class Keeping:
    """A display that also keeps the result of every run that has ended."""

    def __init__(self, display: Any, place: Path) -> None:
        self.display, self.place = display, place

    def update(self, job: Job, status: str, reached: Mapping[str, Any]) -> None:
        """Where a running job is."""
        self.display.update(job, status, reached)

    def finish(self, job: Job, text: str) -> None:
        """A job has ended: into the result set with it."""
        if isinstance(job, Planned) and job.status() == "finished":
            new = collect(job.path, job.track, job.entry, job.hash)
            old = results.read(self.place, check="none")
            results.write(self.place, [r for r in merged(old, [new]) if r.track == job.track.name])
        self.display.finish(job, text)

    def close(self) -> None:
        """All jobs have ended."""
        self.display.close()


if __name__ == "__main__":
    from voltgym.experiments.cli import run_command

    run_command("benchmark", sys.argv[1:])
