"""One constant-current step of many cells with SUNDIALS' IDA, through PyBaMM's IDAKLU binding called directly.

``Simulation.step`` spends most of its time around the solver, not in it. Here the solver object gets CasADi functions
made for it (scalar expressions with common sub-expressions removed, a sparse Jacobian, outputs evaluated by the solver
itself), compiled to machine code where there is a C compiler, and is called with plain arrays.

IDA: A. C. Hindmarsh et al., ACM Trans. Math. Softw. 31 (2005) 363-396, doi:10.1145/1089014.1089020.
"""

from __future__ import annotations

import warnings
from functools import lru_cache
from typing import Any, NamedTuple

import casadi
import numpy as np
import pybamm
from pybammsolvers import idaklu

from voltgym.envs.charging.kernel.compile import NoCompiler, build
from voltgym.envs.charging.model import BuiltModel

SAMPLE_EVERY = 10.0
"""[s], the longest time between two looks at the outputs within a step."""

MOST_ENTRIES_TO_COMPILE = 2000
"""Above this many entries of the Jacobian (SPMe has about 460, the DFN 4900) a C compiler takes half a minute to two
minutes, more than most uses would win back."""

ROOT_FOUND = 2
"""IDA_ROOT_RETURN: a function of the model's domain crossed zero. As much an end as a negative flag."""

_DENSE_ROW = 0.2
"""A row of the Jacobian with more than this share of its entries is differentiated by itself, in reverse. The lumped
temperature depends on everything: left among the others it makes SPMe's Jacobian four times as long."""

_OPTIONS = {
    "hermite_interpolation": False,
    "silence_sundials_errors": True,  # a row that fails is data: see Step.flag
    "max_num_steps": 5000,  # a 30 s step takes about 40; without a limit a hopeless row takes minutes to give up
}

Functions = dict[str, casadi.Function]


class Step(NamedTuple):
    """What a step of N cells gave, with ``k`` samples in time, the first just after the current changed."""

    y: np.ndarray
    """(N, n_states) at the end of the step."""
    outputs: np.ndarray
    """(N, k, n_outputs); NaN where a row ended early."""
    inside: np.ndarray
    """(N, k, n_domain), >= 0 inside the domain."""
    flag: np.ndarray
    """(N,) IDA's: negative for an error, ``ROOT_FOUND`` where the domain was left."""


class Integrator:
    """IDA for one model. Not to be shared between Python threads.

    A row's result depends on that row alone, bit for bit, whatever the batch and ``threads``.
    """

    def __init__(
        self,
        built: BuiltModel,
        *,
        rtol: float = 1e-5,
        atol: float = 1e-6,
        compile: bool | None = None,
        threads: int = 1,
    ) -> None:
        self.built = built
        self._n_outputs = len(built.outputs)
        functions = solver_functions(built, compile)
        self._inside = functions["sample"]
        self._group = _solver_group(built, functions, rtol, atol, threads)
        self.compiled = functions["residual"].class_name() == "External"

    def step(self, y: np.ndarray, u: np.ndarray, duration: float) -> Step:
        """Integrate rows ``y`` (N, n_states) under inputs ``u`` (N, n_inputs) for ``duration`` [s]."""
        times = np.linspace(0.0, duration, max(2, 1 + int(np.ceil(duration / SAMPLE_EVERY - 1e-9))))
        try:
            rows = self._group.solve(times[[0, -1]], times, y, np.zeros_like(y), u)
        except ValueError:  # one row's failure is raised for the whole batch: find out which
            rows = [self._row(y[i : i + 1], u[i : i + 1], times) for i in range(len(y))]
        return self._collect(y, u, rows, len(times))

    def _row(self, y: np.ndarray, u: np.ndarray, times: np.ndarray) -> Any:
        try:
            return self._group.solve(times[[0, -1]], times, y, np.zeros_like(y), u)[0]
        except ValueError:
            return None

    def _collect(self, y: np.ndarray, u: np.ndarray, rows: list[Any], k: int) -> Step:
        n_domain = len(self.built.domain)
        end = y.copy()
        samples = np.full((len(y), k, self._n_outputs + n_domain), np.nan)
        flag = np.full(len(y), -1)
        for i, row in enumerate(rows):
            if row is None:  # no samples: at least look at where it started
                samples[i, 0] = np.asarray(self._inside(0.0, y[i], u[i])).ravel()
                continue
            got = np.asarray(row.y).reshape(len(row.t), -1)[:k]
            samples[i, : len(got)] = got
            end[i] = row.y_term
            flag[i] = row.flag
        return Step(end, samples[..., : self._n_outputs], samples[..., self._n_outputs :], flag)


def solver_functions(built: BuiltModel, compile: bool | None = None) -> Functions:
    """What IDA needs of a model, shared by all integrators of a process.

    Args:
        built: the model.
        compile: to machine code; ``None`` decides by size. Without a C compiler the functions are interpreted, four
            times slower, after one warning.
    """
    functions = _functions(built)
    small = functions["jacobian"].nnz_out(0) <= MOST_ENTRIES_TO_COMPILE
    wanted = small if compile is None else compile
    return _compiled(built) if wanted else functions


