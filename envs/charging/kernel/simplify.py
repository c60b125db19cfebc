"""Identities that a graph's new nodes are simplified by: folding of constants, and one normal form for factors.

A constant factor floats outwards through products, quotients and equal sums, so that the constants of a discretised
equation (mesh widths, areas, scales) merge into one multiplication.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from voltgym.envs.charging.kernel.graph import Graph

COMMUTES = {"add", "mul", "min", "max", "eq", "ne", "and", "or"}

_MATH = (
    *("sqrt", "exp", "log", "log1p", "expm1", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh"),
    *("asinh", "acosh", "atanh", "erf", "floor", "ceil"),
)
_FOLD_UNARY: dict[str, Callable[[float], float]] = {name: getattr(math, name) for name in _MATH} | {
    "neg": lambda a: -a,
    "abs": abs,
    "sign": lambda a: float((a > 0) - (a < 0)),
    "not": lambda a: float(a == 0),
}
_FOLD_BINARY: dict[str, Callable[[float, float], float]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "pow": math.pow,
    "min": min,
    "max": max,
    "lt": lambda a, b: float(a < b),
    "le": lambda a, b: float(a <= b),
    "eq": lambda a, b: float(a == b),
    "ne": lambda a, b: float(a != b),
    "and": lambda a, b: float(a != 0 and b != 0),
    "or": lambda a, b: float(a != 0 or b != 0),
    "ifz": lambda a, b: b if a != 0 else 0.0,
    "atan2": math.atan2,
    "mod": math.fmod,
    "copysign": math.copysign,
}


def fold(op: str, *values: float) -> float | None:
    """``op`` of numbers, or None where it must be left to run time (to become NaN in the cell concerned)."""
    function: Callable[..., float] = _FOLD_UNARY[op] if len(values) == 1 else _FOLD_BINARY[op]
    try:
        out = float(function(*values))
    except (ValueError, OverflowError, ZeroDivisionError):
        return None
    return out if math.isfinite(out) else None


def split(g: Graph, node: int) -> tuple[float, int]:
    """A node as (number, node without a constant factor). Constant factors float outwards, so that they merge."""
    op, a, b = g.nodes[node]
    if op == "const":
        return a, g.const(1.0)
    if op == "mul" and g.value(a) is not None:
        return g.nodes[a][1], b
    return 1.0, node


def scale(g: Graph, factor: float, node: int) -> int:
    """``factor * node`` in the normal form: at most one constant factor, in front."""
    own, base = split(g, node)
    factor *= own
    if not math.isfinite(factor):
        return g.add(("mul", g.const(factor), base), g.mask[base])
    if factor == 0.0 or g.value(base) == 1.0:
        return g.const(factor)
    return base if factor == 1.0 else g.add(("mul", g.const(factor), base), g.mask[base])


def _add_rule(g: Graph, a: int, b: int, va: float | None, vb: float | None) -> int | None:
    if va == 0.0:
        return b
    if vb == 0.0:
        return a
    (ca, xa), (cb, xb) = split(g, a), split(g, b)
    if va is None and vb is None:
        if xa == xb:
            return scale(g, ca + cb, xa)
        if ca == cb and ca != 1.0:
            return scale(g, ca, g.binary("add", xa, xb))
        if ca == -cb:
            positive, negative = (xa, xb) if ca > 0 else (xb, xa)
            return scale(g, abs(ca), g.add(("sub", positive, negative), g.mask[a] | g.mask[b]))
    if cb == -1.0 and vb is None:
        return g.add(("sub", a, xb), g.mask[a] | g.mask[b])
    if ca == -1.0 and va is None:
        return g.add(("sub", b, xa), g.mask[a] | g.mask[b])
    return None


def _sub_rule(g: Graph, a: int, b: int, va: float | None, vb: float | None) -> int | None:
    return g.binary("add", a, scale(g, -1.0, b))


def _mul_rule(g: Graph, a: int, b: int, va: float | None, vb: float | None) -> int | None:
    (ca, xa), (cb, xb) = split(g, a), split(g, b)
    one = g.const(1.0)
    if xa == one or xb == one:
        return scale(g, ca * cb, xb if xa == one else xa)
    if ca == 1.0 and cb == 1.0:
        return None
    return scale(g, ca * cb, g.binary("mul", xa, xb))


def _div_rule(g: Graph, a: int, b: int, va: float | None, vb: float | None) -> int | None:
    """Division is multiplication by the reciprocal, which the derivatives share."""
    cb, xb = split(g, b)
    if xb == g.const(1.0) or not math.isfinite(1.0 / cb if cb else math.inf):
        return scale(g, 1.0 / cb, a) if cb and math.isfinite(1.0 / cb) else None
    if va == 1.0 and cb == 1.0:
        op, one, inner = g.nodes[b]
        return inner if op == "div" and g.value(one) == 1.0 else None
    return scale(g, 1.0 / cb, g.binary("mul", a, g.binary("div", g.const(1.0), xb)))


def _pow_rule(g: Graph, a: int, b: int, va: float | None, vb: float | None) -> int | None:
    if vb is None:
        return None
    if vb == 0.0:
        return g.const(1.0)
    if vb < 0:
        return g.binary("div", g.const(1.0), g.binary("pow", a, g.const(-vb)))
    whole = int(vb)
    if vb - whole not in (0.0, 0.5) or whole > 16:
        return None
    out = g.unary("sqrt", a) if vb != whole else None
    square = a
    while whole:  # by repeated squaring
        if whole & 1:
            out = square if out is None else g.binary("mul", out, square)
        whole >>= 1
        square = g.binary("mul", square, square) if whole else square
    return out


def _ifz_rule(g: Graph, a: int, b: int, va: float | None, vb: float | None) -> int | None:
    if vb == 0.0:
        return g.const(0.0)
    if va is not None:
        return b if va != 0.0 else g.const(0.0)
    return None


RULES = {"add": _add_rule, "sub": _sub_rule, "mul": _mul_rule, "div": _div_rule, "pow": _pow_rule, "ifz": _ifz_rule}
