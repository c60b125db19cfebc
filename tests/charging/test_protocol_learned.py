"""A protocol surrogate in the place of the twin: the same environment, looked up; the physics' numbers, nearly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import voltgym.envs  # noqa: F401 (registers)
from voltgym.envs.errors import VoltGymError
from voltgym.envs.making import make_episodes
from voltgym.surrogates.protocol import LOSS, ProtocolSurrogate, load_shipped

ID = "VoltGym/ProtocolDesign-v0"
FEASIBLE = np.array([1.37, 1.74, 1.38, 1.4, 0.8], dtype=np.float32)


def measured(action: np.ndarray, **kwargs: Any) -> tuple[dict[str, float], dict[str, float]]:
    core = make_episodes(ID, 1, split="nominal", **kwargs)
    core.reset(np.arange(1), [None], [0])
    *_, info = core.step(np.arange(1), action[None])
    slacks = {name: float(values[0]) for name, values in info["slacks"].items()}
    return {name: float(values[0]) for name, values in core.measured.items()}, slacks


def test_it_says_what_the_twin_says_and_how_sure_it_is() -> None:
    truth, _ = measured(FEASIBLE)
    found, _ = measured(FEASIBLE, property_model="surrogate")
    for name, width in (("Time to target [min]", 0.3), ("Maximum voltage [V]", 0.01),
                        ("Maximum temperature [K]", 1.0), ("Minimum anode potential [V]", 0.01)):  # fmt: skip
        assert found[name] == pytest.approx(truth[name], abs=width), name
        assert found[f"{name} std"] > 0
    assert found["Domain"] >= 0
    assert found["Reached"] == 1


def test_pessimism_is_taken_against_every_limit() -> None:
    _, mean = measured(FEASIBLE, property_model="surrogate")
    _, worse = measured(FEASIBLE, property_model="surrogate", k=2.0)
    assert all(worse[name] < mean[name] for name in ("Voltage [V]", "Temperature [K]", "Anode potential [V]"))
    assert measured(FEASIBLE, k=2.0)[1] == measured(FEASIBLE)[1]  # physics has no doubts


def test_it_is_a_gymnasium_environment_as_before() -> None:
    env = gym.make(ID, property_model="surrogate", split="nominal")
    observation, _ = env.reset(seed=0)
    twin = gym.make(ID, split="nominal")
    assert np.array_equal(observation, twin.reset(seed=0)[0])
    _, reward, terminated, _, info = env.step(FEASIBLE)
    assert terminated
    assert reward == pytest.approx(twin.step(FEASIBLE)[1], abs=0.02)
    assert info["cost"] == 0


def test_a_row_does_not_depend_on_the_others() -> None:
    model, x = load_shipped(), np.random.default_rng(0).uniform(0.5, 2.5, (33, 5))
    whole = model.predict(x)
    assert np.array_equal(whole.mean[7:9], model.predict(x[7:9]).mean)
    assert np.array_equal(whole.std[20], model.predict(x[20:21]).std[0])


def test_a_rate_that_was_not_learned_from_is_outside() -> None:
    outside, inside = load_shipped().predict(np.array([[0.1, 1, 1, 1, 1], [1.0, 1, 1, 1, 1]])).domain.tolist()
    assert outside == pytest.approx(-0.2, abs=1e-6)  # the lowest C-rate that was learned from is 0.3
    assert inside == pytest.approx(0.7, abs=1e-6)
    assert LOSS in load_shipped().names


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"property_model": "surogate"}, "surogate"),
        ({"property_model": "surrogate", "stages": 3}, "learned with stages=5, and stages is 3 here"),
        ({"property_model": "surrogate", "split": "train"}, "split='nominal', and split is 'train'"),
        ({"property_model": "surrogate", "cells": 2}, "cells=1, and cells is 2"),
        ({"property_model": "surrogate", "cell": "Chen2020"}, "cell='LGM50', and cell is 'Chen2020'"),
        ({"property_model": "surrogate", "ageing_cycles": 2}, "ageing_cycles is for property_model='twin'"),
        ({"property_model": "./nowhere/"}, "there is no such folder"),
    ],
)
def test_bad_input_is_one_line(kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(VoltGymError, match=message):
        make_episodes(ID, 1, **{"split": "nominal", **kwargs})


def test_weights_of_ones_own(tmp_path: Path) -> None:
    load_shipped().save(tmp_path)
    assert ProtocolSurrogate.load(tmp_path).digest == load_shipped().digest
    own, _ = measured(FEASIBLE, property_model=str(tmp_path))
    assert own == measured(FEASIBLE, property_model="surrogate")[0]
