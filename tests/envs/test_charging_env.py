"""FastCharge and ProtocolDesign as users meet them: mistakes, extremes, what a BMS may see, and known numbers."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pybamm
import pytest

from voltgym.envs.charging.cells import load_cell
from voltgym.envs.charging.scenario import NOMINAL
from voltgym.envs.charging.task import FastChargeTask
from voltgym.envs.core import Episodes, Failure, make_episodes
from voltgym.envs.errors import UnknownName, VoltGymError
from voltgym.envs.problem import DesignProblem
from voltgym.surrogates.base import take

FAST, PROTOCOL = "VoltGym/FastCharge-v0", "VoltGym/ProtocolDesign-v0"

HIDDEN = {
    "Negative exchange-current factor": 0.8,
    "Negative diffusivity factor": 0.9,
    "Cooling factor": 1.2,
    "Capacity factor": 0.97,
    "Contact resistance [Ohm]": 0.004,
}
"""What no sensor of a rested cell shows."""


def started(scenarios: list[dict[str, float]], **kwargs: Any) -> tuple[Episodes, np.ndarray]:
    """Rows of FastCharge in the given scenarios, and what is observed at their start."""
    core, left = make_episodes(FAST, len(scenarios), **kwargs), iter(scenarios)
    core.scenario = lambda rng: {**NOMINAL, **next(left)}
    rngs = [np.random.default_rng(0)] * len(scenarios)
    return core, core.reset(np.arange(len(scenarios)), rngs)[0]


@pytest.mark.parametrize("env_id", [FAST, PROTOCOL])
@pytest.mark.parametrize(
    ("kwargs", "says"),
    [
        ({"cell": "LGM5O"}, "Did you mean 'LGM50'"),
        ({"cell": "Chen2002"}, "Did you mean 'Chen2020'"),
        ({"cell": "no_such_file.json"}, "no_such_file.json"),
        ({"fidelity": "SPME"}, "Did you mean 'SPMe'"),
        ({"split": "nominl"}, "Did you mean 'nominal'"),
        ({"fidelty": "SPM"}, "Did you mean 'fidelity'"),
        ({"max_c_rate": -1}, "max_c_rate is -1; expected a C-rate"),
        ({"max_c_rate": "fast"}, "max_c_rate is 'fast'"),
        ({"target_soc": 80}, "target_soc is 80; expected a fraction"),
        ({"penalty": -0.5}, "penalty is -0.5"),
        ({"max_steps": 0}, "max_steps is 0"),
    ],
)
def test_mistakes_are_one_line(env_id: str, kwargs: dict[str, Any], says: str) -> None:
    for make in (gym.make, lambda env_id, **k: gym.make_vec(env_id, num_envs=2, **k)):
        with pytest.raises(VoltGymError, match=says) as error:
            make(env_id, **kwargs)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("env_id", "kwargs", "says"),
    [
        (FAST, {"observation": "bsm"}, "Did you mean 'bms'"),
        (FAST, {"history": -1}, "history is -1"),
        (FAST, {"history": "all"}, "history is 'all'"),
        (FAST, {"margin": float("nan")}, "margin is nan"),
        (PROTOCOL, {"stages": 0}, "stages is 0"),
        (PROTOCOL, {"stages": 2.5}, "stages is 2.5"),
        (PROTOCOL, {"cells": "many"}, "cells is 'many'"),
        (PROTOCOL, {"min_c_rate": 2.0, "max_c_rate": 1.0}, "min_c_rate is 2.0"),
        (
            PROTOCOL,
            {"observation": "bms"},
            "VoltGym/ProtocolDesign-v0 got an unexpected keyword argument 'observation'",
        ),
    ],
)
def test_mistakes_of_one_of_them(env_id: str, kwargs: dict[str, Any], says: str) -> None:
    with pytest.raises(VoltGymError, match=says) as error:
        gym.make(env_id, **kwargs)
    assert "\n" not in str(error.value)


def test_the_nominal_scenario_starts_at_rest() -> None:
    env: Any = gym.make(FAST, split="nominal").unwrapped
    observation, info = env.reset()
    measured = info["measured"]
    assert {name: measured[name] for name in NOMINAL} == dict(NOMINAL)
    assert measured["SOC"] == measured["Counted SOC"] == 0.1
    assert measured["Capacity [A.h]"] == pytest.approx(5.153, abs=1e-3)  # eSOH of Chen2020
    assert measured["Temperature [K]"] == measured["Maximum temperature [K]"] == 298.15
    assert measured["Voltage [V]"] == measured["Maximum voltage [V]"] == pytest.approx(open_circuit(0.1), abs=1e-4)
    assert measured["C-rate"] == measured["Current [A]"] == measured["Time [s]"] == 0
    assert min(info["slacks"].values()) > 0
    assert info["cost"] == 0
    assert observation.shape == (19,)


def open_circuit(soc: float) -> float:
    """What PyBaMM's own open-circuit potentials give for LGM50 at rest [V]."""
    cell = load_cell("LGM50")
    parameters = cell.parameters()
    x, y = cell.x0 + soc * (cell.x100 - cell.x0), cell.y0 + soc * (cell.y100 - cell.y0)
    negative, positive = (
        parameters.evaluate(parameters[f"{side} electrode OCP [V]"](pybamm.Scalar(stoichiometry)))
        for side, stoichiometry in (("Negative", x), ("Positive", y))
    )
    return float(positive - negative)


