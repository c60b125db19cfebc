from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest

from voltgym.envs.errors import VoltGymError
from voltgym.experiments import cli, configs, evaluate, train
from voltgym.experiments.making import make_env
from voltgym.experiments.records import read_json_lines, read_records, write_records
from voltgym.experiments.runs import RunFolder

TOYS = Path(__file__).parent


def config(**agent: Any) -> dict[str, Any]:
    whole = configs.compose("train", ["env=thevenin", "agent=random", "evaluation.episodes=2", "quiet=true"])
    return {**whole, "name": "toy", "agent": {"_target_": "toys.Agent", **agent}}


def test_a_run_folder_has_everything(no_report: list[Path], tmp_path: Path) -> None:
    run = train.run_training(config(), tmp_path / "run")
    manifest = run.manifest()
    assert manifest["status"] == "finished"
    assert (manifest["seed"], manifest["budget"], manifest["config"]["unit"]) == (0, 3, "env_steps")
    assert manifest["versions"]["numpy"]
    assert len(manifest["config_hash"]) == 64
    assert [r["agent"] for r in read_records(run.records_file)] == ["toy", "toy"]
    assert [line["steps"] for line in read_json_lines(run.curve_file)][-1] == 3
    assert list(run.tensorboard.iterdir())
    assert run.load_policy().rate == 1.0  # type: ignore[attr-defined]
    assert no_report == [run.path]


def test_a_record_says_what_was_spent_not_what_was_asked(no_report: list[Path], tmp_path: Path) -> None:
    whole = configs.compose(
        "train", ["env=thevenin", "agent=ppo", "evaluation.episodes=1", "quiet=true", "budget=5000"]
    )
    run = train.run_training({**whole, "name": "ppo"}, tmp_path / "run")
    spent = read_records(run.records_file)[0]["ledger"]
    assert spent["training env_steps"] == 4096  # whole rollouts of 64 rows and 64 steps
    assert spent["training validation_steps"] > 0


def test_the_config_hash_is_of_the_config(no_report: list[Path], tmp_path: Path) -> None:
    hashes = [train.run_training(config(rate=r), tmp_path / n).manifest()["config_hash"] for n, r in
              (("a", 1.0), ("b", 1.0), ("c", 1.1))]  # fmt: skip
    assert hashes[0] == hashes[1] != hashes[2]


@pytest.mark.parametrize(("known", "error"), [(True, VoltGymError), (False, RuntimeError)])
def test_a_broken_training_says_where_and_goes_on(known: bool, error: type, no_report: list, tmp_path: Path) -> None:
    path = tmp_path / "run"
    with pytest.raises(error):
        train.run_training(config(break_at=2, known=known), path)
    run = RunFolder(path)
    assert run.manifest()["status"] == "failed"
    with pytest.raises(VoltGymError, match=rf"stopped at step 2 of 3.*voltgym train resume={path}"):
        evaluate.main([str(path)])
    train.main([f"resume={path}"])
    assert run.manifest()["status"] == "finished"
    assert len(run.manifest()["resumed"]) == 1
    assert [line["steps"] for line in read_json_lines(run.curve_file)] == [1, 2, 3]
    with pytest.raises(VoltGymError, match="is finished"):
        train.main([f"resume={path}"])
    with pytest.raises(VoltGymError, match="no other override"):
        train.main([f"resume={path}", "seed=3"])


def test_evaluate_replaces_the_same_episodes_and_keeps_the_others(no_report: list, tmp_path: Path) -> None:
    run = train.run_training(config(), tmp_path / "run")
    evaluate.main([str(run.path), "episodes=3"])
    evaluate.main([str(run.path), "split=validation", "episodes=1"])
    evaluate.main([str(run.path), "kwargs.max_steps=9", "episodes=1"])
    found = [(r["split"], r["episode"], r["env_kwargs"]["max_steps"]) for r in read_records(run.records_file)]
    assert found == [("test", 0, 120), ("test", 1, 120), ("test", 2, 120), ("validation", 0, 120), ("test", 0, 9)]


def test_a_policy_of_another_environment_is_refused(no_report: list, tmp_path: Path) -> None:
    run = train.run_training(config(), tmp_path / "run")
    about = json.loads((run.policy / "policy.json").read_text())
    (run.policy / "policy.json").write_text(json.dumps({**about, "env_id": "VoltGym/FastCharge-v0"}))
    with pytest.raises(VoltGymError, match=r"was trained on VoltGym/FastCharge-v0, not on VoltGym/Thevenin-v0"):
        evaluate.main([str(run.path)])
    (run.policy / "policy.json").write_text(json.dumps({**about, "env_kwargs": {"max_steps": 7}}))
    with pytest.raises(VoltGymError, match=r"was trained with \{'max_steps': 7\}"):
        evaluate.main([str(run.path)])


