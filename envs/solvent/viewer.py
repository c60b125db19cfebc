"""Episodes of molecule design as pictures: a strip of molecules with what is known of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from voltgym.envs.solvent.objective import SCORE, UNSTABLE, SolventObjective
from voltgym.surrogates.solvent_names import (
    AFFINITY,
    BINDING,
    BOILING,
    FLASH,
    IONIZATION,
    LIQUID,
    PERMITTIVITY,
    VISCOSITY,
)

ZERO_C = 273.15
MOST = 18
"""Molecules in a strip; of a longer episode the last ones."""


class EpisodeViewer:
    """The molecules of an episode in order, with score and properties."""

    def __init__(self, objective: SolventObjective) -> None:
        self.objective = objective

    def __call__(self, trace: list[dict[str, Any]]) -> np.ndarray:
        """(h, w, 3) uint8."""
        return _strip(trace, self._lines)

    def design_svg(self, design: str) -> str:
        """One molecule as ``<svg>`` for a page."""
        from voltgym.envs.solvent.pictures import grid_svg

        return grid_svg([design], [[]], title=design)

    def _lines(self, row: Mapping[str, Any]) -> list[str]:
        measured = {name: np.array([value]) for name, value in row.items() if name != "design"}
        score = float(self.objective.value(measured)[SCORE][0])
        broken = [name for name, slack in self.objective.slacks(measured).items() if slack[0] < 0]
        lines = [
            f"score {score:.2f}" + (f", not {', not '.join(broken).lower()}" if broken else ""),
            f"boils {row[BOILING] - ZERO_C:.0f} C, flash {row[FLASH] - ZERO_C:.0f} C",
            f"{10 ** row[VISCOSITY]:.2g} mPa.s, permittivity {10 ** row[PERMITTIVITY]:.2g}",
            f"liquid at -20 C: {100 * row[LIQUID]:.0f} %",
            f"IE {row[IONIZATION]:.1f} eV, EA {row[AFFINITY]:.1f} eV",
            f"Li+ {row[BINDING]:.0f} kJ/mol",
        ]
        return lines if not row[UNSTABLE] else [*lines, f"{row[UNSTABLE]:.0f} unstable group(s)"]


class SimilarityViewer:
    """The molecules of a rediscovery in order, with their similarity to the target."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, trace: list[dict[str, Any]]) -> np.ndarray:
        """(h, w, 3) uint8."""
        return _strip(trace, lambda row: [f"similarity {row[self.name]:.2f}"])


def _strip(trace: list[dict[str, Any]], lines: Any) -> np.ndarray:
    from voltgym.envs.solvent.pictures import strip  # matplotlib loads only when somebody looks

    shown = trace[-MOST:]
    return strip([row["design"] for row in shown], [lines(row) for row in shown])