def test_charge_is_counted_in_both_ways() -> None:
    """Own SOC is charge over the cell's own capacity; the counted one over the nominal 5 Ah, from a guessed start."""
    core, _ = started([{}, {"Capacity factor": 0.97, "Initial SOC error": 0.02}])
    rows = np.arange(2)
    for _ in range(10):
        *_, info = core.step(rows, np.full((2, 1), 1.2))
    charge = 1.2 * 5.0 * 300 / 3600
    measured = info["measured"]
    assert measured["Current [A]"] == pytest.approx([-6.0, -6.0])
    assert measured["SOC"] == pytest.approx(0.1 + charge / measured["Capacity [A.h]"], abs=1e-6)
    assert measured["Counted SOC"] == pytest.approx([0.1 + charge / 5, 0.12 + charge / 5], abs=1e-6)
    assert measured["Capacity [A.h]"][1] == pytest.approx(0.97 * measured["Capacity [A.h]"][0])


def test_4c_ends_as_a_typed_failure() -> None:
    env: Any = gym.make(FAST, split="nominal", max_c_rate=4.0).unwrapped
    env.reset()
    terminated = truncated = False
    while not (terminated or truncated):
        observation, reward, terminated, truncated, info = env.step([4.0])
        assert np.isfinite(observation).all()
        assert np.isfinite(reward)
    assert info["failure"] in (Failure.LIMIT, Failure.SOLVER, Failure.DOMAIN)
    assert info["cost"] > 0
    assert env.reset()[1]["failure"] == Failure.NONE


@pytest.mark.parametrize("seed", range(4))
def test_a_failing_neighbour_does_not_touch_a_row(seed: int) -> None:
    """Whoever else is in the batch, and whatever becomes of them, a row's bits are its own."""
    rng = np.random.default_rng(seed)
    starts = {"Initial SOC": rng.uniform(0.05, 0.3, 8), "Ambient temperature [K]": rng.uniform(283, 308, 8)}
    core, _ = started([{name: values[i] for name, values in starts.items()} for i in range(8)])
    twin, state, failed = core.twin, core.state, np.zeros(8, dtype=np.int8)
    for _ in range(12):
        rates = rng.uniform(0, 3, 8)
        new, failed = twin.advance(state, rates)
        for i in np.flatnonzero(failed == 0):
            alone, _ = twin.advance(take(state, np.array([i])), rates[[i]])
            other = [name for name, values in alone.items() if values[0].tobytes() != new[name][i].tobytes()]
            assert other == [], f"row {i} of a batch with failures {failed} has other bits than alone"
        if failed.any():
            break
        state = new
    assert failed.any(), "nobody failed: this test needs a failing row to be one"


def test_a_bms_cannot_see_what_is_hidden() -> None:
    _, seen = started([{}, HIDDEN])
    assert seen[0].tobytes() == seen[1].tobytes()


def test_a_bms_sees_the_counted_soc_not_the_true_one() -> None:
    core, seen = started([{"Initial SOC": 0.10, "Initial SOC error": 0.02}, {"Initial SOC": 0.12}])
    assert "SOC" not in core.task.names
    assert core.task.read(seen, "Counted SOC") == pytest.approx([0.12, 0.12], abs=1e-7)
    _, full = started([{"Initial SOC": 0.10, "Initial SOC error": 0.02}, {"Initial SOC": 0.12}], observation="full")
    assert not np.array_equal(full[0], full[1])


