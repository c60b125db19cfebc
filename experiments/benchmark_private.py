"""Run the control entries of a benchmark again on private episodes, as anybody's submission would be: as ONNX."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from voltgym.agents.onnx_export import exportable
from voltgym.envs.errors import VoltGymError
from voltgym.experiments import benchmark, results
from voltgym.experiments.benchmark import Planned
from voltgym.experiments.results import PRIVATE
from voltgym.experiments.standing import OURS
from voltgym.experiments.standing_ranks import is_control
from voltgym.experiments.submission_keep import keep_verified
from voltgym.experiments.submission_rerun import MARK, salt_mark
from voltgym.experiments.submission_submit import submit
from voltgym.experiments.submission_verify import verify
from voltgym.experiments.tracks import Track

USAGE = """usage: VOLTGYM_PRIVATE_SALT=SECRET voltgym benchmark-private NAME [key=value ...]

NAME and keys are those of `voltgym benchmark`, whose finished runs are made into bundles and verified. Results go to
DIR/private, where results=DIR is the result set; entries whose runs are all there already are left alone."""


def main(argv: list[str]) -> None:
    """Run again what is finished, entry by entry."""
    if not argv or "=" in argv[0]:
        raise VoltGymError(f"which benchmark?\n{USAGE}")
    settings, mark = benchmark.load_benchmark(argv[0], argv[1:]), salt_mark()
    place = Path(str(settings["results"]))
    check_secret(place / PRIVATE, mark)
    groups: dict[tuple[str, str], list[Planned]] = {}
    for job in benchmark.plan(settings):
        if is_control(job.track) and job.entry in job.track.entries and job.status() == "finished":
            groups.setdefault((job.track.name, job.entry), []).append(job)
    if not groups:
        raise VoltGymError(f"{settings['folder']} has no finished runs of control; `voltgym benchmark {argv[0]}` first")
    for number, ((name, entry), jobs) in enumerate(sorted(groups.items()), 1):
        said = again(jobs, jobs[0].track, entry, place)
        print(f"{number}/{len(groups)}  {name}  {entry}: {said}", flush=True)


def check_secret(place: Path, mark: str) -> None:
    """Raise `VoltGymError` if private results are of another secret: they would not compare."""
    others = {r["fingerprint"].get(MARK) for run in results.read(place, check="none") for r in run.records} - {mark}
    if others:
        raise VoltGymError(
            f"{place} is of another secret ({', '.join(map(str, others))}, now {mark}); delete it, to run all again"
        )


def again(jobs: Sequence[Planned], track: Track, entry: str, place: Path) -> str:
    """Verify one entry's runs on private episodes; in words what came of it."""
    seeds = {job.seed: job.run.manifest().get("config_hash") for job in jobs}
    if seeds.items() <= kept(place, track, entry).items():
        return f"{len(seeds)} seeds, there already"
    if not all(exportable(job.run.load_policy()) for job in jobs):
        return "cannot be written as ONNX"
    about = {"entry": entry, "author": OURS}
    with tempfile.TemporaryDirectory() as folder:
        bundle = Path(folder) / "bundle.zip"
        bundle.write_bytes(submit([job.path for job in jobs], track, about, "policy"))
        found = verify(bundle, track, ours=True)
    keep_verified(place, [run for run in found.runs if run.trust == "re-run"], track)
    feasible = [record["feasible"] for run in found.runs for record in run.records]
    return (
        f"{len(seeds)} seeds, {100 * sum(feasible) / len(feasible):.0f} % of {len(feasible)} private episodes feasible"
    )


def kept(place: Path, track: Track, entry: str) -> dict[Any, Any]:
    """The configs' hashes of what is there of ``entry``, by seed."""
    there = [run for run in results.read(place / PRIVATE, check="none") if run.track == track.name]
    mine = [run for run in there if (run.author, run.entry, run.version) == (OURS, entry, track.version)]
    return {run.seed: run.config_hash for run in mine}


if __name__ == "__main__":
    from voltgym.experiments.cli import run_command

    run_command("benchmark-private", sys.argv[1:])
