"""Minari: episodes collected, made a data set, and read back."""

from __future__ import annotations

from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest

import voltgym.envs  # noqa: F401  # registers the ids

pytestmark = pytest.mark.tools
minari = pytest.importorskip("minari")
ENVS = ["VoltGym/Thevenin-v0", "VoltGym/FastCharge-v0", "VoltGym/ProtocolDesign-v0", "VoltGym/Cathode-v0"]


@pytest.mark.parametrize("data_format", ["hdf5", "arrow"])
@pytest.mark.parametrize("env_id", ENVS)
def test_collect_and_read_back(env_id: str, data_format: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    env = minari.DataCollector(gym.make(env_id, max_steps=20), data_format=data_format)
    env.action_space.seed(0)
    seen = []
    for seed in range(3):
        observation, _ = env.reset(seed=seed)
        rewards, over = [], False
        first = observation
        while not over:
            observation, reward, terminated, truncated, _ = env.step(env.action_space.sample())
            rewards.append(reward)
            over = terminated or truncated
        seen.append((first, observation, rewards))
    env.create_dataset("voltgym/toy-v0", algorithm_name="random", author="voltgym", author_email="none@example.org")
    env.close()
    back = minari.load_dataset("voltgym/toy-v0")
    assert back.total_episodes == 3
    for (first, last, rewards), episode in zip(seen, back.iterate_episodes(), strict=True):
        np.testing.assert_array_equal(episode.observations[0], first)
        np.testing.assert_array_equal(episode.observations[-1], last)
        np.testing.assert_allclose(episode.rewards, rewards)
    again = back.recover_environment()
    assert again.spec.id == env_id
    assert again.unwrapped.max_steps == 20


def test_costs_and_slacks_are_recorded_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    env = minari.DataCollector(gym.make("VoltGym/Thevenin-v0", max_steps=5), record_infos=True)
    env.reset(seed=0)
    for _ in range(5):
        _, _, _, _, info = env.step(np.array([3.0], np.float32))
        if info["failure"]:
            break
    env.create_dataset("voltgym/infos-v0", algorithm_name="full", author="voltgym", author_email="none@example.org")
    infos = next(minari.load_dataset("voltgym/infos-v0").iterate_episodes()).infos
    assert infos["cost"][-1] == pytest.approx(info["cost"])
    assert infos["slacks"]["Voltage [V]"][-1] == pytest.approx(info["slacks"]["Voltage [V]"])


def test_molecules_are_recorded_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    env = minari.DataCollector(gym.make("VoltGym/Solvent-v0", max_steps=5), record_infos=True, data_format="arrow")
    env.action_space.seed(0)
    _, info = env.reset(seed=0)
    seen, over = [info["design"]], False
    while not over:
        action = env.action_space.sample(info["action_mask"].astype(np.int8))
        _, _, terminated, truncated, info = env.step(action)
        seen.append(info["design"])
        over = terminated or truncated
    env.create_dataset("voltgym/molecules-v0", algorithm_name="random", author="voltgym", author_email="a@example.org")
    infos = next(minari.load_dataset("voltgym/molecules-v0").iterate_episodes()).infos
    assert list(infos["design"]) == seen
    assert len(set(seen)) > 1
