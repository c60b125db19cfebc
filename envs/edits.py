"""``EditTwin``: environments that design a thing. A space applies the edits, a property model says what it is worth.

Swapping the property model between a surrogate and the physics is the fidelity ladder.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import numpy as np

from voltgym.envs.contracts import Measured
from voltgym.envs.errors import VoltGymError, shown
from voltgym.envs.ledger import Ledger
from voltgym.surrogates.base import Failure, PropertyModel, State

START = "Start design"
"""What the scenario of an editing environment draws: the key of the design that an episode begins with."""
DOMAIN = "Domain"
"""The property model's applicability domain, >= 0 inside."""


class DesignSpace(Protocol):
    """What designs there are and how one becomes another, N at once. A design is known by its key, a text."""

    n_actions: int
    stop: int
    """The action that changes nothing and hands the design in."""

    def initial(self, designs: Sequence[str]) -> State:
        """The state of N designs by key. Raises `VoltGymError` for a key that is not of this space."""
        ...

    def apply(self, state: State, action: np.ndarray) -> tuple[State, np.ndarray]:
        """(N,) edits; returns the new state and (N,) int8 of ``Failure``. ``stop`` changes nothing."""
        ...

    def mask(self, state: State) -> np.ndarray:
        """(N, n_actions) bool: the edits that lead to a design of the space."""
        ...

    def keys(self, state: State) -> np.ndarray:
        """(N,) object: the designs' keys. The same design has the same key, however it was reached."""
        ...

    def canonical(self, text: str) -> str:
        """The key of a design as a user writes it. Raises `VoltGymError` if it is not of this space."""
        ...

    def neighbours(self, design: str) -> list[str]:
        """The keys that are one edit away."""
        ...

    def sample(self, rng: np.random.Generator, n: int) -> list[str]:
        """``n`` designs at random."""
        ...


Describe = Callable[[Sequence[str]], Mapping[str, np.ndarray]]
"""(n,) numbers by name for ``n`` designs: what ``measure`` shows beside the properties."""


MOST_NEIGHBOURS = 20
"""How many neighbours of a start without a price are tried."""


