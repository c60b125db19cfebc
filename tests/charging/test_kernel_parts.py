"""The steps of the kernel one by one: graph, derivatives, tables, elimination, mathematics, compiler and cache."""

from __future__ import annotations

import ctypes
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import numpy as np
import pybamm
import pytest

from voltgym.envs.charging.kernel import compile as compiling
from voltgym.envs.charging.kernel.compile import NoCompiler, build, compilers, load
from voltgym.envs.charging.kernel.graph import Graph
from voltgym.envs.charging.kernel.lu import emit_lu, minimum_degree, symbolic
from voltgym.envs.charging.kernel.source import LANES
from voltgym.envs.charging.kernel.tables import table_of
from voltgym.envs.charging.kernel.twin import KernelTwin
from voltgym.envs.charging.twin import PyBaMMTwin
from voltgym.envs.charging.twins import make_twin

VMATH = f"#define W {LANES}\n" + (Path(compiling.__file__).parent / "vmath.h").read_text()
TRIVIAL = "double twice(double x) { return 2 * x; }\n"


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(compiling.CACHE_VARIABLE, str(tmp_path))
    return tmp_path


def value(graph: Graph, root: int, y: np.ndarray, u: np.ndarray) -> float:
    """A node's value, straight from the definitions."""
    from voltgym.envs.charging.kernel.simplify import _FOLD_BINARY, _FOLD_UNARY

    seen: dict[int, float] = {}
    for node in graph.reachable([root]):
        op, a, b = graph.nodes[node]
        if op == "const":
            seen[node] = a
        elif op in ("y", "u"):
            seen[node] = float((y if op == "y" else u)[a])
        elif b < 0:
            seen[node] = _FOLD_UNARY[op](seen[a])
        else:
            seen[node] = _FOLD_BINARY[op](seen[a], seen[b])
    return seen[root]


def test_equal_expressions_are_one_node() -> None:
    g = Graph()
    a, b = g.y(0), g.y(1)
    assert g.binary("add", a, b) == g.binary("add", b, a)
    assert g.binary("mul", g.const(2.0), g.binary("mul", a, g.const(3.0))) == g.binary("mul", g.const(6.0), a)
    assert g.binary("sub", a, a) == g.const(0.0)
    assert g.unary("neg", g.unary("neg", a)) == a
    assert g.value(g.unary("exp", g.const(0.0))) == 1.0
    assert g.value(g.unary("log", g.const(-1.0))) is None  # left to run time


def test_simplifications_keep_values() -> None:
    rng = np.random.default_rng(0)
    y, u = rng.uniform(0.5, 2.0, 3), rng.uniform(0.5, 2.0, 2)
    g, values = Graph(), {}
    nodes = [g.y(i) for i in range(3)] + [g.u(i) for i in range(2)] + [g.const(v) for v in (0.0, 1.0, -1.0, 2.5, -2.5)]
    for node in nodes:
        values[node] = value(g, node, y, u)
    for _ in range(600):
        op = str(rng.choice(["add", "sub", "mul", "div", "min", "max"]))
        a, b = (nodes[i] for i in rng.integers(0, len(nodes), 2))
        if op == "div" and abs(values[b]) < 1e-3:
            continue
        expected = {
            "add": values[a] + values[b],
            "sub": values[a] - values[b],
            "mul": values[a] * values[b],
            "min": min(values[a], values[b]),
            "max": max(values[a], values[b]),
        }.get(op, values[a] / (values[b] or 1.0))
        if not 1e-3 < abs(expected) < 1e3:
            continue
        node = g.binary(op, a, b)
        assert value(g, node, y, u) == pytest.approx(expected, rel=1e-6)
        nodes.append(node)
        values[node] = value(g, node, y, u)


UNARY_AT = {
    **dict.fromkeys(["neg", "sqrt", "exp", "log", "log1p", "expm1", "sin", "cos", "tan", "atan", "sinh", "cosh"], 0.7),
    **dict.fromkeys(["tanh", "asinh", "erf", "abs", "asin", "acos", "atanh"], 0.6),
    "acosh": 1.7,
}


@pytest.mark.parametrize("op", UNARY_AT)
@pytest.mark.parametrize("narrow", [1, 8])
def test_derivatives_of_functions(op: str, narrow: int) -> None:
    g, y = Graph(), np.array([UNARY_AT[op]])
    root = g.unary(op, g.y(0))
    slope = value(g, g.gradient(root, narrow)[0], y, y)
    step = 1e-6
    difference = (value(g, root, y + step, y) - value(g, root, y - step, y)) / (2 * step)
    assert slope == pytest.approx(difference, rel=1e-6)


