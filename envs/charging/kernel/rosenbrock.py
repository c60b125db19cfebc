"""Rosenbrock methods, in the form that saves the products with the Jacobian.

E. Hairer, G. Wanner, Solving Ordinary Differential Equations II, 2nd ed. 1996, section IV.7::

(M / (gamma h) - J) k_i = f(y + sum_j a_ij k_j) + M sum_j (c_ij / h) k_j
y_new = y + sum_j m_j k_j,    error = sum_j e_j k_j
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Tableau:
    """Coefficients of a Rosenbrock method with ``stages`` stages for autonomous problems."""

    gamma: float
    a: tuple[tuple[float, ...], ...]  # row i holds a_i1 .. a_i,i-1
    c: tuple[tuple[float, ...], ...]
    m: tuple[float, ...]
    e: tuple[float, ...]
    order: int  # of the embedded method plus one: the exponent of the step-size rule is -1 / order

    @property
    def stages(self) -> int:
        """Number of stages."""
        return len(self.m)


_A5 = (1.221224509226641, 6.019134481288629, 12.53708332932087, -0.6878860361058950)

RODAS4 = Tableau(
    # Hairer and Wanner, Solving Ordinary Differential Equations II, 2nd ed. 1996, section VI.4 and their code RODAS
    # (coefficient set METH=1): order 4(3), L-stable, stiffly accurate, also for index-1 algebraic equations.
    gamma=0.25,
    a=(
        (),
        (1.544,),
        (0.9466785280815826, 0.2557011698983284),
        (3.314825187068521, 2.896124015972201, 0.9986419139977817),
        _A5,
        (*_A5, 1.0),
    ),
    c=(
        (),
        (-5.6688,),
        (-2.430093356833875, -0.2063599157091915),
        (-0.1073529058151375, -9.594562251023355, -20.47028614809616),
        (7.496443313967647, -10.24680431464352, -33.99990352819905, 11.70890893206160),
        (8.083246795921522, -7.981132988064893, -31.52159432874371, 16.31930543123136, -6.058818238834054),
    ),
    m=(*_A5, 1.0, 1.0),
    e=(0.0, 0.0, 0.0, 0.0, 0.0, 1.0),
    order=4,
)


RODAS3 = Tableau(
    # Sandu, Verwer, Blom, Spee, Carmichael, Potra, Atmospheric Environment 31 (1997) 3459-3472: order 3(2), L-stable,
    # stiffly accurate; the first two stages share their evaluation of f.
    gamma=0.5,
    a=((), (0.0,), (2.0, 0.0), (2.0, 0.0, 1.0)),
    c=((), (4.0,), (1.0, -1.0), (1.0, -1.0, -8.0 / 3.0)),
    m=(2.0, 0.0, 1.0, 1.0),
    e=(0.0, 0.0, 0.0, 1.0),
    order=3,
)


def _combination(coefficients: tuple[float, ...], stage: str = "k{j}[i]") -> str:
    terms = [
        (f"+{stage}" if value == 1.0 else f"+({value!r})*{stage}").format(j=j)
        for j, value in enumerate(coefficients)
        if value != 0.0
    ]
    return "".join(terms)


def emit_stages(method: Tableau) -> str:
    """C statements of one step: from ``y, u, p, A, f`` (f at y) to ``k0 ...``, ``next`` (y_new) and ``error``."""
    lines = ["FOR extra[i]=splat(0.0);", "solve(A, f, extra, k0);"]
    for s in range(1, method.stages):
        moved, scaled = _combination(method.a[s]), _combination(method.c[s])[1:]
        place = f"stage[i]={_place(method.a[s - 1], method.a[s])}; " if moved else ""
        lines.append(f"FOR {{ {place}extra[i]=MASS(i)*(({scaled})*ih); }}")
        if moved:
            lines.append("rhs(stage, u, p, y, f, L->at.J, r);")
        lines.append(f"solve(A, {'r' if moved else 'f'}, extra, k{s});")
    lines.append(f"FOR {{ next[i]={_place(method.a[-1], method.m)}; error[i]={_combination(method.e).lstrip('+')}; }}")
    return " ".join(lines)


def _place(before: tuple[float, ...], now: tuple[float, ...]) -> str:
    """``y + sum_j now_j k_j``, or the stage before plus the newest k where that is the same (stiff accuracy)."""
    if now[:-1] == before and now[-1] == 1.0:
        return f"stage[i]+k{len(before)}[i]"
    return f"y[i]{_combination(now)}"
