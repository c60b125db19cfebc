"""``CathodeSpace``: layered oxides in tenths and their cut-off, and the edits between them.

An edit moves one tenth from a metal to another (which adds, removes or dilutes a dopant), swaps the dopant, or changes
how far the cathode is charged. A design is known by its key, ``LiNi0.8Mn0.1Co0.1O2@0.7``.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, lru_cache
from itertools import permutations
from typing import NamedTuple

import numpy as np

from voltgym.envs.cathode.composition import (
    CUT_OFFS,
    MOST_DOPANT,
    Composition,
    Design,
    check,
    compositions,
    parse,
)
from voltgym.envs.cathode.metals import DOPANTS, MAIN, METALS, PARTS
from voltgym.envs.errors import VoltGymError, whole_number
from voltgym.surrogates.base import Failure, State


class Edit(NamedTuple):
    """What an action does to the counts of the metals and to the tenths of lithium that are taken out."""

    text: str
    change: tuple[int, ...]
    removed: int = 0


def _move(source: str, target: str) -> Edit:
    change = [0] * len(METALS)
    change[METALS.index(source)], change[METALS.index(target)] = -1, 1
    return Edit(f"one tenth of {source} becomes {target}", tuple(change))


EDITS: tuple[Edit, ...] = (
    *(_move(a, b) for a, b in permutations(MAIN, 2)),
    *(_move(a, b) for a in MAIN for b in DOPANTS),
    *(_move(a, b) for a in DOPANTS for b in MAIN),
    Edit("charge further by a tenth", (0,) * len(METALS), 1),
    Edit("charge less by a tenth", (0,) * len(METALS), -1),
)
"""The fixed edits; after them come the swaps of the whole dopant, and ``stop``."""
SWAPS = tuple(permutations(DOPANTS, 2))


class CathodeSpace:
    """The design space. It holds no episode: states go in and come out, N at once.

    A state is ``counts`` (N, 6) int8, tenths of the metals, ``removed`` (N,) int8, tenths of the lithium, and ``key``
    (N,) object.
    """

    feature_names: tuple[str, ...] = (*(f"Fraction {metal}" for metal in METALS), "Lithium taken out")

    def __init__(self) -> None:
        self.stop: int = len(EDITS) + len(SWAPS)
        self.n_actions: int = self.stop + 1
        self._change = np.array([edit.change for edit in EDITS], dtype=np.int8)
        self._removed = np.array([edit.removed for edit in EDITS], dtype=np.int8)

    @cached_property
    def designs(self) -> tuple[str, ...]:
        """Every design of the space: all compositions with all cut-offs that their metals allow."""
        return tuple(Design(c, removed).key for c in compositions() for removed in CUT_OFFS if removed <= c.deepest)

    # -- states ------------------------------------------------------------------------------------------------------

    def initial(self, designs: Sequence[str]) -> State:
        """The state of N designs. Raises `VoltGymError` for one that is not in the space, saying why."""
        return self._state([parse(key) for key in designs])

    def _state(self, designs: Sequence[Design]) -> State:
        keys = np.empty(len(designs), dtype=object)
        keys[:] = [design.key for design in designs]
        counts = np.array([design.composition.counts for design in designs], dtype=np.int8)
        removed = np.array([design.removed for design in designs], dtype=np.int8)
        return {"counts": counts.reshape(-1, len(METALS)), "removed": removed, "key": keys}

    def keys(self, state: State) -> np.ndarray:
        """(N,) object: the designs."""
        return state["key"]

    def canonical(self, text: str) -> str:
        """The key of a design as a user writes it. Raises `VoltGymError` if it is not in the space."""
        return parse(text).key

    # -- edits -------------------------------------------------------------------------------------------------------

    def mask(self, state: State) -> np.ndarray:
        """(N, n_actions) bool: edits that lead to another design of the space, and ``stop``."""
        counts, removed = self._ahead(state)
        dopants = counts[:, :, len(MAIN) :]
        valid = (counts >= 0).all(axis=2) & (dopants <= MOST_DOPANT).all(axis=2) & ((dopants > 0).sum(axis=2) <= 1)
        # A dopant that gives no more electrons binds lithium: the rule of `composition.deepest`, for whole arrays.
        valid &= (removed >= CUT_OFFS[0]) & (removed <= np.minimum(_given(counts), CUT_OFFS[-1]))
        changed = (counts != state["counts"][:, None]).any(axis=2) | (removed != state["removed"][:, None])
        out = np.ones((len(removed), self.n_actions), dtype=bool)
        out[:, : self.stop] = valid & changed
        return out

    def _ahead(self, state: State) -> tuple[np.ndarray, np.ndarray]:
        """(N, stop, 6) counts and (N, stop) removed after every edit, valid or not."""
        before = state["counts"].astype(np.int8)
        moved = before[:, None] + self._change
        swapped = np.repeat(before[:, None], len(SWAPS), axis=1)
        for k, (source, target) in enumerate(SWAPS):
            a, b = METALS.index(source), METALS.index(target)
            swapped[:, k, b] = before[:, b] + before[:, a]
            swapped[:, k, a] = 0
        counts = np.concatenate([moved, swapped], axis=1)
        removed = np.zeros(counts.shape[:2], dtype=np.int8) + state["removed"].astype(np.int8)[:, None]
        removed[:, : len(EDITS)] += self._removed
        return counts, removed

    def apply(self, state: State, action: np.ndarray) -> tuple[State, np.ndarray]:
        """(N,) edits, and a failure a row, (N,) int8: ``ACTION`` for an edit that the mask forbids.

        A failed row stays as it was, and so does one that stops.
        """
        action = np.asarray(action)
        listed = (action >= 0) & (action < self.n_actions)
        action = np.where(listed, action, self.stop)
        rows = np.arange(len(action))
        allowed = listed & self.mask(state)[rows, action]
        failure = np.where(allowed, Failure.NONE, Failure.ACTION).astype(np.int8)
        go = np.flatnonzero(allowed & (action != self.stop))
        counts, removed = state["counts"].copy(), state["removed"].copy()
        keys = state["key"].copy()
        if go.size:
            ahead, out = self._ahead({name: values[go] for name, values in state.items()})
            at = np.arange(len(go)), action[go]
            counts[go], removed[go] = ahead[at], out[at]
            pairs = zip(counts[go].tolist(), removed[go].tolist(), strict=True)
            keys[go] = [key_of(tuple(c), r) for c, r in pairs]
        return {"counts": counts, "removed": removed, "key": keys}, failure

    # -- around and about --------------------------------------------------------------------------------------------

    def features(self, state: State) -> np.ndarray:
        """(N, 7) float32 ``feature_names``, as fractions."""
        return np.column_stack([state["counts"], state["removed"]]).astype(np.float32) / PARTS

    def describe(self, action: int, state: State, row: int = 0) -> str:
        """The edit in words."""
        action = whole_number("action", action, least=0, most=self.stop)
        if action == self.stop:
            return "stop"
        if action < len(EDITS):
            return EDITS[action].text
        source, target = SWAPS[action - len(EDITS)]
        return f"{target} takes the place of {source}"

    def neighbours(self, design: str) -> list[str]:
        """The designs one edit away, each once, in the order of the action table."""
        state = self.initial([design])
        actions = np.flatnonzero(self.mask(state)[0, : self.stop])
        around, _ = self.apply({name: np.repeat(x, len(actions), axis=0) for name, x in state.items()}, actions)
        return list(dict.fromkeys(around["key"]))

    def sample(self, rng: np.random.Generator, n: int) -> list[str]:
        """``n`` designs, each of the space as likely as any other."""
        n = whole_number("n", n, least=0)
        return [self.designs[i] for i in rng.integers(len(self.designs), size=n)]

    def mutate(self, design: str, rng: np.random.Generator) -> str | None:
        """A design one edit away."""
        around = self.neighbours(design)
        return around[int(rng.integers(len(around)))] if around else None

    def crossover(self, a: str, b: str, rng: np.random.Generator) -> str | None:
        """A child between two designs: every tenth of metal from either, one dopant, one of the cut-offs."""
        one, other = parse(a), parse(b)
        share = rng.random()
        mixed = share * np.array(one.composition.counts) + (1 - share) * np.array(other.composition.counts)
        composition = nearest(mixed / PARTS)
        removed = min((one if rng.random() < 0.5 else other).removed, composition.deepest)
        return Design(composition, removed).key

    def fingerprints(self, designs: Sequence[str]) -> np.ndarray:
        """(n, 7) uint8 tenths: counts that a kernel may compare."""
        state = self.initial(designs)
        return np.column_stack([state["counts"], state["removed"]]).astype(np.uint8)


def _given(counts: np.ndarray) -> np.ndarray:
    """(...,) how many tenths of the lithium (..., 6) metals can give up: all but what Al and Mg hold."""
    return PARTS - counts[..., METALS.index("Al")] - 2 * counts[..., METALS.index("Mg")]


@lru_cache(maxsize=5000)
def key_of(counts: tuple[int, ...], removed: int) -> str:
    """The key of counts and tenths taken out."""
    return Design(Composition(counts), removed).key


def nearest(fractions: np.ndarray) -> Composition:
    """The composition of the grid that is nearest to (6,) shares of the metals, which need not sum to one.

    Of the dopants only the largest counts, up to its limit; what is over goes to Ni, Mn and Co.

    Raises:
        VoltGymError: there are no shares to divide.
    """
    x = np.maximum(np.asarray(fractions, dtype=float), 0.0)
    if not np.isfinite(x).all() or x.sum() <= 0:
        raise VoltGymError(f"the shares {fractions!r} of the metals cannot be divided; expected numbers >= 0")
    x = x / x.sum()
    counts = np.zeros(len(METALS), dtype=int)
    first = len(MAIN) + int(x[len(MAIN) :].argmax())
    counts[first] = min(int(np.floor(x[first] * PARTS + 0.5)), MOST_DOPANT)
    main = x[: len(MAIN)] if x[: len(MAIN)].sum() > 0 else np.ones(len(MAIN))
    exact = main / main.sum() * (PARTS - counts[first])
    whole = np.floor(exact).astype(int)
    for i in np.argsort(-(exact - whole), kind="stable")[: PARTS - counts[first] - whole.sum()]:
        whole[i] += 1
    counts[: len(MAIN)] = whole
    return check(Composition(tuple(counts.tolist())), "the nearest composition")