def test_a_policy_is_not_evaluated_in_spaces_that_it_was_not_trained_in(no_report: list, tmp_path: Path) -> None:
    whole = {**config(), "env": {"id": "CartPole-v1", "kwargs": {}}}
    with pytest.raises(VoltGymError, match=r"with \{'max_c_rate': 2\.0\} the action space is Box"):
        evaluate._check_spaces({"id": "VoltGym/FastCharge-v0", "kwargs": {"fidelity": "SPM"}}, {"max_c_rate": 2.0})
    evaluate._check_spaces(whole["env"], {"max_episode_steps": 3})


def test_folders_that_are_no_runs_say_so(no_report: list, tmp_path: Path) -> None:
    with pytest.raises(VoltGymError, match="there is no run folder"):
        evaluate.main(["nowhere"])
    with pytest.raises(VoltGymError, match=r"is not a run folder: it has no manifest\.json"):
        evaluate.main([str(tmp_path)])
    (tmp_path / "manifest.json").write_text('{"status": "tra')
    with pytest.raises(VoltGymError, match=r"manifest\.json is damaged"):
        evaluate.main([str(tmp_path)])


@pytest.mark.parametrize(
    "key", ["status", "started", "config.env", "config.env.id", "config.name", "config.evaluation"]
)
def test_a_manifest_that_lacks_a_key_is_damaged(key: str, no_report: list, tmp_path: Path) -> None:
    run = train.run_training(config(), tmp_path / "run")
    manifest = json.loads(run.manifest_file.read_text())
    *parents, last = key.split(".")
    inner = manifest
    for parent in parents:
        inner = inner[parent]
    del inner[last]
    run.manifest_file.write_text(json.dumps(manifest))
    for command, argument in ((evaluate.main, str(run.path)), (train.main, f"resume={run.path}")):
        with pytest.raises(VoltGymError, match=r"manifest\.json is damaged"):
            command([argument])


def test_corrupt_records_stop_an_evaluation_and_survive_it(no_report: list, tmp_path: Path) -> None:
    run = train.run_training(config(), tmp_path / "run")
    write_records(run.records_file, read_records(run.records_file))
    run.records_file.write_text("{broken\n" + run.records_file.read_text())
    with pytest.raises(VoltGymError, match=r"episodes\.jsonl, line 1"):
        evaluate.main([str(run.path)])
    assert run.records_file.read_text().startswith("{broken")


@pytest.mark.parametrize(("budget", "says"), [("abc", "budget is 'abc'"), (-1, "budget is -1"), (0.5, "budget is 0.5")])
def test_a_wrong_budget_names_its_unit(budget: Any, says: str, no_report: list, tmp_path: Path) -> None:
    with pytest.raises(VoltGymError, match=f"{says}; expected a whole number of env_steps"):
        train.run_training({**config(), "budget": budget}, tmp_path)


@pytest.mark.parametrize("seed", [-1, None, 2**32, 0.5])
def test_a_seed_that_no_generator_takes(seed: Any, no_report: list, tmp_path: Path) -> None:
    with pytest.raises(VoltGymError, match=r"seed is .*; expected a whole number >= 0"):
        train.run_training({**config(), "seed": seed}, tmp_path)


@pytest.mark.parametrize(
    ("evaluation", "says"),
    [
        ({"split": "tset"}, "Did you mean 'test'"),
        ({"episodes": 0}, "episodes is 0"),
        ({"kwargs": {"foo": 1}}, "unexpected keyword argument 'foo'"),
        (
            {"recheck": {"fidelity": "DFN", "episodes": 1, "tolerances": {}}},
            "recheck.episodes is 1, but there can be none",
        ),
    ],
)
def test_what_cannot_be_evaluated_is_said_before_the_training(
    evaluation: dict, says: str, no_report: list, tmp_path: Path
) -> None:
    whole = config()
    with pytest.raises(VoltGymError, match=says):
        train.run_training({**whole, "evaluation": {**whole["evaluation"], **evaluation}}, tmp_path)
    assert not RunFolder(tmp_path).curve_file.exists() or not read_json_lines(RunFolder(tmp_path).curve_file)


def test_a_broken_environment_of_somebody_else_is_one_line() -> None:
    def broken() -> None:
        raise RuntimeError("boom\nboom")

    gym.register("Broken-v0", entry_point=broken)
    try:
        with pytest.raises(
            VoltGymError, match=r"Broken-v0 cannot be made with its defaults: RuntimeError \(.*boom boom"
        ):
            make_env("Broken-v0", {})
    finally:
        del gym.registry["Broken-v0"]
    with pytest.raises(VoltGymError, match="render_mode is 3; expected a text"):
        make_env("VoltGym/Thevenin-v0", {"render_mode": 3})


def test_a_folder_that_cannot_be_written_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    Path("file").write_text("")
    done = voltgym(*TOY, "hydra.run.dir=file/run", "quiet=true")
    assert done.returncode == 2
    assert "Not a directory" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_whole_float_is_a_budget(no_report: list, tmp_path: Path) -> None:
    assert train.run_training({**config(), "budget": 1e1}, tmp_path).manifest()["budget"] == 10


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "voltgym.experiments.cli", *arguments]


