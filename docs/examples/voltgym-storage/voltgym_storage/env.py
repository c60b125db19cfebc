"""``voltgym_storage.env:Storage-v0``: run a home battery for a day, buying and selling by the hour.

Per kWh of capacity: an hour at C-rate ``a`` buys (``a`` > 0) or sells ``|a|`` kWh at the hour's price. Of what is
bought 0.96 arrives, of what is taken out 0.96 is sold. The charge is to stay between 10 and 95 %, the day's wear below
0.05 % of the capacity; both are slacks, the agent's to keep. Wear is a property model (``fade.py``), by its formula or
learned from data: swapping the two is what voltgym calls the fidelity ladder.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np

from voltgym.envs.core import Measured, Parts, Scenario, State, entry_points
from voltgym.envs.scenario import pick_split
from voltgym.surrogates.base import PropertyModel
from voltgym_storage.fade import FadeFormula

HOURS = 24
EFFICIENCY = 0.96
MAX_RATE = 0.5
LOWEST, HIGHEST = 0.1, 0.95
MOST_FADE = 0.05  # [%] a day
AHEAD = 6
"""Hours whose prices are known."""
PRICES = tuple(f"Price in {h} h [EUR/kWh]" for h in range(AHEAD))


class Battery:
    """The twin. A state is a dict of arrays, the episode first; it holds the day's prices, (N, 24 + 6)."""

    def __init__(self, wear: PropertyModel) -> None:
        self.wear = wear

    def initial(self, scenarios: State) -> State:
        """Midnight, nothing earned and nothing worn yet."""
        n = len(scenarios["SOC"])
        names = ("Hour", "C-rate", "Earned [EUR/kWh]", "Fade [%]", "last [EUR/kWh]")
        return {**scenarios, **{name: np.zeros(n) for name in names}, "start": scenarios["SOC"].copy()}

    def advance(self, state: State, action: np.ndarray) -> tuple[State, np.ndarray]:
        """An hour at the C-rates ``action`` (N,), positive on charge; a failure of the wear model is the row's."""
        soc = state["SOC"] + np.where(action > 0, action * EFFICIENCY, action / EFFICIENCY)
        middle = np.clip((state["SOC"] + soc) / 2, 0, 1)
        wear = self.wear.predict(np.stack([middle, np.abs(action)], axis=1))
        earned = -action * _price(state, 0)
        new = state | {
            "SOC": soc,
            "start": state["SOC"].copy(),
            "Hour": state["Hour"] + 1,
            "C-rate": action,
            "last [EUR/kWh]": earned,
            "Earned [EUR/kWh]": state["Earned [EUR/kWh]"] + earned,
            "Fade [%]": state["Fade [%]"] + wear.mean[:, 0],
        }
        return new, wear.failure

    def measure(self, state: State) -> Measured:
        """What the task and the objective read; extremes within the hour are at its ends."""
        same = ("SOC", "Hour", "C-rate", "Earned [EUR/kWh]", "Fade [%]", "last [EUR/kWh]")
        ends = np.stack([state["start"], state["SOC"]])
        prices = {name: _price(state, h) for h, name in enumerate(PRICES)}
        return {n: state[n] for n in same} | {"Lowest SOC": ends.min(axis=0), "Highest SOC": ends.max(axis=0)} | prices


def _price(state: State, ahead: int) -> np.ndarray:
    hour = np.minimum(state["Hour"].astype(int) + ahead, HOURS + AHEAD - 1)
    return state["prices"][np.arange(len(hour)), hour]


class Trade:
    """The task: the action is the C-rate of the next hour; the observation has the prices of the next six."""

    action_space = gym.spaces.Box(-MAX_RATE, MAX_RATE, (1,), np.float32)
    observation_space = gym.spaces.Box(-np.inf, np.inf, (3 + AHEAD,), np.float32)

    def decode(self, action: np.ndarray) -> np.ndarray:
        """(N, 1) actions to (N,) C-rates."""
        return action[:, 0].astype(float)

    def observe(self, state: State, measured: Measured) -> np.ndarray:
        """(N, 9) float32, scaled: charge, hour, wear, prices."""
        scaled = [2 * measured["SOC"] - 1, measured["Hour"] / 12 - 1, measured["Fade [%]"] / MOST_FADE]
        prices = [(measured[name] - 0.25) / 0.1 for name in PRICES]
        return np.stack([*scaled, *prices], axis=1).astype(np.float32)

    def done(self, state: State, measured: Measured) -> np.ndarray:
        """The day is over."""
        return measured["Hour"] >= HOURS


