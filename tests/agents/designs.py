"""A small design for ``VoltGym/Thevenin-v0``: C-rates in equal windows of the SOC."""

from __future__ import annotations

import numpy as np

from voltgym.envs.core import Episodes
from voltgym.envs.problem import Act

SOC = 1
"""Where Thevenin's observation has the SOC."""


class TheveninRates:
    """``stages`` C-rates between SOC 0.1 and 0.8."""

    information = "full"

    def __init__(self, stages: int = 4) -> None:
        self.arguments = {"stages": stages}
        self.bounds = np.array([[0.1] * stages, [3.0] * stages])
        self.edges = np.linspace(0.1, 0.8, stages + 1)[1:-1]

    def policy(self, x: np.ndarray, episodes: Episodes) -> Act:
        """The rate of the window that the SOC is in (a hair above an edge is above it)."""

        def act(observation: np.ndarray) -> np.ndarray:
            window = np.searchsorted(self.edges, observation[:, SOC] + 1e-6, side="right")
            return x[np.arange(len(x)), window][:, None].astype(np.float32)

        return act
