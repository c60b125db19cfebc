"""Fitting the solvent surrogate: a model a part, calibrated and scored on groups that were left out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from voltgym.surrogates.calibration import auc, combined, conformal_factor, coverage, platt
from voltgym.surrogates.ensemble import Ensemble
from voltgym.surrogates.gp import GaussianProcess
from voltgym.surrogates.parts import Part
from voltgym.surrogates.solvent import SolventSurrogate, inputs
from voltgym.surrogates.solvent_features import DESCRIPTORS, NUMBERS, battery_like, features, group_of
from voltgym.surrogates.solvent_names import BOILING, ELECTRONIC, FLASH, LIQUID, NAMES, PERMITTIVITY, VISCOSITY
from voltgym.surrogates.splits import each_fold, group_folds
from voltgym.surrogates.tanimoto import Known

FOLDS = 5
Tell = Callable[[str], None]


class Plan(NamedTuple):
    """How one part of the surrogate is learned."""

    names: tuple[str, ...]
    kind: Callable[[int], Any]
    """Makes the model, from a seed."""
    numbers: int = len(DESCRIPTORS)
    """How many of the features' ``NUMBERS`` it learns from."""


def _process(seed: int) -> GaussianProcess:
    return GaussianProcess(seed=seed, most=800, steps=60)


def _large(seed: int) -> Ensemble:
    return Ensemble((96, 48), members=5, epochs=60, patience=8, batch=256, seed=seed)


PLANS = (
    Plan((FLASH,), _process),
    Plan((VISCOSITY,), _process),
    Plan((PERMITTIVITY,), _process),
    Plan((BOILING,), _large),
    Plan((LIQUID,), _large),
    *(Plan((name,), _process, len(NUMBERS)) for name in ELECTRONIC),
)
"""Gaussian processes do better (on 600 xTB rows by half), ensembles carry thousands of rows. What the best site of a
molecule is like helps where a site decides, and misleads where the whole molecule does: with it the error of flash
points grew from 11 to 13 K."""


class Data(NamedTuple):
    """The rows of one part."""

    smiles: tuple[str, ...]
    counts: np.ndarray
    numbers: np.ndarray
    values: np.ndarray
    """(n, m)"""
    groups: np.ndarray
    battery: np.ndarray
    """(n,) bool: like a battery solvent."""


def rows_of(plan: Plan, designs: Sequence[str], values: np.ndarray) -> Data:
    """The rows of ``designs`` (n) and ``values`` (n, 9) that a part learns from: those with any of its values."""
    at = [NAMES.index(name) for name in plan.names]
    use = np.flatnonzero(np.isfinite(values[:, at]).any(axis=1))
    smiles = tuple(designs[i] for i in use.tolist())
    counts, numbers, good = features(smiles)
    if not good.all():
        wrong = smiles[int(np.flatnonzero(~good)[0])]
        raise ValueError(f"{wrong!r} is no SMILES that RDKit reads: take it out of the data")
    groups = np.array([group_of(s) for s in smiles])
    battery = np.array([battery_like(s) for s in smiles])
    return Data(smiles, counts, numbers[:, : plan.numbers], values[use][:, at], groups, battery)


def learn(plan: Plan, data: Data, rows: np.ndarray, seed: int) -> Any:
    """A model of the part, from some of its rows."""
    model = plan.kind(seed)
    if isinstance(model, GaussianProcess):
        return model.fit(data.counts[rows], data.numbers[rows], data.values[rows])
    return model.fit(inputs(data.counts[rows], data.numbers[rows]), data.values[rows], data.groups[rows])