class Profit:
    """The objective: what the day earned, the charge that is left included, within the limits."""

    scales: ClassVar = {"Lower SOC": 0.1, "Upper SOC": 0.1, "Fade [%]": 0.01}
    tolerances: ClassVar = {"Lower SOC": 1e-3, "Upper SOC": 1e-3, "Fade [%]": 1e-4}
    directions: ClassVar = {"Profit [EUR/kWh]": "max"}

    def slacks(self, measured: Measured) -> dict[str, np.ndarray]:
        """>= 0 where the limits are kept."""
        return {
            "Lower SOC": measured["Lowest SOC"] - LOWEST,
            "Upper SOC": HIGHEST - measured["Highest SOC"],
            "Fade [%]": MOST_FADE - measured["Fade [%]"],
        }

    def broken(self, measured: Measured) -> np.ndarray:
        """Empty or overfull ends the day."""
        return (measured["Lowest SOC"] < 0) | (measured["Highest SOC"] > 1)

    def value(self, measured: Measured) -> dict[str, np.ndarray]:
        """The profit of a whole day; what is left in the battery counts 0.2 EUR/kWh."""
        profit = measured["Earned [EUR/kWh]"] + 0.2 * measured["SOC"]
        return {"Profit [EUR/kWh]": np.where(measured["Hour"] >= HOURS, profit, np.nan)}

    def reward(self, before: Measured, after: Measured, goal: np.ndarray, failure: np.ndarray) -> np.ndarray:
        """What the hour earned, in units of 0.2 EUR, less what it violated: in [-3.4, 1.4] an hour."""
        worth = after["last [EUR/kWh]"] + 0.2 * (after["SOC"] - before["SOC"])
        violated = sum(np.maximum(-slack / self.scales[name], 0) for name, slack in self.slacks(after).items())
        reward = np.clip(worth / 0.2, -1.4, 1.4) - np.minimum(violated, 2)
        return reward - np.where(failure != 0, 3.5 * (after["Steps left"] + 1), 0)


def day(rng: np.random.Generator) -> dict[str, Any]:
    """A day: a low at noon and a peak in the evening, of random depth, and noise."""
    hour = np.arange(HOURS + AHEAD)
    noon, evening = np.exp(-(((hour % 24) - 13) ** 2) / 12), np.exp(-(((hour % 24) - 19) ** 2) / 6)
    prices = 0.25 - rng.uniform(0.05, 0.2) * noon + rng.uniform(0.05, 0.2) * evening
    return {"prices": np.clip(prices + rng.normal(0, 0.02, len(hour)), 0.01, 0.5), "SOC": rng.uniform(0.2, 0.6)}


def nominal(rng: np.random.Generator) -> dict[str, Any]:
    """The one day of the split ``nominal``."""
    return {**day(np.random.default_rng(0)), "SOC": 0.4}


SCENARIOS: dict[str, Scenario] = {"nominal": nominal} | dict.fromkeys(("train", "validation", "test", "private"), day)


def wear_model(fade: str) -> PropertyModel:
    """``formula``, or the surrogate in the folder ``fade``."""
    if fade == "formula":
        return FadeFormula()
    from voltgym_storage.surrogate import FadeSurrogate  # loads only where it is asked for

    return FadeSurrogate.load(Path(fade))


def parts(split: str = "train", fade: str = "formula") -> Parts:
    """What the environment is composed of. Its arguments are those of ``gym.make``, and of ``env.kwargs``."""
    return Parts(Battery(wear_model(fade)), Trade(), Profit(), pick_split(SCENARIOS, split))


make, make_vec = entry_points(parts, env_id="Storage-v0", max_steps=30)

gym.register("Storage-v0", entry_point=f"{__name__}:make", vector_entry_point=f"{__name__}:make_vec")
