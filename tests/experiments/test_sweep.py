"""Sweeps: what they consist of, that they go on where they were, and that every launcher makes the same records."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from voltgym.envs.errors import VoltGymError
from voltgym.experiments import cli, configs, sweep, sweep_plan, sweep_state, sweep_view
from voltgym.experiments.launchers.processes import ProcessLauncher
from voltgym.experiments.locks import alone, is_held
from voltgym.experiments.records import read_records
from voltgym.experiments.sweep_plan import Sweep, jobs_of

TOYS = Path(__file__).parent
TOY = (
    "env=thevenin",
    "agent=random",
    "agent._target_=toys.Agent",
    "evaluation=nominal",
    "evaluation.recheck.episodes=0",
)


def voltgym(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*arguments), capture_output=True, text=True, env=environment(), check=False)


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "voltgym.experiments.cli", *arguments]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(TOYS), "OMP_NUM_THREADS": "1"}


def test_a_job_is_called_by_what_tells_it_from_the_others() -> None:
    jobs = jobs_of([["agent=ppo", "agent.rate=0.1", "seed=0"], ["agent=ppo", "agent.rate=0.2", "seed=1"]])
    assert [job.label for job in jobs] == ["rate=0.1,seed=0", "rate=0.2,seed=1"]
    assert [job.folder for job in jobs] == ["000-rate-0.1_seed-0", "001-rate-0.2_seed-1"]
    more = jobs_of([["agent=ppo", "agent.rate=0.3", "seed=1"]], jobs)
    assert [(job.number, job.label) for job in more] == [(2, "rate=0.3,seed=1")]
    assert [job.folder for job in jobs_of([["+a=/../x:y"], ["+a=2"]])] == ["000-a-_.._x_y", "001-a-2"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"jobs": None}, "damaged"),
        ({"jobs": [{"number": 1, "overrides": [], "label": "", "folder": "x"}]}, "not numbered from 0"),
        ({"jobs": [{"number": 0, "overrides": [], "label": "", "folder": "../x"}]}, "folder is '../x'"),
        ({"launcher": 3}, "damaged"),
        ({"launcher": [3]}, "an override is no text"),
        ({"version": 99}, "it has version 99"),
        ({"search": {"sweeper": 3}}, "its search has no sweeper"),
        ({"jobs": []}, "not numbered from 0"),
        ({"jobs": [{"number": i, "overrides": [], "label": "", "folder": "x"} for i in (0, 1)]}, "have one folder"),
    ],
)
def test_a_damaged_plan_is_said(change: dict[str, Any], says: str, tmp_path: Path) -> None:
    Sweep(tmp_path, jobs=jobs_of([["seed=0"]])).write()
    file = tmp_path / sweep_plan.FILE
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    with pytest.raises(VoltGymError, match=says):
        sweep_plan.read(tmp_path)
    file.write_text("{")
    with pytest.raises(VoltGymError, match="damaged"):
        sweep_plan.read(tmp_path)


def test_a_lock_keeps_others_out_and_its_owner_in(tmp_path: Path) -> None:
    assert not is_held(tmp_path)
    with alone(tmp_path), alone(tmp_path):
        assert is_held(tmp_path)
    assert not is_held(tmp_path)


class Pretending(ProcessLauncher):
    """Runs the jobs in this process, all but the second, which it kills before it begins."""

    def each(self, sweep: Path, numbers: Any) -> list[int | BaseException]:
        ends: list[int | BaseException] = []
        for number in numbers:
            if number == 1 and not (sweep / "once").exists():
                (sweep / "once").touch()
                ends.append(RuntimeError("the node is gone"))
                continue
            plan = sweep_plan.read(sweep)
            from voltgym.experiments import sweep_job

            sweep_job.train(plan, plan.jobs[number])
            ends.append(0)
        return ends


@pytest.fixture
def pretending(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep, "launcher_of", _pretending)


def _pretending(config: Any, context: Any, task: Any) -> Any:
    launcher = Pretending()
    launcher.setup(hydra_context=context, task_function=task, config=config)
    return launcher


@pytest.mark.usefixtures("pretending", "no_report")
def test_only_what_is_missing_runs_when_a_sweep_goes_on(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    where = f"hydra.sweep.dir={tmp_path / 'sweep'}"
    with pytest.raises(SystemExit) as end:
        cli.run_command("train", ["-m", *TOY, "seed=0,1,2", where])
    assert end.value.code == 1
    told = capfd.readouterr()
    assert "2 of 3 jobs finished" in told.out
    assert f"voltgym train resume={tmp_path / 'sweep'}" in told.err
    before = manifests(tmp_path)
    assert len(before) == 2
    with pytest.raises(SystemExit):
        cli.run_command("train", ["-m", *TOY, "seed=0,1,2", where])
    assert "already holds a sweep; go on with" in capfd.readouterr().err
    with pytest.raises(SystemExit):
        cli.run_command("train", [f"resume={tmp_path / 'sweep'}", "seed=3"])
    assert "only hydra/launcher=... may change" in capfd.readouterr().err
    for launcher in ("hydra/launcher=joblib,ray", "hydra.launcher.n_jobs=1,2"):
        with pytest.raises(SystemExit):
            cli.run_command("train", [f"resume={tmp_path / 'sweep'}", launcher])
        assert "expected one value" in capfd.readouterr().err
    cli.run_command("train", [f"resume={tmp_path / 'sweep'}"])
    assert "3 of 3 jobs finished" in capfd.readouterr().out
    after = manifests(tmp_path)
    assert len(after) == 3
    assert before.items() <= after.items(), "what was finished is untouched"
    overview = sweep_view.follow(tmp_path / "sweep")
    assert overview.count("finished") == 3
    assert overview.line().startswith("3/3 done, 0 running")


def manifests(folder: Path) -> dict[str, bytes]:
    return {str(file): file.read_bytes() for file in folder.rglob("manifest.json")}


def test_a_damaged_job_does_not_keep_the_others(tmp_path: Path) -> None:
    folder = tmp_path / "sweep"
    plan = Sweep(folder, jobs=jobs_of([[*TOY, f"seed={seed}"] for seed in range(3)]))
    plan.write()
    (folder / plan.jobs[0].folder).mkdir()
    (folder / plan.jobs[0].folder / "manifest.json").write_text("{")
    (folder / plan.jobs[1].folder).touch()
    done = voltgym("train", f"resume={folder}")
    assert done.returncode == 1
    assert "1 of 3 jobs finished" in done.stdout
    assert "Traceback" not in done.stderr
    assert "manifest.json is damaged" in done.stderr
    assert f"job 1: {folder / plan.jobs[1].folder}: File exists" in done.stderr
    (folder / plan.jobs[0].folder / "manifest.json").unlink()
    (folder / plan.jobs[1].folder).unlink()
    assert voltgym("train", f"resume={folder}").returncode == 0


def test_the_view_takes_what_it_can_read(tmp_path: Path) -> None:
    plan = Sweep(tmp_path, jobs=jobs_of([[*TOY, "seed=0"]]))
    run = plan.run(plan.jobs[0])
    run.path.mkdir()
    run.manifest_file.write_text(json.dumps({"status": "training", "started": "yesterday", "config": {}}))
    run.curve_file.write_text('{"steps": 1}\nno json\n3\n')
    with alone(run.path):
        found = sweep_state.state(plan, plan.jobs[0])
    assert (found.status, found.share) == ("training", 0.0)
    run.manifest_file.write_text(json.dumps({"status": "failed", "started": 3, "config": {}, "error": "two\nlines"}))
    assert sweep_state.state(plan, plan.jobs[0]).said == "two lines"


def test_every_job_is_checked_before_the_first_begins(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.run_command(
            "train", ["-m", *TOY, "seed=0", "env=thevenin,thevnin", f"hydra.sweep.dir={tmp_path / 'sweep'}"]
        )
    assert "Did you mean 'thevenin'?" in capsys.readouterr().err
    assert not (tmp_path / "sweep").exists()


@pytest.mark.parametrize(
    ("launcher", "says"),
    [
        (["hydra/launcher=jobli"], "Did you mean 'joblib'?"),
        (["hydra.launcher.n_jobs=0"], "n_jobs is 0; expected a whole number >= 1"),
        (["hydra/launcher=submitit", "hydra.launcher.cluster=slurn"], "Did you mean 'slurm'?"),
        (["hydra/launcher=submitit_local", "+hydra.launcher.timeout=3"], "submitit refuses its parameters"),
        (["hydra/launcher=submitit_local", "hydra.launcher.timeout_min=abc"], "submitit refuses its parameters"),
        (["hydra/launcher=submitit"], "nothing could be submitted to slurm"),
    ],
)
def test_a_launcher_that_there_cannot_be_is_one_line(
    launcher: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        cli.run_command("train", ["-m", *TOY, "seed=0,1", f"hydra.sweep.dir={tmp_path / 'sweep'}", *launcher])
    assert says in capsys.readouterr().err.splitlines()[-1]


def test_launchers_make_the_same_records(tmp_path: Path) -> None:
    """joblib, and submitit as on a cluster: equal to the last bit. Ray: tests/tools."""
    found = {}
    for name in ("joblib", "submitit_local"):
        folder = tmp_path / name
        done = voltgym("train", "-m", *TOY, "seed=0,1", f"hydra.sweep.dir={folder}", f"hydra/launcher={name}")
        assert done.returncode == 0, done.stderr
        found[name] = [read_records(file) for file in sorted(folder.rglob("episodes.jsonl"))]
    assert len(found["joblib"]) == 2
    assert found["joblib"] == found["submitit_local"]


def test_hydras_own_launchers_do_as_well(tmp_path: Path) -> None:
    done = voltgym("train", "-m", *TOY, "seed=0,1", f"hydra.sweep.dir={tmp_path}", "hydra/launcher=basic")
    assert done.returncode == 0, done.stderr
    assert sorted(p.parent.name for p in tmp_path.rglob("episodes.jsonl")) == ["000-seed-0", "001-seed-1"]
    again = voltgym("train", f"resume={tmp_path}", "hydra/launcher=joblib")
    assert "2 of 2 jobs finished" in again.stdout


@pytest.mark.parametrize("kills", [pytest.param(2, id="few"), pytest.param(30, id="many", marks=pytest.mark.slow)])
def test_a_sweep_survives_kills_at_any_moment(kills: int, tmp_path: Path) -> None:
    """SIGKILL to the parent, to a job or to all: no finished job is run again, none is lost, none differs."""
    sweeping = [*TOY, "+agent.pause=0.05", "budget=40", f"seed=range({min(kills, 6)})"]
    undisturbed, folder = tmp_path / "undisturbed", tmp_path / "sweep"
    done = voltgym("train", "-m", *sweeping, f"hydra.sweep.dir={undisturbed}")
    assert done.returncode == 0, done.stderr
    rng = random.Random(0)
    finished: dict[str, bytes] = {}
    for _ in range(kills):
        begun = [f"resume={folder}"] if sweep_plan.is_sweep(folder) else ["-m", *sweeping, f"hydra.sweep.dir={folder}"]
        process = subprocess.Popen(command("train", *begun), env=environment(), start_new_session=True,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
        time.sleep(rng.uniform(0.5, 8.0))
        kill(process, rng)
        now = {name: text for name, text in manifests(folder).items() if json.loads(text)["status"] == "finished"}
        assert finished.items() <= now.items(), "a finished job was run again, or lost"
        finished = now
    last = voltgym("train", f"resume={folder}")
    assert last.returncode == 0, last.stderr
    now = manifests(folder)
    assert len(now) == min(kills, 6)
    assert finished.items() <= now.items()
    for file in undisturbed.rglob("episodes.jsonl"):
        other = folder / file.relative_to(undisturbed)
        assert read_records(other) == read_records(file)


def kill(process: subprocess.Popen[bytes], rng: random.Random) -> None:
    """Kill the parent, one of its jobs, or all, and wait until the parent has ended."""
    how = rng.choice(["parent", "job", "all"])
    jobs = children(process.pid)
    for pid in {"parent": [process.pid], "job": jobs[:1], "all": [*jobs, process.pid]}[how]:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    if how == "job":
        time.sleep(rng.uniform(0.0, 1.0))
        process.kill()
    process.wait()


def children(pid: int) -> list[int]:
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    return [int(text) for text in found.stdout.split()]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_jobs_end_with_the_sweep(number: signal.Signals, code: int, tmp_path: Path) -> None:
    folder = tmp_path / "sweep"
    sweeping = ["-m", *TOY, "+agent.pause=0.2", "budget=500", "seed=0,1", "hydra.launcher.n_jobs=1"]
    process = subprocess.Popen(command("train", *sweeping, f"hydra.sweep.dir={folder}"), env=environment(),
                               start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)  # fmt: skip
    until = time.monotonic() + 60
    while not list(folder.glob("*/checkpoint/steps")) and time.monotonic() < until:
        time.sleep(0.1)
    jobs = children(process.pid)
    process.send_signal(number)
    _, said = process.communicate(timeout=30)
    assert process.returncode == code
    assert b"Traceback" not in said
    assert not any(Path(f"/proc/{pid}").exists() for pid in jobs)
    assert [json.loads(text)["status"] for text in manifests(folder).values()] == ["interrupted"], (
        "and none began since"
    )


def test_a_job_that_dies_is_said_to(tmp_path: Path) -> None:
    done = voltgym("train", "-m", *TOY, "agent._target_=toys.Dying", "seed=0,1", f"hydra.sweep.dir={tmp_path}")
    assert done.returncode == 1
    assert "seed=0: stopped" in done.stderr
    assert "the process of the job ended by signal SIGKILL; out of memory?" in done.stderr
    assert "1 of 2 jobs finished" in done.stdout


@pytest.mark.slow
def test_a_full_disk_fails_jobs_and_loses_nothing(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("a small disk can only be mounted by root")
    try:
        first = voltgym(
            "train", "-m", *TOY, "seed=range(4)", f"hydra.sweep.dir={disk / 'sweep'}", "hydra.launcher.n_jobs=2"
        )
        assert first.returncode in (1, 2)
        assert "Traceback" not in first.stderr
        subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
        again = ["-m", *TOY, "seed=range(4)", f"hydra.sweep.dir={disk / 'sweep'}"]
        whole = [f"resume={disk / 'sweep'}"] if sweep_plan.is_sweep(disk / "sweep") else again
        done = voltgym("train", *whole)
        assert done.returncode == 0, done.stderr
        assert len([read_records(file) for file in disk.rglob("episodes.jsonl")]) == 4
    finally:
        subprocess.run(["umount", str(disk)], check=False)


@pytest.mark.parametrize("name", [n for n in configs.choices("experiment") if n.startswith(("sweep_", "search_"))])
def test_sweep_files_are_sweeps_of_jobs_that_can_be_composed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    planned: list[Sweep] = []
    monkeypatch.setattr(sweep, "launch", lambda plan, jobs: planned.append(plan))
    with pytest.raises(SystemExit):  # none of the jobs is finished
        cli.run_command("train", [f"experiment={name}", "hydra.sweep.dir=sweep"])
    assert len(planned[-1].jobs) > 1


def test_the_view_on_a_terminal_names_what_runs_and_what_failed(tmp_path: Path) -> None:
    from rich.console import Console

    jobs = jobs_of([["seed=0"], ["seed=1"], ["seed=2"]])
    states = [
        sweep_state.State(jobs[0], "finished", 10.0, 1.0, 0.0, result=("Time to target [min]", 30.5, "min")),
        sweep_state.State(jobs[1], "training", 5.0, 0.5, 5.0, "reward 0.5"),
        sweep_state.State(jobs[2], "failed", 1.0, said="VoltGymError: told to break"),
    ]
    overview = sweep_state.Overview(states)
    console = Console(record=True, width=120, file=open(os.devnull, "w"))  # noqa: SIM115
    console.print(sweep_view.table(overview, 12))
    said = console.export_text()
    assert "1/3 done, 1 running, 1 failed, 0:05 left, best Time to target [min] 30.5 (seed=0)" in said
    assert "seed=1  training" in said
    assert "told to break" in said
