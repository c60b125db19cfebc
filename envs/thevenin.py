"""``VoltGym/Thevenin-v0``: a whole environment on one page, with a known optimum. The one to copy.

The cell is an equivalent circuit: a linear open-circuit voltage, a series resistance R0 and one R1-C1 pair,

    V = U0 + k SOC + u + R0 I,    du/dt = (R1 I - u) / tau,    dSOC/dt = I / Q,

solved exactly over a step of constant current (Plett, *Battery Management Systems* vol. 1, 2015, ch. 2; cited from
memory). Charge to 80 % as fast as possible with V <= 4.2 V and at most 3C. Between the ends of a step V is monotone or
convex in time, so its maximum is at an end, and both limits are linear in the currents: the optimum is a linear
program. Taking the largest feasible current each step (CC-CV) reaches it; ``tests/envs/test_thevenin.py`` proves that
for every horizon.
"""

from __future__ import annotations

from typing import Any, ClassVar

import gymnasium as gym
import numpy as np

from voltgym.envs.core import Measured, Parts, Scenario, State, entry_points
from voltgym.envs.errors import UnknownName
from voltgym.envs.scenario import pick_split

CAPACITY = 5.0  # [A.h]
U0, SLOPE = 3.0, 1.2  # open-circuit voltage [V] at SOC 0, and its rise to SOC 1
TAU = 60.0  # [s]
STEP = 30.0  # [s]
MAX_RATE = 3.0
VOLTAGE_LIMIT = 4.2  # [V]
TARGET = 0.8


class Circuit:
    """The twin: state in, state out, N cells at once. Currents are C-rates, positive on charge."""

    def initial(self, scenarios: State) -> State:
        """Rested cells at ``SOC`` with resistances ``R0 [Ohm]`` and ``R1 [Ohm]``."""
        n = len(scenarios["SOC"])
        rest = {"u": np.zeros(n), "C-rate": np.zeros(n), "Time [s]": np.zeros(n), "start": np.zeros(n)}
        state = {**rest, "SOC": scenarios["SOC"], "R0": scenarios["R0 [Ohm]"], "R1": scenarios["R1 [Ohm]"]}
        return state | {"start": _voltage(state)}

    def advance(self, state: State, action: np.ndarray) -> tuple[State, np.ndarray]:
        """One step of ``STEP`` seconds at the C-rates ``action`` (N,)."""
        begin = state | {"C-rate": action}
        current, decay = action * CAPACITY, np.exp(-STEP / TAU)
        end = begin | {
            "SOC": state["SOC"] + action * STEP / 3600,
            "u": state["u"] * decay + state["R1"] * current * (1 - decay),
            "Time [s]": state["Time [s]"] + STEP,
            "start": _voltage(begin),
        }
        return end, np.zeros(len(action), dtype=np.int8)

    def measure(self, state: State) -> Measured:
        """Voltages at the end of the step and the highest within it."""
        voltage = _voltage(state)
        measured = {"Voltage [V]": voltage, "Maximum voltage [V]": np.maximum(voltage, state["start"])}
        names = {"u": "RC voltage [V]", "R0": "R0 [Ohm]", "R1": "R1 [Ohm]"}
        same = {name: state[name] for name in ("SOC", "C-rate", "Time [s]")}
        return measured | same | {name: state[key] for key, name in names.items()}


def _voltage(state: State) -> np.ndarray:
    return U0 + SLOPE * state["SOC"] + state["u"] + state["R0"] * state["C-rate"] * CAPACITY


class Charge:
    """The task: the action is the C-rate of the next step, the observation is everything there is to know."""

    channels: ClassVar = {
        "Voltage [V]": (3.7, 0.5),
        "SOC": (0.0, 1.0),
        "RC voltage [V]": (0.0, 0.3),
        "C-rate": (0.0, MAX_RATE),
        "R0 [Ohm]": (0.0, 0.03),
        "R1 [Ohm]": (0.0, 0.03),
        "Steps left": (0.0, 120.0),
    }
    names = tuple(channels)
    action_space = gym.spaces.Box(0.0, MAX_RATE, (1,), np.float32)
    observation_space = gym.spaces.Box(-np.inf, np.inf, (len(channels),), np.float32)

    def decode(self, action: np.ndarray) -> np.ndarray:
        """(N, 1) actions to (N,) C-rates."""
        return action[:, 0].astype(float)

    def observe(self, state: State, measured: Measured) -> np.ndarray:
        """(N, 7) float32: ``(value - offset) / scale`` of every channel."""
        columns = [(measured[name] - offset) / scale for name, (offset, scale) in self.channels.items()]
        return np.stack(columns, axis=1).astype(np.float32)

    def read(self, observation: np.ndarray, name: str) -> np.ndarray:
        """(N,) the channel ``name`` of (N, 7) observations, in its unit; controllers that know no scaling use it."""
        if name not in self.channels:
            raise UnknownName("channel", name, self.channels)
        offset, scale = self.channels[name]
        return observation[:, self.names.index(name)].astype(float) * scale + offset

    def done(self, state: State, measured: Measured) -> np.ndarray:
        """80 % is reached."""
        return measured["SOC"] >= TARGET - 1e-12


