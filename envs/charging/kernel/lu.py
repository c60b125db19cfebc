"""Sparse LU without pivoting as straight-line code: the pattern is known, so the elimination is unrolled.

The matrix is ``M / (gamma h) - J`` with M the 0/1 mass diagonal. For a stiff dissipative system its diagonal
dominates for the step sizes that error control allows; where it does not, the step fails its error test, is retried
smaller, and in the end the cell is reported as failed. Ordering: minimum degree (Tinney and Walker, Proc. IEEE 55,
1967) on the symmetrised pattern.
"""

from __future__ import annotations

from collections.abc import Collection


def minimum_degree(n: int, pattern: Collection[tuple[int, int]]) -> list[int]:
    """An elimination order of the n unknowns that keeps fill small."""
    neighbours: list[set[int]] = [set() for _ in range(n)]
    for i, j in pattern:
        if i != j:
            neighbours[i].add(j)
            neighbours[j].add(i)
    left, order = set(range(n)), []
    while left:
        pick = min(left, key=lambda v: (len(neighbours[v]), v))
        order.append(pick)
        left.discard(pick)
        around = neighbours[pick]
        for a in around:
            neighbours[a] |= around
            neighbours[a] -= {a, pick}
    return order


def symbolic(n: int, pattern: Collection[tuple[int, int]], order: list[int]) -> list[list[int]]:
    """For each row of the reordered matrix, the columns that are non-zero after elimination, ascending."""
    position = {v: i for i, v in enumerate(order)}
    rows: list[set[int]] = [{i} for i in range(n)]
    for i, j in pattern:
        rows[position[i]].add(position[j])
    for i in range(n):
        done: set[int] = set()
        while pending := [k for k in rows[i] if k < i and k not in done]:
            k = min(pending)
            done.add(k)
            rows[i] |= {j for j in rows[k] if j > k}
    return [sorted(row) for row in rows]


def emit_lu(n: int, entries: dict[tuple[int, int], int], algebraic: list[bool]) -> tuple[str, int]:
    """C functions ``factor(J, ig, A)`` and ``solve(A, b, c, x)``, and the number of entries of ``A``.

    ``solve`` gives x of ``(M ig - J) x = b + c``.
    ``entries`` maps (row, column) to the index in ``J``; ``ig`` is ``1 / (gamma h)`` of every lane.
    """
    order = minimum_degree(n, entries)
    rows = symbolic(n, entries, order)
    index: dict[tuple[int, int], int] = {}
    for i, row in enumerate(rows):
        for j in row:
            index[i, j] = len(index)
    return _factor(rows, order, index, entries, algebraic) + "\n" + _solve(rows, order, index), len(index)


def _factor(rows, order, index, entries, algebraic) -> str:
    lines = ["CALLED void factor(const vd *restrict J, vd ig, vd *restrict A) {"]
    for i, row in enumerate(rows):
        for j in row:
            entry = entries.get((order[i], order[j]))
            text = f"-J[{entry}]" if entry is not None else "(vd){0}"
            if i == j and not algebraic[order[i]]:
                text = f"ig{text}" if entry is not None else "ig"
            lines.append(f"vd a{index[i, j]}={text};")
        for k in [k for k in row if k < i]:
            lines.append(f"a{index[i, k]}*=a{index[k, k]};")  # the diagonal is kept inverted
            lines += [f"a{index[i, j]}-=a{index[i, k]}*a{index[k, j]};" for j in rows[k] if j > k]
        lines.append(f"a{index[i, i]}=1.0/a{index[i, i]};")
        lines += [f"A[{index[i, j]}]=a{index[i, j]};" for j in row]
    return "\n".join([*lines, "}"])


def _solve(rows, order, index) -> str:
    lines = ["CALLED void solve(const vd *restrict A, const vd *restrict b, const vd *restrict c, vd *restrict x) {"]
    for i, row in enumerate(rows):
        lower = "".join(f"-A[{index[i, k]}]*x{k}" for k in row if k < i)
        lines.append(f"vd x{i}=b[{order[i]}]+c[{order[i]}]{lower};")
    for i in reversed(range(len(rows))):
        upper = "".join(f"-A[{index[i, j]}]*x{j}" for j in rows[i] if j > i)
        lines.append(f"x{i}=(x{i}{upper})*A[{index[i, i]}];" if upper else f"x{i}*=A[{index[i, i]}];")
        lines.append(f"x[{order[i]}]=x{i};")
    return "\n".join([*lines, "}"])
