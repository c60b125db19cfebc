"""Lower PyBaMM's discretised expressions to the graph: PyBaMM tree -> CasADi SX -> :class:`~.graph.Graph`.

PyBaMM's own conversion to CasADi does the linear algebra; CasADi expands it to scalars. Interpolants do not expand, so
each one is replaced by a fresh symbol before the conversion, and by a table node after it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import casadi
import pybamm

from voltgym.envs.charging.kernel.graph import Graph
from voltgym.envs.charging.kernel.read import Lookup, Reader, Unsupported
from voltgym.envs.charging.kernel.tables import Table, table_of

__all__ = ["Lowered", "Unsupported", "lower"]


@dataclass
class Lowered:
    """Expressions of a model as graph nodes: what the emitter needs and nothing of PyBaMM."""

    graph: Graph
    inputs: tuple[str, ...]
    rhs: list[int]  # d y / d t, or the residual where `algebraic`
    algebraic: list[bool]
    jacobian: dict[tuple[int, int], int]  # (row, column) -> node, structural non-zeros only
    groups: dict[str, list[int]]  # named lists of further expressions: outputs, extremes, events
    tables: list[Table] = field(default_factory=list)


def lower(model: Any, groups: Mapping[str, Sequence[pybamm.Symbol]], inputs: Sequence[str]) -> Lowered:
    """Lower a discretised model.

    Args:
        model: a discretised ``pybamm.BaseModel``: NY states, the differential ones first.
        groups: named lists of scalar expressions of it to evaluate besides.
        inputs: the names of the input parameters, in the order of the kernel's input vector.

    Raises:
        Unsupported: an operation has no counterpart, or the model depends on time explicitly.
    """
    n_rhs, n = model.len_rhs, model.len_rhs_and_alg
    algebraic = [model.concatenated_algebraic] if model.len_alg else []
    roots, tables, graph = _expand({"equations": [model.concatenated_rhs, *algebraic], **groups}, n, tuple(inputs))
    equations = roots.pop("equations")
    jacobian = {
        (row, column): partial
        for row, node in enumerate(equations)
        for column, partial in graph.gradient(node).items()
        if graph.value(partial) != 0.0
    }
    return Lowered(graph, tuple(inputs), equations, [i >= n_rhs for i in range(n)], jacobian, roots, tables)


def _expand(
    parts: Mapping[str, Sequence[pybamm.Symbol]], n: int, inputs: Sequence[str]
) -> tuple[dict[str, list[int]], list[Table], Graph]:
    """The parts as graph nodes. Look-ups become inputs of a CasADi function, their arguments further outputs of it."""
    convert = _Converter(n, inputs)
    columns = {name: [convert(symbol) for symbol in symbols] for name, symbols in parts.items()}
    results = [casadi.vertcat(*column) if column else casadi.MX(0, 1) for column in columns.values()]
    arguments = [argument for _, argument, _ in convert.lookups]
    values = casadi.vertcat(casadi.MX(0, 1), *[value for value, _, _ in convert.lookups])
    try:
        function = casadi.Function("model", [convert.t, convert.y, convert.u, values], [*results, *arguments]).expand()
    except RuntimeError as error:
        raise Unsupported(f"CasADi cannot expand the model to scalars: {_last_line(error)}") from error
    graph = Graph()
    tables, numbers = _register([node for _, _, node in convert.lookups], graph)
    lookups = [
        Lookup(number, len(results) + k, row) for k, number in enumerate(numbers) for row in range(arguments[k].numel())
    ]
    reader = Reader(function, graph, lookups)
    return {name: reader.output(i) for i, name in enumerate(columns)}, tables, graph


def _register(nodes: Sequence[pybamm.Interpolant], graph: Graph) -> tuple[list[Table], list[int]]:
    """The distinct tables of interpolants, each followed by its derivative, and every interpolant's table number."""
    tables: list[Table] = []
    known: dict[bytes, int] = {}
    numbers = []
    for node in nodes:
        table = table_of(node)
        if table.key not in known:
            known[table.key] = len(tables)
            graph.derived_table[len(tables)] = len(tables) + 1
            tables += [table, table.derivative()]
        numbers.append(known[table.key])
    return tables, numbers


def _last_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or ["no message"])[-1]


class _Converter:
    """PyBaMM symbols to CasADi MX, with every interpolant replaced by a symbol of its own."""

    def __init__(self, n: int, inputs: Sequence[str]) -> None:
        self.t, self.y, self.u = casadi.MX.sym("t"), casadi.MX.sym("y", n), casadi.MX.sym("u", len(inputs))
        self.inputs = {name: self.u[i] for i, name in enumerate(inputs)}
        self.cache: dict[pybamm.Symbol, casadi.MX] = {}
        self.lookups: list[tuple[casadi.MX, casadi.MX, pybamm.Interpolant]] = []  # (value, argument, interpolant)

    def __call__(self, symbol: pybamm.Symbol) -> casadi.MX:
        for node in symbol.post_order():
            if isinstance(node, pybamm.Interpolant) and node not in self.cache:
                self._replace(node)
        return self._convert(symbol)

    def _convert(self, symbol: pybamm.Symbol) -> casadi.MX:
        try:
            return symbol.to_casadi(self.t, self.y, inputs=self.inputs, casadi_symbols=self.cache)
        except KeyError as error:
            raise Unsupported(f"{error.args[0]} among the kernel's inputs {list(self.inputs)}") from error
        except TypeError as error:
            raise Unsupported(f"PyBaMM cannot convert {symbol.name!r} to CasADi: {_last_line(error)}") from error

    def _replace(self, node: pybamm.Interpolant) -> None:
        if node.dimension != 1:
            raise Unsupported(f"the interpolant {node.name!r} has {node.dimension} dimensions; tables have one")
        argument = casadi.vec(casadi.densify(self._convert(node.children[0])))
        value = casadi.MX.sym("z", argument.numel())
        self.lookups.append((value, argument, node))
        self.cache[node] = value
