"""The whole C source of a kernel: tables, equations, Jacobian, LU, integrator. Pure text, no compiler."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources import files

from voltgym.envs.charging.kernel.emit import emit_function, emit_tables, hoist
from voltgym.envs.charging.kernel.graph import Graph
from voltgym.envs.charging.kernel.lower import Lowered
from voltgym.envs.charging.kernel.lu import emit_lu
from voltgym.envs.charging.kernel.rosenbrock import RODAS4, Tableau, emit_stages

LANES = 8
"""Cells in a vector: one AVX-512 register of doubles, two of AVX2, four of NEON."""

_STATE = "const vd *restrict y, const vd *restrict u, const vd *restrict p"


@dataclass(frozen=True)
class Source:
    """C text and the sizes its caller needs."""

    text: str
    n_states: int
    n_inputs: int
    n_outputs: int
    n_extremes: int
    n_events: int
    operations: dict[str, int]
    """Vector operations in each generated function, for benchmarks and curiosity."""


def write_source(lowered: Lowered, method: Tableau = RODAS4, hold: bool = True) -> Source:
    """C for a lowered model whose groups are ``outputs``, ``extremes``, ``events`` and ``initial``."""
    graph, groups = lowered.graph, lowered.groups
    held = held_rows(lowered) if hold else []
    entries, jacobian = _entries(lowered, held)
    steep = [graph.local_gradient(node) for node in groups["extremes"]]
    slopes = list(dict.fromkeys(node for gradient in steep for node in gradient.values()))
    hoisted = hoist(graph, [*lowered.rhs, *jacobian, *slopes, *groups["events"], *groups["outputs"]])
    solver, n_factor = emit_lu(len(lowered.rhs), entries, lowered.algebraic)
    begin = _stores("f", lowered.rhs) + _stores("J", jacobian) + _stores("o", groups["outputs"])
    begin += _stores("s", slopes)
    functions = {
        "prepare": (
            [(f"p[{k}]", node) for node, k in hoisted.items()],
            {},
            "const vd *restrict u, vd *restrict p",
        ),
        "rhs": (
            [item for i, item in enumerate(_stores("r", lowered.rhs)) if i not in held],
            hoisted,
            f"{_STATE}, const vd *restrict base, const vd *restrict f, const vd *restrict J, vd *restrict r",
        ),
        "begin": (
            begin + _stores("g", groups["events"]),
            hoisted,
            f"{_STATE}, vd *restrict f, vd *restrict J, vd *restrict o, vd *restrict g, vd *restrict s",
        ),
        "events": (_stores("g", groups["events"]), hoisted, f"{_STATE}, vd *restrict g"),
        "outputs": (_stores("o", groups["outputs"]), hoisted, f"{_STATE}, vd *restrict o"),
        "initial": (_stores("y", groups["initial"]), {}, "const vd *restrict u, vd *restrict y"),
    }
    # a held row follows its own state to first order: f_i + J_ii (stage_i - y_i)
    tails = {"rhs": "".join(f"r[{i}]=f[{i}]+J[{entries[i, i]}]*(y[{i}]-base[{i}]);" for i in held)}
    sizes = {
        "W": LANES,
        "NY": len(lowered.rhs),
        "NU": len(lowered.inputs),
        "NP": len(hoisted),
        "NJ": len(jacobian),
        "NA": n_factor,
        "NX": len(groups["extremes"]),
        "NG": len(groups["events"]),
        "NO": len(groups["outputs"]),
        "NH": len(held),
        "NS": len(slopes),
    }
    parts = [
        *(f"#define {name} {value}" for name, value in sizes.items()),
        _resource("vmath.h"),
        emit_tables(lowered.tables),
        *(emit_function(name, graph, *arguments, tails.get(name, "")) for name, arguments in functions.items()),
        solver,
        _driver(lowered, method, held, entries, _output_errors(steep, slopes)),
    ]
    return Source(
        text="\n".join(parts) + "\n",
        n_states=len(lowered.rhs),
        n_inputs=len(lowered.inputs),
        n_outputs=len(groups["outputs"]),
        n_extremes=len(groups["extremes"]),
        n_events=len(groups["events"]),
        operations={name: _count(graph, arguments[0], arguments[1]) for name, arguments in functions.items()},
    )


_COST = {"exp": 20, "log": 20, "asinh": 40, "tanh": 25, "sqrt": 10, "div": 8, "tab": 100, "pow": 100}
"""Rough costs of operations in units of a multiplication."""


def held_rows(lowered: Lowered, share: float = 0.3) -> list[int]:
    """Differential rows so expensive that stages hold them: those that alone cost ``share`` of the right-hand side.

    That is the heat balance of the lumped thermal models, which needs every overpotential while the temperature changes
    slowly. See ``review`` in ``integrate.c``.
    """
    graph = lowered.graph
    total = _cost(graph, lowered.rhs)
    rows = [i for i, algebraic in enumerate(lowered.algebraic) if not algebraic]
    users: dict[int, set[int]] = {}
    for i in range(len(lowered.rhs)):
        for node in graph.reachable([lowered.rhs[i]]):
            users.setdefault(node, set()).add(i)
    alone = dict.fromkeys(rows, 0)
    for node, rows_of in users.items():
        if len(rows_of) == 1 and (row := next(iter(rows_of))) in alone and graph.mask[node]:
            alone[row] += _node_cost(graph, node)
    return [row for row in rows if alone[row] > share * total]


def _node_cost(graph: Graph, node: int) -> int:
    op = graph.nodes[node][0]
    return 0 if op in ("const", "y", "u") or not graph.mask[node] else _COST.get(op, 1)


def _cost(graph: Graph, roots: list[int]) -> int:
    return sum(_node_cost(graph, node) for node in graph.reachable(roots))


def _entries(lowered: Lowered, held: list[int]) -> tuple[dict[tuple[int, int], int], list[int]]:
    """The entries of the Jacobian that are used, (row, column) -> index, and their nodes. Held
    rows keep the diagonal.
    """
    used = {position: node for position, node in lowered.jacobian.items() if position[0] not in held}
    for i in held:
        used[i, i] = lowered.graph.local_gradient(lowered.rhs[i]).get(i, lowered.graph.const(0.0))
    return {position: k for k, position in enumerate(used)}, list(used.values())


def _stores(target: str, nodes: Iterable[int]) -> list[tuple[str, int]]:
    return [(f"{target}[{i}]", node) for i, node in enumerate(nodes)]


def _count(graph: Graph, results: list[tuple[str, int]], hoisted: dict[int, int]) -> int:
    free = ("const", "y", "u")
    nodes = graph.reachable(node for _, node in results)
    return sum(graph.nodes[n][0] not in free and (not hoisted or graph.mask[n] != 0) for n in nodes)


def _output_errors(steep: list[dict[int, int]], slopes: list[int]) -> str:
    """What the step's error does to each watched output, to first order."""
    lines = []
    for gradient in steep:
        terms = "+".join(f"s[{slopes.index(node)}]*error[{i}]" for i, node in gradient.items())
        if terms:
            lines.append(f"worst = biggest_({terms}, worst);")
    return " ".join(lines)