def voltgym(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(TOYS), "OMP_NUM_THREADS": "1", **more}
    return subprocess.run(command(*arguments), capture_output=True, text=True, env=env, check=False)


TOY = ("train", "env=thevenin", "agent=random", "agent._target_=toys.Agent", "evaluation.episodes=1")


def test_the_command_line_trains_sweeps_and_evaluates() -> None:
    done = voltgym(*TOY, "hydra.run.dir=runs/one", "quiet=true")
    assert done.returncode == 0, done.stderr
    assert {p.name for p in Path("runs/one").iterdir()} >= {
        ".hydra", "manifest.json", "episodes.jsonl", "policy", "tensorboard", "report.html",
    }  # fmt: skip
    again = voltgym(*TOY, "hydra.run.dir=runs/one", "quiet=true")
    assert again.returncode == 2
    assert "already holds a run; go on with" in again.stderr
    assert "Traceback" not in again.stderr
    swept = voltgym(*TOY, "seed=0,1", "+agent.rate=1.0,1.1", "hydra.sweep.dir=runs/sweep", "quiet=true", "-m")
    assert swept.returncode == 0, swept.stderr
    seeds = sorted(json.loads(p.read_text())["seed"] for p in Path("runs/sweep").rglob("manifest.json"))
    assert seeds == [0, 0, 1, 1]
    found = voltgym("evaluate", "runs/one", "split=nominal", "episodes=1")
    assert found.returncode == 0, found.stderr
    assert "toys" not in found.stdout
    assert "Time to target [min]" in found.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("train", "env=thevnin"), "unknown env 'thevnin'. Did you mean 'thevenin'?"),
        (("train", "seed=0,x", "-m"), "seed is 'x'; expected a whole number"),
        (("train", "foo"), "cannot read the override 'foo'"),
        (("trian",), "unknown command 'trian'. Did you mean 'train'?"),
        (("evaluate",), "which run?"),
        (("evaluate", "nowhere"), "there is no run folder nowhere"),
        (("list", "agnt"), "unknown thing to list 'agnt'. Did you mean 'agent'?"),
        (("check-env", "VoltGym/Thevnin-v0"), "Did you mean: `Thevenin`"),
        (("compare", "dem"), "unknown suite 'dem'. Did you mean 'demo'?"),
        (("train", "seed=1,2"), "add -m to run every combination"),
        (("train", "seed=range(0,0)", "-m"), "has no values"),
        (("train", "--config-name", "foo"), "Cannot find primary config 'foo'"),
        (("train", "~seed"), "the config has no 'seed'"),
        (("train", "suite=demo"), "unknown config key 'suite'"),
        (("compare", "demo", "workers=0"), "workers is 0; expected a whole number >= 1"),
        (("check-env", "VoltGym/Thevenin-v0", "max_steps=["), "is not YAML"),
        (("check-env", "nowhere:X-v0"), "no environment 'nowhere:X-v0'"),
        (("redraws", "many"), "expected one whole number"),
    ],
)
def test_a_typo_is_one_line_without_a_traceback(
    arguments: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as status:
        cli.run_command(arguments[0], list(arguments[1:]))
    error = capsys.readouterr().err
    assert status.value.code == 2
    assert error.startswith(f"voltgym {arguments[0]}: ")
    assert says in error
    assert len(error.strip().splitlines()) == 1 or "usage:" in error


def test_a_typo_that_only_the_run_finds_is_one_line_too() -> None:
    done = voltgym("train", "env.id=VoltGym/Thevnin-v0", "agent=random")
    assert done.returncode == 2
    assert "Did you mean: `Thevenin`" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_killed_training_is_resumed() -> None:
    """Killed without warning (SIGKILL) in the middle: nothing is corrupt, and the run says how to go on."""
    env = {**os.environ, "PYTHONPATH": str(TOYS), "OMP_NUM_THREADS": "1"}
    arguments = command(*TOY, "+agent.pause=0.05", "budget=40", "hydra.run.dir=runs/killed", "quiet=true")
    process = subprocess.Popen(arguments, env=env)
    curve = Path("runs/killed/learning.jsonl")
    end = time.monotonic() + 20
    while time.monotonic() < end and not (curve.exists() and curve.read_text().endswith("\n")):
        time.sleep(0.05)
    time.sleep(0.3)
    process.send_signal(signal.SIGKILL)
    process.wait()
    told = voltgym("evaluate", "runs/killed")
    assert told.returncode == 2
    assert "of 40, status 'training'; continue it with `voltgym train resume=" in told.stderr
    done = voltgym("train", "resume=runs/killed")
    assert done.returncode == 0, done.stderr
    steps = [line["steps"] for line in read_json_lines(curve)]
    assert steps[-1] == 40
    assert steps == sorted(steps), "it went on from its checkpoint, and never back"
