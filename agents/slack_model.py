"""``SlackModel``: the slacks of the next step, learned; and ``SlackGreedy``, the largest action that keeps them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from voltgym.agents.base import Memory
from voltgym.envs.errors import VoltGymError
from voltgym.envs.lookahead import largest_feasible

Layer = tuple[np.ndarray, np.ndarray]
"""Weight (out, in) and bias (out,)."""


def squash(slack: np.ndarray) -> np.ndarray:
    """Slacks in scales, with slope 1 at zero and logarithmic far away: what matters is near the limit."""
    return np.arcsinh(slack)


class SlackModel:
    """A multilayer perceptron (SiLU) from an observation and an action to a low quantile of every slack after the step.

    Args:
        layers: linear layers in order; between them SiLU.
        low, high: the bounds of the action, which goes in as a number in [-1, 1].
    """

    def __init__(self, layers: Sequence[Layer], low: float, high: float) -> None:
        self.layers, self.low, self.high = list(layers), float(low), float(high)

    def __call__(self, observation: np.ndarray, action: np.ndarray) -> np.ndarray:
        """(N, slacks) in scales, of (N, d) observations and (N,) actions in their own unit."""
        y = self.inputs(observation, action)
        for weight, bias in self.layers[:-1]:
            y = y @ weight.T + bias
            y = y / (1 + np.exp(-y))
        weight, bias = self.layers[-1]
        return np.sinh(np.clip(y @ weight.T + bias, -20, 20))

    def inputs(self, observation: np.ndarray, action: np.ndarray) -> np.ndarray:
        """(N, d + 1): what the network sees."""
        share = 2 * (np.asarray(action) - self.low) / (self.high - self.low) - 1
        return np.column_stack([np.asarray(observation).reshape(len(observation), -1), share]).astype(np.float32)


class SlackGreedy:
    """Each step, the largest action whose predicted slacks are at least ``margin`` scales. No twin is asked.

    What full-information greedy does with the twin itself, with a model learned from steps that were taken: one-step
    constraint models are Dalal et al. 2018 (arXiv:1801.08757), here as quantiles and without linearising.
    """

    def __init__(self, model: SlackModel, margin: float, information: str) -> None:
        self.model, self.margin, self.information = model, float(margin), information

    @property
    def space(self) -> dict[str, Any]:
        """The action space, as ``MlpPolicy`` has it."""
        return {"kind": "box", "low": [self.model.low], "high": [self.model.high]}

    def __call__(
        self,
        observation: np.ndarray,
        memory: Memory = None,
        first: np.ndarray | None = None,
        mask: np.ndarray | None = None,
    ) -> tuple[np.ndarray, Memory]:
        """(N, 1) actions of (N, d) observations."""
        return self.act(observation, np.full(len(observation), self.margin)), memory

    def act(self, observation: np.ndarray, margin: np.ndarray) -> np.ndarray:
        """(N, 1) actions with a margin (N,) of its own for each row."""

        def inside(rows: np.ndarray, values: np.ndarray) -> np.ndarray:
            return self.model(observation[rows], values).min(axis=1) - margin[rows]

        found = largest_feasible(inside, len(observation), self.model.low, self.model.high, tolerance=1e-3)
        return found[:, None].astype(np.float32)

    def save(self, path: Path) -> None:
        """Write ``weights.npz`` and ``slack_greedy.json`` into the folder ``path``."""
        path.mkdir(parents=True, exist_ok=True)
        arrays = {f"{n} {i}": a for i, layer in enumerate(self.model.layers) for n, a in zip("wb", layer, strict=True)}
        np.savez(path / "weights.npz", **arrays)  # type: ignore[arg-type]
        about = {"low": self.model.low, "high": self.model.high, "margin": self.margin, "information": self.information}
        (path / "slack_greedy.json").write_text(json.dumps(about, indent=2))

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what :meth:`save` wrote."""
        about: Mapping[str, Any] = json.loads((path / "slack_greedy.json").read_text())
        with np.load(path / "weights.npz", allow_pickle=False) as arrays:
            layers = [(arrays[f"w {i}"], arrays[f"b {i}"]) for i in range(len(arrays) // 2)]
        if not layers:
            raise VoltGymError("the policy has no layers")
        return cls(SlackModel(layers, about["low"], about["high"]), about["margin"], about["information"])
