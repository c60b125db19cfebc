"""What a good charge is: fast, and never beyond voltage, temperature or anode potential."""

from __future__ import annotations

import numpy as np

from voltgym.envs.contracts import Measured
from voltgym.envs.errors import number

VOLTAGE, TEMPERATURE, ANODE = "Voltage [V]", "Temperature [K]", "Anode potential [V]"
TIME_TO_TARGET = "Time to target [min]"
CAPACITY_LOSS = "Capacity loss [A.h]"
EXTREMES = ("Maximum voltage [V]", "Maximum temperature [K]", "Minimum anode potential [V]")
"""What the slacks are of, in their order."""
STEP_COST = 0.01
GOAL_BONUS = 0.5
WORST_PENALTY = 0.1


class Limits:
    """The limits of a charge as slacks, >= 0 where feasible, over the last step; and the margin that ends an episode.

    Plating of lithium becomes possible where the anode potential against Li/Li+ falls below zero. Where a twin says how
    sure it is (``"<name> std"``: a learned one does, physics does not), each slack is taken ``k`` standard deviations
    worse than measured.
    """

    scales = {VOLTAGE: 0.01, TEMPERATURE: 1.0, ANODE: 0.01}  # noqa: RUF012  # one unit: a violation nobody would wave through
    tolerances = {VOLTAGE: 1e-3, TEMPERATURE: 0.1, ANODE: 1e-3}  # noqa: RUF012
    directions = {TIME_TO_TARGET: "min"}  # noqa: RUF012
    hard = {VOLTAGE: 0.3, TEMPERATURE: 20.0, ANODE: 0.3}  # noqa: RUF012  # far beyond: an early end teaches to dawdle

    def __init__(
        self,
        *,
        voltage_limit: float,
        temperature_limit: float = 318.15,
        anode_limit: float = 0.0,
        target_soc: float = 0.8,
        k: float = 0.0,
    ) -> None:
        self.voltage_limit, self.temperature_limit, self.anode_limit = voltage_limit, temperature_limit, anode_limit
        self.target_soc = target_soc
        self.k = number("k", k, "a number of standard deviations >= 0")

    def slacks(self, measured: Measured) -> dict[str, np.ndarray]:
        """(N,) what was left to each limit at the worst moment of the last step [V], [K], [V]."""
        slacks = {
            VOLTAGE: self.voltage_limit - measured["Maximum voltage [V]"],
            TEMPERATURE: self.temperature_limit - measured["Maximum temperature [K]"],
            ANODE: measured["Minimum anode potential [V]"] - self.anode_limit,
        }
        if not self.k:
            return slacks
        doubts = zip(slacks, EXTREMES, strict=True)
        return {name: slacks[name] - self.k * measured.get(f"{worst} std", 0.0) for name, worst in doubts}

    def broken(self, measured: Measured) -> np.ndarray:
        """(N,) a slack is beyond its hard margin (0.3 V, 20 K, 0.3 V)."""
        return np.any([slack < -self.hard[name] for name, slack in self.slacks(measured).items()], axis=0)

    def value(self, measured: Measured) -> dict[str, np.ndarray]:
        """(N,) minutes to the target SOC, interpolated within the last step; NaN where it was not reached.

        The current is constant within a step and SOC is charge over capacity, so the interpolation is exact.
        """
        rate = np.maximum(-measured["Current [A]"], 1e-12) / (3600 * measured["Capacity [A.h]"])
        seconds = measured["Time [s]"] - (measured["SOC"] - self.target_soc) / rate
        reached = measured["SOC"] >= self.target_soc - 1e-9
        return {TIME_TO_TARGET: np.where(reached, seconds / 60, np.nan)}

    def violation(self, measured: Measured, margin: float = 0.0) -> np.ndarray:
        """(N,) how far the slacks fall short of ``margin``, in units of their scales, summed."""
        short = [np.maximum(margin - s / self.scales[name], 0) for name, s in self.slacks(measured).items()]
        return np.sum(short, axis=0)


