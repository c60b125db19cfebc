"""``VoltGym/SolventRediscovery-v0``: find a known molecule again from a distant one, by its similarity alone.

GuacaMol's rediscovery (Brown et al. 2019, J. Chem. Inf. Model. 59, 1096): the score is the Tanimoto similarity of
counted Morgan fingerprints of radius 2 to the target, 1 where the target is found. The optimum is known, so it says
whether an agent can search this space at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from voltgym.envs.contracts import Measured, Parts
from voltgym.envs.core import entry_points
from voltgym.envs.edit_task import EditTask
from voltgym.envs.edits import DOMAIN, EditTwin
from voltgym.envs.errors import check_name
from voltgym.envs.ledger import Ledger
from voltgym.envs.scenario import pick_split
from voltgym.envs.solvent.scenario import starts
from voltgym.envs.solvent.space import MoleculeSpace
from voltgym.envs.solvent.viewer import SimilarityViewer
from voltgym.surrogates.base import Prediction
from voltgym.surrogates.solvent_features import count_fingerprints
from voltgym.surrogates.tanimoto import min_max

TARGETS = {"EC": "O=C1OCCO1", "DME": "COCCOC", "FEC": "O=C1OCC(F)O1"}
STARTS = ("CCCCCC", "CCN(CC)CC", "CCSCC", "CC(C)(C)C")
"""Molecules that share little with any target; a test holds them below a similarity of 0.3."""
SIMILARITY = "Similarity to the target"
MAX_STEPS = 20


class ToTarget:
    """A property model: how similar molecules are to the target."""

    names: tuple[str, ...] = (SIMILARITY,)

    def __init__(self, target: str, ledger: Ledger) -> None:
        self.target, self.ledger = count_fingerprints([target]), ledger

    def predict(self, designs: Sequence[Any] | np.ndarray) -> Prediction:
        """(n, 1) similarities; exact, so without a standard deviation."""
        self.ledger.charge("surrogate_calls", len(designs))
        found = min_max(count_fingerprints(list(designs)), self.target)
        n = len(designs)
        return Prediction(found, np.zeros((n, 1)), np.zeros(n), np.zeros(n, dtype=np.int8))


class Nearer:
    """The objective: similarity, and its change as reward."""

    final = True
    scales: dict[str, float] = {}  # noqa: RUF012
    tolerances: dict[str, float] = {}  # noqa: RUF012
    directions = {SIMILARITY: "max"}  # noqa: RUF012

    def slacks(self, measured: Measured) -> dict[str, np.ndarray]:
        """None: every molecule will do."""
        return {}

    def broken(self, measured: Measured) -> np.ndarray:
        """Never."""
        return np.zeros(len(measured[DOMAIN]), dtype=bool)

    def value(self, measured: Measured) -> dict[str, np.ndarray]:
        """The similarity."""
        return {SIMILARITY: measured[SIMILARITY].copy()}

    def reward(self, before: Measured, after: Measured, goal: np.ndarray, failure: np.ndarray) -> np.ndarray:
        """The change of similarity; a failure costs more than any way back."""
        return np.where(failure != 0, -1.1 - before[SIMILARITY], after[SIMILARITY] - before[SIMILARITY])


def parts(split: str = "train", target: str = "EC", start: str | None = None) -> Parts:
    """Twin, task, objective, scenario and viewer of a rediscovery.

    Args:
        split: ``train``, ``validation``, ``test``, ``private`` or ``nominal``.
        target: ``EC``, ``DME`` or ``FEC``.
        start: a SMILES that every episode starts from.
    """
    check_name("target", target, TARGETS)
    space, ledger = MoleculeSpace(seeds=STARTS), Ledger()  # no walk begins at a target
    twin = EditTwin(space, ToTarget(TARGETS[target], ledger), ledger=ledger, embed=embed)
    task = EditTask(space, {SIMILARITY: (0.0, 1.0)}, {}, embedding=EMBEDDING, max_steps=MAX_STEPS, references=TARGETS)
    fixed = None if start is None else space.canonical(start)
    scenarios = starts(STARTS[:-1], STARTS[-1:], STARTS[0], fixed)
    return Parts(twin, task, Nearer(), pick_split(scenarios, split), SimilarityViewer(SIMILARITY))


EMBEDDING = 256


def embed(designs: Sequence[str]) -> np.ndarray:
    """(n, 256) float32: counted fingerprints, folded."""
    counts: Any = count_fingerprints(designs)
    return counts.reshape(len(designs), -1, EMBEDDING).sum(axis=1).astype(np.float32)


make, make_vec = entry_points(parts, env_id="VoltGym/SolventRediscovery-v0", max_steps=MAX_STEPS)
