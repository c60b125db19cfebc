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

from .graph import Graph
from .tables import Table, table_of


class Unsupported(ValueError):
    """A model that the kernel cannot run. PyBaMM's own solver can."""


_OPS = {
    "add": "OP_ADD",
    "sub": "OP_SUB",
    "mul": "OP_MUL",
    "div": "OP_DIV",
    "pow": "OP_POW OP_CONSTPOW",
    "min": "OP_FMIN",
    "max": "OP_FMAX",
    "lt": "OP_LT",
    "le": "OP_LE",
    "eq": "OP_EQ",
    "ne": "OP_NE",
    "and": "OP_AND",
    "or": "OP_OR",
    "ifz": "OP_IF_ELSE_ZERO",
    "atan2": "OP_ATAN2",
    "mod": "OP_FMOD",
    "copysign": "OP_COPYSIGN",
}
_UNARY_OPS = (
    *("NEG", "SQRT", "EXP", "LOG", "LOG1P", "EXPM1", "SIN", "COS", "TAN", "ASIN", "ACOS", "ATAN", "SINH", "COSH"),
    *("TANH", "ASINH", "ACOSH", "ATANH", "ERF", "SIGN", "FLOOR", "CEIL", "NOT"),
)
_BINARY_BY_CODE = {getattr(casadi, code): name for name, codes in _OPS.items() for code in codes.split()}
_UNARY_BY_CODE = {getattr(casadi, f"OP_{name}"): name.lower() for name in _UNARY_OPS} | {casadi.OP_FABS: "abs"}
_SPECIAL = {
    casadi.OP_SQ: lambda g, a: g.binary("mul", a, a),
    casadi.OP_TWICE: lambda g, a: g.binary("mul", g.const(2.0), a),
    casadi.OP_INV: lambda g, a: g.binary("div", g.const(1.0), a),
    casadi.OP_ASSIGN: lambda g, a: a,
    casadi.OP_HYPOT: lambda g, a, b: g.unary("sqrt", g.binary("add", g.binary("mul", a, a), g.binary("mul", b, b))),
}


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


def _expand(parts: Mapping[str, Sequence], n: int, inputs: tuple[str, ...]):
    t, y = casadi.MX.sym("t"), casadi.MX.sym("y", n)
    u = {name: casadi.MX.sym(f"u{i}") for i, name in enumerate(inputs)}
    converter = _Converter(t, y, u)
    columns = {name: [converter(symbol) for symbol in symbols] for name, symbols in parts.items()}
    lookups = converter.lookups
    results = [casadi.vertcat(*c) if c else casadi.MX(0, 1) for c in columns.values()]
    z = [symbol for symbol, _, _ in lookups]
    try:
        function = casadi.Function(
            "model",
            [t, y, casadi.vertcat(*u.values()), casadi.vertcat(*z) if z else casadi.MX(0, 1)],
            [*results, *[argument for _, argument, _ in lookups]],
        ).expand()
    except RuntimeError as error:
        raise Unsupported(f"CasADi cannot expand the model to scalars: {_first_line(error)}") from error
    return _read(function, list(columns), converter)


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or ["no message"])[-1]


class _Converter:
    """PyBaMM symbols to CasADi MX, with every interpolant replaced by a symbol of its own."""

    def __init__(self, t, y, u) -> None:
        self.t, self.y, self.u = t, y, u
        self.cache: dict = {}
        self.lookups: list[tuple] = []  # (z, argument, interpolant)

    def __call__(self, symbol: pybamm.Symbol):
        for node in symbol.post_order():
            if isinstance(node, pybamm.Interpolant) and node not in self.cache:
                self._replace(node)
        return self._convert(symbol)

    def _convert(self, symbol: pybamm.Symbol):
        try:
            return symbol.to_casadi(self.t, self.y, inputs=self.u, casadi_symbols=self.cache)
        except KeyError as error:
            raise Unsupported(f"the model needs input {error}, the kernel is given {list(self.u)}") from error
        except TypeError as error:
            raise Unsupported(f"PyBaMM cannot convert {symbol.name!r} to CasADi: {_first_line(error)}") from error

    def _replace(self, node: pybamm.Interpolant) -> None:
        if node.dimension != 1:
            raise Unsupported(f"the {node.dimension}-dimensional interpolant {node.name!r} (one dimension converts)")
        argument = self._convert(node.children[0])
        z = casadi.MX.sym(f"z{len(self.lookups)}", argument.numel())
        self.lookups.append((z, casadi.vec(argument), node))
        self.cache[node] = z


