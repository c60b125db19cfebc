"""What speaks against a molecule before any property is asked: unstable or hazardous groups, and a hard synthesis.

The groups are SMARTS in ``data/unstable_groups.csv``, each with its reason. They are chosen for electrolytes: filters
for drugs (PAINS, Brenk) flag dimethoxyethane and trimethyl phosphate. A test holds that no battery solvent in use is
flagged, but for two that are out by design: dimethylformamide, and dimethyl sulfate, a poison that tables of additives
list. A judgement, not a proof of safety.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from functools import cache, lru_cache
from importlib import resources
from typing import NamedTuple

from rdkit import Chem
from rdkit.Chem import rdMolDescriptors

from voltgym.envs.solvent.objective import HARDEST_SA
from voltgym.envs.solvent.synthesis import sa_score
from voltgym.surrogates.solvent_features import molecule


class Screen(NamedTuple):
    """One kind of group that a molecule must not have."""

    name: str
    reason: str
    needs: frozenset[str]
    """``_tokens`` without which an upper-case SMILES cannot have it: saves most of the work."""
    matches: Callable[[Chem.Mol], bool]


def _tokens(text: str) -> frozenset[str]:
    """The characters of a text, and as often as they are there, up to four times: "C", "CC", "CCC"."""
    return frozenset(c * (k + 1) for c in set(text) for k in range(min(text.count(c), 4)))


@cache
def screens() -> tuple[Screen, ...]:
    """All of them: the table's, and the one that no SMARTS can say."""
    text = resources.files("voltgym.envs.solvent.data").joinpath("unstable_groups.csv").read_text(encoding="utf-8")
    return (*(_screen(**row) for row in csv.DictReader(text.splitlines())), BRIDGED)


def _screen(name: str, smarts: str, needs: str, reason: str) -> Screen:
    query = Chem.MolFromSmarts(smarts)
    return Screen(name, reason, _tokens(needs), lambda mol: mol.HasSubstructMatch(query))


BRIDGED = Screen(
    "bridged rings",
    "cages are waxy solids, and a double bond at a bridgehead cannot exist",
    _tokens("12"),
    lambda mol: rdMolDescriptors.CalcNumBridgeheadAtoms(mol) > 0,
)


@cache
def _possible(tokens: frozenset[str]) -> tuple[Screen, ...]:
    """Those that a SMILES of these ``tokens`` can match."""
    return tuple(screen for screen in screens() if screen.needs <= tokens)


@lru_cache(maxsize=50_000)
def flags(smiles: str) -> tuple[str, ...]:
    """The names of the unstable or hazardous groups in a canonical SMILES; empty if there is none."""
    mol = molecule(smiles)
    return tuple(screen.name for screen in _possible(_tokens(smiles.upper())) if screen.matches(mol))


def reasons(smiles: str) -> dict[str, str]:
    """Why each of a molecule's ``flags`` speaks against it."""
    why = {screen.name: screen.reason for screen in screens()}
    return {name: why[name] for name in flags(smiles)}


def explain(smiles: str) -> str:
    """In words, all that speaks against a molecule; empty if nothing does."""
    found = [f"{name}: {reason}" for name, reason in reasons(smiles).items()]
    score = sa_score(smiles)
    if score > HARDEST_SA:
        found.append(f"hard to make: its SA score is {score:.1f}, above {HARDEST_SA:g}")
    return "; ".join(found)
