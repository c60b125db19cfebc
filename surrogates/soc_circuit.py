"""A Thevenin circuit of a cell with an open-circuit curve, fitted to histories: the model of the Kalman filter.

    V = U(s) + R0(s, T) I + R1(s, T) u,    u' = (I - u) / tau

(Plett, *Battery Management Systems* vol. 1, 2015, ch. 2; cited from memory; ``envs/thevenin.py`` has the same with a
straight line for U.) U is piecewise linear in the SOC s; R0 and R1 are, times one and times an Arrhenius factor of the
temperature. All of that is linear in its numbers, so it is fitted by least squares, for every tau of a few.
"""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np

from voltgym.surrogates.state_sensors import SAMPLE

KNOTS = np.linspace(-0.05, 1.05, 45)
"""SOC at which the open-circuit curve bends."""
COARSE = np.linspace(-0.05, 1.05, 9)
"""SOC at which the resistances do."""
TAUS = (60.0, 120.0, 250.0, 500.0, 1000.0)
"""[s] of which the best is taken."""
ARRHENIUS = 2500.0
"""[K] activation energy over the gas constant, about 21 kJ/mol: a judgement; the share that it takes is fitted."""

SMOOTH = 1e-6
"""How much a bend of the open-circuit curve weighs beside a volt's error of one sample in so many; a judgement."""


class Circuit(NamedTuple):
    """Numbers of the circuit, for C-rates in place of currents."""

    ocv: np.ndarray
    """(len(KNOTS),) [V]."""
    series: np.ndarray
    """(2, len(COARSE)) [V] at 1C: at any temperature, and with the Arrhenius factor beside it."""
    slow: np.ndarray
    """(2, len(COARSE)) [V] at 1C, of the slow part."""
    tau: float
    """[s]"""
    error: float
    """[V] root mean square over what it was fitted on."""

    @classmethod
    def fit(cls, volts: np.ndarray, kelvin: np.ndarray, rate: np.ndarray, soc: np.ndarray) -> Self:
        """Of (n, L) true samples; what is not finite is left out."""
        found = [_fitted(tau, volts, kelvin, rate, soc) for tau in TAUS]
        return cls(*min(found, key=lambda numbers: numbers[-1]))

    @property
    def decay(self) -> float:
        """What is left of the slow part after a sample."""
        return float(np.exp(-SAMPLE / self.tau))

    def voltage(
        self, soc: np.ndarray, slow: np.ndarray, rate: np.ndarray, kelvin: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(n,) [V], its slope by the SOC and by the slow C-rate ``slow`` (n,)."""
        hot = _hot(kelvin)
        u, du = _read(KNOTS, self.ocv, soc)
        parts = [_read(COARSE, numbers, soc) for numbers in (*self.series, *self.slow)]
        (a, da), (b, db), (c, dc), (d, dd) = parts
        volts = u + (a + hot * b) * rate + (c + hot * d) * slow
        return volts, du + (da + hot * db) * rate + (dc + hot * dd) * slow, c + hot * d


def slow_rate(rate: np.ndarray, tau: float) -> np.ndarray:
    """(n, L) the C-rate as the slow part of the circuit sees it; at rest in the first sample."""
    keep, out = float(np.exp(-SAMPLE / tau)), np.zeros_like(rate)
    for j in range(1, rate.shape[1]):
        out[:, j] = keep * out[:, j - 1] + (1 - keep) * rate[:, j]
    return out


def _hot(kelvin: np.ndarray) -> np.ndarray:
    return np.exp(ARRHENIUS * (1 / np.maximum(kelvin, 200.0) - 1 / 298.15))


def _read(knots: np.ndarray, values: np.ndarray, soc: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n,) values between the knots, beyond them along the last piece, and their slopes."""
    width = knots[1] - knots[0]
    at = np.clip((np.nan_to_num(soc) - knots[0]) / width, 0, len(knots) - 2).astype(int)
    slope = (values[at + 1] - values[at]) / width
    return values[at] + slope * (soc - knots[at]), slope


def _hats(knots: np.ndarray, soc: np.ndarray) -> np.ndarray:
    """(n, len(knots)) what each knot contributes."""
    return np.maximum(1 - np.abs(soc[:, None] - knots) / (knots[1] - knots[0]), 0)


def _bends(n: int, order: int) -> np.ndarray:
    """(n, n) the square of the differences of an order: what is not known goes on as its neighbours do."""
    d = np.diff(np.eye(n), order, axis=0)
    return d.T @ d


def _fitted(tau: float, volts: np.ndarray, kelvin: np.ndarray, rate: np.ndarray, soc: np.ndarray) -> tuple:
    good = np.isfinite(volts) & np.isfinite(soc)
    slow = slow_rate(np.nan_to_num(rate), tau)[good]
    v, i, s, hot = volts[good], rate[good], soc[good], _hot(kelvin[good])
    coarse = _hats(COARSE, s)
    parts = [_hats(KNOTS, s), *(coarse * (by * x)[:, None] for x in (i, slow) for by in (np.ones_like(hot), hot))]
    a = np.concatenate(parts, axis=1)
    k, c = len(KNOTS), len(COARSE)
    smooth = np.zeros((a.shape[1], a.shape[1]))
    smooth[:k, :k] = _bends(k, 2)
    for start in range(k, a.shape[1], c):
        smooth[start : start + c, start : start + c] = 100 * _bends(c, 1)
    x = np.linalg.solve(a.T @ a + SMOOTH * len(v) * smooth + 1e-9 * np.eye(len(smooth)), a.T @ v)
    series, rest = x[k : k + 2 * c].reshape(2, c), x[k + 2 * c :].reshape(2, c)
    return x[:k], series, rest, tau, float(np.sqrt(np.mean((a @ x - v) ** 2)))
