"""Policies as ONNX, built operator by operator: what they do as numpy, in double precision, for anybody to run.

The inputs and outputs are as ``onnx_checks.py`` says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from voltgym.agents.base import Policy
from voltgym.agents.lstm import Cell, LstmPolicy
from voltgym.agents.mlp import MlpPolicy
from voltgym.agents.slack_model import SlackGreedy, squash
from voltgym.envs.errors import VoltGymError

OPERATOR_SET, FORMAT = 17, 8
"""Versions that are written, whatever is installed: old enough for any runtime."""


class Graph:
    """A graph under construction. Values are known by their names."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.weights: list[Any] = []

    def add(self, operator: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        """The output of one more operator."""
        output = name or f"value_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [output], **attributes))
        return output

    def constant(self, value: Any, dtype: Any = np.float64) -> str:
        """An array of its own."""
        name = f"constant_{len(self.weights)}"
        array = np.ascontiguousarray(np.asarray(value, dtype=dtype))
        self.weights.append(numpy_helper.from_array(array.reshape(np.shape(value)), name))
        return name

    def linear(self, y: str, weight: np.ndarray, bias: np.ndarray) -> str:
        """``y @ weight.T + bias``."""
        return self.add("Add", self.add("MatMul", y, self.constant(np.asarray(weight).T)), self.constant(bias))

    def double(self, name: str) -> str:
        """An input in double precision."""
        return self.add("Cast", name, to=TensorProto.DOUBLE)

    def silu(self, y: str) -> str:
        """``y / (1 + exp(-y))``."""
        return self.add("Div", y, self.add("Add", self.constant(1.0), self.add("Exp", self.add("Neg", y))))

    def sigmoid(self, y: str) -> str:
        """``(1 + tanh(y / 2)) / 2``, as ``LstmPolicy`` has it."""
        half = self.add("Tanh", self.add("Div", y, self.constant(2.0)))
        return self.add("Div", self.add("Add", self.constant(1.0), half), self.constant(2.0))

    def layers(self, y: str, layers: Sequence[Any]) -> str:
        """A network: linear layers and activations, as ``MlpPolicy`` has them."""
        for layer in layers:
            y = ACTIVATIONS[layer](self, y) if isinstance(layer, str) else self.linear(y, *layer)
        return y


ACTIVATIONS: Mapping[str, Callable[[Graph, str], str]] = {
    "Tanh": lambda graph, y: graph.add("Tanh", y),
    "ReLU": lambda graph, y: graph.add("Relu", y),
    "SiLU": Graph.silu,
}


def _box(graph: Graph, y: str, space: Mapping[str, Any], masked: bool) -> Any:
    """(N, k) outputs, clipped to [-1, 1], to (N, ...) actions within the bounds."""
    low, high = np.array(space["low"], dtype=float), np.array(space["high"], dtype=float)
    one, bottom, top = graph.constant(1.0), graph.constant(low), graph.constant(high)
    y = graph.add("Min", graph.add("Max", y, graph.constant(-1.0)), one)
    y = graph.add("Reshape", y, graph.constant([-1, *low.shape], np.int64))
    share = graph.add("Div", graph.add("Add", y, one), graph.constant(2.0))
    y = graph.add("Add", bottom, graph.add("Mul", share, graph.constant(high - low)))
    y = graph.add("Min", graph.add("Max", y, bottom), top)
    graph.add("Cast", y, name="action", to=TensorProto.FLOAT)
    return helper.make_tensor_value_info("action", TensorProto.FLOAT, ["N", *low.shape])


def _discrete(graph: Graph, y: str, space: Mapping[str, Any], masked: bool) -> Any:
    """(N, k) logits to the (N,) most likely valid actions."""
    if masked:
        y = graph.add("Where", "mask", y, graph.constant(-np.inf))
    best = graph.add("ArgMax", y, axis=1, keepdims=0)
    graph.add("Add", best, graph.constant(space["start"], np.int64), name="action")
    return helper.make_tensor_value_info("action", TensorProto.INT64, ["N"])


HEADS = {"box": _box, "discrete": _discrete}


def _mlp(policy: MlpPolicy, graph: Graph, observation: str) -> tuple[str, dict[str, tuple[str, int]]]:
    return graph.layers(observation, policy.layers), {}


def _lstm(policy: LstmPolicy, graph: Graph, y: str) -> tuple[str, dict[str, tuple[str, int]]]:
    """The memory is zeros where an episode begins, which the input ``first`` says."""
    going = graph.add(
        "Unsqueeze", graph.add("Cast", graph.add("Not", "first"), to=TensorProto.DOUBLE), graph.constant([1], np.int64)
    )
    memory: dict[str, tuple[str, int]] = {}
    for i, layer in enumerate(policy.cells):
        hidden, cell = (graph.add("Mul", f"memory_{name}_{i}", going) for name in ("hidden", "cell"))
        y, cell = _cell(layer, graph, y, hidden, cell)
        size = layer.hidden.shape[1]
        memory |= {f"hidden_{i}": (y, size), f"cell_{i}": (cell, size)}
    return graph.layers(y, policy.head.layers), memory


def _cell(layer: Cell, graph: Graph, x: str, hidden: str, cell: str) -> tuple[str, str]:
    """(N, d) inputs, output and content of the step before, to output and content of this step."""
    below, before = (
        graph.add("MatMul", a, graph.constant(w.T)) for a, w in ((x, layer.inputs), (hidden, layer.hidden))
    )
    size = layer.hidden.shape[1]
    gates = graph.add("Add", graph.add("Add", below, before), graph.constant(layer.bias))
    into, forget, content, out = (
        graph.add("Slice", gates, *(graph.constant([n], np.int64) for n in (k * size, (k + 1) * size, 1)))
        for k in range(4)
    )
    kept = graph.add("Mul", graph.sigmoid(forget), cell)
    cell = graph.add("Add", kept, graph.add("Mul", graph.sigmoid(into), graph.add("Tanh", content)))
    return graph.add("Mul", graph.sigmoid(out), graph.add("Tanh", cell)), cell


HALVINGS = 12
"""Of the bounds: to a four-thousandth of them."""


def _slack(policy: SlackGreedy, graph: Graph, observation: str) -> tuple[str, dict[str, tuple[str, int]]]:
    """The largest share of [-1, 1] whose predicted slacks keep the margin, by bisection written out."""
    layers = [(graph.constant(w.T.astype(float)), graph.constant(b.astype(float))) for w, b in policy.model.layers]
    least, two = graph.constant(squash(np.array(policy.margin))), graph.constant(2.0)
    nothing = graph.add("Mul", graph.add("ReduceMax", observation, axes=[1], keepdims=1), graph.constant(0.0))

    def keeps(share: str) -> str:
        y = graph.add("Concat", observation, share, axis=1)
        for i, (weight, bias) in enumerate(layers):
            y = graph.silu(y) if i else y
            y = graph.add("Add", graph.add("MatMul", y, weight), bias)
        return graph.add("GreaterOrEqual", graph.add("ReduceMin", y, axes=[1], keepdims=1), least)

    low, high = (graph.add("Add", nothing, graph.constant(end)) for end in (-1.0, 1.0))
    whole, top = keeps(high), high
    for _ in range(HALVINGS):
        middle = graph.add("Div", graph.add("Add", low, high), two)
        fine = keeps(middle)
        low, high = graph.add("Where", fine, middle, low), graph.add("Where", fine, high, middle)
    return graph.add("Where", whole, top, low), {}


EXPORTS: dict[type, Callable[[Any, Graph, str], tuple[str, dict[str, tuple[str, int]]]]] = {
    MlpPolicy: _mlp,
    LstmPolicy: _lstm,
    SlackGreedy: _slack,
}
"""By kind of policy: from the policy, a graph and its (N, d) observation to its last layer's output, and, by name of
its memory, what it becomes and how many numbers a row that is."""


def exportable(policy: Policy) -> bool:
    """Whether :func:`to_onnx` knows this kind of policy."""
    return type(policy) in EXPORTS


def to_onnx(policy: Any, observation_shape: Sequence[int], *, masked: bool = False) -> bytes:
    """A policy as ONNX, the same bytes each time.

    Args:
        policy: one that :func:`exportable` knows.
        observation_shape: of one observation.
        masked: whether the environment has a mask of its discrete actions, which becomes an input.
    """
    if not exportable(policy):
        known = ", ".join(kind.__name__ for kind in EXPORTS)
        raise VoltGymError(
            f"a {type(policy).__name__} cannot be written as ONNX; expected {known}: submit it with kind=actions"
        )
    graph, masked = Graph(), masked and policy.space["kind"] == "discrete"
    observation = graph.add("Flatten", graph.double("observation"), axis=1)
    y, memory = EXPORTS[type(policy)](policy, graph, observation)
    action = HEADS[policy.space["kind"]](graph, y, policy.space, masked)
    inputs = [helper.make_tensor_value_info("observation", TensorProto.FLOAT, ["N", *map(int, observation_shape)])]
    if masked:
        inputs.append(helper.make_tensor_value_info("mask", TensorProto.BOOL, ["N", int(policy.space["n"])]))
    if memory:
        inputs.append(helper.make_tensor_value_info("first", TensorProto.BOOL, ["N"]))
    outputs = [action]
    for name, (value, size) in memory.items():
        graph.add("Identity", value, name=f"next_memory_{name}")
        inputs.append(helper.make_tensor_value_info(f"memory_{name}", TensorProto.DOUBLE, ["N", size]))
        outputs.append(helper.make_tensor_value_info(f"next_memory_{name}", TensorProto.DOUBLE, ["N", size]))
    made = helper.make_graph(graph.nodes, "policy", inputs, outputs, initializer=graph.weights)
    model = helper.make_model(made, producer_name="voltgym", opset_imports=[helper.make_opsetid("", OPERATOR_SET)])
    model.ir_version = FORMAT
    onnx.checker.check_model(model)
    return model.SerializeToString(deterministic=True)
