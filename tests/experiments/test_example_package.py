"""The example plug-in, installed into a fresh environment and used there as its README says."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sysconfig
import venv
from pathlib import Path
from typing import NamedTuple

import pytest

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "voltgym-storage"
ID = "voltgym_storage.env:Storage-v0"


class Installed(NamedTuple):
    """A fresh environment with the example in it."""

    python: Path
    source: Path
    folder: Path

    def run(self, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run its Python, in a folder without any source."""
        quiet = os.environ | {"PYTHONPATH": "", "PYTHONDONTWRITEBYTECODE": "1"}
        command = [str(self.python), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd or self.folder, env=quiet)

    def voltgym(self, *arguments: str) -> str:
        """What a command prints; it must not fail."""
        done = self.run("-m", "voltgym.experiments.cli", *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Nothing is downloaded: what the example depends on is seen through a ``.pth`` file, the example is installed."""
    root = tmp_path_factory.mktemp("fresh")
    source = shutil.copytree(
        EXAMPLE, root / "source", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info", "build")
    )
    venv.create(root / "venv", with_pip=False)
    folder = next((root / "venv").glob("lib/python*/site-packages"))
    seen = sysconfig.get_paths()["purelib"]
    (folder / "dependencies.pth").write_text(f"import site; site.addsitedir({seen!r})\n")
    found = Installed(root / "venv" / "bin" / "python", source, root / "work")
    found.folder.mkdir()
    done = found.run("-m", "pip", "install", "-q", "--no-deps", "--no-index", "--no-build-isolation", str(source))
    assert done.returncode == 0, done.stderr
    assert (folder / "voltgym_storage" / "conf" / "env" / "storage.yaml").is_file()
    return found


def manifests(folder: Path) -> list[dict]:
    return [json.loads(file.read_text()) for file in sorted(folder.rglob("manifest.json"))]


def test_it_is_listed_with_its_name(installed: Installed) -> None:
    everything = installed.voltgym("list")
    for name in ("storage", "fastcharge_pouch", "cross_entropy", "storage_fade", "storage_cross_entropy", "nice"):
        assert [line for line in everything.splitlines() if line.split()[:1] == [name] and "(voltgym-storage)" in line]
    assert f"  {ID}  " in everything
    wrong = installed.run("-m", "voltgym.experiments.cli", "train", "env=storge")
    assert wrong.returncode == 2
    assert wrong.stderr.startswith("voltgym train: unknown env 'storge'. Did you mean 'storage'?")
    assert wrong.stderr.count("\n") == 1


def test_it_keeps_the_contract(installed: Installed) -> None:
    assert f"{ID}: nothing to mend" in installed.voltgym("check-env", ID)


def test_it_trains_and_is_evaluated(installed: Installed) -> None:
    installed.voltgym("train", "experiment=storage_cross_entropy", "budget=160", "evaluation.episodes=3")
    (run,) = (installed.folder / "runs" / "storage").glob("*/*")
    installed.voltgym("evaluate", str(run), "split=nominal", "episodes=1")
    (found,) = manifests(run)
    assert (found["status"], found["spent"]["evaluations"]) == ("finished", 160)
    assert len((run / "episodes.jsonl").read_text().splitlines()) == 4


def test_its_surrogate_is_fitted_and_takes_the_place_of_the_physics(installed: Installed) -> None:
    assert "left out, 1 splits" in installed.voltgym("fit", "surrogate=storage_fade", "out=fade")
    weights = str(installed.folder / "fade")
    installed.voltgym("train", "env=storage", f"env.kwargs.fade={weights}", "agent=random", "evaluation.episodes=1",
                      "+evaluation.kwargs.fade=formula", "hydra.run.dir=learned")  # fmt: skip
    assert manifests(installed.folder / "learned")[0]["status"] == "finished"


def test_its_launcher_runs_a_sweep(installed: Installed) -> None:
    installed.voltgym("train", "env=storage", "agent=random", "seed=0,1", "evaluation.episodes=1", "-m",
                      "hydra/launcher=nice", "hydra.launcher.niceness=5", "hydra.sweep.dir=sweep")  # fmt: skip
    found = manifests(installed.folder / "sweep")
    assert [run["status"] for run in found] == ["finished", "finished"]
    assert sorted(run["config"]["seed"] for run in found) == [0, 1]


@pytest.mark.slow
def test_its_own_tests_pass_and_its_cell_is_charged(installed: Installed) -> None:
    done = installed.run("-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=installed.source / "tests")
    assert done.returncode == 0, done.stdout
    installed.voltgym("train", "env=fastcharge_pouch", "agent=cccv", "evaluation=nominal", "hydra.run.dir=pouch")
    assert json.loads((installed.folder / "pouch" / "episodes.jsonl").read_text().splitlines()[0])["feasible"]
