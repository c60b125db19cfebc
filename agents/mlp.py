"""``MlpPolicy``: the deterministic actor of a trained network as plain numpy; needs no learning library to act."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, Self

import gymnasium as gym
import numpy as np

from voltgym.agents.base import Memory, Policy
from voltgym.envs.errors import UnknownName, VoltGymError

Layer = str | tuple[np.ndarray, np.ndarray]
"""The name of an activation, or the weight (out, in) and bias (out,) of a linear layer."""


def _silu(y: np.ndarray) -> np.ndarray:
    return y / (1 + np.exp(-y))


ACTIVATIONS: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
    "Tanh": np.tanh,
    "ReLU": lambda y: np.maximum(y, 0),
    "SiLU": _silu,
}
"""By the names that PyTorch's modules have."""


def _to_box(output: np.ndarray, space: Mapping[str, Any], mask: np.ndarray | None) -> np.ndarray:
    """(N, k) outputs, clipped to [-1, 1], to (N, ...) actions within the bounds."""
    low, high = np.array(space["low"]), np.array(space["high"])
    share = (np.clip(output, -1, 1).reshape(len(output), *low.shape) + 1) / 2
    return np.clip(low + share * (high - low), low, high).astype(np.float32)


def _to_discrete(output: np.ndarray, space: Mapping[str, Any], mask: np.ndarray | None) -> np.ndarray:
    """(N, k) logits to the (N,) most likely valid actions."""
    if mask is not None:
        output = np.where(mask, output, -np.inf)
    return output.argmax(axis=1) + space["start"]


HEADS = {"box": _to_box, "discrete": _to_discrete}
"""How the last layer's outputs become actions, by kind of action space."""


def describe_space(space: gym.Space) -> dict[str, Any]:
    """An action space as JSON: a bounded Box or a Discrete. Raises `VoltGymError` for any other."""
    if isinstance(space, gym.spaces.Box) and np.isfinite(space.low).all() and np.isfinite(space.high).all():
        return {"kind": "box", "low": space.low.tolist(), "high": space.high.tolist()}
    if isinstance(space, gym.spaces.Discrete):
        return {"kind": "discrete", "n": int(space.n), "start": int(space.start)}
    raise VoltGymError(f"the action space is {space}; expected a Box with finite bounds or a Discrete space")


