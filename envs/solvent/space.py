"""``MoleculeSpace``: every neutral molecule of 2 to 14 heavy atoms C, N, O, F, S, P, and the edits between them.

Actions are one fixed table, the blocks of ``edits.py`` one after the other and ``stop`` last. A design is a canonical
SMILES, and everything here follows from it: the same molecule has the same arrays, mask and features, however it was
reached. So what an edit leads to is remembered by SMILES and action.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from voltgym.envs.errors import whole_number
from voltgym.envs.solvent.edits import LEFT, RIGHT, Action, all_edits
from voltgym.envs.solvent.elements import ELEMENTS, MAX_ATOMS
from voltgym.envs.solvent.graph import Graph
from voltgym.envs.solvent.memory import Memory
from voltgym.envs.solvent.molecules import Arrays, read, write
from voltgym.envs.solvent.parse import canonical
from voltgym.surrogates.base import Failure, State
from voltgym.surrogates.solvent_features import count_fingerprints

SEEDS = (
    "CCOC(=O)OC",
    "O=C1OCCO1",
    "COCCOC",
    "C1COCO1",
    "CCOC(C)=O",
    "O=C1CCCO1",
    "CC#N",
    "CS(C)(=O)=O",
    "COP(=O)(OC)OC",
    "COCC(F)(F)F",
    "CCC",
    "C=C",
)
"""What :meth:`MoleculeSpace.sample` starts from: a molecule of every family of battery solvents, and two plain ones."""
Edited = tuple[str, int]
"""A design and an action."""
Verdict = tuple[str, Failure]
"""The design that it leads to, and what went wrong."""
LONGEST_WALK = 12
"""Edits of a walk in :meth:`MoleculeSpace.sample`."""


class MoleculeSpace:
    """The design space. It holds no episode: states go in and come out, N at once.

    A state is ``atoms`` (N, 14) int8, ``bonds`` (N, 14, 14) int8 and ``smiles`` (N,) object; see ``graph.py``.

    Args:
        remember: how many molecules and how many edits are kept in memory.
        seeds: the molecules from which :meth:`sample` walks.
    """

    def __init__(self, remember: int = 100_000, seeds: Sequence[str] = SEEDS) -> None:
        self.seeds = tuple(seeds)
        self.edits = all_edits()
        sizes = [edit.size for edit in self.edits]
        ends = np.cumsum(sizes).tolist()
        self.blocks = {e.name: slice(end - e.size, end) for e, end in zip(self.edits, ends, strict=True)}
        """Where in the action table each kind of edit is."""
        self.stop: int = ends[-1]
        self.n_actions: int = self.stop + 1
        self.actions = (*(Action(e, k) for e in self.edits for k in range(e.size)), Action(None, 0))
        self._kind = np.repeat(np.arange(len(sizes) + 1), [*sizes, 1])
        self._arrays: Memory[str, Arrays] = Memory(remember)
        self._edited: Memory[Edited, Verdict] = Memory(remember)

    # -- states ------------------------------------------------------------------------------------------------------

    def initial(self, smiles: Sequence[str]) -> State:
        """The state of N designs. Raises `VoltGymError` for one that is not in the space, saying why."""
        return self._state([self.canonical(text) for text in smiles])

    def keys(self, state: State) -> np.ndarray:
        """(N,) object: the canonical SMILES."""
        return state["smiles"]

    def canonical(self, text: str) -> str:
        """A user's SMILES as a design; stereochemistry is dropped. Raises `VoltGymError` if it is not in the space."""
        known = isinstance(text, str) and text in self._arrays
        return text if known else canonical(text)

    def _state(self, keys: Sequence[str]) -> State:
        atoms = np.zeros((len(keys), MAX_ATOMS), dtype=np.int8)
        bonds = np.zeros((len(keys), MAX_ATOMS, MAX_ATOMS), dtype=np.int8)
        smiles = np.empty(len(keys), dtype=object)
        for row, key in enumerate(keys):
            atoms[row], bonds[row] = self._arrays_of(key)
            smiles[row] = key
        return {"atoms": atoms, "bonds": bonds, "smiles": smiles}

    def _arrays_of(self, key: str) -> Arrays:
        arrays = self._arrays.get(key)
        if arrays is None:
            arrays = self._arrays.put(key, read(key))
        return arrays

    # -- edits -------------------------------------------------------------------------------------------------------

    def mask(self, state: State) -> np.ndarray:
        """(N, n_actions) bool: edits that lead to another molecule of the space, and ``stop``."""
        return self._mask(state["atoms"], state["bonds"])

    def _mask(self, atoms: np.ndarray, bonds: np.ndarray) -> np.ndarray:
        graph = Graph(atoms, bonds)
        out = np.ones((len(atoms), self.n_actions), dtype=bool)
        for edit in self.edits:
            out[:, self.blocks[edit.name]] = edit.mask(graph)
        return out

    def apply(self, state: State, action: np.ndarray) -> tuple[State, np.ndarray]:
        """(N,) edits, and a failure a row, (N,) int8: ``ACTION`` for an edit that the mask forbids.

        A failed row stays as it was, and so does one that stops.
        """
        wanted = [(key, int(a)) for key, a in zip(state["smiles"], action, strict=True)]
        found = {pair: self._edited.get(pair) for pair in wanted}
        unknown = [pair for pair, verdict in found.items() if verdict is None]
        known = {pair: verdict for pair, verdict in found.items() if verdict is not None}
        known |= self._learn(unknown) if unknown else {}
        keys, failures = zip(*(known[pair] for pair in wanted), strict=True) if wanted else ((), ())
        return self._state(keys), np.array(failures, dtype=np.int8)

    def _learn(self, pairs: list[Edited]) -> dict[Edited, Verdict]:
        state, action = self._state([key for key, _ in pairs]), np.array([a for _, a in pairs])
        atoms, bonds = state["atoms"], state["bonds"]
        listed = (action >= 0) & (action < self.n_actions)
        action = np.where(listed, action, self.stop)
        allowed = listed & self._mask(atoms, bonds)[np.arange(len(pairs)), action]
        for kind, edit in enumerate(self.edits):
            rows = np.flatnonzero(allowed & (self._kind[action] == kind))
            a, b = atoms[rows], bonds[rows]
            edit.apply(a, b, action[rows] - self.blocks[edit.name].start)
            atoms[rows], bonds[rows] = a, b
        rows = np.flatnonzero(allowed & (action != self.stop))
        written = dict(zip(rows.tolist(), write(atoms[rows], bonds[rows]), strict=True))
        return {pair: self._judged(pair, bool(allowed[row]), written.get(row)) for row, pair in enumerate(pairs)}

    def _judged(self, pair: Edited, allowed: bool, written: tuple[str, Arrays] | None) -> Verdict:
        """What is remembered of an edit."""
        if written is not None:
            self._arrays.put(*written)
            return self._edited.put(pair, (written[0], Failure.NONE))
        # What the mask allows can be written. If that were ever wrong, one row would fail and not the batch.
        failure = Failure.ACTION if not allowed else Failure.NONE if pair[1] == self.stop else Failure.DOMAIN
        return self._edited.put(pair, (pair[0], failure))

    # -- around and about --------------------------------------------------------------------------------------------

    def describe(self, action: int, state: State, row: int = 0) -> str:
        """The edit in words, on the molecule of a ``row`` of the state: "attach OCC(F)(F)F to atom 3 (C)"."""
        edit, k = self.actions[whole_number("action", action, least=0, most=self.stop)]
        return "stop" if edit is None else edit.describe(k, state["atoms"][row], state["bonds"][row])

    def neighbours(self, smiles: str) -> list[str]:
        """The designs one edit away, each once, in the order of the action table."""
        state = self.initial([smiles])
        actions = np.flatnonzero(self.mask(state)[0, : self.stop])
        around, failure = self.apply({name: np.repeat(x, len(actions), axis=0) for name, x in state.items()}, actions)
        return list(dict.fromkeys(around["smiles"][failure == Failure.NONE]))

    def sample(self, rng: np.random.Generator, n: int) -> list[str]:
        """``n`` designs at random: walks of 1 to ``LONGEST_WALK`` edits from the ``seeds``.

        The kind of an edit is drawn first and then which, so that the few deletions have a chance against the many
        attachments.
        """
        n = whole_number("n", n, least=0)
        state = self.initial([self.seeds[i] for i in rng.integers(len(self.seeds), size=n)])
        lengths = rng.integers(1, LONGEST_WALK + 1, size=n)
        for step in range(LONGEST_WALK):
            action = self._draw(rng, self.mask(state))
            state, _ = self.apply(state, np.where(step < lengths, action, self.stop))
        return list(state["smiles"])

    def _draw(self, rng: np.random.Generator, mask: np.ndarray) -> np.ndarray:
        """(N,) one valid edit a row, every kind that has one as likely as the others."""
        weight = mask.astype(float)
        weight[:, self.stop] = 1e-9  # only where there is nothing else
        for block in self.blocks.values():
            weight[:, block] /= np.maximum(weight[:, block].sum(axis=1, keepdims=True), 1.0)
        # The largest of w / e, with e exponentially distributed, is each with a chance in proportion to its w.
        return np.argmax(weight / rng.exponential(size=weight.shape), axis=1)

    def crossover(self, a: str, b: str, rng: np.random.Generator) -> str | None:
        """A child of two designs, or None where this try gives none: ``operators.py``."""
        from voltgym.envs.solvent import operators

        return operators.crossover(a, b, rng)

    def mutate(self, design: str, rng: np.random.Generator) -> str | None:
        """A design near another, or None: ``operators.py``."""
        from voltgym.envs.solvent import operators

        return operators.mutate(design, rng)

    def fingerprints(self, designs: Sequence[str]) -> np.ndarray:
        """(n, 1024) uint8: counted Morgan fingerprints of radius 2."""
        return count_fingerprints(designs)

    # -- features ----------------------------------------------------------------------------------------------------

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Of :meth:`features`: the atoms' first, place by place, and then the bonds'."""
        kinds = ("none", *ELEMENTS)
        of_atom = [*(f"is {kind}" for kind in kinds), "bonds / 4", "hydrogens / 4", "is in a ring"]
        atoms = [f"atom {i + 1} {what}" for i in range(MAX_ATOMS) for what in of_atom]
        return (*atoms, *(f"bond {i + 1}-{j + 1} order / 3" for i, j in zip(LEFT, RIGHT, strict=True)))

    def features(self, state: State) -> np.ndarray:
        """(N, 231) float32 in [0, 1] of the molecules' graphs: ``feature_names``."""
        graph = Graph(state["atoms"], state["bonds"])
        kinds = graph.atoms[:, :, None] == np.arange(len(ELEMENTS) + 1)
        rest = np.stack([graph.degree / 4, graph.room / 4, graph.ring.any(axis=2)], axis=2)
        of_atoms = np.concatenate([kinds, rest], axis=2)
        by_atom = of_atoms.reshape(len(kinds), MAX_ATOMS * of_atoms.shape[2])
        return np.concatenate([by_atom, graph.bonds[:, LEFT, RIGHT] / 3], axis=1).astype(np.float32)
