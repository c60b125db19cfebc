"""Fitting the cathode surrogate: a process a property, calibrated on compositions that were left out.

Rows of one composition differ only in how much lithium is taken out, so folds hold whole compositions. Beside the
process an ensemble is scored, and both on a dopant that no row had, once with fractions alone and once with what is
known of the elements.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from voltgym.surrogates.calibration import combined, conformal_factor, coverage
from voltgym.surrogates.cathode import CathodeSurrogate
from voltgym.surrogates.cathode_features import NUMBERS, described, numbers
from voltgym.surrogates.cathode_names import METALS, NAMES, VOLTAGE, VOLUME
from voltgym.surrogates.ensemble import Ensemble
from voltgym.surrogates.gp import GaussianProcess
from voltgym.surrogates.parts import Part
from voltgym.surrogates.splits import each_fold, group_folds

LEARNED = (VOLTAGE, VOLUME)
FOLDS = 5
DOPANTS = METALS[3:]
TWO_SIGMA = 2.0
Tell = Callable[[str], None]


class Kind(NamedTuple):
    """A kind of model: how it learns from (n, d) numbers and (n,) values, and predicts."""

    fit: Callable[[np.ndarray, np.ndarray, np.ndarray, int], Any]
    predict: Callable[[Any, np.ndarray], tuple[np.ndarray, np.ndarray]]
    process: bool


def _process(x: np.ndarray, y: np.ndarray, groups: np.ndarray, seed: int) -> GaussianProcess:
    return GaussianProcess(seed=seed, most=400, steps=100).fit(np.zeros((len(x), 0), np.uint8), x, y)


def _ensemble(x: np.ndarray, y: np.ndarray, groups: np.ndarray, seed: int) -> Ensemble:
    model = Ensemble((64, 64), members=5, epochs=200, patience=30, batch=64, decay=1e-4, dropout=0.0, seed=seed)
    return model.fit(x, y, groups)


KINDS = {
    "Gaussian process": Kind(_process, lambda m, x: m.predict(np.zeros((len(x), 0), np.uint8), x), True),
    "ensemble": Kind(_ensemble, lambda m, x: m.predict(x), False),
}


class LeftOut(NamedTuple):
    """(n,) what a model says of rows of compositions that it did not learn from."""

    mean: np.ndarray
    spread: np.ndarray
    fold: np.ndarray


def left_out(kind: Kind, x: np.ndarray, y: np.ndarray, groups: np.ndarray, seed: int) -> LeftOut:
    """Predict every row by a model that learned from the other folds."""
    fold = group_folds(groups, FOLDS, seed)
    mean, spread = np.zeros(len(y)), np.zeros(len(y))
    for train, test in each_fold(fold):
        model = kind.fit(x[train], y[train], groups[train], seed)
        found = kind.predict(model, x[test])
        mean[test], spread[test] = found[0][:, 0], found[1][:, 0]
    return LeftOut(mean, spread, fold)


def widened(kind: Kind, error: np.ndarray, spread: np.ndarray) -> tuple[float, float]:
    """(base, factor) that make the ``spread`` of a kind of model cover these errors (n,)."""
    base = 0.0 if kind.process else 0.7 * float(np.sqrt(np.mean(error**2)))
    return base, conformal_factor(error, combined(spread, base))


def scores(kind: Kind, found: LeftOut, y: np.ndarray) -> dict[str, float]:
    """R2, MAE, and how many rows two standard deviations cover, calibrated by the other folds only."""
    error, std = found.mean - y, np.zeros(len(y))
    for train, test in each_fold(found.fold):
        base, factor = widened(kind, error[train], found.spread[train])
        std[test] = combined(found.spread[test], base) * factor
    return {
        "n": float(len(y)),
        "R2": float(1 - (error**2).sum() / ((y - y.mean()) ** 2).sum()),
        "MAE": float(np.abs(error).mean()),
        "coverage": coverage(error, std, TWO_SIGMA),
    }


def unseen(kind: Kind, x: np.ndarray, y: np.ndarray, groups: np.ndarray, dopant: str) -> dict[str, float]:
    """The scores on all rows with a ``dopant`` of a model that saw none of them."""
    with_it = x[:, METALS.index(dopant)] > 0
    if not with_it.any() or with_it.all():
        return {}
    model = kind.fit(x[~with_it], y[~with_it], groups[~with_it], 0)
    mean = kind.predict(model, x[with_it])[0][:, 0]
    truth = y[with_it]
    return {
        "n": float(with_it.sum()),
        "R2": float(1 - ((mean - truth) ** 2).sum() / ((truth - truth.mean()) ** 2).sum()),
        "MAE": float(np.abs(mean - truth).mean()),
    }


def fit(
    designs: list[str], values: np.ndarray, *, seeds: int = 5, source: str = "", tell: Tell = lambda text: None
) -> CathodeSurrogate:
    """Fit, calibrate and score; see ``CathodeSurrogate.fit``.

    Args:
        designs: n keys.
        values: (n, 3) in the order of ``NAMES``.
        seeds: how many times the compositions are split anew; the first calibrates.
        source: what the card says of where the data come from.
        tell: is told what is done.
    """
    x, good = numbers(designs)
    if not good.all():
        raise ValueError(f"{designs[int(np.flatnonzero(~good)[0])]!r} is no design: take it out of the data")
    groups = np.array([design.partition("@")[0] for design in designs])
    if len(set(groups)) < 2 * FOLDS:
        raise ValueError(f"there are {len(set(groups))} compositions; expected at least {2 * FOLDS}")
    parts, card = [], dict[str, Any]()
    for name in LEARNED:
        y = values[:, NAMES.index(name)]
        for label, kind in KINDS.items():
            runs = [left_out(kind, x, y, groups, seed) for seed in range(seeds)]
            each = [scores(kind, run, y) for run in runs]
            rows: dict[str, Any] = {"random": {key: (_mean(each, key), _std(each, key)) for key in each[0]}}
            for dopant in DOPANTS:
                rows[f"without {dopant}"] = unseen(kind, x, y, groups, dopant)
                wide = np.column_stack([x, described(x)])
                rows[f"without {dopant}, elements known"] = unseen(kind, wide, y, groups, dopant)
            card[f"{name}, {label}"] = rows
            tell(f"{name}: {label} is scored")
            if kind.process:
                base, factor = widened(kind, runs[0].mean - y, runs[0].spread)
                model = kind.fit(x, y, groups, 0)
                parts.append(Part((name,), model, np.array([factor]), np.array([base]), len(NUMBERS)))
    about = {"scores": card, "seeds": seeds, "folds": FOLDS, "source": source, "compositions": len(set(groups))}
    return CathodeSurrogate(parts, x.min(axis=0), x.max(axis=0), about)


def _mean(each: Sequence[dict[str, float]], key: str) -> float:
    return float(np.mean([one[key] for one in each]))


def _std(each: Sequence[dict[str, float]], key: str) -> float:
    return float(np.std([one[key] for one in each]))
