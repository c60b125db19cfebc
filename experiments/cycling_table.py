"""The set of cells that were cycled until they were worn out, as rows that SOH and RUL are learned from."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow.parquet as pq

from voltgym.envs.errors import VoltGymError
from voltgym.experiments import data_parts
from voltgym.experiments.data_cycling import CHARGE_GRID, CHECK_GRID
from voltgym.surrogates import rul_features, soh_features
from voltgym.surrogates.state_sensors import Sensors

NOMINAL = 5.0
"""[A.h] of OKane2022, which C-rates, SOH and the end of life refer to."""
END = 0.8
"""The end of life, as a share of nominal capacity."""
TESTED = 0.25
"""Share of the cells of ``LEARNED`` that is kept for tests; those of other protocols all are."""
LEARNED = "one stage"
FILES = {kind: f"cycling_{kind}.parquet" for kind in ("cells", "checks")}


class Set(NamedTuple):
    """Columns of check-ups (k,) and of cells (n,), by name."""

    checks: dict[str, np.ndarray]
    cells: dict[str, np.ndarray]

    def of(self, name: str) -> np.ndarray:
        """(k,) a column of the cells, at every check-up."""
        return self.cells[name][np.searchsorted(self.cells["cell"], self.checks["cell"])]


def shipped() -> Path:
    """Where the tables are that come with the package."""
    return Path(str(resources.files("voltgym.surrogates") / "data"))


def read(folder: Path | None) -> Set:
    """The set in ``folder`` (`voltgym data data=cycling`), or the shipped one.

    Raises:
        VoltGymError: it is missing or damaged.
    """
    try:
        if folder is None:
            tables = {kind: pq.read_table(shipped() / file) for kind, file in FILES.items()}
        else:
            tables = {kind: data_parts.table(folder, kind) for kind in FILES}
    except (OSError, ValueError) as error:
        again = f"make it with `voltgym data data=cycling out={folder}`" if folder else "install voltgym again"
        raise VoltGymError(f"the set of cycled cells cannot be read ({error}); {again}") from None
    return Set(*({name: _column(t[name]) for name in t.column_names} for t in (tables["checks"], tables["cells"])))


def _column(found: Any) -> np.ndarray:
    values = found.to_pylist() if "list" in str(found.type) else found.to_numpy()
    return np.array(values, dtype=float) if "list" in str(found.type) else np.asarray(values)


def lives(found: Set) -> np.ndarray:
    """(n,) cycles until ``END``, between the two check-ups around it; NaN for a cell that was not seen to get there."""
    out = np.full(len(found.cells["cell"]), np.nan)
    for i, cell in enumerate(found.cells["cell"]):
        rows = found.checks["cell"] == cell
        cycle, soh = found.checks["cycle"][rows].astype(float), found.checks["Capacity [A.h]"][rows] / NOMINAL
        below = np.flatnonzero(soh < END)
        if below.size and below[0] > 0:
            k = below[0]
            out[i] = cycle[k - 1] + (soh[k - 1] - END) / (soh[k - 1] - soh[k]) * (cycle[k] - cycle[k - 1])
    return out


def split(found: Set) -> np.ndarray:
    """(n,) of each cell: ``train``, ``new cells``, or the protocol that no training had."""
    cells = found.cells
    tested = np.array([np.random.default_rng([17, int(cell)]).uniform() < TESTED for cell in cells["cell"]])
    known = cells["protocol"].astype(str) == LEARNED
    return np.where(known, np.where(tested, "new cells", "train"), cells["protocol"].astype(str))


class Rows(NamedTuple):
    """What an estimator learns from or is judged by."""

    x: np.ndarray
    y: np.ndarray
    cell: np.ndarray
    part: np.ndarray
    """(n,) as :func:`split` says."""
    baseline: np.ndarray
    """(n,) what the simple way says."""
    cycle: np.ndarray
    """(n,) that a row is of."""


def _offsets(found: Set, sensors: Sensors, rng: np.random.Generator) -> np.ndarray:
    """(n,) [A] how far the current of each cell's sensor is off."""
    return rng.uniform(-1, 1, len(found.cells["cell"])) * sensors.amperes


def soh_rows(found: Set, sensors: Sensors, rng: np.random.Generator) -> Rows:
    """A row a charge: its features as measured, and the SOH of the check-up before it.

    The voltage's noise is that of one sample at every edge of a window, as if nothing were smoothed. The simple way
    scales the charge of all windows by that of the cell's first charge, when it had the SOH of a new cell.
    """
    checks, index = found.checks, np.searchsorted(found.cells["cell"], found.checks["cell"])
    curve = checks["Charge curve [A.h]"]
    noisy = soh_features.EDGES + rng.normal(0.0, sensors.volts, (len(curve), len(soh_features.EDGES)))
    passed = np.array([np.interp(v, CHARGE_GRID, row) for v, row in zip(noisy, curve, strict=True)])
    off = _offsets(found, sensors, rng)[index] / NOMINAL
    rate = found.of("charge") + off
    passed = passed * (rate / found.of("charge"))[:, None]
    x = soh_features.features(passed, rate, checks["Mean temperature [K]"])
    soh, whole = checks["Capacity [A.h]"] / NOMINAL, passed[:, -1] - passed[:, 0]
    first = np.array([np.flatnonzero(index == i)[0] if (index == i).any() else 0 for i in range(index.max() + 1)])
    new = float(np.mean(soh[first]))
    good = np.isfinite(x).all(axis=1)
    rows = Rows(x, soh, checks["cell"], split(found)[index], new * whole / whole[first][index], checks["cycle"])
    return Rows(*(values[good] for values in rows))


def rul_rows(found: Set, sensors: Sensors, rng: np.random.Generator) -> Rows:
    """A row a cell that lived on after its first cycles and was seen to end: features, and the cycles that were left.

    The simple way draws a line through the capacities.
    """
    checks, life, off = found.checks, lives(found), _offsets(found, sensors, rng)
    kept, x, capacity = [], [], []
    for i, cell in enumerate(found.cells["cell"]):
        rows = {int(c): k for k, c in enumerate(checks["cycle"]) if checks["cell"][k] == cell}
        if not life[i] > rul_features.LAST or any(c not in rows for c in rul_features.CHECKS):
            continue
        at = [rows[c] for c in rul_features.CHECKS]
        factor = 1 + off[i] / (NOMINAL / 3)  # a check-up's discharge is at C/3
        caps = checks["Capacity [A.h]"][at] * factor
        curves = [_noisy(checks["Check-up curve [A.h]"][k], sensors, rng) * factor for k in (at[0], at[-1])]
        kept.append(i)
        capacity.append(caps)
        kelvin = checks["Mean temperature [K]"][at].mean()
        rate = found.cells["charge"][i] + off[i] / NOMINAL
        x.append(rul_features.features(np.array([curves]), caps[None], np.array([rate]), np.array([kelvin]))[0])
    y, cells = life[kept] - rul_features.LAST, found.cells["cell"][kept]
    simple = rul_features.linear_life(np.array(capacity).reshape(len(kept), -1), END * NOMINAL)
    return Rows(np.array(x), y, cells, split(found)[kept], simple, np.full(len(kept), rul_features.LAST))


def _noisy(curve: np.ndarray, sensors: Sensors, rng: np.random.Generator) -> np.ndarray:
    """A discharge curve whose voltages were read with noise."""
    volts = CHECK_GRID + rng.normal(0.0, sensors.volts, len(CHECK_GRID))
    return np.interp(volts, CHECK_GRID, np.nan_to_num(curve))
