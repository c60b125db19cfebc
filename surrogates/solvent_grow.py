"""The solvent surrogate as a loop fits it: electronic properties from the molecules that were computed, in a second.

What comes from measurements (boiling and flash point, viscosity, permittivity, melting) no physics here computes: it is
the shipped surrogate's, as it is on every level of the environment.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from voltgym.surrogates.growing import grown
from voltgym.surrogates.solvent import SolventSurrogate, load_shipped
from voltgym.surrogates.solvent_features import features
from voltgym.surrogates.solvent_names import ELECTRONIC


def grow(designs: Sequence[str], values: np.ndarray, *, seed: int = 0) -> SolventSurrogate:
    """A process a property from ``designs`` (n canonical SMILES) and ``values`` (n, 4) in the order of ``ELECTRONIC``.

    Values are xTB's own, before any correction. What a molecule is like, and with it the domain, stays the shipped one.
    """
    counts, numbers, good = features(tuple(designs))
    if not good.all():
        raise ValueError(f"{designs[int(np.flatnonzero(~good)[0])]!r} is no SMILES: take it out of the data")
    base = load_shipped()
    kept = [part for part in base.parts if part.names[0] not in ELECTRONIC]
    new = [grown(name, counts, numbers, values[:, j], seed=seed) for j, name in enumerate(ELECTRONIC)]
    return base.replaced([*kept, *new], {"source": "a loop", "designs": len(designs)})
