"""The shipped relaxations as a source: what was computed once need not be computed again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from voltgym.envs.cathode.composition import CUT_OFFS, Composition, Design, parse_formula
from voltgym.envs.cathode.physics import LITHIUM, TIERS, Curve, Key, levels, properties
from voltgym.envs.errors import VoltGymError
from voltgym.surrogates.cathode_names import NAMES

FILE = "cathode_relaxations.parquet"


def shipped() -> Path:
    """Where the table is."""
    return Path(str(resources.files("voltgym.surrogates") / "data" / FILE))


@cache
def rows(method: str, file: Path | None = None) -> Mapping[Key, Mapping[str, Any]]:
    """The converged rows of one method, by what they are of; none if there is no table.

    Raises:
        VoltGymError: the table is damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = file or shipped()
    if not file.exists():
        return {}
    try:
        found = pq.read_table(file).to_pylist()
        return {
            (r["formula"], r["lithium"], r["start"], r["target"]): r
            for r in found
            if r["converged"] and r["method"] == method
        }
    except (OSError, KeyError, pa.ArrowException) as error:
        raise VoltGymError(f"{file} is damaged ({error}); get it again, or build it anew") from None


def curve(table: Mapping[Key, Mapping[str, Any]], composition: Composition, tier: str, start: int = 0) -> Curve | None:
    """Energies and volumes of a composition on a tier; None if a relaxation is missing."""
    plan = TIERS[tier]
    lithium = levels(plan, composition)
    found = [table.get((composition.formula, n, start, plan.force)) for n in lithium]
    if any(row is None for row in found):
        return None
    whole = [row for row in found if row is not None]
    return Curve(lithium, tuple(r["energy"] for r in whole), tuple(r["volume"] for r in whole))


def designs(
    table: Mapping[Key, Mapping[str, Any]], tier: str, metal: float, chosen: Sequence[Composition] | None = None
) -> tuple[list[str], np.ndarray]:
    """(keys, (n, 3) ``NAMES``) of every design whose curve is there, means over the starts of the tier."""
    keys, values = [], []
    for composition in chosen or sorted({parse_formula(key[0]) for key in table if key != LITHIUM}):
        curves = [curve(table, composition, tier, start) for start in TIERS[tier].starts]
        if any(one is None for one in curves):
            continue
        for removed in CUT_OFFS:
            if removed <= composition.deepest:
                design = Design(composition, removed)
                each = [properties(design, one, metal) for one in curves if one is not None]
                keys.append(design.key)
                values.append([float(np.mean([one[name] for one in each])) for name in NAMES])
    return keys, np.array(values).reshape(-1, len(NAMES))
