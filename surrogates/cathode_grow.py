"""The cathode surrogate as a loop fits it: on the few designs that the physics was asked for, in a second."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from voltgym.surrogates.cathode import CathodeSurrogate
from voltgym.surrogates.cathode_features import NUMBERS, numbers
from voltgym.surrogates.cathode_fit import LEARNED
from voltgym.surrogates.growing import grown


def grow(designs: Sequence[str], values: np.ndarray, *, seed: int = 0) -> CathodeSurrogate:
    """A process a property from ``designs`` (n keys) and ``values`` (n, 2), voltages [V] and volume changes [%].

    Its domain is all of the space: how unsure it is far from the data is what its spread says, and a loop is to go
    there.
    """
    x, good = numbers(designs)
    if not good.all():
        raise ValueError(f"{designs[int(np.flatnonzero(~good)[0])]!r} is no design: take it out of the data")
    nothing = np.zeros((len(x), 0), np.uint8)
    parts = [grown(name, nothing, x, values[:, j], seed=seed) for j, name in enumerate(LEARNED)]
    card: dict[str, Any] = {"scores": {}, "source": "a loop", "designs": len(designs)}
    return CathodeSurrogate(parts, np.zeros(len(NUMBERS)), np.ones(len(NUMBERS)), card)
