"""A scalar expression graph in which equal sub-expressions are one node, with sparse derivatives.

Nodes are appended, so a node's arguments always have smaller numbers: ascending order is a valid order of evaluation.
Building a node folds constants and applies identities that hold for every finite number.
"""

from __future__ import annotations

from collections.abc import Iterable

from voltgym.envs.charging.kernel.simplify import COMMUTES, RULES, fold, scale


class Graph:
    """Hash-consed scalar expressions over states ``y``, inputs ``u`` and one-dimensional tables.

    A node is ``(op, a, b)``. For ``const``, a is the number; for ``y`` and ``u``, the index; for ``tab``, the table's
    number, with b the argument's node; otherwise a and b are nodes (b is -1 for unary operations).
    """

    def __init__(self) -> None:
        self.nodes: list[tuple] = []
        self.mask: list[int] = []  # bit i is set where the node depends on y[i]
        self._number: dict[tuple, int] = {}
        self._partials: dict[int, dict[int, int]] = {}
        self.derived_table: dict[int, int] = {}  # table -> table of its derivative, filled by the lowering

    def add(self, node: tuple, mask: int) -> int:
        """The number of a node as it is, new or known. ``unary`` and ``binary`` simplify first."""
        number = self._number.get(node)
        if number is None:
            number = len(self.nodes)
            self._number[node] = number
            self.nodes.append(node)
            self.mask.append(mask)
        return number

    def const(self, value: float) -> int:
        """The node of a number. Zeros of either sign are one node."""
        return self.add(("const", float(value) + 0.0, -1), 0)

    def y(self, index: int) -> int:
        """The node of state ``index``."""
        return self.add(("y", index, -1), 1 << index)

    def u(self, index: int) -> int:
        """The node of input ``index``."""
        return self.add(("u", index, -1), 0)

    def table(self, table: int, argument: int) -> int:
        """The node of a table's value at ``argument``."""
        return self.add(("tab", table, argument), self.mask[argument])

    def value(self, node: int) -> float | None:
        """The number that a node is, or None."""
        op, a, _ = self.nodes[node]
        return a if op == "const" else None

    def unary(self, op: str, a: int) -> int:
        """``op(a)``, simplified."""
        va = self.value(a)
        if va is not None:
            folded = fold(op, va)
            if folded is not None:
                return self.const(folded)
        if op == "neg":
            return scale(self, -1.0, a)
        return self.add((op, a, -1), self.mask[a])

    def binary(self, op: str, a: int, b: int) -> int:
        """``op(a, b)``, simplified."""
        va, vb = self.value(a), self.value(b)
        if va is not None and vb is not None:
            folded = fold(op, va, vb)
            if folded is not None:
                return self.const(folded)
        simple = RULES[op](self, a, b, va, vb) if op in RULES else None
        if simple is not None:
            return simple
        if op in COMMUTES and a > b:
            a, b = b, a
        return self.add((op, a, b), self.mask[a] | self.mask[b])

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

    def gradient(self, root: int, narrow: int = 3) -> dict[int, int]:
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
        """The part of the gradient that comes through sums of terms of at most ``narrow`` states each.

        Of a cell's voltage that is the open-circuit potentials and averaged overpotentials: cheap, and what can be
        steep. Functions and products of averages are left out.
        """
        out: dict[int, int] = {}
        stack = [(1.0, root)]
        while stack:
            factor, node = stack.pop()
            op, a, b = self.nodes[node]
            if self.mask[node].bit_count() <= narrow:
                for state, slope in self._forward(node).items() if self.mask[node] else ():
                    part = scale(self, factor, slope)
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
        from voltgym.envs.charging.kernel.slopes import slopes  # its rules build nodes of this class

        return [(c, s) for c, s in slopes(self, node) if self.mask[c] and self.value(s) != 0.0]
