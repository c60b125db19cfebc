"""Where episodes of molecule design begin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from voltgym.envs.contracts import Scenario
from voltgym.envs.edits import START


def starts(train: Sequence[str], test: Sequence[str], nominal: str, fixed: str | None = None) -> Mapping[str, Scenario]:
    """A scenario a split: one of ``train`` or ``test`` at random, ``nominal``, or always ``fixed`` if it is given."""

    def one_of(designs: Sequence[str]) -> Scenario:
        chosen = [fixed] if fixed is not None else list(designs)

        def draw(rng: np.random.Generator) -> dict[str, Any]:
            return {START: chosen[int(rng.integers(len(chosen)))]}

        return draw

    both = dict.fromkeys(("train", "validation"), one_of(train)) | dict.fromkeys(("test", "private"), one_of(test))
    return both | {"nominal": one_of([nominal])}
