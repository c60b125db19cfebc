"""How hard a molecule is to make."""

from __future__ import annotations

import math
from functools import cache, lru_cache
from typing import Any

from rdkit.Chem import rdMolDescriptors

from voltgym.surrogates.solvent_features import molecule

UNKNOWN = -4.0
"""The score of a fragment that is not in the table."""
LOW, HIGH = -4.0, 2.5
"""The raw scores that become 10 and 1."""
MACROCYCLE = 8
"""Rings of more atoms are large."""


@lru_cache(maxsize=50_000)
def sa_score(smiles: str) -> float:
    """Synthetic accessibility of a canonical SMILES, 1 (easy) to 10 (hard).

    Ertl and Schuffenhauer 2009, J. Cheminform. 1, 8, with the fragments and the changes of RDKit's Contrib folder. What
    that counts by way of every atom in Python, stereocentres among it, is asked of RDKit at once here, which halves the
    time; a test holds both equal.
    """
    mol = molecule(smiles)
    fragments, scores = _generator().GetSparseCountFingerprint(mol).GetNonzeroElements(), _fragment_scores()
    known = sum(scores.get(name, UNKNOWN) * count for name, count in fragments.items()) / sum(fragments.values())
    size = mol.GetNumAtoms()
    density = 0.5 * math.log(size / len(fragments)) if size > len(fragments) else 0.0
    score = 11 - (known - _complexity(mol, size) + density - LOW + 1) / (HIGH - LOW) * 9
    if score > 8:
        score = 8 + math.log(score - 8)
    return min(max(score, 1.0), 10.0)


def _complexity(mol: Any, size: int) -> float:
    large = any(len(ring) > MACROCYCLE for ring in mol.GetRingInfo().AtomRings())
    odd = (
        rdMolDescriptors.CalcNumAtomStereoCenters(mol),
        rdMolDescriptors.CalcNumSpiroAtoms(mol),
        rdMolDescriptors.CalcNumBridgeheadAtoms(mol),
        int(large),
    )
    return size**1.005 - size + sum(math.log10(1 + number) for number in odd)


@cache
def _fragment_scores() -> dict[int, float]:
    from rdkit.Contrib.SA_Score import sascorer  # reads its table: 0.3 s

    sascorer.readFragmentScores()
    return sascorer._fscores


@cache
def _generator() -> Any:
    from rdkit.Contrib.SA_Score import sascorer

    return sascorer.mfpgen
