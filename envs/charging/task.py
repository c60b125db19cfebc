"""Fast charging as a task: choose the C-rate of the next step, from what a BMS measures or from everything."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np

from voltgym.envs.contracts import Measured
from voltgym.envs.errors import UnknownName, VoltGymError, check_name, number, whole_number
from voltgym.surrogates.base import State

_TARGET = "a fraction between 0 and 1 such as 0.8"

HISTORY = ("Voltage [V]", "Temperature [K]", "C-rate")
"""What the short history repeats of earlier steps."""


class Channel(NamedTuple):
    """One component of an observation: ``(value - offset) / scale``."""

    name: str
    offset: float
    scale: float


def bms_channels(voltage_limit: float) -> list[Channel]:
    """What a battery-management system measures or counts. SOC is counted on nominal capacity, from a guessed start."""
    return [
        Channel("Voltage [V]", voltage_limit, 0.5),
        Channel("Temperature [K]", 308.15, 10.0),
        Channel("Counted SOC", 0.5, 0.3),
        Channel("C-rate", 1.0, 1.0),
        Channel("Time [s]", 1800.0, 1800.0),
        Channel("Steps left", 90.0, 90.0),
        Channel("Start temperature [K]", 298.15, 10.0),
    ]


def full_channels(voltage_limit: float) -> list[Channel]:
    """The state of the cell, its parameters and its surroundings."""
    return [
        Channel("Voltage [V]", voltage_limit, 0.5),
        Channel("Temperature [K]", 308.15, 10.0),
        Channel("Anode potential [V]", 0.0, 0.05),
        Channel("SOC", 0.5, 0.3),
        Channel("C-rate", 1.0, 1.0),
        Channel("Steps left", 90.0, 90.0),
        Channel("Negative surface stoichiometry", 0.5, 0.3),
        Channel("Positive surface stoichiometry", 0.5, 0.3),
        Channel("Negative average stoichiometry", 0.5, 0.3),
        Channel("Electrolyte concentration in negative electrode [mol.m-3]", 1000.0, 300.0),
        Channel("Electrolyte concentration in positive electrode [mol.m-3]", 1000.0, 300.0),
        Channel("Ambient temperature [K]", 298.15, 10.0),
        Channel("Negative exchange-current factor", 1.0, 0.15),
        Channel("Negative diffusivity factor", 1.0, 0.1),
        Channel("Cooling factor", 1.0, 0.15),
        Channel("Capacity factor", 1.0, 0.03),
        Channel("Contact resistance [Ohm]", 0.002, 0.002),
    ]


CLASSES: Mapping[str, Callable[[float], list[Channel]]] = {"bms": bms_channels, "full": full_channels}
"""The information classes; agents of different classes are not ranked against each other."""


class FastChargeTask:
    """Action: the C-rate of the next step, (1,) in [0, ``max_c_rate``]. Done when the SOC reaches the target.

    ``observation="bms"`` appends voltage, temperature and C-rate of the last ``history`` steps, newest first; before
    the first step they repeat the start. ``soc`` (``soc_estimate.SocWatch``) appends the SOC that is estimated and its
    standard deviation. :meth:`read` gives a component back in physical units.
    """

    def __init__(
        self,
        *,
        voltage_limit: float,
        observation: str = "bms",
        history: int = 4,
        max_c_rate: float = 3.0,
        target_soc: float = 0.8,
        soc: Any = None,
    ) -> None:
        check_name("observation", observation, CLASSES)
        max_c_rate = number("max_c_rate", max_c_rate, "a C-rate such as 3.0", low=1e-3, high=100)
        self.target_soc = number("target_soc", target_soc, _TARGET, low=0.31, high=0.99)
        self.observation = observation
        self.history = whole_number("history", history, least=0, most=1000) if observation == "bms" else 0
        channels = CLASSES[observation](voltage_limit)
        scaling = {channel.name: channel for channel in channels}
        for age in range(1, self.history + 1):
            channels += [scaling[name]._replace(name=f"{name}, {age} ago") for name in HISTORY]
        self.soc = soc
        if soc is not None:
            if observation != "bms":
                raise VoltGymError(
                    f"soc_estimate goes with observation='bms', not with {observation!r}, which has the SOC"
                )
            channels += soc.channels
        self.channels = tuple(channels)
        self.names = tuple(channel.name for channel in channels)
        self._offset = np.array([channel.offset for channel in channels])
        self._scale = np.array([channel.scale for channel in channels])
        self.action_space = gym.spaces.Box(0.0, max_c_rate, (1,), np.float32)
        self.observation_space = gym.spaces.Box(-np.inf, np.inf, (len(channels),), np.float32)

    def decode(self, action: np.ndarray) -> np.ndarray:
        """(N, 1) actions to (N,) C-rates, positive on charge."""
        return np.asarray(action[:, 0], dtype=float)

    def remember(self, state: State, measured: Measured) -> State:
        """The temperature at the start, and the last ``history`` measurements, (N, history + 1, 3), newest first."""
        now = np.stack([measured[name] for name in HISTORY], axis=1)[:, None]
        past = state.get("history", np.repeat(now, self.history + 1, axis=1))
        start = state.get("start temperature", measured["Temperature [K]"])
        kept = {"history": np.concatenate([now, past[:, :-1]], axis=1), "start temperature": start}
        return kept if self.soc is None else kept | self.soc.remember(state, measured)

    def observe(self, state: State, measured: Measured) -> np.ndarray:
        """(N, channels) float32, each of order one."""
        values: dict[str, Any] = {**measured, "Start temperature [K]": state["start temperature"]}
        for age in range(1, self.history + 1):
            for j, name in enumerate(HISTORY):
                values[f"{name}, {age} ago"] = state["history"][:, age, j]
        if self.soc is not None:
            values |= self.soc.values(state)
        raw = np.stack([values[name] for name in self.names], axis=1)
        return ((raw - self._offset) / self._scale).astype(np.float32)

    def read(self, observation: np.ndarray, name: str) -> np.ndarray:
        """(N,) the component ``name`` of (N, channels) observations, in its unit (to float32 precision)."""
        if name not in self.names:
            raise UnknownName(f"component of the {self.observation!r} observation", name, self.names)
        j = self.names.index(name)
        return observation[:, j].astype(float) * self._scale[j] + self._offset[j]

    def done(self, state: State, measured: Measured) -> np.ndarray:
        """(N,) the target SOC is reached."""
        return measured["SOC"] >= self.target_soc - 1e-9
