"""Scores of state estimators and their baselines, and the tables that model cards show of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from voltgym.surrogates.calibration import coverage

COVERED = (0.85, 0.95)


def errors(found: np.ndarray, truth: np.ndarray, std: np.ndarray | None = None) -> dict[str, float]:
    """Of arrays of one shape, over what is finite in all: count, RMSE, the 95 % quantile of the size, coverage."""
    good = np.isfinite(found) & np.isfinite(truth)
    off = (found - truth)[good]
    out = {"n": int(good.sum()), "RMSE": _rms(off), "95 %": float(np.quantile(np.abs(off), 0.95)) if off.size else 0.0}
    if std is not None:
        out["coverage"] = coverage(off, std[good])
    return out


def _rms(off: np.ndarray) -> float:
    return float(np.sqrt(np.mean(off**2))) if off.size else float("nan")


def mape(found: np.ndarray, truth: np.ndarray) -> float:
    """Mean absolute percentage error, as a share: of numbers > 0."""
    return float(np.mean(np.abs(found - truth) / truth)) if len(truth) else float("nan")


def met(good: bool) -> str:
    """In a card."""
    return "met" if good else "**missed**"


def percent(value: float, digits: int = 2) -> str:
    """A share as a table shows it."""
    return "-" if value != value else f"{100 * value:.{digits}f} %"


def rows(heads: Sequence[str], lines: Sequence[Sequence[Any]]) -> list[str]:
    """A Markdown table."""
    out = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    return out + ["| " + " | ".join(map(str, line)) + " |" for line in lines]


def provenance(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """What of a set's manifest belongs on a card."""
    return {name: manifest[name] for name in ("config_hash", "rows", "fingerprint") if name in manifest}
