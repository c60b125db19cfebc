"""Compare agents: run the jobs of a suite, evaluate all on the same episodes, print ranked tables, write a report."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from voltgym.envs.errors import UnknownName, VoltGymError, whole_number
from voltgym.experiments import arguments, configs, metrics, tables
from voltgym.experiments.files import write_json, write_text
from voltgym.experiments.jobs import Job, display_for, run_jobs
from voltgym.experiments.records import Record, read_records

USAGE = """usage: voltgym compare SUITE [key=value ...]

SUITE is one of conf/suite/ (`voltgym list suite`) or the path of a YAML file like those. For example
  voltgym compare demo
  voltgym compare demo folder=runs/mine workers=4
Jobs that are finished are skipped, so that the same command goes on after an interruption."""


def load_suite(name: str, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """The suite ``name`` (a config, or a path) with ``key=value`` overrides, checked.

    Where the overrides say to look for configs, the jobs do, too.
    """
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError

    path = Path(name)
    search, overrides = arguments.split(overrides)
    known = configs.choices("suite", search)
    if name in known:
        text = configs.read("suite", name, search)
    elif path.suffix in (".yaml", ".yml") and path.exists():
        text = path.read_text(encoding="utf-8")
    else:
        raise UnknownName("suite", name, known)
    try:
        suite: Any = OmegaConf.to_container(OmegaConf.create(text))
    except (YAMLError, OmegaConfBaseException) as error:
        raise VoltGymError(f"suite {name} is not valid YAML: {' '.join(str(error).split())}") from None
    needed = {"folder": str, "workers": int, "common": list, "jobs": dict, "tables": list}
    for key, kind in needed.items():
        found = suite.get(key) if isinstance(suite, dict) else None
        if not isinstance(found, kind):
            raise VoltGymError(
                f"suite {name}: {key!r} is {found!r}; expected a {kind.__name__}, see conf/suite/demo.yaml"
            )
    merged = configs.merge(suite, overrides)
    whole_number("workers", merged["workers"], most=1000)
    common = [*merged["common"], *arguments.as_override(search)]
    return {**merged, "folder": str(merged["folder"]), "common": common}


def make_jobs(suite: Mapping[str, Any]) -> list[Job]:
    """The jobs of a suite, every override checked before anything runs."""
    folder = Path(suite["folder"]).absolute()
    jobs = []
    for name, overrides in suite["jobs"].items():
        whole = tuple(str(o) for o in [*suite["common"], *overrides])
        try:
            configs.compose("train", whole)
        except VoltGymError as error:
            raise VoltGymError(f"job {name}: {error}") from None
        jobs.append(Job(str(name), whole, folder / str(name)))
    return jobs


def make_tables(suite: Mapping[str, Any], records: Mapping[str, Sequence[Record]]) -> list[tables.Table]:
    """The ranked tables of a suite from the records of its jobs (name -> records)."""
    out = []
    for about in suite["tables"]:
        chosen = {
            name: [r for r in group if all(r[key] == about[key] for key in ("env_id", "split"))]
            for name, group in records.items()
        }
        chosen = {name: group for name, group in chosen.items() if group}
        if not chosen:
            continue
        scoring = tables.Scoring(**about["scoring"]) if about.get("scoring") else None
        notes = _notes(scoring, chosen)
        try:
            entries = tables.scored(chosen, scoring)
        except metrics.MetricError as error:  # the rest of the table stands without scores
            entries, notes = tables.scored(chosen, None), [f"No scores: {error}.", *notes[1:]]
        out.append(tables.table(about["title"], tables.ranked(entries), notes))
    return out


def _notes(scoring: tables.Scoring | None, chosen: Mapping[str, Sequence[Record]]) -> list[str]:
    notes = []
    if scoring is not None:
        missing = [name for name in (scoring.baseline, scoring.reference) if name not in chosen]
        notes.append(
            f"No scores: {' and '.join(missing)} did not finish."
            if missing
            else f"Score: 0 is {scoring.baseline}, 1 is {scoring.reference}; an infeasible episode counts "
            f"{scoring.maximum:g} min. Means are over feasible episodes."
        )
    differences = metrics.fingerprint_differences(*chosen.values())
    if differences:
        notes.append(f"Careful, these were not computed by the same software: {'; '.join(differences)}.")
    return notes


def main(argv: list[str]) -> None:
    """Run a suite; exit status 1 if a job failed."""
    if not argv or "=" in argv[0]:
        raise VoltGymError(f"which suite?\n{USAGE}")
    suite = load_suite(argv[0], argv[1:])
    jobs = make_jobs(suite)
    failed = run_jobs(jobs, suite["workers"], display_for(jobs))
    done = [job for job in jobs if job not in failed]
    found = make_tables(suite, {job.name: read_records(job.run.records_file) for job in done})
    tables.show(found)
    folder = Path(suite["folder"])
    if done:
        _keep(folder, found, done)
    for job in failed:
        print(f"{job.name} failed: {job.last_words()} (more in {job.path / 'log.txt'})", file=sys.stderr)
    if failed:
        sys.exit(1)


def _keep(folder: Path, found: Sequence[tables.Table], done: Sequence[Job]) -> None:
    """Write the tables as data and as text, and the report."""
    from voltgym.experiments.train import draw_report

    runs = {job.name: str(job.path.relative_to(folder.absolute())) for job in done}
    write_json(folder / "comparison.json", {"tables": [vars(table) for table in found], "runs": runs})
    write_text(folder / "tables.md", "\n".join(table.markdown() for table in found))
    draw_report(folder)
    print(f"report: {folder / 'report.html'}")


if __name__ == "__main__":
    from voltgym.experiments.cli import run_command

    run_command("compare", sys.argv[1:])
