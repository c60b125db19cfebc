"""Derivative rules: d node / d argument for every operation of the graph."""

from __future__ import annotations

import math

from voltgym.envs.charging.kernel.graph import Graph


def slopes(g: Graph, node: int) -> list[tuple[int, int]]:
    """``[(argument, d node / d argument)]``. Comparisons and roundings have derivative 0 almost everywhere."""
    op, a, b = g.nodes[node]
    if op == "tab":
        return [(b, g.table(g.derived_table[a], b))]
    if op in _UNARY:
        return [(a, _UNARY[op](g, a, node))]
    if op in _BINARY:
        return list(zip((a, b), _BINARY[op](g, a, b, node), strict=True))
    return []


def _square(g: Graph, a: int) -> int:
    return g.binary("mul", a, a)


def _one(g: Graph) -> int:
    return g.const(1.0)


def _inverse(g: Graph, a: int) -> int:
    return g.binary("div", _one(g), a)


def _root(g: Graph, a: int) -> int:
    return g.unary("sqrt", a)


_UNARY = {
    "neg": lambda g, a, f: g.const(-1.0),
    "sqrt": lambda g, a, f: g.binary("div", g.const(0.5), f),
    "exp": lambda g, a, f: f,
    "log": lambda g, a, f: _inverse(g, a),
    "log1p": lambda g, a, f: _inverse(g, g.binary("add", _one(g), a)),
    "expm1": lambda g, a, f: g.binary("add", f, _one(g)),
    "sin": lambda g, a, f: g.unary("cos", a),
    "cos": lambda g, a, f: g.unary("neg", g.unary("sin", a)),
    "tan": lambda g, a, f: g.binary("add", _one(g), _square(g, f)),
    "asin": lambda g, a, f: _inverse(g, _root(g, g.binary("sub", _one(g), _square(g, a)))),
    "acos": lambda g, a, f: g.unary("neg", _inverse(g, _root(g, g.binary("sub", _one(g), _square(g, a))))),
    "atan": lambda g, a, f: _inverse(g, g.binary("add", _one(g), _square(g, a))),
    "sinh": lambda g, a, f: g.unary("cosh", a),
    "cosh": lambda g, a, f: g.unary("sinh", a),
    "tanh": lambda g, a, f: g.binary("sub", _one(g), _square(g, f)),
    "asinh": lambda g, a, f: _inverse(g, _root(g, g.binary("add", _square(g, a), _one(g)))),
    "acosh": lambda g, a, f: _inverse(g, _root(g, g.binary("sub", _square(g, a), _one(g)))),
    "atanh": lambda g, a, f: _inverse(g, g.binary("sub", _one(g), _square(g, a))),
    "erf": lambda g, a, f: g.binary(
        "mul", g.const(2.0 / math.sqrt(math.pi)), g.unary("exp", g.unary("neg", _square(g, a)))
    ),
    "abs": lambda g, a, f: g.unary("sign", a),
}


def _min(g: Graph, a: int, b: int, f: int) -> tuple[int, int]:
    left = g.binary("le", a, b)
    return left, g.unary("not", left)


def _max(g: Graph, a: int, b: int, f: int) -> tuple[int, int]:
    left = g.binary("le", b, a)
    return left, g.unary("not", left)


def _div(g: Graph, a: int, b: int, f: int) -> tuple[int, int]:
    inverse = _inverse(g, b)
    return inverse, g.unary("neg", g.binary("mul", f, inverse))


def _pow(g: Graph, a: int, b: int, f: int) -> tuple[int, int]:
    by_base = g.binary("mul", b, g.binary("pow", a, g.binary("sub", b, _one(g))))
    return by_base, g.binary("mul", f, g.unary("log", a)) if g.mask[b] else g.const(0.0)


_BINARY = {
    "add": lambda g, a, b, f: (_one(g), _one(g)),
    "sub": lambda g, a, b, f: (_one(g), g.const(-1.0)),
    "mul": lambda g, a, b, f: (b, a),
    "div": _div,
    "pow": _pow,
    "min": _min,
    "max": _max,
    "ifz": lambda g, a, b, f: (g.const(0.0), g.binary("ifz", a, _one(g))),
}
