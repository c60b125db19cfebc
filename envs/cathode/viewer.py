"""An episode of cathode design as a picture: the path over the triangle that it ends on, and what it came to."""

from __future__ import annotations

from typing import Any

import numpy as np

from voltgym.envs.cathode.objective import SCORE, CathodeObjective
from voltgym.envs.cathode.pictures import bar_svg, dopant_name, dopant_of, on_grid, triangles
from voltgym.envs.contracts import Measured
from voltgym.envs.edits import DOMAIN, Describe
from voltgym.surrogates.cathode import load_shipped
from voltgym.surrogates.cathode_names import ENERGY, NAMES, VOLTAGE

DEEPEST = 7


class PathViewer:
    """Voltage, energy and score as triangles, and the designs of the episode as a path.

    The triangles are those of the learned surrogate, whatever the episode was priced with: pictures cost no physics.
    """

    def __init__(self, objective: CathodeObjective, describe: Describe) -> None:
        self.objective, self.describe = objective, describe

    def __call__(self, trace: list[dict[str, Any]]) -> np.ndarray:
        """(h, w, 3) uint8."""
        path = [str(row["design"]) for row in trace]
        dopant = dopant_of(path[-1])
        designs = on_grid(dopant, DEEPEST)
        measured = self._measured(designs)
        score = self.objective.value(measured)[SCORE]
        about = dopant_name(dopant)
        return triangles(
            [
                (f"{VOLTAGE}, {about}", designs, measured[VOLTAGE]),
                (ENERGY, designs, measured[ENERGY]),
                (f"{SCORE}; the path ends at {path[-1]}", designs, score),
            ],
            path,
        )

    def design_svg(self, design: str) -> str:
        """One cathode as ``<svg>`` for a page."""
        return bar_svg(design)

    def _measured(self, designs: list[str]) -> Measured:
        found = load_shipped().predict(designs)
        means = {name: found.mean[:, j] for j, name in enumerate(NAMES)}
        spreads = {f"{name} std": found.std[:, j] for j, name in enumerate(NAMES)}
        return {**means, **spreads, DOMAIN: found.domain, **self.describe(designs)}
