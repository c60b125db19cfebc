from __future__ import annotations

from pathlib import Path

import gymnasium as gym
import pytest
from voltgym_storage.agent import CrossEntropy
from voltgym_storage.env import MAX_RATE
from voltgym_storage.surrogate import FadeSurrogate, measure

from voltgym.envs.charging.cells import load_cell
from voltgym.envs.checker import (
    assert_contract,
    check_agent_contract,
    check_env_contract,
    check_surrogate_contract,
)
from voltgym.experiments import fit
from voltgym.experiments.configs import compose
from voltgym.experiments.train import build_agent

ID = "voltgym_storage.env:Storage-v0"


def test_the_environment_keeps_the_contract() -> None:
    assert_contract(check_env_contract(ID))


def test_the_agent_keeps_the_contract() -> None:
    assert_contract(check_agent_contract(CrossEntropy, ID, budget=48))


def test_the_surrogate_keeps_the_contract() -> None:
    assert_contract(check_surrogate_contract(FadeSurrogate(), *measure(0, 40, 0.02)))


def test_what_was_fitted_can_be_used(tmp_path: Path) -> None:
    fit.main(["surrogate=storage_fade", f"out={tmp_path}"])
    learned, formula = (gym.make(ID, split="nominal", fade=fade) for fade in (str(tmp_path), "formula"))
    fades = []
    for env in (learned, formula):
        env.reset()
        fades.append(env.step([MAX_RATE])[4]["measured"]["Fade [%]"])
    assert fades[0] == pytest.approx(fades[1], rel=0.1)


def test_the_cell_is_found_in_the_package() -> None:
    assert load_cell("voltgym_storage:cells/pouch.json").capacity == pytest.approx(5.25, rel=0.05)


def test_every_config_composes() -> None:
    config = compose("train", ["experiment=storage_cross_entropy", "hydra/launcher=nice"])
    assert config["env"]["id"] == ID
    assert isinstance(build_agent(config["agent"]), CrossEntropy)
    assert compose("train", ["env=fastcharge_pouch"])["env"]["kwargs"]["cell"].startswith("voltgym_storage:")
