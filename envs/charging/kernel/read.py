"""Read the instructions of an expanded CasADi function into a graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import casadi

from voltgym.envs.charging.kernel.graph import Graph


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
_SPECIAL: dict[int, Callable[..., int]] = {
    casadi.OP_SQ: lambda g, a: g.binary("mul", a, a),
    casadi.OP_TWICE: lambda g, a: g.binary("mul", g.const(2.0), a),
    casadi.OP_INV: lambda g, a: g.binary("div", g.const(1.0), a),
    casadi.OP_ASSIGN: lambda g, a: a,
    casadi.OP_HYPOT: lambda g, a, b: g.unary("sqrt", g.binary("add", g.binary("mul", a, a), g.binary("mul", b, b))),
}


class Lookup(NamedTuple):
    """One scalar look-up: the function's input 3 has its value, one of the outputs its argument."""

    table: int
    output: int
    row: int


class Reader:
    """The outputs of an expanded function of (t, y, u, looked-up values) as graph nodes, on demand.

    On demand, because the argument of a look-up is an *output* of the function and its value an *input*: the order of
    the instructions is not an order of evaluation.

    Args:
        function: a CasADi SX function.
        graph: where the nodes go.
        lookups: what each element of the function's input 3 is.
    """

    def __init__(self, function: casadi.Function, graph: Graph, lookups: Sequence[Lookup]) -> None:
        self.graph, self.lookups = graph, lookups
        self.program: list[tuple[int, tuple[int, ...], Any]] = []  # (code, earlier entries, number or (input, index))
        self.outputs: dict[tuple[int, int], int] = {}  # (output, row) -> entry
        self.sizes = [function.size1_out(i) for i in range(function.n_out())]
        self.node: dict[int, int] = {}  # entry -> graph node
        self._scan(function)

    def output(self, which: int) -> list[int]:
        """The nodes of output ``which``; structural zeros are the number 0."""
        return [self._output(which, row) for row in range(self.sizes[which])]

    def _output(self, which: int, row: int) -> int:
        entry = self.outputs.get((which, row))
        return self.graph.const(0.0) if entry is None else self._resolve(entry)

    def _scan(self, function: casadi.Function) -> None:
        rows = [function.sparsity_out(i).row() for i in range(function.n_out())]
        register: dict[int, int] = {}
        for k in range(function.n_instructions()):
            code = function.instruction_id(k)
            if code == casadi.OP_OUTPUT:
                which, index = function.instruction_output(k)
                self.outputs[which, rows[which][index]] = register[function.instruction_input(k)[0]]
                continue
            extra: Any = None
            arguments: tuple[int, ...] = ()
            if code == casadi.OP_CONST:
                extra = function.instruction_constant(k)
            elif code == casadi.OP_INPUT:
                extra = tuple(function.instruction_input(k))
            else:
                arguments = tuple(register[a] for a in function.instruction_input(k))
            register[function.instruction_output(k)[0]] = len(self.program)
            self.program.append((code, arguments, extra))

    def _resolve(self, root: int) -> int:
        stack = [root]
        while stack:
            missing = [entry for entry in self._needs(stack[-1]) if entry not in self.node]
            if missing:
                stack.extend(missing)
                continue
            entry = stack.pop()
            if entry not in self.node:
                self.node[entry] = self._build(*self.program[entry])
        return self.node[root]

    def _needs(self, entry: int) -> tuple[int, ...]:
        code, arguments, extra = self.program[entry]
        if code == casadi.OP_INPUT and extra[0] == 3:
            lookup = self.lookups[extra[1]]
            argument = self.outputs.get((lookup.output, lookup.row))
            return () if argument is None else (argument,)
        return arguments

    def _build(self, code: int, arguments: tuple[int, ...], extra: Any) -> int:
        g = self.graph
        if code == casadi.OP_CONST:
            return g.const(extra)
        if code == casadi.OP_INPUT:
            return self._input(*extra)
        nodes = [self.node[a] for a in arguments]
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
        lookup = self.lookups[index]
        return self.graph.table(lookup.table, self._output(lookup.output, lookup.row))