def raw(model: Any, counts: np.ndarray, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n, m) means and uncalibrated spreads."""
    if isinstance(model, GaussianProcess):
        return model.predict(counts, numbers)
    return model.predict(inputs(counts, numbers))


class LeftOut(NamedTuple):
    """What models say of molecules of groups that they did not learn from."""

    mean: np.ndarray
    spread: np.ndarray
    fold: np.ndarray
    similarity: np.ndarray
    """(n,) to the nearest molecule that was learned from."""


def left_out(plan: Plan, data: Data, seed: int, tell: Tell) -> LeftOut:
    """Predict every row by a model that learned from the other folds."""
    fold = group_folds(data.groups, FOLDS, seed)
    mean, spread = np.zeros_like(data.values), np.zeros_like(data.values)
    similarity = np.zeros(len(fold))
    for k, (train, test) in enumerate(each_fold(fold)):
        model = learn(plan, data, train, seed)
        mean[test], spread[test] = raw(model, data.counts[test], data.numbers[test])
        similarity[test] = Known(data.counts[train]).nearest(data.counts[test])
        tell(f"{plan.names[0]}, seed {seed}, fold {k + 1} of {FOLDS}")
    return LeftOut(mean, spread, fold, similarity)


def calibrated(plan: Plan, data: Data, found: LeftOut, model: Any) -> Part:
    """The part with its spreads made to cover, by the rows that were left out."""
    gp = isinstance(model, GaussianProcess)
    error = found.mean - data.values
    base = np.zeros(error.shape[1]) if gp else 0.7 * np.sqrt(np.nanmean(error**2, axis=0))
    std = found.spread if gp else combined(found.spread, base)
    curve = None
    factor = np.array([_factor(error[:, j], std[:, j]) for j in range(error.shape[1])])
    if plan.names == (LIQUID,):
        curve = platt(found.mean[:, 0], data.values[:, 0])
    return Part(plan.names, model, factor, base, plan.numbers, curve)


def _factor(error: np.ndarray, std: np.ndarray) -> float:
    known = np.isfinite(error)
    return conformal_factor(error[known], std[known])


def scores(plan: Plan, data: Data, found: LeftOut) -> dict[str, dict[str, float]]:
    """R2, MAE, coverage and AUC of the rows left out, by property; calibrated by the *other* folds only."""
    out = {}
    for j, name in enumerate(plan.names):
        error, truth = found.mean[:, j] - data.values[:, j], data.values[:, j]
        std = _cross_calibrated(plan, error, found.spread[:, j], found.fold)
        known = np.isfinite(truth)
        for suffix, rows in (("", known), (" battery", known & data.battery)):
            e, t = error[rows], truth[rows]
            row = {
                "n": float(rows.sum()),
                "MAE": float(np.abs(e).mean()),
                "R2": float(1 - (e**2).sum() / ((t - t.mean()) ** 2).sum()),
                "coverage": coverage(e, std[rows]),
            }
            if name == LIQUID:
                row = {"n": row["n"], "AUC": auc(found.mean[rows, j], t)}
            out[name + suffix] = row
    return out


def _cross_calibrated(plan: Plan, error: np.ndarray, spread: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """(n,) each fold's standard deviations, scaled by what the other folds' residuals ask for."""
    gp, std = plan.kind is _process, np.zeros_like(spread)
    for train, test in each_fold(fold):
        base = 0.0 if gp else 0.7 * float(np.sqrt(np.nanmean(error[train] ** 2)))
        wide = spread if gp else combined(spread, base)
        std[test] = wide[test] * _factor(error[train], wide[train])
    return std


def by_similarity(data: Data, found: LeftOut, column: int, edges: Sequence[float]) -> list[tuple[float, int, float]]:
    """(lower edge, rows, MAE) of the rows left out, by their similarity to what was learned from."""
    error = np.abs(found.mean[:, column] - data.values[:, column])
    rows = []
    for low, high in zip(edges, [*edges[1:], 1.01], strict=True):
        inside = (found.similarity >= low) & (found.similarity < high) & np.isfinite(error) & data.battery
        rows.append((low, int(inside.sum()), float(error[inside].mean()) if inside.any() else float("nan")))
    return rows


EDGES = (0.0, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8)


def fit(
    designs: list[str], values: np.ndarray, *, seeds: int = 1, provenance: Any = (), tell: Tell = lambda text: None
) -> SolventSurrogate:
    """Fit, calibrate and score; see ``SolventSurrogate.fit``.

    Args:
        designs: n canonical SMILES.
        values: (n, 9), NaN where one is not known.
        seeds: how many times the groups are split anew for the scores of the card; the first calibrates.
        provenance: what the card says of where the data come from.
        tell: is told what is done.
    """
    parts, card, learned, ranges = [], dict[str, Any](), dict[str, np.ndarray](), []
    for plan in PLANS:
        data = rows_of(plan, designs, values)
        if len(data.smiles) < 50:
            raise ValueError(f"{plan.names[0]} is known of {len(data.smiles)} molecules; expected at least 50")
        runs = [left_out(plan, data, seed, tell) for seed in range(seeds)]
        model = learn(plan, data, np.arange(len(data.smiles)), 0)
        parts.append(calibrated(plan, data, runs[0], model))
        learned[plan.names[0]] = data.counts
        ranges.append(data.numbers[:, : len(DESCRIPTORS)])
        card |= _card_rows(plan, data, runs)
        tell(f"{plan.names[0]} is learned")
    small = [FLASH, VISCOSITY, PERMITTIVITY]
    measured = np.unique(np.concatenate([learned[name] for name in small]), axis=0)
    computed = np.unique(learned[ELECTRONIC[0]], axis=0)
    numbers = np.concatenate(ranges)
    low, high = np.quantile(numbers, [0.005, 0.995], axis=0)
    about = {"properties": card, "seeds": seeds, "folds": FOLDS, "provenance": provenance}
    return SolventSurrogate(parts, measured, computed, low, high, about)


def _card_rows(plan: Plan, data: Data, runs: Sequence[LeftOut]) -> dict[str, Any]:
    each = [scores(plan, data, run) for run in runs]
    rows: dict[str, dict[str, Any]] = {}
    for name in each[0]:
        rows[name] = {key: _spread([one[name][key] for one in each]) for key in each[0][name]}
    for j, name in enumerate(plan.names):
        rows[name]["by similarity"] = by_similarity(data, runs[0], j, EDGES)
    return rows


def _spread(numbers: Sequence[float]) -> tuple[float, float]:
    return float(np.mean(numbers)), float(np.std(numbers))


def gather(xtb: Mapping[str, Sequence[Any]]) -> tuple[list[str], np.ndarray]:
    """(designs, (n, 9) values) of the measured tables and the xTB table (columns by name, ``converged`` among them)."""
    from voltgym.surrogates.solvent_tables import PROVENANCE, read

    rows: dict[str, np.ndarray] = {}

    def row(smiles: str) -> np.ndarray:
        return rows.setdefault(smiles, np.full(len(NAMES), np.nan))

    for source in PROVENANCE:
        for smiles, value in zip(*read(source.column), strict=True):
            row(smiles)[NAMES.index(source.column)] = value
    for i, smiles in enumerate(xtb["smiles"]):
        if xtb["converged"][i]:
            for name in ELECTRONIC:
                row(smiles)[NAMES.index(name)] = xtb[name][i]
    return list(rows), np.stack(list(rows.values()))