class EditTwin:
    """Designs as states, N at once. A design is priced once; what it costs is on the ledger before the work is done.

    The ledger counts ``unique_designs`` and ``duplicates``; a model that has a ledger counts its own calls on it.
    ``measure`` gives ``<name>`` and ``<name> std`` of every property, ``Domain``, and what ``describe`` says.

    Args:
        space: the designs and their edits.
        model: what a design is worth.
        ledger: where it is counted.
        describe: more numbers of a design, which cost nothing.
        embed: (n, f) float32 features of designs, kept in the state as ``embedding`` for the task.
        reasons: why each of n designs breaks which slack, as texts, from the designs and what they measure.
        remember: how many priced designs are kept.
        substitute: a start that the model cannot price is replaced by a neighbour that it can, in place of an error.
    """

    def __init__(
        self,
        space: DesignSpace,
        model: PropertyModel,
        *,
        ledger: Ledger | None = None,
        describe: Describe | None = None,
        embed: Callable[[Sequence[str]], np.ndarray] | None = None,
        reasons: Callable[[Sequence[str], Measured], Sequence[str]] | None = None,
        remember: int = 200_000,
        substitute: bool = False,
    ) -> None:
        self.space, self.model, self.ledger = space, model, ledger or Ledger()
        self._describe, self.embed, self._reasons = describe, embed, reasons
        self._remember, self.substitute = remember, substitute
        self._known: dict[str, tuple[np.ndarray, np.ndarray, int]] = {}
        self._extra: tuple[str, ...] = ()
        self._seen: set[str] = set()
        self.history: list[str] = []
        """Every design that was priced, once, in order: what an optimiser has seen."""

    @property
    def fingerprint(self) -> Mapping[str, str]:
        """Which property model it was: part of every record."""
        return getattr(self.model, "fingerprint", {"model": type(self.model).__name__})

    # -- the twin ------------------------------------------------------------------------------------------------

    def initial(self, scenarios: State) -> State:
        """Designs by their key, ``scenarios["Start design"]``. Raises `VoltGymError` for one that has no price."""
        state = self.space.initial(list(scenarios[START]))
        keys = self.space.keys(state)
        priced, failure = self._priced(keys)
        if failure.any() and self.substitute:
            state = self.space.initial([self._instead(k) if bad else k for k, bad in zip(keys, failure, strict=True)])
            keys = self.space.keys(state)
            priced, failure = self._priced(keys)
        if failure.any():
            first = int(np.flatnonzero(failure)[0])
            kind = Failure(int(failure[first])).name
            raise VoltGymError(f"the start design {shown(keys[first])} has no properties here ({kind}); choose another")
        return state | priced | {"stopped": np.zeros(len(keys), dtype=bool), "mask": self.space.mask(state)}

    def _instead(self, key: str) -> str:
        """The first of the designs one edit away that has a price; ``key`` if none of the first few has."""
        others = self.space.neighbours(key)[:MOST_NEIGHBOURS]
        return next((other for other in others if not self._priced(np.array([other], dtype=object))[1][0]), key)

    def advance(self, state: State, action: np.ndarray) -> tuple[State, np.ndarray]:
        """One edit a row; ``stop`` sets ``stopped``. A design that the model cannot price fails its row."""
        new, failure = self.space.apply(state, action)
        failure = failure.astype(np.int8)
        priced, failed = self._priced(self.space.keys(new))
        rest = {"stopped": action == self.space.stop, "mask": self.space.mask(new)}
        return state | new | priced | rest, np.where(failure == 0, failed, failure)

    def measure(self, state: State) -> Measured:
        """(N,) properties, their standard deviations, the domain, and the descriptions, by name."""
        return {name: state["priced"][:, j].copy() for j, name in enumerate(self.columns)}

    def keys(self, state: State) -> np.ndarray:
        """(N,) object: the designs."""
        return self.space.keys(state).copy()

    def reasons(self, state: State) -> np.ndarray:
        """(N,) object: in words, what is wrong with each design; empty where nothing is."""
        keys = self.space.keys(state)
        texts = [""] * len(keys) if self._reasons is None else self._reasons(list(keys), self.measure(state))
        return np.array(list(texts), dtype=object)

    # -- pricing -------------------------------------------------------------------------------------------------

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of what is measured, in order; complete once a design was priced."""
        names = self.model.names
        return (*names, *(f"{name} std" for name in names), DOMAIN, *self._extra)

    def price(self, designs: Sequence[str]) -> tuple[Measured, np.ndarray]:
        """What ``designs`` (n keys) measure, and (n,) int8 of ``Failure``; a failed one measures NaN."""
        priced, failure = self._priced(np.array(list(designs), dtype=object))
        values = np.where(failure[:, None] == 0, priced["priced"], np.nan)
        return {name: values[:, j] for j, name in enumerate(self.columns)}, failure

    def described(self, designs: Sequence[str]) -> dict[str, np.ndarray]:
        """(n,) by name what is shown of ``designs`` beside their properties. Free."""
        return dict(self._describe(designs)) if self._describe else {}

    def _priced(self, keys: np.ndarray) -> tuple[State, np.ndarray]:
        new = [key for key in dict.fromkeys(keys) if key not in self._known]
        self.ledger.charge_designs(keys)
        if new:
            self._learn(new)
        rows = [self._known[key] for key in keys]
        table, embedding = np.stack([row[0] for row in rows]), np.stack([row[1] for row in rows])
        self._forget()
        return {"priced": table, "embedding": embedding}, np.array([row[2] for row in rows], dtype=np.int8)

    def _learn(self, new: list[str]) -> None:
        found = self.model.predict(new)
        self.history += [key for key in new if key not in self._seen]
        self._seen.update(new)
        extra = self.described(new)
        self._extra = tuple(extra)
        table = np.column_stack([found.mean, found.std, found.domain, *extra.values()]).astype(float)
        embedding = self.embed(new) if self.embed else np.zeros((len(new), 0), dtype=np.float32)
        failure = np.where((found.failure == 0) & ~np.isfinite(table).all(axis=1), Failure.NONFINITE, found.failure)
        table[failure != 0] = 0.0  # never shown: the row goes back to its last good state
        for i, key in enumerate(new):
            self._known[key] = table[i], embedding[i], int(failure[i])

    def _forget(self) -> None:
        while len(self._known) > self._remember:
            del self._known[next(iter(self._known))]