def _driver(lowered: Lowered, method: Tableau, held: list[int], entries: dict, output_errors: str) -> str:
    n_differential = lowered.algebraic.count(False)
    mass = "1.0" if n_differential == len(lowered.algebraic) else f"((i)<{n_differential}?1.0:0.0)"
    names = ",".join(f"*restrict k{s}=L->k[{s}]" for s in range(method.stages))
    outputs = lowered.groups["outputs"]
    watched = [outputs.index(node) for node in lowered.groups["extremes"]]
    macros = {
        "STAGES": str(method.stages),
        "MASS(i)": mass,
        "IGAMMA": repr(1.0 / method.gamma),
        "ROOT(e)": {4: "sqrt_(sqrt_(e))", 3: "cbrt_(e)"}[method.order],
        "STAGE_K": f"vd {names};",
        "STEP": emit_stages(method),
        "WATCHED": "{" + ",".join(map(str, [*watched, 0])) + "}",
        "HELD": "{" + ",".join(map(str, [*held, 0])) + "}",
        "HELD_ENTRY": "{" + ",".join(map(str, [*[entries[i, i] for i in held], 0])) + "}",
        "HELD_CHANGE": "0.05",
        "OUTPUT_ERRORS": output_errors,
        "PATCH": _patch(lowered, held),
    }
    return "\n".join(f"#define {n} {v}" for n, v in macros.items()) + "\n" + _resource("integrate.c")


def _patch(lowered: Lowered, held: list[int]) -> str:
    """Outputs that are linear in a held state follow its correction; the others change far
    less than the tolerance.
    """
    lines = []
    for k, node in enumerate(lowered.groups["outputs"]):
        gradient = lowered.graph.gradient(node)
        for i in held:
            slope = lowered.graph.value(gradient[i]) if i in gradient else None
            if slope is not None:
                lines.append(f"if (i == {i}) s->at.o[{k}] += {slope!r} * change;")
    return " ".join(lines)


def _resource(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")
