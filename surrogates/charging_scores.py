"""How good a learned twin is, open loop over whole episodes, and how wide its intervals have to be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from voltgym.surrogates.calibration import combined, conformal_factor, coverage
from voltgym.surrogates.charging_fit import open_loop
from voltgym.surrogates.charging_measured import SPREAD, widened
from voltgym.surrogates.charging_runs import Runs
from voltgym.surrogates.charging_step import BLOCK, GIVEN, Weights
from voltgym.surrogates.charging_step import step as advance

SHARE = 0.5
"""The share of the error that the members' agreement is never trusted beyond."""


class Residuals(NamedTuple):
    """Of every real step of some episodes, open loop from their starts."""

    error: np.ndarray
    """(rows, 6) of the members' mean, in the units of ``SPREAD``."""
    spread: np.ndarray
    """(rows, 6) standard deviation over the members."""
    episode: np.ndarray
    """(rows,) the number of the episode among those given."""
    step: np.ndarray
    """(rows,)."""
    wider: np.ndarray
    """(rows,) what the standard deviation is multiplied with for being outside of the ranges of the cells."""

    def of(self, rows: np.ndarray) -> Residuals:
        """Some of the rows."""
        return Residuals(*(values[rows] for values in self))


def residuals(w: Weights, data: Runs, ranges: Mapping[str, Sequence[float]]) -> Residuals:
    """What the twin says of whole episodes against what the physics did; ``ranges`` are those learned from."""
    z, outputs = open_loop(w, data)
    real = np.arange(data.rates.shape[1])[None] < data.steps[:, None]
    said = np.concatenate([outputs[..., :1], z[..., :1], outputs[..., 1:]], axis=-1)[:, real].astype(float)
    true = np.concatenate([data.outputs[..., :1], data.z[:, 1:, :1], data.outputs[..., 1:]], axis=-1)[real]
    episode, step = np.nonzero(real)
    low, high = (np.array([ranges[name][i] for name in GIVEN]) for i in (0, 1))
    inside = (np.minimum(data.given - low, high - data.given) / (high - low)).min(axis=1)
    return Residuals(said.mean(axis=0) - true, said.std(axis=0), episode, step, widened(inside)[episode])


def one_step(w: Weights, data: Runs) -> Residuals:
    """What the twin says of every real step of some episodes when it starts from what the physics was before it."""
    episode, step = np.nonzero(np.arange(data.rates.shape[1])[None] < data.steps[:, None])
    n, members = len(episode), len(w.layers[0][0])
    rows = np.concatenate([np.arange(n), np.zeros(-n % BLOCK, dtype=int)])
    e, k = episode[rows], step[rows]
    z = np.repeat(data.z[e, k][None], members, axis=0)
    single = (data.soc[e, k], data.soc[e, k + 1], data.given[e], data.rates[e, k], data.past[e, k])
    new, outputs = advance(np, w, z, *(np.asarray(values, np.float32) for values in single))
    said = np.concatenate([outputs[..., :1], new[..., :1], outputs[..., 1:]], axis=-1)[:, :n].astype(float)
    true = np.concatenate([data.outputs[..., :1], data.z[:, 1:, :1], data.outputs[..., 1:]], axis=-1)[episode, step]
    return Residuals(said.mean(axis=0) - true, said.std(axis=0), episode, step, np.ones(n))


def calibrated(found: Residuals) -> tuple[np.ndarray, np.ndarray]:
    """(6,) factors and (6,) bases: ``factor * sqrt(spread**2 + base**2)`` covers as a normal distribution would."""
    base = SHARE * rmse(found)
    std = combined(found.spread, base)
    factor = [conformal_factor(found.error[:, j], std[:, j]) for j in range(len(SPREAD))]
    return np.array(factor), base


def rmse(found: Residuals) -> np.ndarray:
    """(6,) in the units of ``SPREAD``."""
    return np.sqrt((found.error**2).mean(axis=0)) if len(found.error) else np.full(len(SPREAD), np.nan)


def scores(found: Residuals, factor: np.ndarray, base: np.ndarray) -> dict[str, Any]:
    """Errors, coverage of 90 % intervals and mean standard deviation by quantity."""
    std = factor * combined(found.spread, base) * found.wider[:, None]
    worst = np.abs(found.error).max(axis=0) if len(found.error) else np.full(len(SPREAD), np.nan)
    each = {
        name: {
            "RMSE": float(rmse(found)[j]),
            "largest": float(worst[j]),
            "coverage": coverage(found.error[:, j], std[:, j]),
            "std": float(std[:, j].mean()),
        }
        for j, name in enumerate(SPREAD)
    }
    return {"episodes": len(np.unique(found.episode)), "steps": len(found.error), **each}


def depleted(w: Weights, data: Runs) -> float:
    """The mean concentration in the negative electrode [mol.m-3] below which the electrolyte is empty somewhere.

    There the equations of the physics end. It is what tells steps that failed from those that did not with the fewest
    errors, by what the twin predicts of them; 0 where nothing failed.
    """
    said = open_loop(w, data)[0].mean(axis=0)[..., 3]
    at = np.arange(said.shape[1])[None]
    real = at < data.steps[:, None]
    fell = np.sort(said[data.failed[:, None] & (at == data.steps[:, None])])
    stood = np.sort(said[real])
    edges = np.concatenate([[0.0], fell + 1e-3])
    errors = len(fell) - np.searchsorted(fell, edges) + np.searchsorted(stood, edges)
    best = float(edges[np.argmin(errors)])
    above = stood[np.searchsorted(stood, best) :]
    return best if not len(above) or best == 0 else float(min(best + 50.0, (best + above[0]) / 2))