class MlpPolicy:
    """A multilayer perceptron from observations to actions, deterministic, N rows at once.

    Args:
        layers: linear layers and activations in order.
        space: the action space as :func:`describe_space` gives it. For a Box the last outputs are clipped to [-1, 1]
            and mapped linearly onto its bounds; for a Discrete space they are logits: the largest valid one is taken.
        information: the information class of what it observes.
    """

    def __init__(self, layers: Sequence[Layer], space: Mapping[str, Any], information: str) -> None:
        self.layers, self.space, self.information = list(layers), dict(space), information
        for layer in self.layers:
            if isinstance(layer, str) and layer not in ACTIVATIONS:
                raise UnknownName("activation", layer, ACTIVATIONS)
        if space["kind"] not in HEADS:
            raise UnknownName("kind of action space", space["kind"], HEADS)

    def __call__(
        self,
        observation: np.ndarray,
        memory: Memory = None,
        first: np.ndarray | None = None,
        mask: np.ndarray | None = None,
    ) -> tuple[np.ndarray, Memory]:
        """(N, ...) observations to (N, ...) actions; computed in double precision."""
        y = np.asarray(observation, dtype=float).reshape(len(observation), -1)
        for layer in self.layers:
            y = ACTIVATIONS[layer](y) if isinstance(layer, str) else y @ layer[0].T + layer[1]
        return HEADS[self.space["kind"]](y, self.space, mask), memory

    def about(self) -> dict[str, Any]:
        """Everything but the weights, as JSON."""
        names = [layer if isinstance(layer, str) else "linear" for layer in self.layers]
        return {"layers": names, "space": self.space, "information": self.information}

    def arrays(self) -> dict[str, np.ndarray]:
        """The weights by name: ``weight <i>`` and ``bias <i>`` of layer i."""
        linear = [(i, layer) for i, layer in enumerate(self.layers) if not isinstance(layer, str)]
        return {
            f"{name} {i}": array for i, layer in linear for name, array in zip(("weight", "bias"), layer, strict=True)
        }

    @classmethod
    def build(cls, about: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Self:
        """The policy that :meth:`about` and :meth:`arrays` describe."""
        layers: list[Layer] = [
            (np.asarray(arrays[f"weight {i}"]), np.asarray(arrays[f"bias {i}"])) if name == "linear" else name
            for i, name in enumerate(about["layers"])
        ]
        return cls(layers, about["space"], about["information"])

    def save(self, path: Path) -> None:
        """Write ``weights.npz`` and ``mlp.json`` into the folder ``path``."""
        save_parts(self, path, FILE)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what :meth:`save` wrote."""
        return cls.build(*load_parts(path, FILE))


FILE = "mlp.json"
WEIGHTS = "weights.npz"


class Parts(Policy, Protocol):
    """A policy that is JSON and named arrays."""

    def about(self) -> dict[str, Any]:
        """Everything but the weights, as JSON."""
        ...

    def arrays(self) -> dict[str, np.ndarray]:
        """The weights by name."""
        ...

    @classmethod
    def build(cls, about: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Self:
        """The policy that :meth:`about` and :meth:`arrays` describe."""
        ...


def save_parts(policy: Parts, path: Path, file: str) -> None:
    """Write the weights and, as ``file``, what the policy says about itself into the folder ``path``."""
    path.mkdir(parents=True, exist_ok=True)
    np.savez(path / WEIGHTS, **policy.arrays())  # type: ignore[arg-type]
    (path / file).write_text(json.dumps(policy.about(), indent=2))


def load_parts(path: Path, file: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Read what :func:`save_parts` wrote."""
    about = json.loads((path / file).read_text())
    with np.load(path / WEIGHTS, allow_pickle=False) as arrays:
        return about, dict(arrays)


ACTORS = (
    ("mlp_extractor.policy_net", "action_net"),  # PPO, A2C and their kin; above the memory, if they have one
    ("actor.latent_pi", "actor.mu"),  # SAC, TQC
    ("actor.mu",),  # TD3, DDPG
    ("q_net.q_net",),  # DQN
)
"""Where the policies of Stable-Baselines3 keep the modules of their deterministic actor, in order."""


def from_network(policy: Any, space: gym.Space, information: str) -> MlpPolicy:
    """The deterministic actor of a Stable-Baselines3 ``policy`` that was trained on actions scaled to [-1, 1].

    ``space`` is the environment's own action space. Raises `VoltGymError` for a network that is more than an MLP.
    """
    found = [[_reach(policy, name) for name in names] for names in ACTORS]
    modules = next((modules for modules in found if None not in modules), None)
    if modules is None:
        raise VoltGymError(f"no actor found in {type(policy).__name__}; expected one of {', '.join(map(str, ACTORS))}")
    layers = [_layer(module) for whole in modules for module in _flat(whole)]
    if policy.squash_output and not isinstance(layers[-1], str):
        layers.append("Tanh")  # a squashed Gaussian: its deterministic action is the tanh of the mean
    return MlpPolicy(layers, describe_space(space), information)


def _reach(thing: Any, name: str) -> Any:
    for part in name.split("."):
        thing = getattr(thing, part, None)
    return thing


def _flat(module: Any) -> list[Any]:
    children = list(module.children())
    return [leaf for child in children for leaf in _flat(child)] if children else [module] * hasattr(module, "forward")


def _layer(module: Any) -> Layer:
    name = type(module).__name__
    if name == "Linear":
        return tuple(p.detach().cpu().numpy().astype(float) for p in (module.weight, module.bias))
    if name in ACTIVATIONS:
        return name
    raise VoltGymError(f"the actor has a layer {name}; expected Linear and {', '.join(ACTIVATIONS)} only")
