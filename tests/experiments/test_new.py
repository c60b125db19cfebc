"""``voltgym new`` writes packages that work as they are: their own tests pass, voltgym finds and runs their configs."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from voltgym.envs.errors import VoltGymError
from voltgym.experiments import new

TRAIN = {
    "env": ("train", "env=my_env", "agent=random", "evaluation.episodes=2", "evaluation.split=test"),
    "agent": ("train", "agent=my_agent", "env=thevenin", "budget=10", "evaluation.episodes=2"),
    "surrogate": ("fit", "surrogate=my_surrogate", "out=model"),
}


def python(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Python where the package is on the path, as if it were installed."""
    environment = os.environ | {"PYTHONPATH": str(folder.absolute())}
    command = [sys.executable, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=folder)


@pytest.mark.parametrize("kind", new.KINDS)
def test_what_is_written_passes_its_own_tests_and_runs(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = f"my_{kind}"
    new.main([kind, name])
    folder = tmp_path / name
    assert f"cd {name}\n  pip install -e .\n  pytest\n  voltgym " in capsys.readouterr().out
    tests = python(folder, "-m", "pytest", "-q", "-p", "no:cacheprovider")
    assert tests.returncode == 0, tests.stdout
    command, *overrides = TRAIN[kind]
    search = f"hydra.searchpath=[pkg://{name}.conf]"
    ran = python(folder, "-m", "voltgym.experiments.cli", command, search, *overrides)
    assert ran.returncode == 0, ran.stderr
    assert list(folder.rglob("manifest.json" if command == "train" else "MODEL_CARD.md"))


def test_its_entry_point_names_its_configs() -> None:
    files = new.files("env", "my_charge")
    project = tomllib.loads(files["pyproject.toml"])
    assert project["project"]["entry-points"]["voltgym.conf"] == {"my_charge": "my_charge.conf"}
    assert "class WarmCell" in files["my_charge/env.py"]
    assert "id: my_charge.env:MyCharge-v0" in files["my_charge/conf/env/my_charge.yaml"]
    assert not [path for path, text in files.items() if "$" in text]


@pytest.mark.parametrize("kind", new.KINDS)
def test_what_is_written_is_tidy(kind: str, tmp_path: Path) -> None:
    new.main([kind, "tidy_one", str(tmp_path / "there")])
    check = ["check", "--select", "E,F,I,B,UP,D1", "--ignore", "D107", "--per-file-ignores", "tests/**:D1"]
    for command in (check, ["format", "--check"]):
        done = python(tmp_path / "there", "-m", "ruff", *command, "--isolated", "--no-cache", "--line-length=120")
        assert done.returncode == 0, done.stdout + done.stderr


def test_a_folder_that_is_empty_is_taken_and_another_is_not(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    new.main(["env", "my_env", "empty"])
    assert (tmp_path / "empty" / "my_env" / "env.py").is_file()
    with pytest.raises(VoltGymError, match="exists and is not an empty folder; choose another"):
        new.main(["env", "my_env", "empty"])


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        ([], "found nothing"),
        (["env"], "expected what to begin and its name"),
        (["envv", "my_x"], "unknown kind 'envv'. Did you mean 'env'?"),
        (["env", "My-Thing"], "expected lower-case letters, digits and _, such as 'my_thing'"),
        (["env", "1st"], "such as 'my_1st'"),
        (["env", "class"], "such as 'my_class'"),
        (["env", "../up"], "such as 'up'"),
        (["agent", "json"], "there is a package 'json' already; choose another name, such as 'my_json'"),
        (["agent", "ppo"], "there is a config agent=ppo already; choose another name, such as 'my_ppo'"),
        (["agent", "voltgym"], "there is a package 'voltgym' already"),
    ],
)
def test_mistakes(argv: list[str], says: str, tmp_path: Path) -> None:
    with pytest.raises(VoltGymError) as caught:
        new.main(argv)
    assert says in str(caught.value)
    assert not list(tmp_path.iterdir())
