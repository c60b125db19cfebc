"""What designs would measure, were what is learned of them these numbers: for whoever weighs what a surrogate expects.

A property model that can be asked so has two more methods, see ``Imaginable``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np

from voltgym.envs.contracts import Measured
from voltgym.envs.edits import DOMAIN, EditTwin
from voltgym.envs.errors import VoltGymError


class Complete(NamedTuple):
    """What a property model says of ``r`` designs, ``s`` times, if what is learned of them is given."""

    mean: np.ndarray
    """(s, r, m) in the order of its ``names``."""
    std: np.ndarray
    """(s, r, m)"""
    domain: np.ndarray
    """(r,)"""


Completion = Callable[[np.ndarray, np.ndarray], Complete]
"""From (s, r, k) values of what is learned, of the designs at (r,) places, to everything."""


@runtime_checkable
class Imaginable(Protocol):
    """A property model whose properties follow from a few that physics computes, its ``latent`` ones."""

    names: tuple[str, ...]
    latent: tuple[str, ...]

    def learnable(self, designs: Sequence[str]) -> np.ndarray:
        """(n, k) what the physics says, as a surrogate of it learns it. Not charged: it was when they were priced."""
        ...

    def completion(self, designs: Sequence[str]) -> Completion:
        """What follows from values of ``latent`` of these designs."""
        ...


class Imagined:
    """``designs`` of an editing environment on the level of its property model.

    Raises:
        VoltGymError: the property model is not ``Imaginable``.
    """

    def __init__(self, twin: EditTwin, designs: Sequence[str]) -> None:
        self.names = twin.model.names
        self._complete = imaginable(twin).completion(designs)
        self._extra: Mapping[str, np.ndarray] = twin.described(designs)

    def __call__(self, latent: np.ndarray, places: np.ndarray) -> Measured:
        """(s * r,) by name what ``EditTwin.measure`` would give of the designs at ``places`` (r,), ``s`` times.

        ``latent`` are (s, r, k) values of what is learned.
        """
        found = self._complete(np.asarray(latent, dtype=float), places)
        mean, std = (table.reshape(-1, len(self.names)) for table in (found.mean, found.std))
        out = {name: mean[:, j] for j, name in enumerate(self.names)}
        out |= {f"{name} std": std[:, j] for j, name in enumerate(self.names)}
        times = len(latent)
        extra = {name: np.tile(values[places], times) for name, values in self._extra.items()}
        return out | {DOMAIN: np.tile(found.domain, times)} | extra


def imaginable(twin: EditTwin) -> Imaginable:
    """The property model of ``twin``, if it can be asked so."""
    if not isinstance(twin.model, Imaginable):
        raise VoltGymError(
            f"{type(twin.model).__name__} has no `latent`, `learnable` and `completion`: a loop cannot tell what is "
            "learned of it; see voltgym.envs.imagine.Imaginable"
        )
    return twin.model
