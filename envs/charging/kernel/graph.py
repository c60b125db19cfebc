"""A scalar expression graph in which equal sub-expressions are one node, with sparse derivatives.

Nodes are appended, so a node's arguments always have smaller numbers: ascending order is a valid order of evaluation.
Building a node folds constants and applies identities that hold for every finite number.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

_COMMUTES = {"add", "mul", "min", "max", "eq", "ne", "and", "or"}

_MATH = (
    *("sqrt", "exp", "log", "log1p", "expm1", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh"),
    *("asinh", "acosh", "atanh", "erf", "floor", "ceil"),
)
_FOLD_UNARY = {name: getattr(math, name) for name in _MATH} | {
    "neg": lambda a: -a,
    "abs": abs,
    "sign": lambda a: float((a > 0) - (a < 0)),
    "not": lambda a: float(a == 0),
}
_FOLD_BINARY = {
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


class Graph:
    """Hash-consed scalar expressions over states ``y``, inputs ``u`` and one-dimensional tables.

    A node is ``(op, a, b)``: for ``const`` a is the number; for ``y`` and ``u`` the index; for ``tab`` the table's number
    and b the argument's node; otherwise a and b are nodes (b is -1 for unary operations).
    """

    def __init__(self) -> None:
        self.nodes: list[tuple] = []
        self.mask: list[int] = []  # bit i is set where the node depends on y[i]
        self._number: dict[tuple, int] = {}
        self._partials: dict[int, dict[int, int]] = {}
        self.derived_table: dict[int, int] = {}  # table -> table of its derivative, filled by the lowering

    def _add(self, node: tuple, mask: int) -> int:
        number = self._number.get(node)
        if number is None:
            number = len(self.nodes)
            self._number[node] = number
            self.nodes.append(node)
            self.mask.append(mask)
        return number

    def const(self, value: float) -> int:
        """The node of a number. Zeros of either sign are one node."""
        return self._add(("const", float(value) + 0.0, -1), 0)

    def y(self, index: int) -> int:
        """The node of state ``index``."""
        return self._add(("y", index, -1), 1 << index)

    def u(self, index: int) -> int:
        """The node of input ``index``."""
        return self._add(("u", index, -1), 0)

    def table(self, table: int, argument: int) -> int:
        """The node of a table's value at ``argument``."""
        return self._add(("tab", table, argument), self.mask[argument])

    def value(self, node: int) -> float | None:
        """The number that a node is, or None."""
        op, a, _ = self.nodes[node]
        return a if op == "const" else None

    def unary(self, op: str, a: int) -> int:
        """``op(a)``, simplified."""
        va = self.value(a)
        if va is not None:
            folded = _fold(_FOLD_UNARY[op], va)
            if folded is not None:
                return self.const(folded)
        if op == "neg":
            return _scale(self, -1.0, a)
        return self._add((op, a, -1), self.mask[a])

    def binary(self, op: str, a: int, b: int) -> int:
        """``op(a, b)``, simplified."""
        va, vb = self.value(a), self.value(b)
        if va is not None and vb is not None:
            folded = _fold(_FOLD_BINARY[op], va, vb)
            if folded is not None:
                return self.const(folded)
        simple = _RULES[op](self, a, b, va, vb) if op in _RULES else None
        if simple is not None:
            return simple
        if op in _COMMUTES and a > b:
            a, b = b, a
        return self._add((op, a, b), self.mask[a] | self.mask[b])

    def sum(self, terms: Iterable[int]) -> int:
        """The sum of nodes, 0 where there are none."""
        total = self.const(0.0)
        for term in terms:
            total = self.binary("add", total, term)
        return total

    def reachable(self, roots: Iterable[int]) -> list[int]:
        """All nodes below ``roots``, in the order of a depth-first evaluation (short distances from use to use)."""
        done: set[int] = set()
        order: list[int] = []
        for root in roots:
            stack = [(root, False)]
            while stack:
                node, ready = stack.pop()
                if node in done:
                    continue
                if ready:
                    done.add(node)
                    order.append(node)
                    continue
                stack.append((node, True))
                stack.extend((child, False) for child in reversed(self.children(node)) if child not in done)
        return order

    def children(self, node: int) -> tuple[int, ...]:
        """The arguments of a node."""
        op, a, b = self.nodes[node]
        if op in ("const", "y", "u"):
            return ()
        if op == "tab":
            return (b,)
        return (a,) if b < 0 else (a, b)

    def gradient(self, root: int, narrow: int = 8) -> dict[int, int]:
        """The derivatives of ``root`` by the states, ``{state: node}``, structural zeros left out.

        Forward mode is cheap for nodes that depend on few states (the stencils of a discretised equation, whose fluxes
        are shared by two rows), reverse mode for nodes that depend on many (averages). So: reverse from the root down
        to nodes of at most ``narrow`` states, forward from there.
        """
        if self.mask[root].bit_count() <= narrow:
            return dict(self._forward(root))
        adjoint = {root: self.const(1.0)}
        terms: dict[int, list[int]] = {}
        for node in sorted(self._wide(root, narrow), reverse=True):
            weight = adjoint.pop(node, None)
            if weight is None:
                continue  # reached through zero slopes only
            for child, slope in self._slopes(node):
                part = self.binary("mul", weight, slope)
                if self.mask[child].bit_count() > narrow:
                    adjoint[child] = self.binary("add", adjoint[child], part) if child in adjoint else part
                else:
                    terms.setdefault(child, []).append(part)
        out: dict[int, int] = {}
        for child in sorted(terms):
            weight = self.sum(terms[child])
            for state, slope in self._forward(child).items():
                part = self.binary("mul", weight, slope)
                out[state] = self.binary("add", out[state], part) if state in out else part
        return out

    def local_gradient(self, root: int, narrow: int = 8) -> dict[int, int]:
        """The part of the gradient that comes through summands of at most ``narrow`` states; averages are left out.

        Of a cell's voltage that is the open-circuit potentials' part: cheap, and the one that can be steep.
        """
        out: dict[int, int] = {}
        stack = [(1.0, root)]
        while stack:
            factor, node = stack.pop()
            op, a, b = self.nodes[node]
            if self.mask[node].bit_count() <= narrow:
                for state, slope in self._forward(node).items() if self.mask[node] else ():
                    part = _scale(self, factor, slope)
                    out[state] = self.binary("add", out[state], part) if state in out else part
            elif op == "add" or op == "sub":
                stack += [(factor, a), (-factor if op == "sub" else factor, b)]
            elif op == "mul" and self.value(a) is not None:
                stack.append((factor * self.nodes[a][1], b))
        return out

    def _wide(self, root: int, narrow: int) -> set[int]:
        seen, stack = {root}, [root]
        while stack:
            for child in self.children(stack.pop()):
                if child not in seen and self.mask[child].bit_count() > narrow:
                    seen.add(child)
                    stack.append(child)
        return seen

    def _forward(self, root: int) -> dict[int, int]:
        stack = [root]
        while stack:
            node = stack[-1]
            if node in self._partials:
                stack.pop()
                continue
            missing = [c for c in self.children(node) if self.mask[c] and c not in self._partials]
            if missing:
                stack.extend(missing)
                continue
            stack.pop()
            self._partials[node] = self._forward_one(node)
        return self._partials[root]

    def _forward_one(self, node: int) -> dict[int, int]:
        op, a, _ = self.nodes[node]
        if op == "y":
            return {a: self.const(1.0)}
        out: dict[int, int] = {}
        for child, slope in self._slopes(node):
            for state, partial in self._partials[child].items():
                part = self.binary("mul", slope, partial)
                out[state] = self.binary("add", out[state], part) if state in out else part
        return {state: part for state, part in out.items() if self.value(part) != 0.0}

    def _slopes(self, node: int) -> list[tuple[int, int]]:
        """``[(child, d node / d child)]`` for the children that depend on y."""
        from .slopes import slopes  # the rules are a module of their own, and need this class

        return [(c, s) for c, s in slopes(self, node) if self.mask[c] and self.value(s) != 0.0]


