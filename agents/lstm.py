"""``LstmPolicy``: the deterministic actor of a recurrent network as plain numpy, with its memory made explicit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

import gymnasium as gym
import numpy as np

from voltgym.agents import mlp
from voltgym.agents.base import Memory
from voltgym.agents.mlp import MlpPolicy, load_parts, save_parts
from voltgym.envs.errors import VoltGymError

FILE = "lstm.json"


class Cell(NamedTuple):
    """The weights of one layer of H long short-term memory cells; the four gates of PyTorch (i, f, g, o) in order."""

    inputs: np.ndarray
    """(4 H, d) of what comes from below."""
    hidden: np.ndarray
    """(4 H, H) of the layer's own last output."""
    bias: np.ndarray
    """(4 H,) of both."""

    def __call__(self, x: np.ndarray, hidden: np.ndarray, cell: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(N, d) inputs, (N, H) output and content of the step before to those of this step.

        Hochreiter and Schmidhuber 1997 (Neural Comput. 9, 1735), with forget gates (Gers et al. 2000, Neural Comput.
        12, 2451): ``c' = f c + i g``, ``h' = o tanh(c')``.
        """
        into, forget, content, out = np.split(x @ self.inputs.T + hidden @ self.hidden.T + self.bias, 4, axis=1)
        cell = _sigmoid(forget) * cell + _sigmoid(into) * np.tanh(content)
        return _sigmoid(out) * np.tanh(cell), cell


def _sigmoid(y: np.ndarray) -> np.ndarray:
    return (1 + np.tanh(y / 2)) / 2  # never overflows


class LstmPolicy:
    """Layers of memory cells below a multilayer perceptron, deterministic, N rows at once.

    The memory is ``hidden_<i>`` and ``cell_<i>``, (N, H) each, of layer i. Rows that are ``first`` start from zeros, as
    all do without a memory.

    Args:
        cells: the layers, from the observation upwards.
        head: what makes actions of the last layer's output; it has the action space and the information class.
    """

    def __init__(self, cells: Sequence[Cell], head: MlpPolicy) -> None:
        self.cells, self.head = list(cells), head
        self.space, self.information = head.space, head.information

    def __call__(
        self,
        observation: np.ndarray,
        memory: Memory = None,
        first: np.ndarray | None = None,
        mask: np.ndarray | None = None,
    ) -> tuple[np.ndarray, Memory]:
        """(N, ...) observations to (N, ...) actions and the memory after them; computed in double precision."""
        y = np.asarray(observation, dtype=float).reshape(len(observation), -1)
        past, now = self._begun(memory, first, len(y)), {}
        for i, layer in enumerate(self.cells):
            y, now[f"cell_{i}"] = layer(y, past[f"hidden_{i}"], past[f"cell_{i}"])
            now[f"hidden_{i}"] = y
        return self.head(y, mask=mask)[0], now

    def _begun(self, memory: Memory, first: np.ndarray | None, n: int) -> dict[str, np.ndarray]:
        """The memory, with zeros where an episode begins."""
        if memory is None:
            sizes = {f"{name}_{i}": c.hidden.shape[1] for i, c in enumerate(self.cells) for name in ("hidden", "cell")}
            return {name: np.zeros((n, size)) for name, size in sizes.items()}
        if first is None:
            return memory
        return {name: np.where(np.asarray(first, dtype=bool)[:, None], 0.0, rows) for name, rows in memory.items()}

    def about(self) -> dict[str, Any]:
        """Everything but the weights, as JSON."""
        return {"cells": len(self.cells), "head": self.head.about()}

    def arrays(self) -> dict[str, np.ndarray]:
        """The weights by name: those of :class:`Cell` with the number of the layer, and ``head <name>``."""
        cells = {f"{name} {i}": a for i, layer in enumerate(self.cells) for name, a in layer._asdict().items()}
        return cells | {f"head {name}": array for name, array in self.head.arrays().items()}

    @classmethod
    def build(cls, about: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Self:
        """The policy that :meth:`about` and :meth:`arrays` describe."""
        cells = [Cell(*(np.asarray(arrays[f"{name} {i}"]) for name in Cell._fields)) for i in range(about["cells"])]
        head = {name.removeprefix("head "): array for name, array in arrays.items() if name.startswith("head ")}
        return cls(cells, MlpPolicy.build(about["head"], head))

    def save(self, path: Path) -> None:
        """Write ``weights.npz`` and ``lstm.json`` into the folder ``path``."""
        save_parts(self, path, FILE)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what :meth:`save` wrote."""
        return cls.build(*load_parts(path, FILE))


def from_network(policy: Any, space: gym.Space, information: str) -> LstmPolicy:
    """The deterministic actor of a recurrent ``policy`` of sb3-contrib, trained on actions scaled to [-1, 1].

    ``space`` is the environment's own action space. Raises `VoltGymError` for a network that is more than LSTM and MLP.
    """
    lstm = policy.lstm_actor
    if lstm.bidirectional or lstm.proj_size or not lstm.bias:
        raise VoltGymError(f"the actor's memory is {lstm}; expected a plain LSTM: leave lstm_kwargs out")
    return LstmPolicy([_cell(lstm, i) for i in range(lstm.num_layers)], mlp.from_network(policy, space, information))


def _cell(lstm: Any, layer: int) -> Cell:
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    inputs, hidden, *biases = (getattr(lstm, f"{n}_l{layer}").detach().cpu().numpy().astype(float) for n in names)
    return Cell(inputs, hidden, np.sum(biases, axis=0))
