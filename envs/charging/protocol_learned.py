"""A protocol surrogate in the place of the twin that runs protocols: one look-up in place of a charge. Not physics."""

from __future__ import annotations

from typing import Any

import numpy as np

from voltgym.envs.charging.objective import TIME_TO_TARGET, ProtocolObjective
from voltgym.envs.charging.protocol_twin import EXTREMES
from voltgym.envs.contracts import Measured
from voltgym.envs.errors import VoltGymError
from voltgym.envs.levels import SURROGATE, level_and_weights
from voltgym.surrogates.base import State
from voltgym.surrogates.files import WeightsError
from voltgym.surrogates.protocol import WORST, ProtocolSurrogate, load_shipped, of_stage

DOMAIN = "Domain"
TWIN = "twin"
NOMINAL = {"split": "nominal", "cells": 1}
"""What a protocol surrogate is of."""
LONGEST = ProtocolObjective.longest
"""[min] what a charge may take."""
LEVELS = (SURROGATE, TWIN)
"""What runs a protocol, cheapest first: the environment's ``property_model``."""


class LearnedProtocolTwin:
    """Answers as ``ProtocolTwin`` does, for the cell and the scenario that ``surrogate`` was fitted in.

    ``measure`` has ``"<name> std"`` beside what is learned, and ``"Domain"``, >= 0 inside.

    Args:
        surrogate: of protocols of as many stages.
        target_soc: where the charge ends.
        longest: what a charge may take [min]; beyond, the target was not reached.
    """

    learned = True
    """It is no physics: whoever judges by it says so."""

    def __init__(self, surrogate: ProtocolSurrogate, *, target_soc: float = 0.8, longest: float = LONGEST) -> None:
        self.surrogate, self.target_soc, self.longest = surrogate, target_soc, longest
        self.stages = surrogate.stages

    @property
    def fingerprint(self) -> dict[str, str]:
        """Which weights."""
        return {"model": f"learned {self.surrogate.digest}"}

    def initial(self, scenarios: State) -> State:
        """Scenarios of (N, 1) values each; nothing is known of a charge before it began."""
        first = {name: np.asarray(values, dtype=float).reshape(-1) for name, values in scenarios.items()}
        n, m = len(first["Initial SOC"]), len(self.surrogate.names)
        kept = {
            "Ambient": first["Ambient temperature [K]"],
            "Counted at start": first["Initial SOC"] + first.get("Initial SOC error", np.zeros(n)),
            "SOC": first["Initial SOC"],
        }
        begin = {"Maximum temperature [K]": kept["Ambient"]}
        mean = np.stack([begin.get(name, np.zeros(n)) for name in self.surrogate.names], axis=1)
        blank = {"rates": np.zeros((n, self.stages)), "mean": mean, "std": np.zeros((n, m)), "domain": np.zeros(n)}
        return {name: values.copy() for name, values in kept.items()} | blank | {"Reached": np.zeros(n)}

    def advance(self, state: State, action: np.ndarray) -> tuple[State, np.ndarray]:
        """The whole protocol, looked up."""
        found = self.surrogate.predict(action)
        reached = found.mean[:, self.surrogate.names.index(TIME_TO_TARGET)] <= self.longest
        new = {"rates": np.array(action, dtype=float), "mean": found.mean, "std": found.std, "domain": found.domain}
        soc = np.where(reached, self.target_soc, state["SOC"])
        return state | new | {"SOC": soc, "Reached": reached.astype(float)}, found.failure

    def measure(self, state: State) -> Measured:
        """What is learned, with its standard deviations; the scenario; whether the target is reached."""
        names = self.surrogate.names
        learned = {name: state["mean"][:, j].copy() for j, name in enumerate(names)}
        learned |= {f"{name} std": state["std"][:, j].copy() for j, name in enumerate(names)}
        rates = {f"C-rate of stage {i + 1}": state["rates"][:, i] for i in range(self.stages)}
        return learned | rates | {
            "Ambient temperature [K]": state["Ambient"].copy(),
            "SOC": state["SOC"].copy(),
            "Counted SOC at start": state["Counted at start"].copy(),
            "Reached": state["Reached"].copy(),
            DOMAIN: state["domain"].copy(),
        }  # fmt: skip


def learned_protocol_twin(
    property_model: Any, *, stages: int, cells: int, split: str, target_soc: float, cell: str
) -> LearnedProtocolTwin | None:
    """The twin of ``property_model``: None for the physics, else that of the shipped weights or of a folder.

    Raises:
        VoltGymError: there is no such level, or the surrogate is of another task than the arguments describe.
    """
    level, folder = level_and_weights(property_model, LEVELS)
    if level == TWIN:
        return None
    try:
        surrogate = load_shipped() if folder is None else ProtocolSurrogate.load(folder)
    except WeightsError as error:
        raise VoltGymError(str(error)) from None
    mine = {"stages": stages, "cells": cells, "split": split, "target_soc": target_soc, "cell": cell}
    theirs = {**NOMINAL, **surrogate.card.get("task", {}), "stages": surrogate.stages}
    for name, value in theirs.items():
        if name in mine and mine[name] != value:
            raise VoltGymError(
                f"property_model={property_model!r} was learned with {name}={value!r}, and {name} is {mine[name]!r} "
                "here; leave property_model='twin', or fit one with `voltgym loop env=protocol`"
            )
    return LearnedProtocolTwin(surrogate, target_soc=target_soc)


def rest(learned: Measured, rates: np.ndarray, longest: float = LONGEST) -> Measured:
    """What an objective needs beside what is learned of (n, stages) ``rates``: the worst of the stages, the goal."""
    stages = range(1, rates.shape[1] + 1)
    worst = {
        name: worse.reduce([learned[of_stage(name, i)] for i in stages], axis=0) for name, worse in EXTREMES.items()
    }
    return worst | {"Reached": (learned[TIME_TO_TARGET] <= longest).astype(float)}


assert set(EXTREMES) == set(WORST)
