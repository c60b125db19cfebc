"""``VoltGym/Solvent-v0``: design an electrolyte molecule, an edit at a time, for a solvent or an additive.

Molecules of up to 14 heavy atoms (C, N, O, F, S, P) are edited under a mask that keeps every one valid. What a molecule
is worth is learned (``property_model="surrogate"``), or computed by xTB or DFT where quantum chemistry can say it; see
``objective.py`` for the score, ``goals.py`` for the two tasks, ``properties.py`` for the levels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from voltgym.envs.contracts import Measured, Parts
from voltgym.envs.core import entry_points
from voltgym.envs.edit_task import EditTask
from voltgym.envs.edits import EditTwin
from voltgym.envs.ledger import Ledger
from voltgym.envs.scenario import pick_split
from voltgym.envs.solvent.goals import EC, find_goal
from voltgym.envs.solvent.objective import DESCRIPTORS, SIMILARITY, SYNTHESIS, UNSTABLE, SolventObjective
from voltgym.envs.solvent.properties import SolventProperties, make_properties
from voltgym.envs.solvent.scaling import SCALING
from voltgym.envs.solvent.scenario import starts
from voltgym.envs.solvent.screens import explain, flags, sa_score
from voltgym.envs.solvent.space import MoleculeSpace
from voltgym.envs.solvent.viewer import EpisodeViewer
from voltgym.surrogates.solvent_names import NAMES

MAX_STEPS = 12
ALSO = {SIMILARITY: (0.5, 0.25), DESCRIPTORS: (0.0, 1.0), UNSTABLE: (0.0, 1.0), SYNTHESIS: (3.0, 1.0)}
"""What is observed beside the properties, with offset and scale."""


def parts(
    split: str = "train",
    goal: str = "solvent",
    property_model: str = "surrogate",
    start: str | None = None,
    terms: Mapping[str, Sequence[float]] | None = None,
    k: float = 0.5,
    share: float | None = None,
    penalty: float = 0.5,
) -> Parts:
    """Twin, task, objective, scenario and viewer of molecule design.

    Args:
        split: ``train``, ``validation``, ``test``, ``private`` or ``nominal``: what episodes start from.
        goal: ``solvent`` or ``additive``.
        property_model: ``surrogate``, ``xtb`` or ``dft``; or a folder of weights
            (``voltgym fit ... out=``).
        start: a SMILES that every episode starts from, in place of the goal's own.
        terms: ``{name: [zero, full]}``, desirabilities to change.
        k: pessimism, in standard deviations (0.5 is a third of the way to the end of a 90 % interval).
        share: of the candidate in EMC by volume; None for the goal's own.
        penalty: reward lost for a cost of one.
    """
    ledger, space = Ledger(), MoleculeSpace()
    model = make_properties(property_model, ledger)
    aim = find_goal(goal, terms)
    known = model.reference(EC)
    objective = SolventObjective(
        aim.terms,
        known,
        share=aim.share if share is None else share,
        k=k,
        penalty=penalty,
        least_similarity=model.surrogate.least_similarity,
    )
    how: dict[str, Any] = {"ledger": ledger, "describe": Describe(model), "reasons": Reasons(model)}
    twin = EditTwin(space, model, embed=model.surrogate.embed, substitute=start is None, **how)
    task = EditTask(
        space, SCALING, ALSO, embedding=model.surrogate.embedding, max_steps=MAX_STEPS, references=aim.references
    )
    fixed = None if start is None else space.canonical(start)
    scenarios = starts(aim.starts, aim.test_starts, aim.nominal, fixed)
    return Parts(twin, task, objective, pick_split(scenarios, split), EpisodeViewer(objective))


class Describe:
    """What of a molecule is neither learned nor computed: how near it is to the data, and what speaks against it."""

    def __init__(self, model: SolventProperties) -> None:
        self.surrogate = model.surrogate

    def __call__(self, designs: Sequence[str]) -> dict[str, np.ndarray]:
        """(n,) by name."""
        return {
            SIMILARITY: self.surrogate.similarity(designs),
            DESCRIPTORS: -self.surrogate.descriptor_excess(designs),
            UNSTABLE: np.array([float(len(flags(design))) for design in designs]),
            SYNTHESIS: np.array([sa_score(design) for design in designs]),
        }


class Reasons:
    """In words, why a molecule breaks a slack."""

    def __init__(self, model: SolventProperties) -> None:
        self.least = model.surrogate.least_similarity

    def __call__(self, designs: Sequence[str], measured: Measured) -> list[str]:
        """(n) texts, empty where nothing speaks against a molecule."""
        rows = zip(designs, measured[SIMILARITY], measured[DESCRIPTORS], strict=True)
        return ["; ".join(filter(None, self._each(*row))) for row in rows]

    def _each(self, design: str, similarity: float, descriptors: float) -> tuple[str, str, str]:
        unlike = f"unlike what was learned from (similarity {similarity:.2f}, at least {self.least})"
        odd = "a descriptor is outside the range of what was learned from"
        return explain(design), unlike if similarity < self.least else "", odd if descriptors < 0 else ""


assert set(SCALING) == set(NAMES)

make, make_vec = entry_points(parts, env_id="VoltGym/Solvent-v0", max_steps=MAX_STEPS)
