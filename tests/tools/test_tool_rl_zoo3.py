"""rl_zoo3 trains from the hyper-parameters that voltgym ships, by its own command."""

from __future__ import annotations

import subprocess
import sys
from importlib import resources
from pathlib import Path

import pytest

pytestmark = pytest.mark.tools
pytest.importorskip("rl_zoo3")

ENVS = ["VoltGym/Thevenin-v0", "VoltGym/FastCharge-v0", "VoltGym/ProtocolDesign-v0"]


def zoo(algorithm: str, env_id: str, tmp_path: Path, *more: str) -> subprocess.CompletedProcess[str]:
    conf = resources.files("voltgym.agents") / "rl_zoo3" / f"{algorithm}.yaml"
    command = [sys.executable, "-m", "rl_zoo3.train", "--algo", algorithm, "--env", env_id]
    command += ["--gym-packages", "voltgym.envs", "--conf-file", str(conf), "--log-folder", str(tmp_path), *more]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)


@pytest.mark.parametrize("env_id", ENVS)
@pytest.mark.parametrize(("algorithm", "more"), [("ppo", ()), ("sac", ("-params", "learning_starts:100"))])
def test_training_by_its_command(algorithm: str, more: tuple[str, ...], env_id: str, tmp_path: Path) -> None:
    found = zoo(algorithm, env_id, tmp_path, "-n", "300", "--eval-freq", "200", "--eval-episodes", "1", *more)
    assert found.returncode == 0, found.stderr[-2000:]
    name = env_id.replace("/", "-")
    folder = tmp_path / algorithm / f"{name}_1"
    assert (folder / f"{name}.zip").is_file()
    assert (folder / "best_model.zip").is_file()
    assert "gamma" in (folder / name / "config.yml").read_text()


def test_arguments_of_the_environment(tmp_path: Path) -> None:
    """``--env-kwargs`` reach it, and a wrong one is said as voltgym says it."""
    more = ("-n", "300", "--eval-freq", "-1", "--env-kwargs", "splt:'nominal'")
    found = zoo("ppo", "VoltGym/Thevenin-v0", tmp_path, *more)
    assert found.returncode != 0
    assert "Did you mean 'split'" in found.stderr