@pytest.mark.parametrize("narrow", [1, 2, 99])
def test_gradients_forward_and_reverse_agree_with_differences(narrow: int) -> None:
    g = Graph()
    y, u = np.array([0.3, 0.8, 1.7, 0.4]), np.array([1.3])
    nodes = [g.y(i) for i in range(4)]
    flux = [g.binary("mul", g.unary("exp", g.binary("mul", a, b)), g.binary("sub", a, b)) for a, b in pairwise(nodes)]
    root = g.binary("div", g.sum(flux), g.binary("pow", g.binary("max", nodes[2], nodes[0]), g.u(0)))
    gradient = g.gradient(root, narrow)
    for i in range(4):
        step = np.eye(4)[i] * 1e-6
        difference = (value(g, root, y + step, u) - value(g, root, y - step, u)) / 2e-6
        assert value(g, gradient[i], y, u) == pytest.approx(difference, rel=1e-6)


def test_local_gradient_leaves_functions_of_averages_out() -> None:
    g = Graph()
    average = g.unary("sqrt", g.sum(g.unary("exp", g.y(i)) for i in range(20)))
    root = g.binary("sub", g.binary("add", g.unary("log", g.y(0)), average), g.binary("mul", g.const(3.0), g.y(25)))
    gradient = g.local_gradient(root)
    assert gradient.keys() == {0, 25}
    assert g.value(gradient[25]) == -3.0


@pytest.mark.parametrize("kind", ["linear", "cubic", "pchip"])
def test_tables_are_the_interpolants(kind: str) -> None:
    rng = np.random.default_rng(1)
    x = np.sort(rng.uniform(0, 1, 30))
    y = np.cos(5 * x) + 0.1 * rng.standard_normal(30)
    state = pybamm.StateVector(slice(0, 200))
    at = np.linspace(-0.05, 1.05, 200)
    node = pybamm.Interpolant(x, y, state, interpolator=kind)
    np.testing.assert_allclose(look_up(table_of(node), at), node.evaluate(y=at[:, None]).ravel(), rtol=1e-10)
    step = 1e-7
    slope = (look_up(table_of(node), at + step) - look_up(table_of(node), at - step)) / (2 * step)
    smooth = np.abs(at[:, None] - x).min(axis=1) > 2 * step
    np.testing.assert_allclose(look_up(table_of(node).derivative(), at)[smooth], slope[smooth], rtol=1e-4, atol=1e-5)


def look_up(table, at: np.ndarray) -> np.ndarray:
    """Values from the generated C."""
    from voltgym.envs.charging.kernel.emit import emit_tables

    code = emit_tables([table]) + (
        "\nvoid all(int64_t n, const double *q, double *r) { for (int64_t i = 0; i < n; i += W) { vd v;"
        " for (int l = 0; l < W; l++) v[l] = q[i + l < n ? i + l : n - 1]; v = lookup0(v);"
        " for (int l = 0; l < W && i + l < n; l++) r[i + l] = v[l]; } }\n"
    )
    library, _ = load(VMATH + code)
    out = np.empty(len(at))
    at = np.ascontiguousarray(at)
    library.all(ctypes.c_int64(len(at)), ctypes.c_void_p(at.ctypes.data), ctypes.c_void_p(out.ctypes.data))
    return out


def test_tables_outside_their_range() -> None:
    x = np.linspace(0, 1, 11)
    node = pybamm.Interpolant(x, x**2, pybamm.StateVector(slice(0, 1)), extrapolate=False)
    values = look_up(table_of(node), np.array([-0.1, 0.0, 0.55, 1.0, 1.1, np.nan]))
    assert np.isnan(values).tolist() == [True, False, False, False, True, True]
    assert values[2] == pytest.approx((0.25 + 0.36) / 2)


def test_elimination_solves() -> None:
    rng = np.random.default_rng(2)
    n = 25
    pattern = {(i, j) for i in range(n) for j in range(n) if abs(i - j) <= 1 or j == n - 1 or i == n - 1}
    entries = {position: k for k, position in enumerate(sorted(pattern))}
    algebraic = [i % 5 == 3 for i in range(n)]
    code, size = emit_lu(n, entries, algebraic)
    assert size == len(pattern)  # minimum degree: an arrow and a band fill nothing
    driver = (
        f"\nvoid one(const double *j, double ig, const double *b, double *x) {{"
        f" vd J[{len(entries)}], A[{size}], B[{n}], C[{n}], X[{n}];"
        f" for (int i = 0; i < {len(entries)}; i++) J[i] = splat(j[i]);"
        f" for (int i = 0; i < {n}; i++) B[i] = splat(3 * b[i]), C[i] = splat(-2 * b[i]);"
        f" factor(J, splat(ig), A); solve(A, B, C, X); for (int i = 0; i < {n}; i++) x[i] = X[i][W - 1]; }}\n"
    )
    library, _ = load(VMATH + code + driver)
    matrix = np.zeros((n, n))
    for i, j in pattern:
        matrix[i, j] = rng.uniform(-1, 1) - (8 if i == j else 0)
    values, b, x = np.array([matrix[p] for p in entries]), rng.standard_normal(n), np.empty(n)
    point = [ctypes.c_void_p(a.ctypes.data) for a in (values, b, x)]
    library.one(point[0], ctypes.c_double(3.0), point[1], point[2])
    mass = np.diag([0.0 if a else 1.0 for a in algebraic])
    np.testing.assert_allclose(x, np.linalg.solve(3.0 * mass - matrix, b), rtol=1e-10)


