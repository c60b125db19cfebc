"""The two tasks: a solvent that carries the salt, and an additive that is reduced before the solvent is.

They differ in what counts, in the molecules they start from and in the references to beat. The points are a judgement
(no measurement says where a desirability begins); every one can be changed by the environment's ``terms``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from voltgym.envs.desirability import changed_points
from voltgym.envs.errors import check_name
from voltgym.envs.solvent.objective import MIXTURE_PERMITTIVITY, MIXTURE_VISCOSITY, Term
from voltgym.surrogates.solvent_names import AFFINITY, BINDING, BOILING, FLASH, IONIZATION, LIQUID

EC = "O=C1OCCO1"
"""Ethylene carbonate: what relative terms are relative to."""


class Goal(NamedTuple):
    """What is asked for."""

    terms: tuple[Term, ...]
    share: float
    """Of the candidate in EMC, by volume."""
    starts: tuple[str, ...]
    """Molecules that episodes begin with, in training and validation."""
    test_starts: tuple[str, ...]
    """Others, for the splits ``test`` and ``private``."""
    nominal: str
    """What the one episode of the split ``nominal`` begins with."""
    references: Mapping[str, str]
    """Known molecules to beat, by name."""


_STABLE = (
    Term(IONIZATION, zero=-1.5, full=-0.3, relative=True),  # at least EC's less 0.3 eV
    Term(BINDING, zero=90.0, full=30.0, window=True),  # within 30 kJ/mol of EC: it dissolves the salt and lets go
)

SOLVENT = Goal(
    terms=(
        Term(LIQUID, zero=0.1, full=0.7),
        Term(BOILING, zero=333.15, full=393.15),
        Term(FLASH, zero=273.15, full=333.15),
        Term(MIXTURE_VISCOSITY, zero=3.0, full=1.0),
        Term(MIXTURE_PERMITTIVITY, zero=3.0, full=20.0),
        *_STABLE,
        Term(AFFINITY, zero=1.0, full=0.0, relative=True),  # at most EC's: not reduced before it
    ),
    share=0.3,
    starts=(
        "CCOC(=O)OC",
        "COC(=O)OC",
        "COCCOC",
        "CCOC(C)=O",
        "COC",
        "CC#N",
        "CS(C)(=O)=O",
        "C1COCO1",
        "CCC",
        "O=C1CCCO1",
    ),
    test_starts=("CCOC(=O)OCC", "COC(C)=O", "C1CCOC1", "CCC#N", "COP(=O)(OC)OC", "CCOC"),
    nominal="CCOC(=O)OC",
    references={
        "EC": EC,
        "PC": "CC1COC(=O)O1",
        "GBL": "O=C1CCCO1",
        "DME": "COCCOC",
        "EMC": "CCOC(=O)OC",
        "FEC": "O=C1OCC(F)O1",
    },
)

ADDITIVE = Goal(
    terms=(
        Term(BOILING, zero=323.15, full=373.15),
        Term(MIXTURE_VISCOSITY, zero=1.5, full=0.8),
        *_STABLE,
        Term(AFFINITY, zero=-0.6, full=0.6, relative=True),  # above EC's: reduced first, so that it can form the SEI
    ),
    share=0.05,
    starts=("O=C1OCCO1", "C=C", "C=COC(C)=O", "CS(=O)(=O)F", "COS(=O)OC", "C=CC#N", "CCOC(=O)OC", "O=c1occo1"),
    test_starts=("CC1COC(=O)O1", "C=CC", "C=CS(C)(=O)=O", "CC(F)(F)F", "O=S1OCCO1"),
    nominal=EC,
    references={
        "VC": "O=c1occo1",
        "FEC": "O=C1OCC(F)O1",
        "ES": "O=S1OCCO1",
        "PS": "O=S1(=O)CCCO1",
        "DTD": "O=S1(=O)OCCO1",
        "VEC": "C=CC1COC(=O)O1",
    },
)

GOALS: Mapping[str, Goal] = {"solvent": SOLVENT, "additive": ADDITIVE}


def find_goal(name: str, terms: Mapping[str, Sequence[float]] | None = None) -> Goal:
    """The goal ``name``, with ``[zero, full]`` of some ``terms`` changed."""
    check_name("goal", name, GOALS)
    goal = GOALS[name]
    changed = changed_points(f"term of the goal {name!r}", [term.name for term in goal.terms], terms)
    return goal._replace(
        terms=tuple(
            term._replace(zero=changed[term.name][0], full=changed[term.name][1]) if term.name in changed else term
            for term in goal.terms
        )
    )
