"""Emit C for graph nodes: straight-line code over lanes, one statement an operation."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from voltgym.envs.charging.kernel.graph import Graph
from voltgym.envs.charging.kernel.tables import Table

_INFIX = {"add": "+", "sub": "-", "mul": "*", "div": "/"}


def name_of(value: float) -> str:
    """A C literal that reads back as exactly this number."""
    value = float(value)
    if np.isfinite(value):
        return f"({value!r})"
    return "NAN" if value != value else "INFINITY" if value > 0 else "(-INFINITY)"


def emit_function(
    name: str, graph: Graph, results: Sequence[tuple[str, int]], hoisted: dict[int, int], arguments: str, tail: str = ""
) -> str:
    """A C function that stores nodes: ``results`` are (destination, node), ``hoisted`` nodes are read from ``p``."""
    lines = [f"CALLED void {name}({arguments}) {{"]
    write = _Writer(graph, hoisted, lines)
    for destination, root in results:
        write.evaluate(root)
        lines.append(f"{destination}={write.vector(root)};")
    lines.append(tail + "}")
    return "\n".join(lines)


class _Writer:
    """Writes each node once, in depth-first order, results stored as soon as they are known."""

    def __init__(self, graph: Graph, hoisted: dict[int, int], lines: list[str]) -> None:
        self.graph, self.hoisted, self.lines = graph, hoisted, lines
        self.names: dict[int, str] = {}

    def vector(self, node: int) -> str:
        """The node's name where a vector is needed: a number alone must be spread over the lanes."""
        value = self.graph.value(node)
        return f"splat({name_of(value)})" if value is not None else self.names[node]

    def evaluate(self, root: int) -> None:
        stack = [root]
        while stack:
            node = stack[-1]
            if node in self.names or self._leaf(node):
                stack.pop()
                continue
            missing = [c for c in self.graph.children(node) if c not in self.names and not self._leaf(c)]
            if missing:
                stack.extend(reversed(missing))
                continue
            stack.pop()
            name = f"t{len(self.names)}"
            self.lines.append(f"vd {name}={self._expression(node)};")
            self.names[node] = name

    def _leaf(self, node: int) -> bool:
        op, a, _ = self.graph.nodes[node]
        if op == "const":
            self.names[node] = name_of(a)
        elif op in ("y", "u"):
            self.names[node] = f"{op}[{a}]"
        elif node in self.hoisted:
            self.names[node] = f"p[{self.hoisted[node]}]"
        return node in self.names

    def _expression(self, node: int) -> str:
        op, a, b = self.graph.nodes[node]
        if op == "tab":
            return f"lookup{a}({self.vector(b)})"
        if op == "mul" and self.graph.value(a) == -1.0:
            return f"-{self.names[b]}"
        if op in _INFIX:  # vector with number is allowed, number with number was folded
            return f"{self.names[a]}{_INFIX[op]}{self.names[b]}"
        arguments = [self.vector(c) for c in self.graph.children(node)]
        return f"{op}_({','.join(arguments)})"


def emit_tables(tables: Sequence[Table]) -> str:
    """The tables' numbers and one look-up function each."""
    return "\n".join(_emit_table(i, table) for i, table in enumerate(tables))


def _emit_table(number: int, table: Table) -> str:
    steps = np.diff(table.x)
    even = np.allclose(steps, steps[0], rtol=1e-9, atol=0.0)
    uniform = 1.0 / steps[0] if even else 0.0
    x = ",".join(name_of(float(v)) for v in table.x)
    c = ",".join(name_of(float(v)) for v in table.c.T.ravel())
    return (
        f"static const double tx{number}[]={{{x}}},tc{number}[]={{{c}}};\n"
        f"INLINE vd lookup{number}(vd q){{return table_(tx{number},tc{number},{len(steps)},{name_of(uniform)},"
        f"{int(table.outside_nan)},q);}}"
    )


def hoist(graph: Graph, roots: Sequence[int], worth: Callable[[int], bool] | None = None) -> dict[int, int]:
    """The nodes that depend on inputs only and are used by nodes that depend on states: computed once a step."""
    numbers: dict[int, int] = {}
    constant = {"const", "u"}
    for node in graph.reachable(roots):
        for child in graph.children(node) if graph.mask[node] else ():
            if not graph.mask[child] and graph.nodes[child][0] not in constant and child not in numbers:
                numbers[child] = len(numbers)
    for root in roots:
        if not graph.mask[root] and graph.nodes[root][0] not in constant and root not in numbers:
            numbers[root] = len(numbers)
    return numbers