def test_elimination_order_keeps_fill_small() -> None:
    n = 30
    arrow = {(0, j) for j in range(n)} | {(i, 0) for i in range(n)} | {(i, i) for i in range(n)}
    order = minimum_degree(n, arrow)
    assert sorted(order) == list(range(n))
    assert order.index(0) >= n - 2  # the dense row goes last
    assert sum(map(len, symbolic(n, arrow, order))) == len(arrow)


RANGES = {
    "exp": (-700, 700),
    "expm1": (-30, 700),
    "log": (1e-300, 1e300),
    "log1p": (-0.999, 1e6),
    "sinh": (-700, 700),
    "cosh": (-700, 700),
    "tanh": (-30, 30),
    "asinh": (-1e9, 1e9),
}


@pytest.mark.parametrize("name", RANGES)
def test_lane_mathematics_is_accurate(name: str) -> None:
    rng = np.random.default_rng(3)
    low, high = RANGES[name]
    spread = np.concatenate([rng.uniform(low, high, 2000), np.geomspace(1e-12, min(high, 1e8), 2000)])
    if low < 0:
        spread = np.concatenate([spread, -np.geomspace(1e-12, min(-low, high), 2000)])
    special = np.array([0.0, 1.0, np.nan, np.inf, *([-np.inf, -1.0] if low < 0 else [-2.0])])
    at = np.concatenate([spread, special])
    code = (
        "void all(int64_t n, const double *q, double *r) { for (int64_t i = 0; i < n; i += W) { vd v;"
        " for (int l = 0; l < W; l++) v[l] = q[i + l < n ? i + l : n - 1];"
        f" v = {name}_(v); for (int l = 0; l < W && i + l < n; l++) r[i + l] = v[l]; }} }}\n"
    )
    library, _ = load(VMATH + code)
    got = np.empty(len(at))
    library.all(ctypes.c_int64(len(at)), ctypes.c_void_p(at.ctypes.data), ctypes.c_void_p(got.ctypes.data))
    numpy_name = {"asinh": "arcsinh"}.get(name, name)
    with np.errstate(all="ignore"):
        expected = getattr(np, numpy_name)(at)
    if name in ("asinh", "sinh", "cosh"):  # infinities are clamped to the largest finite results
        got, expected = got[np.isfinite(at)], expected[np.isfinite(at)]
    np.testing.assert_allclose(got, expected, rtol=2e-15)


def test_a_library_is_built_once(empty_cache: Path) -> None:
    path, compiler = build(TRIVIAL)
    stamp = path.stat().st_mtime_ns
    assert build(TRIVIAL) == (path, compiler)
    assert path.stat().st_mtime_ns == stamp
    assert path.parent == empty_cache


@pytest.mark.parametrize("damage", [b"", b"not a library", None])
def test_a_damaged_cache_is_built_again(empty_cache: Path, damage: bytes | None) -> None:
    path, _ = build(TRIVIAL)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2] if damage is None else damage)
    library, _ = load(TRIVIAL)
    library.twice.restype, library.twice.argtypes = ctypes.c_double, [ctypes.c_double]
    assert library.twice(21.0) == 42.0


def test_many_processes_may_build_at_once(empty_cache: Path) -> None:
    code = f"from voltgym.envs.charging.kernel.compile import load; load({TRIVIAL!r})[0].twice; print('fine')"

    def one(_: int) -> str:
        return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(one, range(4))) == ["fine\n"] * 4
    assert len(list(empty_cache.glob("*.so"))) == 1
    assert not [path for path in empty_cache.iterdir() if path.is_dir()]


def test_a_read_only_cache_is_no_obstacle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv(compiling.CACHE_VARIABLE, str(tmp_path / "file" / "below"))
    path, _ = build(TRIVIAL)
    assert path.is_file()


def test_a_compiler_that_fails_says_why(empty_cache: Path) -> None:
    with pytest.raises(NoCompiler, match="error"):
        build("this is not C;\n")


def test_without_a_compiler_pybamm_takes_over(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(compiling.COMPILER_VARIABLE, "no-such-compiler-here")
    assert compilers() == ()
    with pytest.raises(NoCompiler, match=r"no-such-compiler-here.*pip install ziglang"):
        KernelTwin("LGM50", "SPM")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        twin = make_twin(cell="LGM50", fidelity="SPM")
    assert isinstance(twin, PyBaMMTwin)
    assert any("runs on PyBaMM's solver" in str(w.message) for w in caught)


def test_the_chosen_compiler_is_used(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(compiling.COMPILER_VARIABLE, "gcc -pipe")
    if not compilers():
        pytest.skip("there is no gcc")
    _, compiler = build(TRIVIAL)
    assert compiler.command == ("gcc", "-pipe")
    twice = load(TRIVIAL)[0].twice
    twice.restype, twice.argtypes = ctypes.c_double, [ctypes.c_double]
    assert twice(21.0) == 42.0
