"""Molecules with a known verdict: what a search hands in that believes something false, and solvents in use.

Good ones are chosen by measurements alone (``battery_solvents.csv``): all that are in use as the main solvent, liquid
at -20 C, boil above 150 C, have a permittivity above 20 and are no amide.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from functools import cache, partial
from importlib import resources
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from voltgym.envs.edit_problem import EditProblem
from voltgym.envs.solvent.objective import UNSTABLE
from voltgym.experiments.gate_planted import Planted, given, of_text
from voltgym.experiments.gate_subject import Subject
from voltgym.surrogates.solvent_names import BINDING, IONIZATION, LIQUID

SOLVENT = "VoltGym/Solvent-v0"
AT_MEAN = "Score at the mean"
AMIDES = ("C(=O)N", "N(C)C=O")
"""How the table's SMILES have them: they are oxidised early."""


@cache
def _solvents() -> tuple[EditProblem, list[str], dict[str, np.ndarray]]:
    """The surrogate, a pool of molecules (those whose xTB is shipped and converged), and what it says of them."""
    from voltgym.envs.solvent.physics import XTBModel
    from voltgym.envs.solvent.table import answers

    problem = EditProblem(SOLVENT)
    known = answers("xtb", XTBModel().method)
    pool = sorted(smiles for smiles, answer in known.items() if answer["converged"])
    measured, failure = problem.twin.price(pool)
    good = failure == 0
    kept = [smiles for smiles, fine in zip(pool, good, strict=True) if fine]
    return problem, kept, {name: column[good] for name, column in measured.items()}


def of_belief(
    folder: Path, believed: Mapping[str, float], forgotten: Sequence[str], truly: Mapping[str, float]
) -> Subject:
    """What a search hands in that believes each property of ``believed`` to be so much higher.

    ``forgotten`` are limits that it does not look at. Of the ten best it is the one whose surrogate, unperturbed, is
    furthest towards ``truly`` (signs by property): where the belief is false by most.
    """
    problem, pool, said = _solvents()
    wrong = {name: column + believed.get(name, 0.0) for name, column in said.items()}
    if LIQUID in believed:
        wrong[LIQUID] = np.ones(len(pool))
    score = problem.objective.value(wrong)[AT_MEAN]
    kept = np.all([s >= 0 for name, s in problem.objective.slacks(said).items() if name not in forgotten], axis=0)
    best = np.argsort(-np.where(kept, score, -1.0), kind="stable")[:10]
    worst = [sum(sign * float(said[name][i]) for name, sign in truly.items()) for i in best]
    return of_text(folder, pool[int(best[int(np.argmax(worst))])], SOLVENT, property_model="surrogate")


def of_peroxides(folder: Path) -> Subject:
    """The best of the peroxides, by a search that does not look at unstable groups."""
    from voltgym.envs.solvent.screens import flags

    problem, pool, said = _solvents()
    score = problem.objective.value(said)[AT_MEAN]
    held = [i for i, smiles in enumerate(pool) if "peroxide" in flags(smiles)]
    return of_text(folder, pool[max(held, key=lambda i: (score[i], -i))], SOLVENT, property_model="surrogate")


def known_good() -> list[str]:
    """The molecules of the table that the criterion of this module chooses, in its order."""
    text = resources.files("voltgym.surrogates.data").joinpath("battery_solvents.csv").read_text(encoding="utf-8")
    values: dict[str, dict[str, list[float]]] = {}
    for row in csv.DictReader(text.splitlines()):
        if row["role"] == "solvent" and row["relation"] == "=":
            name = (
                row["property"].rpartition("_2")[0] if row["property"].startswith("permittivity_2") else row["property"]
            )
            values.setdefault(row["smiles"], {}).setdefault(name, []).append(float(row["value"]))
    needs = ("melting_point", "boiling_point", "permittivity")
    whole = {s: {n: median(v[n]) for n in needs} for s, v in values.items() if all(n in v for n in needs)}
    fluid = [s for s, v in whole.items() if v["melting_point"] < 253.15 and v["boiling_point"] > 423.15]
    return [s for s in fluid if whole[s]["permittivity"] > 20 and not any(amide in s for amide in AMIDES)]


def _solvent(name: str, how: str, make: Any, *expects: str) -> Planted:
    return Planted(name, "solvent", False, how, make, expects)


def _believing(believed: Mapping[str, float], truly: Mapping[str, float]) -> Any:
    return partial(of_belief, believed=believed, forgotten=(), truly=truly)


BAD_SOLVENTS = (
    _solvent("peroxide", "the best peroxide, by a search that forgot the unstable groups", of_peroxides, UNSTABLE),
    _solvent(
        "oxidised_too_soon",
        "the best of a search on ionization energies that are 3 eV too high",
        _believing({IONIZATION: 3.0}, {IONIZATION: -1.0}),
        "Ionization",
    ),
    _solvent(
        "holds_lithium",
        "the best of a search on lithium bindings that are 120 kJ/mol too low",
        _believing({BINDING: -120.0}, {BINDING: 1.0}),
        "Li+ binding",
    ),
    _solvent(
        "frozen",
        "the best of a search to which everything is liquid at -20 C",
        _believing({LIQUID: 1.0}, {LIQUID: -1.0}),
        "Liquid",
    ),
    _solvent(
        "falls_apart",
        "a molecule that rearranges when xTB optimises it; the surrogate prices it all the same",
        given("COC(=O)C1(F)CC(N(C)C)OC1=O", SOLVENT),
        "Physics",
    ),
    _solvent(
        "radical",
        "a radical that an editor without valence rules left behind",
        given("[CH2]OC(=O)OC", SOLVENT),
        "Design",
    ),
)
USED = ("CC1COC(=O)O1", "CCC1COC(=O)O1", "O=C1CCCO1", "CC1CCC(=O)O1", "N#CCCCC#N", "COP(=O)(OC)OC")
"""All that ``known_good`` chooses; a test holds that they are."""
_IN_USE = "in use as a solvent; its melting and boiling points and its permittivity are measured"
GOOD_SOLVENTS = tuple(Planted(f"solvent_{s}", "solvent", True, _IN_USE, given(s, SOLVENT)) for s in USED)