@lru_cache(maxsize=32)
def _functions(built: BuiltModel) -> Functions:
    try:
        equations, outputs = built.equations.expand(), [built.observe.expand(), built.inside.expand()]
        kind: Any = casadi.SX
    except RuntimeError:  # an interpolation table cannot be written as scalar operations
        equations, outputs = built.equations, [built.observe, built.inside]
        kind = casadi.MX
    n, m = built.n_states, built.n_differential
    t, c = kind.sym("t"), kind.sym("c")
    y, u, v = kind.sym("y", n), kind.sym("u", len(built.inputs)), kind.sym("v", n)
    f = casadi.cse(equations(y, u))
    jacobian = sparse_jacobian(f, y)
    mass = casadi.sparsify(casadi.DM(casadi.Sparsity.diag(n), [1.0] * m + [0.0] * (n - m)))
    inside = outputs[1](y, u)
    return {
        "residual": casadi.Function("residual", [t, y, u], [f]),
        "jacobian": casadi.Function("jacobian", [t, y, u, c], [casadi.cse(jacobian - c * mass)]),
        "mass": casadi.Function("mass", [v], [casadi.vertcat(v[:m], kind.zeros(n - m))]),
        "roots": casadi.Function("roots", [t, y, u], [casadi.cse(inside[_watched(built)])]),
        "sample": casadi.Function("sample", [t, y, u], [casadi.cse(casadi.vertcat(outputs[0](y, u), inside))]),
        # Jacobian times vector is for IDA's matrix-free solvers only, but the binding wants a function
        "action": casadi.Function("action", [t, y, u, v], [v]),
        **_algebraic(t, y, u, f, jacobian, m),
    }


def _watched(built: BuiltModel) -> list[int]:
    """Bounds that IDA watches after each of its own steps. The voltage costs as much as the equations themselves, and
    nothing breaks beyond its bounds: it is looked at with the samples.
    """
    return [i for i, name in enumerate(built.domain) if not name.startswith("Voltage")]


def _algebraic(t: Any, y: Any, u: Any, f: Any, jacobian: Any, m: int) -> Functions:
    """Residual and Jacobian (by all states) of the algebraic part, for consistent initial values; empty for an ODE."""
    if m == f.numel():
        return {"algebraic": casadi.Function("none", [], []), "algebraic_jacobian": casadi.Function("none", [], [])}
    return {
        "algebraic": casadi.Function("algebraic", [t, y, u], [f[m:]]),
        "algebraic_jacobian": casadi.Function("algebraic_jacobian", [t, y, u], [jacobian[m:, :]]),
    }


def sparse_jacobian(f: Any, y: Any) -> Any:
    """df/dy of CasADi expressions, with dense rows differentiated apart (see ``_DENSE_ROW``)."""
    n = f.numel()
    counts = np.bincount(np.asarray(casadi.jacobian_sparsity(f, y).row(), int), minlength=n)
    dense = [i for i in range(n) if counts[i] > _DENSE_ROW * n]
    rest = [i for i in range(n) if counts[i] <= _DENSE_ROW * n]
    stacked = casadi.vertcat(casadi.jacobian(f[rest], y), *[casadi.jacobian(f[i], y) for i in dense])
    return stacked[[int(i) for i in np.argsort(rest + dense)], :]


@lru_cache(maxsize=32)
def _compiled(built: BuiltModel) -> Functions:
    functions = _functions(built)
    generator = casadi.CodeGenerator("voltgym_step", {"with_header": False})
    named = {name: function for name, function in functions.items() if function.n_out()}
    for function in named.values():
        generator.add(function)
    try:
        loaded = _load(generator.dump(), list(named.values()))
    except NoCompiler as error:
        warnings.warn(f"{error} Charging steps are interpreted instead, about four times slower.", stacklevel=5)
        return functions
    return functions | dict(zip(named, loaded, strict=True))


def _load(source: str, functions: list[casadi.Function]) -> list[casadi.Function]:
    library, _ = build(source)
    try:
        return [casadi.external(function.name(), str(library)) for function in functions]
    except RuntimeError:  # a damaged cache: throw it away and build again
        library.unlink(missing_ok=True)
        library, _ = build(source)
        return [casadi.external(function.name(), str(library)) for function in functions]


def _solver_group(built: BuiltModel, functions: Functions, rtol: float, atol: float, threads: int) -> Any:
    options = pybamm.IDAKLUSolver(options=_OPTIONS | {"num_threads": threads, "num_solvers": threads}).options
    sparsity = functions["jacobian"].sparsity_out(0)
    empty = casadi.Function("none", [], [])
    handed = {name: idaklu.generate_function(f.serialize()) for name, f in (functions | {"empty": empty}).items()}
    differential = np.arange(built.n_states) < built.n_differential
    return idaklu.create_casadi_solver_group(
        number_of_states=built.n_states,
        number_of_parameters=0,
        rhs_alg=handed["residual"],
        jac_times_cjmass=handed["jacobian"],
        jac_times_cjmass_colptrs=np.asarray(sparsity.colind(), dtype=np.int64),
        jac_times_cjmass_rowvals=np.asarray(sparsity.row(), dtype=np.int64),
        jac_times_cjmass_nnz=sparsity.nnz(),
        jac_bandwidth_lower=sparsity.bw_lower(),
        jac_bandwidth_upper=sparsity.bw_upper(),
        jac_action=handed["action"],
        mass_action=handed["mass"],
        sens=handed["empty"],
        events=handed["roots"],
        number_of_events=functions["roots"].numel_out(0),
        rhs_alg_id=differential.astype(np.int64),
        atol=np.full(built.n_states, atol),
        rtol=rtol,
        inputs=len(built.inputs),
        var_fcns=[handed["sample"]],
        dvar_dy_fcns=[],
        dvar_dp_fcns=[],
        options=options,
        alg_res=handed["algebraic"],
        alg_jac=handed["algebraic_jacobian"],
    )
