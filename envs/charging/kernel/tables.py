"""Piecewise polynomials of at most third degree: what PyBaMM's one-dimensional interpolants become."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pybamm
from scipy import interpolate


@dataclass(frozen=True)
class Table:
    """A piecewise cubic: on ``[x[i], x[i+1])`` it is ``sum_k c[k, i] (q - x[i])^k``; the end pieces extend outwards."""

    x: np.ndarray  # (m + 1,) ascending
    c: np.ndarray  # (4, m), lowest power first
    outside_nan: bool  # NaN outside [x[0], x[-1]], where the interpolant does not extrapolate

    @property
    def key(self) -> bytes:
        """What makes two tables the same."""
        return self.x.tobytes() + self.c.tobytes() + bytes([self.outside_nan])

    def derivative(self) -> Table:
        """The table of the first derivative."""
        c = np.zeros_like(self.c)
        c[:3] = self.c[1:] * np.array([[1.0], [2.0], [3.0]])
        return Table(self.x, c, self.outside_nan)


def table_of(node: pybamm.Interpolant) -> Table:
    """The table of a one-dimensional interpolant (of a derivative of one, where PyBaMM differentiated it)."""
    x = np.asarray(node.x[0], dtype=float)
    y = np.asarray(node.y, dtype=float).reshape(len(x))
    x, first = np.unique(x, return_index=True)
    polynomial = _MAKE[node.interpolator](x, y[first])
    for _ in range(node._num_derivatives):
        polynomial = polynomial.derivative()
    c = np.zeros((4, polynomial.c.shape[1]))
    c[: polynomial.c.shape[0]] = polynomial.c[::-1]
    return Table(np.asarray(polynomial.x, dtype=float), c, not node.extrapolate)


def _linear(x: np.ndarray, y: np.ndarray) -> interpolate.PPoly:
    return interpolate.PPoly(np.stack([np.diff(y) / np.diff(x), y[:-1]]), x)


_MAKE = {"linear": _linear, "cubic": interpolate.CubicSpline, "pchip": interpolate.PchipInterpolator}