def _read(function: casadi.Function, names: list[str], converter: _Converter):
    """Read the instructions of an SX function into a graph. Table arguments come first where tables nest."""
    graph = Graph()
    tables, table_numbers = _register_tables(graph, converter)
    lookups = [
        (k, number)
        for k, (_, argument, _) in enumerate(converter.lookups)
        for number in [table_numbers[k]] * argument.numel()
    ]
    resolve = _Resolver(function, graph, lookups, len(names), converter)
    return {name: resolve.output(i) for i, name in enumerate(names)}, tables, graph


def _register_tables(graph: Graph, converter: _Converter) -> tuple[list[Table], list[int]]:
    tables: list[Table] = []
    numbers, known = [], {}
    for _, _, node in converter.lookups:
        table = table_of(node)
        if table.key not in known:
            known[table.key] = len(tables)
            tables += [table, table.derivative()]
            graph.derived_table[len(tables) - 2] = len(tables) - 1
        numbers.append(known[table.key])
    return tables, numbers


class _Resolver:
    """Resolves the outputs of an expanded function to graph nodes, on demand.

    On demand, because a table's argument is an *output* of the function and its value an *input*: the instructions
    alone are not an order of evaluation.
    """

    def __init__(self, function, graph: Graph, lookups: list[tuple[int, int]], n_names: int, converter) -> None:
        self.graph, self.lookups = graph, lookups
        self.n_names = n_names
        self.program: list[tuple] = []  # (code, arguments, constant or (input, index)); arguments are earlier entries
        self.outputs: dict[int, dict[int, int]] = {}
        self.sizes = [function.size1_out(i) for i in range(function.n_out())]
        self.value: dict[int, int] = {}
        self.busy: set[int] = set()
        self._scan(function)

    def _scan(self, function) -> None:
        register: dict[int, int] = {}
        for k in range(function.n_instructions()):
            code = function.instruction_id(k)
            if code == casadi.OP_OUTPUT:
                which, index = function.instruction_output(k)
                row = function.sparsity_out(which).row()[index]
                self.outputs.setdefault(which, {})[row] = register[function.instruction_input(k)[0]]
                continue
            extra: float | tuple | None = None
            arguments: tuple = ()
            if code == casadi.OP_CONST:
                extra = function.instruction_constant(k)
            elif code == casadi.OP_INPUT:
                extra = tuple(function.instruction_input(k))
            else:
                arguments = tuple(register[a] for a in function.instruction_input(k))
            register[function.instruction_output(k)[0]] = len(self.program)
            self.program.append((code, arguments, extra))

    def output(self, which: int) -> list[int]:
        """The nodes of output ``which``; structural zeros are the number 0."""
        entries = self.outputs.get(which, {})
        zero = self.graph.const(0.0)
        return [self._resolve(entries[i]) if i in entries else zero for i in range(self.sizes[which])]

    def _resolve(self, root: int) -> int:
        stack = [root]
        while stack:
            entry = stack[-1]
            if entry in self.value:
                stack.pop()
                continue
            missing = [a for a in self._needs(entry) if a not in self.value]
            if missing:
                if entry in self.busy and all(a in self.busy for a in missing):
                    raise Unsupported("interpolants that depend on themselves")
                self.busy.add(entry)
                stack.extend(missing)
                continue
            stack.pop()
            self.value[entry] = self._build(entry)
        return self.value[root]

    def _needs(self, entry: int) -> tuple[int, ...]:
        code, arguments, extra = self.program[entry]
        if code == casadi.OP_INPUT and extra[0] == 3:
            return (self._argument(extra[1]),)
        return arguments

    def _argument(self, lookup: int) -> int:
        """The program entry that is the argument of scalar lookup number ``lookup``."""
        k = self.lookups[lookup][0]
        first = next(i for i, (other, _) in enumerate(self.lookups) if other == k)
        return self.outputs[self.n_names + k][lookup - first]

    def _build(self, entry: int) -> int:
        code, arguments, extra = self.program[entry]
        g = self.graph
        if code == casadi.OP_CONST:
            return g.const(extra)
        if code == casadi.OP_INPUT:
            return self._input(*extra)
        nodes = [self.value[a] for a in arguments]
        if code in _SPECIAL:
            return _SPECIAL[code](g, *nodes)
        if code in _UNARY_BY_CODE:
            return g.unary(_UNARY_BY_CODE[code], nodes[0])
        if code in _BINARY_BY_CODE:
            return g.binary(_BINARY_BY_CODE[code], *nodes)
        raise Unsupported(f"the kernel has no counterpart of CasADi operation number {code}")

    def _input(self, which: int, index: int) -> int:
        if which == 0:
            raise Unsupported("the model depends on time explicitly (a drive cycle?); the current must be an input")
        if which == 1:
            return self.graph.y(index)
        if which == 2:
            return self.graph.u(index)
        return self.graph.table(self.lookups[index][1], self.value[self._argument(index)])