class Fast:
    """The objective: minutes to 80 %, with the voltage limit as a slack."""

    scales = {"Voltage [V]": 0.05}  # noqa: RUF012
    tolerances = {"Voltage [V]": 1e-3}  # noqa: RUF012
    directions = {"Time to target [min]": "min"}  # noqa: RUF012

    def slacks(self, measured: Measured) -> dict[str, np.ndarray]:
        """What is left to the voltage limit at the highest point of the step."""
        return {"Voltage [V]": VOLTAGE_LIMIT - measured["Maximum voltage [V]"]}

    def broken(self, measured: Measured) -> np.ndarray:
        """Half a volt over the limit ends the episode."""
        return measured["Maximum voltage [V]"] > VOLTAGE_LIMIT + 0.5

    def value(self, measured: Measured) -> dict[str, np.ndarray]:
        """Minutes to the target, interpolated within the last step (the current is constant there: exact)."""
        rate = np.maximum(measured["C-rate"], 1e-12) / 3600
        seconds = measured["Time [s]"] - (measured["SOC"] - TARGET) / rate
        return {"Time to target [min]": np.where(measured["SOC"] >= TARGET - 1e-12, seconds / 60, np.nan)}

    def reward(self, before: Measured, after: Measured, goal: np.ndarray, failure: np.ndarray) -> np.ndarray:
        """Progress, less time, less violation: in [-0.21, 0.54] a step. A failure costs more than the worst rest."""
        violation = np.maximum(-self.slacks(after)["Voltage [V]"] / self.scales["Voltage [V]"], 0)
        reward = 2 * (after["SOC"] - before["SOC"]) - 0.01 - 0.1 * np.minimum(violation, 2) + 0.5 * goal
        return reward - np.where(failure != 0, 0.25 * (after["Steps left"] + 1), 0)


def spread(rng: np.random.Generator) -> dict[str, Any]:
    """Start SOC and resistances of an episode."""
    return {
        "SOC": rng.uniform(0.05, 0.3),
        "R0 [Ohm]": rng.uniform(0.02, 0.04),
        "R1 [Ohm]": rng.uniform(0.015, 0.03),
    }


def nominal(rng: np.random.Generator) -> dict[str, Any]:
    """The one scenario of the split ``nominal``."""
    return {"SOC": 0.1, "R0 [Ohm]": 0.03, "R1 [Ohm]": 0.02}


SCENARIOS: dict[str, Scenario] = {"nominal": nominal} | dict.fromkeys(
    ("train", "validation", "test", "private"), spread
)


def best_rate(measured: Measured) -> np.ndarray:
    """(N,) the largest C-rate that keeps both ends of the next step at or below the limit: the optimal policy."""
    soc, u = measured["SOC"], measured["RC voltage [V]"]
    r0, r1, decay = measured["R0 [Ohm]"], measured["R1 [Ohm]"], np.exp(-STEP / TAU)
    start = (VOLTAGE_LIMIT - U0 - SLOPE * soc - u) / (r0 * CAPACITY)
    rise = r0 * CAPACITY + r1 * CAPACITY * (1 - decay) + SLOPE * STEP / 3600
    end = (VOLTAGE_LIMIT - U0 - SLOPE * soc - u * decay) / rise
    return np.clip(np.minimum(start, end), 0, MAX_RATE)


def draw(trace: list[dict[str, Any]]) -> np.ndarray:
    """The episode as a picture."""
    from voltgym.envs.plotting import line_chart  # matplotlib loads only when somebody looks

    minutes = [row["Time [s]"] / 60 for row in trace]
    panels = {
        "C-rate": ([row["C-rate"] for row in trace], None),
        "Voltage [V]": ([row["Maximum voltage [V]"] for row in trace], VOLTAGE_LIMIT),
        "SOC": ([row["SOC"] for row in trace], TARGET),
    }
    return line_chart(minutes, panels, "Time [min]")


def parts(split: str = "train") -> Parts:
    """Twin, task, objective, scenario and viewer."""
    return Parts(Circuit(), Charge(), Fast(), pick_split(SCENARIOS, split), draw)


make, make_vec = entry_points(parts, env_id="VoltGym/Thevenin-v0", max_steps=120)
