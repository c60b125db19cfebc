"""The shipped results of quantum chemistry as a source: what was computed once need not be computed again."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from voltgym.envs.errors import VoltGymError
from voltgym.surrogates.solvent_names import ELECTRONIC


def shipped(level: str) -> Path:
    """Where the table of a level, ``xtb`` or ``dft``, is."""
    return Path(str(resources.files("voltgym.surrogates") / "data" / f"solvent_{level}.parquet"))


@cache
def answers(level: str, method: str) -> Mapping[str, Mapping[str, Any]]:
    """What ``method`` gave, by SMILES, with the ``seconds`` it took; none if there is no table of it.

    Raises:
        VoltGymError: the table is damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = shipped(level)
    if not file.exists():
        return {}
    try:
        rows = pq.read_table(file).to_pylist()
        return {
            row["smiles"]: {
                "values": {name: row[name] for name in ELECTRONIC},
                "converged": row["converged"],
                "reason": row["reason"],
                "seconds": row["seconds"],
            }
            for row in rows
            if row["method"] == method
        }
    except (OSError, KeyError, pa.ArrowException) as error:
        raise VoltGymError(f"{file} is damaged ({error}); get it again, or build it anew") from None