def test_full_information_shows_every_hidden_parameter() -> None:
    core, seen = started([{}, HIDDEN], observation="full")
    for name, value in HIDDEN.items():
        assert core.task.read(seen, name) == pytest.approx([NOMINAL[name], value], abs=1e-6)


@pytest.mark.parametrize("kind", ["bms", "full"])
def test_every_component_is_read_back(kind: str) -> None:
    core, _ = started([{}, HIDDEN], observation=kind)
    rows = np.arange(2)
    core.step(rows, np.array([[1.0], [0.5]]))
    observation, *_, info = core.step(rows, np.array([[0.8], [1.1]]))
    task: Any = core.task
    there = [name for name in task.names if name in info["measured"]]
    assert len(there) >= 6
    for name in there:
        assert task.read(observation, name) == pytest.approx(info["measured"][name], rel=1e-6, abs=1e-6)
    with pytest.raises(UnknownName, match="component of the"):
        task.read(observation, "Anode potential")


def test_the_history_is_newest_first_and_starts_with_the_start() -> None:
    core, seen = started([{}], history=2)
    task: FastChargeTask = core.task  # type: ignore[assignment]
    for age in (1, 2):
        assert task.read(seen, f"Voltage [V], {age} ago") == task.read(seen, "Voltage [V]")
    rates = []
    for rate in (0.5, 1.0, 1.5):
        seen, *_ = core.step(np.array([0]), np.array([[rate]]))
        rates = [float(task.read(seen, name)[0]) for name in ("C-rate", "C-rate, 1 ago", "C-rate, 2 ago")]
    assert rates == pytest.approx([1.5, 1.0, 0.5])
    assert task.read(seen, "Start temperature [K]")[0] == pytest.approx(298.15)


def test_one_decision_is_a_whole_protocol() -> None:
    env: Any = gym.make(PROTOCOL).unwrapped
    env.reset(seed=0)
    _, reward, terminated, truncated, info = env.step(np.full(5, 0.8, dtype=np.float32))
    assert terminated or truncated
    minutes = info["measured"]["Time to target [min]"]
    nominal = (0.8 - 0.1) * 5.153 / 5.0 / 0.8 * 60  # a constant current takes what arithmetic says
    assert minutes == pytest.approx(nominal, rel=1e-3)
    assert reward <= 1 - minutes / 90
    assert info["measured"]["SOC"] == pytest.approx(0.8, abs=1e-6)


def test_a_protocol_for_several_cells_is_as_slow_and_as_near_its_limits_as_the_worst_of_them() -> None:
    rates = np.full((1, 3), 0.9)
    core = make_episodes(PROTOCOL, 1, split="test", cells=3, stages=3)
    core.reset(np.array([0]), [None], [2])
    together = core.step(np.array([0]), rates)[4]["measured"]
    alone = []
    for cell in range(3):
        one = core.resized(1)
        drawn = {name: values[0, [cell]] for name, values in core.scenarios.items()}
        one.scenario = lambda rng, drawn=drawn: drawn  # type: ignore[misc]
        one.reset(np.array([0]), [np.random.default_rng(0)])
        alone.append(one.step(np.array([0]), rates)[4]["measured"])
    worst = {"Time to target [min]": max, "Maximum temperature [K]": max, "Maximum voltage [V]": max}
    for name, of in {**worst, "Minimum anode potential [V]": min}.items():
        assert together[name][0] == of(one[name][0] for one in alone)


def test_a_protocol_that_fails_is_told_and_the_others_are_not_touched() -> None:
    problem = DesignProblem(PROTOCOL, split="nominal")
    x = np.array([[0.7] * 5, [3.0] * 5, [0.9] * 5])
    found = problem.evaluate(x)
    assert found.failure[1] != Failure.NONE
    assert found.failure[[0, 2]].tolist() == [0, 0]
    assert np.isnan(found.values["Time to target [min]"][1])
    alone = problem.evaluate(x[[0, 2]])
    assert alone.values["Time to target [min]"].tobytes() == found.values["Time to target [min]"][[0, 2]].tobytes()
