"""What an ONNX file must be before it is run: small, whole, of known operators only, and shaped like a policy.

Inputs are ``observation`` (N, ...) and, where they are wanted, ``mask`` (N, n), ``first`` (N,) and ``memory_<name>``
(N, ...); outputs are ``action`` (N, ...), in the units of the environment, and ``next_memory_<name>`` for each memory.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import onnx
from google.protobuf.message import DecodeError, EncodeError
from onnx import AttributeProto, TensorProto

from voltgym.envs.errors import VoltGymError

MOST_BYTES = 16 * 2**20
MOST_NODES = 500
MOST_NUMBERS = 4_000_000
"""In all weights together, and in any tensor whose shape is declared."""
VERSIONS = range(9, 27)
"""Of the operator set."""

_NAMES = """
Abs Add And ArgMax ArgMin BatchNormalization Cast Ceil Clip Concat Constant Div Elu Equal Erf Exp Flatten Floor
GRU Gather Gelu Gemm Greater GreaterOrEqual HardSigmoid HardSwish Identity LSTM LayerNormalization LeakyRelu Less
LessOrEqual Log LogSoftmax MatMul Max Mean Min Mish Mul Neg Not Or PRelu Pow RNN Reciprocal ReduceL2 ReduceMax
ReduceMean ReduceMin ReduceSum Relu Reshape Selu Shape Sigmoid Sign Slice Softmax Softplus Softsign Split Sqrt
Squeeze Sub Sum Tanh Transpose Unsqueeze Where
"""
OPERATORS = frozenset(_NAMES.split())
"""No control flow, nothing random, nothing that makes a large tensor of a small one."""

TYPES = {
    TensorProto.FLOAT: "float32",
    TensorProto.DOUBLE: "float64",
    TensorProto.INT32: "int32",
    TensorProto.INT64: "int64",
    TensorProto.BOOL: "bool",
}
REALS, WHOLE = ("float32", "float64"), ("int32", "int64")
INPUTS = {"observation": REALS, "mask": ("bool", *REALS), "first": ("bool", *REALS)}
MEMORY, NEXT = "memory_", "next_"

Signature = dict[str, dict[str, list[Any]]]
"""``inputs`` and ``outputs``: by name ``[type, shape without the first axis]``."""


class OnnxError(VoltGymError):
    """A file that is no policy in ONNX, or one that is not run here. Says what was found and what is expected."""


def check(data: bytes) -> Signature:
    """The inputs and outputs of a policy in ONNX. Raises `OnnxError` for anything that is not run; runs nothing."""
    if len(data) > MOST_BYTES:
        raise OnnxError(f"the ONNX file has {len(data)} bytes; expected at most {MOST_BYTES}: export a smaller network")
    try:
        model = onnx.load_model_from_string(data)  # leaves external data where it is
        _check_model(model)
        onnx.checker.check_model(model)
    except OnnxError:
        raise
    except (DecodeError, EncodeError, onnx.checker.ValidationError, ValueError, TypeError) as error:
        text = " ".join(str(error).split())[:200]
        raise OnnxError(f"the ONNX file is damaged or no ONNX ({text}); export the policy again") from None
    return _signature(model.graph)


def _check_model(model: Any) -> None:
    if model.functions or model.training_info:
        raise OnnxError("the ONNX model has functions or training information; expected one graph of operators")
    for used in model.opset_import:
        if used.domain not in ("", "ai.onnx") or used.version not in VERSIONS:
            where = f"{used.domain or 'ai.onnx'} {used.version}"
            raise OnnxError(f"the ONNX model uses operators of {where}; expected ai.onnx {VERSIONS[0]}-{VERSIONS[-1]}")
    graph = model.graph
    if graph.sparse_initializer:
        raise OnnxError("the ONNX model has sparse weights; expected dense ones")
    if len(graph.node) > MOST_NODES:
        raise OnnxError(f"the ONNX model has {len(graph.node)} operators; expected at most {MOST_NODES}")
    tensors = list(graph.initializer)
    for node in graph.node:
        tensors += _check_node(node)
    _check_tensors(tensors)
    for value in [*graph.value_info, *graph.input, *graph.output]:
        dims = [d.dim_value for d in value.type.tensor_type.shape.dim if d.WhichOneof("value") == "dim_value"]
        _count(dims, value.name)


def _check_node(node: Any) -> list[Any]:
    """The tensors in the attributes of an operator that is allowed."""
    if node.domain not in ("", "ai.onnx") or node.op_type not in OPERATORS:
        name = f"{node.domain}.{node.op_type}" if node.domain else node.op_type
        raise OnnxError(
            f"the ONNX model uses {name[:60]!r}, which is not run here; there are {' '.join(sorted(OPERATORS))}"
        )
    tensors: list[Any] = []
    for attribute in node.attribute:
        kind = attribute.type
        if kind == AttributeProto.TENSOR:
            tensors.append(attribute.t)
        elif kind == AttributeProto.TENSORS:
            tensors.extend(attribute.tensors)
        elif kind not in _PLAIN or attribute.g.ByteSize() or attribute.graphs:
            raise OnnxError(f"{node.op_type} of the ONNX model carries a graph or a sparse tensor; expected neither")
    return tensors


_PLAIN = (
    AttributeProto.FLOAT,
    AttributeProto.INT,
    AttributeProto.STRING,
    AttributeProto.FLOATS,
    AttributeProto.INTS,
    AttributeProto.STRINGS,
)


def _check_tensors(tensors: Iterable[Any]) -> None:
    total = 0
    for tensor in tensors:
        if tensor.data_location == TensorProto.EXTERNAL or tensor.external_data:
            raise OnnxError(
                f"{tensor.name[:60]!r} of the ONNX model is kept in another file; export it with its weights"
            )
        if tensor.data_type not in TYPES:
            raise OnnxError(f"{tensor.name[:60]!r} of the ONNX model is of type {tensor.data_type}; expected numbers")
        total += _count(tensor.dims, tensor.name)
    if total > MOST_NUMBERS:
        raise OnnxError(
            f"the ONNX model has {total} weights; expected at most {MOST_NUMBERS}: export a smaller network"
        )


def _count(dims: Iterable[int], name: str) -> int:
    sizes = [int(d) for d in dims]
    if any(d < 0 for d in sizes) or (many := math.prod(sizes)) > MOST_NUMBERS:
        raise OnnxError(
            f"{name[:60]!r} of the ONNX model has the shape {sizes[:8]}; expected {MOST_NUMBERS} numbers at most"
        )
    return many


def _signature(graph: Any) -> Signature:
    inputs = {value.name: _shape(value) for value in graph.input}
    outputs = {value.name: _shape(value) for value in graph.output}
    for name, (kind, _) in inputs.items():
        known = REALS if name.startswith(MEMORY) else INPUTS.get(name, ())
        if kind not in known:
            raise OnnxError(
                f"the ONNX model has the input {name[:60]!r} of {kind}; expected observation, and perhaps mask, first "
                f"and memory_<name>, of float32 or float64"
            )
    memory = {NEXT + name: shape for name, shape in inputs.items() if name.startswith(MEMORY)}
    if "observation" not in inputs or set(outputs) != {"action", *memory}:
        raise OnnxError(
            f"the ONNX model has the inputs {', '.join(inputs)[:200]} and the outputs {', '.join(outputs)[:200]}; "
            f"expected observation and action, and {NEXT}{MEMORY}<name> for each input {MEMORY}<name>"
        )
    if outputs["action"][0] not in (*REALS, *WHOLE):
        raise OnnxError(f"the action of the ONNX model is of {outputs['action'][0]}; expected numbers")
    for name, shape in memory.items():
        if outputs[name] != shape:
            raise OnnxError(f"{name[:60]!r} of the ONNX model is {outputs[name]}; expected {shape}, as what goes in")
    return {"inputs": inputs, "outputs": outputs}


def _shape(value: Any) -> list[Any]:
    """``[type, shape without the first axis]`` of an input or output; the first axis is free or 1."""
    tensor = value.type.tensor_type
    kind, dims = TYPES.get(tensor.elem_type), list(tensor.shape.dim)
    free = bool(dims) and (dims[0].WhichOneof("value") != "dim_value" or dims[0].dim_value == 1)
    rest = [int(d.dim_value) for d in dims[1:]]
    if kind is None or not free or any(size < 1 for size in rest):
        raise OnnxError(
            f"{value.name[:60]!r} of the ONNX model is not (N, ...) numbers with a fixed shape; declare it so"
        )
    return [kind, rest]