class FastChargeObjective(Limits):
    """Fast charging, a step at a time.

    ``reward = 2 (SOC gained, up to the target) - 0.01 - min(penalty * log(1 + v), 0.1) + 0.5 / (1 + v) at the target``,
    where the violation ``v`` is what the slacks fall short of ``margin``, in units of 10 mV, 1 K and 10 mV of anode
    potential. The logarithm is steep where a violation begins, which makes one never worth its minutes, and still has a
    slope where it is gross; the bonus shrinks with it, or an agent learns to rush over the finish. At up to 3C a step
    lies within [-0.11, 0.55], and a swift charge that keeps the limits returns between 0.1 and 2. ``penalty=0`` leaves
    violations to the cost signal (``info["cost"]``), for constrained agents. A failure or a broken hard limit gives
    less than the worst rest of the episode could, at least -20.1.
    """

    def __init__(self, *, penalty: float = 0.03, margin: float = 0.0, **limits: float) -> None:
        super().__init__(**limits)
        self.penalty = number("penalty", penalty, "a number >= 0")
        self.margin = number("margin", margin, "a number >= 0")

    def reward(self, before: Measured, after: Measured, goal: np.ndarray, failure: np.ndarray) -> np.ndarray:
        """(N,) see the class."""
        worst = WORST_PENALTY if self.penalty else 0.0
        violation = self.violation(after, self.margin) if self.penalty else np.zeros(len(goal))
        penalty = np.minimum(self.penalty * np.log1p(violation), worst)
        gained = np.minimum(after["SOC"], self.target_soc) - np.minimum(before["SOC"], self.target_soc)
        reward = 2 * gained - STEP_COST - penalty + GOAL_BONUS * goal / (1 + violation)
        # Not what the failed step gained, which would make ending on a full-rate step pay: less than every step left.
        return np.where(failure != 0, -(STEP_COST + worst) * (after["Steps left"] + 2), reward)


class ProtocolObjective(Limits):
    """A whole protocol at once: ``reward = 1 - minutes / 90 - min(penalty * violation, 1)``.

    A failed run, and one that does not reach the target in 90 min, gets -1, below every other reward.
    """

    longest = 90.0  # [min]
    scales = {**Limits.scales, TIME_TO_TARGET: 1.0}  # noqa: RUF012
    tolerances = {**Limits.tolerances, TIME_TO_TARGET: 0.0}  # noqa: RUF012
    hard = {**Limits.hard, TIME_TO_TARGET: 0.0}  # noqa: RUF012  # there is no later step that could still charge

    def __init__(self, *, penalty: float = 0.1, ageing: bool = False, **limits: float) -> None:
        super().__init__(**limits)
        self.penalty = number("penalty", penalty, "a number >= 0")
        if ageing:
            self.directions = {**Limits.directions, CAPACITY_LOSS: "min"}

    def slacks(self, measured: Measured) -> dict[str, np.ndarray]:
        """(N,) those of :class:`Limits`, and the time that was left of 90 min [min]."""
        return super().slacks(measured) | {TIME_TO_TARGET: self.longest - measured[TIME_TO_TARGET]}

    def value(self, measured: Measured) -> dict[str, np.ndarray]:
        """(N,) minutes until the slowest cell is full; the capacity lost in cycling, where it was asked for."""
        value = {TIME_TO_TARGET: np.where(measured["Reached"] > 0, measured[TIME_TO_TARGET], np.nan)}
        return {name: value.get(name, measured.get(name)) for name in self.directions}  # type: ignore[misc]

    def reward(self, before: Measured, after: Measured, goal: np.ndarray, failure: np.ndarray) -> np.ndarray:
        """(N,) see the class."""
        minutes = np.where(goal, after[TIME_TO_TARGET], self.longest)
        reward = 1 - minutes / self.longest - np.minimum(self.penalty * self.violation(after), 1.0)
        return np.where(failure != 0, -1.0, np.maximum(reward, -1 + 1e-9))