def _fold(function, *values: float) -> float | None:
    try:
        out = float(function(*values))
    except (ValueError, OverflowError, ZeroDivisionError):
        return None  # leave it to run time, where it becomes NaN or infinity in the cell concerned
    return out if math.isfinite(out) else None


def _split(g: Graph, node: int) -> tuple[float, int]:
    """A node as (number, node without a constant factor). Constant factors float outwards, so that they merge."""
    op, a, b = g.nodes[node]
    if op == "const":
        return a, g.const(1.0)
    if op == "mul" and g.value(a) is not None:
        return g.nodes[a][1], b
    return 1.0, node


def _scale(g: Graph, factor: float, node: int) -> int:
    """``factor * node`` in the normal form: at most one constant factor, in front."""
    own, base = _split(g, node)
    factor *= own
    if not math.isfinite(factor):
        return g._add(("mul", g.const(factor), base), g.mask[base])
    if factor == 0.0 or g.value(base) == 1.0:
        return g.const(factor)
    return base if factor == 1.0 else g._add(("mul", g.const(factor), base), g.mask[base])


def _add_rule(g: Graph, a: int, b: int, va, vb) -> int | None:
    if va == 0.0:
        return b
    if vb == 0.0:
        return a
    (ca, xa), (cb, xb) = _split(g, a), _split(g, b)
    if va is None and vb is None:
        if xa == xb:
            return _scale(g, ca + cb, xa)
        if ca == cb and ca != 1.0:
            return _scale(g, ca, g.binary("add", xa, xb))
        if ca == -cb:
            positive, negative = (xa, xb) if ca > 0 else (xb, xa)
            return _scale(g, abs(ca), g._add(("sub", positive, negative), g.mask[a] | g.mask[b]))
    if cb == -1.0 and vb is None:
        return g._add(("sub", a, xb), g.mask[a] | g.mask[b])
    if ca == -1.0 and va is None:
        return g._add(("sub", b, xa), g.mask[a] | g.mask[b])
    return None


