"""``VoltGym/Cathode-v0``: compose a layered cathode, an edit at a time, and say how far it is to be charged.

Li(Ni, Mn, Co and up to 20 % of one of Al, Mg, Ti)O2 in tenths. What a cathode is worth is learned from the twin
(``property_model="surrogate"``), or computed by it; see ``objective.py`` for the score, ``physics.py`` for the twin.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from voltgym.envs.cathode import costs, stability
from voltgym.envs.cathode.objective import COBALT, PEAK, PER_MASS, RETENTION, RISK, CathodeObjective
from voltgym.envs.cathode.properties import make_properties
from voltgym.envs.cathode.simplex import AnyDesign, SimplexTask
from voltgym.envs.cathode.space import CathodeSpace
from voltgym.envs.cathode.viewer import PathViewer
from voltgym.envs.contracts import Measured, Parts, Scenario
from voltgym.envs.core import entry_points
from voltgym.envs.edit_task import EditTask
from voltgym.envs.edits import START, EditTwin
from voltgym.envs.errors import check_name
from voltgym.envs.ledger import Ledger
from voltgym.envs.scenario import pick_split
from voltgym.surrogates.cathode_features import NUMBERS, numbers
from voltgym.surrogates.cathode_names import ENERGY, METALS, VOLTAGE, VOLUME

MAX_STEPS = 20
SCALING = {VOLTAGE: (3.6, 0.3), ENERGY: (650.0, 100.0), VOLUME: (0.0, 5.0)}
"""(offset, scale) that bring a property to order one in an observation."""
ALSO = {PEAK: (260.0, 30.0), RETENTION: (80.0, 15.0), PER_MASS: (13.0, 4.0), RISK: (1400.0, 400.0)}
REFERENCES = {
    "NMC111": "LiNi0.3Mn0.3Co0.4O2@0.6",
    "NMC532": "LiNi0.5Mn0.3Co0.2O2@0.6",
    "NMC622": "LiNi0.6Mn0.2Co0.2O2@0.7",
    "NMC811": "LiNi0.8Mn0.1Co0.1O2@0.7",
    "NCA": "LiNi0.8Co0.1Al0.1O2@0.7",
    "LCO": "LiCoO2@0.5",
}
"""Known compositions, or the nearest of the grid, charged about as far as they are in use."""
NOMINAL = REFERENCES["NMC111"]
ACTIONS: Mapping[str, type[CathodeSpace]] = {"edits": CathodeSpace, "continuous": AnyDesign}


def parts(
    split: str = "train",
    property_model: str = "surrogate",
    action: str = "edits",
    start: str | None = None,
    terms: Mapping[str, Sequence[float]] | None = None,
    limits: Mapping[str, float] | None = None,
    k: float = 0.5,
    penalty: float = 0.5,
    corrected: bool = False,
) -> Parts:
    """Twin, task, objective, scenario and viewer of cathode design.

    Args:
        split: ``train``, ``validation``, ``test``, ``private`` or ``nominal``: what episodes start from.
        property_model: ``surrogate``, ``twin``, ``twin-tight`` or ``twin-high``; or a folder of weights
            (``voltgym fit ... out=``).
        action: ``edits``, one a step, or ``continuous``, a whole cathode at once (``simplex.py``).
        start: a key that every episode starts from, in place of any of the grid.
        terms: ``{name: [zero, full]}``, desirabilities to change.
        limits: ``{name: bound}``, limits to change or to add; the least where more is better, else the most.
        k: pessimism, in standard deviations.
        penalty: reward lost for a cost of one.
        corrected: correct the voltages by a line fitted on measured open-circuit curves (``correction.py``).
    """
    check_name("action", action, ACTIONS)
    ledger, space = Ledger(), ACTIONS[action]()
    model = make_properties(property_model, ledger, corrected)
    objective = CathodeObjective(terms, limits, k=k, penalty=penalty)
    how: dict[str, Any] = {"ledger": ledger, "describe": describe, "embed": embed, "substitute": start is None}
    twin = EditTwin(space, model, reasons=Reasons(objective), **how)
    task = (
        SimplexTask(space, {**SCALING, **ALSO}, REFERENCES)
        if isinstance(space, AnyDesign)
        else EditTask(space, SCALING, ALSO, embedding=len(NUMBERS), max_steps=MAX_STEPS, references=REFERENCES)
    )
    fixed = None if start is None else space.canonical(start)
    scenario = pick_split(starts(space, fixed), split)
    return Parts(twin, task, objective, scenario, PathViewer(objective, describe))


class Anywhere:
    """A scenario: any design of the grid."""

    def __init__(self, space: CathodeSpace) -> None:
        self.space = space

    def __call__(self, rng: np.random.Generator) -> dict[str, Any]:
        """Draw one."""
        return {START: self.space.sample(rng, 1)[0]}


class At:
    """A scenario: always the same design."""

    def __init__(self, design: str) -> None:
        self.design = design

    def __call__(self, rng: np.random.Generator) -> dict[str, Any]:
        """That one."""
        return {START: self.design}


def starts(space: CathodeSpace, fixed: str | None) -> Mapping[str, Scenario]:
    """A scenario a split: any design of the grid, ``NOMINAL``, or always ``fixed`` if it is given."""
    if fixed is not None:
        return dict.fromkeys(("train", "validation", "test", "private", "nominal"), At(fixed))
    anywhere = Anywhere(space)
    return dict.fromkeys(("train", "validation", "test", "private"), anywhere) | {"nominal": At(NOMINAL)}


def describe(designs: Sequence[str]) -> dict[str, np.ndarray]:
    """(n,) by name: what of a cathode is neither learned nor computed by the twin."""
    return {
        COBALT: numbers(designs)[0][:, METALS.index("Co")],
        PER_MASS: costs.price(designs),
        RISK: costs.supply_risk(designs),
        PEAK: stability.exothermic_peak(designs),
        RETENTION: stability.retention(designs),
    }


def embed(designs: Sequence[str]) -> np.ndarray:
    """(n, 7) float32: fractions and cut-off."""
    return numbers(designs)[0].astype(np.float32)


class Reasons:
    """In words, why a cathode breaks a slack."""

    def __init__(self, objective: CathodeObjective) -> None:
        self.objective = objective

    def __call__(self, designs: Sequence[str], measured: Measured) -> list[str]:
        """(n) texts, empty where nothing speaks against a cathode."""
        slacks, limits, better = self.objective.slacks(measured), self.objective.limits, self.objective.directions
        out = []
        for i in range(len(designs)):
            said = []
            for name, slack in slacks.items():
                if slack[i] < 0:
                    most = better.get(name) == "min"
                    bound = limits.get(name, 0.0)
                    found = bound - slack[i] if most else bound + slack[i]
                    said.append(f"{name} is {found:.3g}, at {'most' if most else 'least'} {bound:g}")
            out.append("; ".join(said))
        return out


make, make_vec = entry_points(parts, env_id="VoltGym/Cathode-v0", max_steps=MAX_STEPS)
