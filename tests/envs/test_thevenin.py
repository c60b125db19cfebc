"""The optimum of ``VoltGym/Thevenin-v0``, proven: taking the largest feasible rate each step is optimal.

For every horizon K, the most charge that K steps can bring under both limits is a linear program. If a policy brings it
for every K, its (interpolated) time to the target is the least there is: with a and b the SOC before and after the step
that passes the target T, the time into that step is (T - a) / (b - a), which falls as a rises and as b rises (b >= T),
and both are as large as they can be.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import pytest
from scipy.optimize import linprog

from voltgym.envs.charging.references import Greedy
from voltgym.envs.core import Episodes, Measured, make_episodes
from voltgym.envs.errors import UnknownName
from voltgym.envs.scenario import generator
from voltgym.envs.thevenin import (
    CAPACITY,
    MAX_RATE,
    SLOPE,
    STEP,
    TARGET,
    TAU,
    U0,
    VOLTAGE_LIMIT,
    Charge,
    best_rate,
    spread,
)
from voltgym.surrogates.base import take

ENV = "VoltGym/Thevenin-v0"
SCENARIOS = [spread(generator(ENV, "test", k)) for k in range(4)] + [
    {"SOC": 0.05, "R0 [Ohm]": 0.04, "R1 [Ohm]": 0.03},
    {"SOC": 0.3, "R0 [Ohm]": 0.02, "R1 [Ohm]": 0.015},
]
HORIZON = 70


def most_charge(scenario: dict[str, float], steps: int) -> float:
    """The SOC that the best ``steps`` rates reach, by HiGHS, from the circuit's equations written out as a matrix.

    Independent of the twin: SOC and RC voltage before a step are linear in the rates of the steps before it.
    """
    r0, r1, decay = scenario["R0 [Ohm]"], scenario["R1 [Ohm]"], np.exp(-STEP / TAU)
    soc, u = np.zeros(steps), np.zeros(steps)  # how much of each is due to each rate so far
    rows = []
    for k in range(steps):
        ohmic = np.zeros(steps)
        ohmic[k] = r0 * CAPACITY
        rows.append(SLOPE * soc + u + ohmic)  # the start of the step, with its current
        soc, u = soc.copy(), u * decay
        soc[k] += STEP / 3600
        u[k] += r1 * CAPACITY * (1 - decay)
        rows.append(SLOPE * soc + u + ohmic)  # its end
    room = VOLTAGE_LIMIT - U0 - SLOPE * scenario["SOC"]
    found = linprog(
        -np.ones(steps), A_ub=np.array(rows), b_ub=np.full(len(rows), room), bounds=(0, MAX_RATE), method="highs"
    )
    assert found.status == 0, found.message
    return scenario["SOC"] + float(found.x.sum()) * STEP / 3600


def charge_by(policy: Callable[[Measured], np.ndarray], scenarios: list[dict[str, float]]) -> np.ndarray:
    """(HORIZON, n) SOC after each step of the environment's own twin, on beyond the target."""
    core = make_episodes(ENV, len(scenarios), max_steps=HORIZON)
    twin = core.twin
    state = twin.initial({name: np.array([s[name] for s in scenarios]) for name in scenarios[0]})
    path = []
    for _ in range(HORIZON):
        state, failure = twin.advance(state, policy(twin.measure(state)))
        measured = twin.measure(state)
        assert not failure.any()
        assert (measured["Maximum voltage [V]"] <= VOLTAGE_LIMIT + 1e-9).all()
        path.append(measured["SOC"])
    return np.array(path)


@lru_cache(maxsize=1)
def optimum() -> np.ndarray:
    """(HORIZON, n) the SOC that no rates can exceed."""
    return np.array([[most_charge(s, k) for s in SCENARIOS] for k in range(1, HORIZON + 1)])


def shortfall(policy: Callable[[Measured], np.ndarray]) -> float:
    """The most that ``policy`` lags behind the linear program in SOC, over every scenario and horizon."""
    path, best = charge_by(policy, SCENARIOS), optimum()
    assert (path <= best + 1e-7).all()  # nobody beats the optimum
    assert (path[-1] > TARGET).all()  # horizons reach beyond the target
    return float((best - path).max())


def test_the_reference_reaches_the_optimum_for_every_horizon() -> None:
    assert shortfall(best_rate) < 1e-7


def test_the_proof_can_fail() -> None:
    assert shortfall(lambda measured: 0.99 * best_rate(measured)) > 1e-4


def play(act: Callable[[Episodes, np.ndarray, np.ndarray], np.ndarray]) -> np.ndarray:
    """(n,) minutes to the target of six test episodes, with ``act(core, rows, observation)``."""
    core = make_episodes(ENV, 6, split="test")
    rows = np.arange(6)
    observation, _ = core.reset(rows, [None] * 6, list(range(6)))
    while rows.size:
        observation, _, terminated, truncated, info = core.step(rows, act(core, rows, observation))
        assert (info["slacks"]["Voltage [V]"] > -1e-3).all()
        going = ~(terminated | truncated)
        rows, observation = rows[going], observation[going]
    return core.objective.value(core.measured)["Time to target [min]"]


def test_look_ahead_finds_the_same_without_knowing_the_equations() -> None:
    greedy = Greedy()

    def look(core: Episodes, rows: np.ndarray, observation: np.ndarray) -> np.ndarray:
        greedy.bind(core)
        return greedy(observation, {"row": rows})[0]

    best = play(lambda core, rows, observation: best_rate(take(core.measured, rows))[:, None])
    assert np.isfinite(best).all()
    assert play(look) == pytest.approx(best, abs=1e-3)


def test_observations_are_read_back() -> None:
    core = make_episodes(ENV, 3)
    observation, info = core.reset(np.arange(3), [np.random.default_rng(i) for i in range(3)])
    for name in Charge.names:
        assert core.task.read(observation, name) == pytest.approx(info["measured"][name], rel=1e-6, abs=1e-6)
    with pytest.raises(UnknownName, match="Did you mean 'SOC'"):
        core.task.read(observation, "SOc")


def test_the_highest_voltage_of_a_step_is_at_one_of_its_ends() -> None:
    """What the twin calls the maximum is the maximum of the exact solution on a fine grid."""
    core = make_episodes(ENV, 40)
    rng, twin = np.random.default_rng(0), core.twin
    state = twin.initial({"SOC": rng.uniform(0, 0.8, 40), "R0 [Ohm]": np.full(40, 0.03), "R1 [Ohm]": np.full(40, 0.02)})
    state["u"] = rng.uniform(0, 0.4, 40)
    rate = rng.uniform(0, 3, 40)
    after = twin.measure(twin.advance(state, rate)[0])
    time = np.linspace(0, STEP, 301)[:, None]
    relaxed = 0.02 * rate * CAPACITY
    u = relaxed + (state["u"] - relaxed) * np.exp(-time / TAU)
    voltage = U0 + SLOPE * (state["SOC"] + rate * time / 3600) + u + 0.03 * rate * CAPACITY
    assert after["Maximum voltage [V]"] == pytest.approx(voltage.max(axis=0), abs=1e-12)
    assert after["Voltage [V]"] == pytest.approx(voltage[-1], abs=1e-12)