def _sub_rule(g: Graph, a: int, b: int, va, vb) -> int | None:
    return g.binary("add", a, _scale(g, -1.0, b))


def _mul_rule(g: Graph, a: int, b: int, va, vb) -> int | None:
    (ca, xa), (cb, xb) = _split(g, a), _split(g, b)
    one = g.const(1.0)
    if xa == one or xb == one:
        return _scale(g, ca * cb, xb if xa == one else xa)
    if ca == 1.0 and cb == 1.0:
        return None
    return _scale(g, ca * cb, g.binary("mul", xa, xb))


def _div_rule(g: Graph, a: int, b: int, va, vb) -> int | None:
    """Division is multiplication by the reciprocal, which the derivatives share."""
    cb, xb = _split(g, b)
    if xb == g.const(1.0) or not math.isfinite(1.0 / cb if cb else math.inf):
        return _scale(g, 1.0 / cb, a) if cb and math.isfinite(1.0 / cb) else None
    if va == 1.0 and cb == 1.0:
        op, one, inner = g.nodes[b]
        return inner if op == "div" and g.value(one) == 1.0 else None
    return _scale(g, 1.0 / cb, g.binary("mul", a, g.binary("div", g.const(1.0), xb)))


def _pow_rule(g: Graph, a: int, b: int, va, vb) -> int | None:
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


def _ifz_rule(g: Graph, a: int, b: int, va, vb) -> int | None:
    if vb == 0.0:
        return g.const(0.0)
    if va is not None:
        return b if va != 0.0 else g.const(0.0)
    return None


_RULES = {"add": _add_rule, "sub": _sub_rule, "mul": _mul_rule, "div": _div_rule, "pow": _pow_rule, "ifz": _ifz_rule}


def count(graph: Graph, roots: Sequence[int]) -> int:
    """How many operations ``roots`` take (numbers, states and inputs are free)."""
    return sum(graph.nodes[node][0] not in ("const", "y", "u") for node in graph.reachable(roots))
