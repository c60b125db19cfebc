"""200 configs compose and can be built; wrong ones are a line each that says what to do."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from functools import cache
from typing import Any

import config_matrix as matrix
import gymnasium as gym
import pytest

from voltgym.experiments import cli, configs
from voltgym.experiments.making import make_env
from voltgym.experiments.train import build_agent

CONFIGS = [*matrix.pairs(), *matrix.randomly(seed=0, count=55)]
SUGGESTS = re.compile(
    r"Did you mean|expected|There are:|Known:|such as|name a registered one|leave|see `|shows|add -m|[Cc]heck|install"
)
"""What an error says to be of help."""


@cache
def built(agent: str) -> Any:
    """An agent, which is built once."""
    return build_agent(ast.literal_eval(agent))


@cache
def made(env_id: str, kwargs: str) -> gym.Space:
    """The action space of an environment, which is made once."""
    env = make_env(env_id, ast.literal_eval(kwargs))
    env.close()
    return env.action_space


@pytest.mark.parametrize("overrides", CONFIGS, ids=",".join)
def test_it_composes_and_can_be_built(overrides: tuple[str, ...]) -> None:
    config = configs.compose("train", overrides)
    configs.check_whole(config)
    assert callable(built(repr(config["agent"])).train)
    space = made(config["env"]["id"], repr(config["env"]["kwargs"]))
    assert isinstance(space, gym.spaces.Box | gym.spaces.Discrete)


def test_there_are_enough_and_every_choice_is_among_them() -> None:
    assert len(CONFIGS) >= 200
    assert len(set(CONFIGS)) == len(CONFIGS)
    assert set(matrix.FITS) == {name for name, owner in configs.owners("agent").items() if not owner}
    ours = {name for name, owner in configs.owners("env").items() if not owner}
    assert {env for envs in matrix.FITS.values() for env in envs} == ours


@pytest.fixture
def untouched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is trained: what is wrong has to be said before."""

    def trains(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("a training began")

    for agent in ("random.RandomAgent", "sb3.SB3Agent"):
        monkeypatch.setattr(f"voltgym.agents.{agent}.train", trains, raising=False)


@pytest.mark.parametrize("argv", matrix.WRONG, ids=" ".join)
def test_what_is_wrong_is_one_line_that_helps(
    argv: tuple[str, ...], untouched: None, capfd: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> None:
    with pytest.raises(SystemExit) as status:
        cli.run_command("train", ["quiet=true", *argv] if argv[0] != "resume=no_such_run" else [*argv])
    out, err = capfd.readouterr()
    assert (status.value.code, out) == (2, "")
    assert err.startswith("voltgym train: ")
    assert err.count("\n") == 1, err
    assert "Traceback" not in err
    assert SUGGESTS.search(err), err
    assert [str(warning.message) for warning in recwarn if issubclass(warning.category, UserWarning)] == []


def test_fifty_are_wrong() -> None:
    assert len(matrix.WRONG) >= 50
    assert len(set(matrix.WRONG)) == len(matrix.WRONG)


def test_so_it_is_in_a_process_of_its_own() -> None:
    command = [sys.executable, "-m", "voltgym.experiments.cli", "train", "agent.num_env=3"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert "Did you mean" in done.stderr
