"""Molecules and cathodes with a known verdict: what a search hands in that believes something false, and known ones.

Good molecules are chosen by measurements alone (``battery_solvents.csv``): in use as the main solvent, liquid at -20 C,
boiling above 150 C, permittivity above 20, and no amide: all that meet this. Good cathodes by another potential than
the gate's (CHGNet, shipped relaxations), with two standard deviations of the gate left to heat and life: the six best.
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

from voltgym.envs.cathode.composition import CUT_OFFS, Design, compositions
from voltgym.envs.cathode.objective import PEAK, RETENTION
from voltgym.envs.cathode.physics import LOOSE
from voltgym.envs.edit_problem import EditProblem
from voltgym.envs.solvent.objective import UNSTABLE
from voltgym.experiments.gate_planted import Planted
from voltgym.experiments.gate_subject import Subject
from voltgym.surrogates.cathode_names import VOLTAGE
from voltgym.surrogates.solvent_names import BINDING, IONIZATION, LIQUID

SOLVENT, CATHODE = "VoltGym/Solvent-v0", "VoltGym/Cathode-v0"
AT_MEAN = "Score at the mean"
AMIDES = ("C(=O)N", "N(C)C=O")
"""How the table's SMILES have them: they are oxidised early."""


def of_text(folder: Path, design: str, env_id: str, **kwargs: Any) -> Subject:
    """A design that is given."""
    return Subject(design, "a planted design", env_id, kwargs, design=design)


# -- molecules ---------------------------------------------------------------------------------------------------------


@cache
def _solvents() -> tuple[EditProblem, list[str], Mapping[str, np.ndarray]]:
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


def _given(design: str, env_id: str) -> Any:
    return partial(of_text, design=design, env_id=env_id, property_model="surrogate")


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
        _given("COC(=O)C1(F)CC(N(C)C)OC1=O", SOLVENT),
        "Physics",
    ),
    _solvent(
        "radical",
        "a radical that an editor without valence rules left behind",
        _given("[CH2]OC(=O)OC", SOLVENT),
        "Design",
    ),
)
USED = ("CC1COC(=O)O1", "CCC1COC(=O)O1", "O=C1CCCO1", "CC1CCC(=O)O1", "N#CCCCC#N", "COP(=O)(OC)OC")
"""All that ``known_good`` chooses; a test holds that they are."""
_IN_USE = "in use as a solvent; its melting and boiling points and its permittivity are measured"
GOOD_SOLVENTS = tuple(Planted(f"solvent_{s}", "solvent", True, _IN_USE, _given(s, SOLVENT)) for s in USED)

# -- cathodes ----------------------------------------------------------------------------------------------------------


@cache
def _cathodes() -> tuple[EditProblem, list[str], Mapping[str, np.ndarray]]:
    """The surrogate, the designs of compositions whose F3 is shipped, and what it says of them."""
    from voltgym.envs.cathode.table import curve

    problem, high = EditProblem(CATHODE), EditProblem(CATHODE, property_model="twin-high")
    table = high.twin.model.relaxations.known  # type: ignore[attr-defined]
    whole = [c for c in compositions() if all(curve(table, c, "F3", start) is not None for start in (0, 1, 2))]
    pool = [Design(c, removed).key for c in whole for removed in CUT_OFFS if removed <= c.deepest]
    measured, _ = problem.twin.price(pool)
    return problem, pool, measured


def of_cathodes(folder: Path, ni: int, dopant: str, forgotten: Sequence[str]) -> Subject:
    """The best of those with at least ``ni`` tenths of nickel and ``dopant``, by a search that forgot some limits."""
    from voltgym.envs.cathode.composition import parse

    problem, pool, said = _cathodes()
    score = problem.objective.value(said)[AT_MEAN]
    kept = np.all([s >= 0 for name, s in problem.objective.slacks(said).items() if name not in forgotten], axis=0)
    fits = np.array(
        [(m := parse(key).composition.by_metal).get("Ni", 0) >= ni and (dopant in m or not dopant) for key in pool]
    )
    best = int(np.argmax(np.where(kept & fits, score, -1.0)))
    return of_text(folder, pool[best], CATHODE, property_model="surrogate")


def of_wrong_surrogate(folder: Path) -> Subject:
    """The best at half a charge, by a surrogate that was fitted on voltages 0.45 V too high."""
    from voltgym.envs.cathode.table import designs
    from voltgym.surrogates.cathode import CathodeSurrogate

    weights = folder / "weights"
    if not (weights / "card.json").exists():
        model: Any = EditProblem(CATHODE, property_model="twin").twin.model
        keys, values = designs(model.relaxations.known, "F1", model.relaxations.lithium())
        some = np.random.default_rng(0).choice(len(keys), 60, replace=False)
        wrong = values[some] + np.array([0.45, 0.0, 0.0])
        CathodeSurrogate.fit([keys[i] for i in some], wrong).save(weights)
    problem, (_, pool, _) = EditProblem(CATHODE, property_model=str(weights)), _cathodes()
    half = [key for key in pool if key.endswith("@0.5")]
    measured, _ = problem.twin.price(half)
    slacks = problem.objective.slacks(measured)
    kept = np.all([slacks[name] >= 0 for name in (PEAK, RETENTION)], axis=0)
    best = half[int(np.argmax(np.where(kept, problem.objective.value(measured)[AT_MEAN], -1.0)))]
    return of_text(folder, best, CATHODE, property_model=str(weights))


def of_best_start(folder: Path) -> Subject:
    """The design whose starts differ most on F3: a search that relaxed one start would not know."""
    high = EditProblem(CATHODE, property_model="twin-high")
    _, pool, _ = _cathodes()
    measured, _ = high.twin.price(pool)
    return of_text(folder, pool[int(np.argmax(measured[f"{VOLTAGE} std"]))], CATHODE, property_model="surrogate")


@cache
def sure_cathodes() -> tuple[str, ...]:
    """Designs that are good by the criterion of this module, best first by CHGNet's score at the mean.

    That score is 0.45 or more, and heat and life have 6 C and 6 % left.
    """
    from voltgym.envs.cathode.composition import parse
    from voltgym.envs.cathode.physics import CathodePhysics, Relaxations
    from voltgym.envs.cathode.potential import CHGNET
    from voltgym.envs.cathode.table import rows
    from voltgym.surrogates.cathode_names import NAMES

    source = Relaxations(CHGNET)
    source.known = rows(source.method)
    problem, pool, _ = _cathodes()
    there = [key for key in pool if (parse(key).composition.formula, 10, 0, LOOSE) in source.known]
    found = CathodePhysics("F1", source).predict(there).mean
    said, _ = problem.twin.price(there)
    measured = {**said, **{name: found[:, j] for j, name in enumerate(NAMES)}}
    slacks, score = problem.objective.slacks(measured), problem.objective.value(measured)[AT_MEAN]
    good = (score >= 0.45) & (slacks[PEAK] >= 6.0) & (slacks[RETENTION] >= 6.0)
    return tuple(there[i] for i in np.argsort(-score, kind="stable") if good[i])


def _cathode(name: str, how: str, make: Any, *expects: str) -> Planted:
    return Planted(name, "cathode", False, how, make, expects)


BAD_CATHODES = (
    _cathode(
        "gives_off_oxygen",
        "the best with nothing but nickel, by a search that forgot heat and life",
        partial(of_cathodes, ni=10, dopant="", forgotten=(PEAK, RETENTION)),
        PEAK,
    ),
    _cathode(
        "does_not_last",
        "the best nickel-rich one with aluminium, by a search that forgot heat and life",
        partial(of_cathodes, ni=8, dopant="Al", forgotten=(PEAK, RETENTION)),
        RETENTION,
    ),
    _cathode(
        "optimistic_surrogate",
        "the best at half a charge, by a surrogate fitted on voltages 0.45 V too high",
        of_wrong_surrogate,
        "Promise",
        "Gap",
    ),
    _cathode(
        "not_converged",
        "its relaxation does not converge; the surrogate prices it all the same",
        _given("LiMn0.7Co0.2Ti0.1O2@0.7", CATHODE),
        "Physics",
    ),
    _cathode(
        "not_balanced",
        "its metals sum to 1.1: it cannot be made with one lithium and two oxygens",
        _given("LiNi0.8Mn0.2Co0.1O2@0.7", CATHODE),
        "Design",
    ),
    _cathode(
        "starts_disagree",
        "where metals are placed changes its voltage most; one start was looked at",
        of_best_start,
        "Starts",
    ),
)
MADE = (
    "LiNi0.5Mn0.5O2@0.7",
    "LiNi0.5Mn0.5O2@0.6",
    "LiNi0.5Mn0.3Co0.2O2@0.7",
    "LiNi0.6Mn0.2Co0.2O2@0.7",
    "LiNi0.8Mn0.1Co0.1O2@0.6",
    "LiNi0.5Mn0.3Co0.2O2@0.6",
)
"""The six that CHGNet scores highest among those that meet the criterion; a test holds that they are."""
_OTHERWISE = "another potential scores it 0.45 or more, and heat and life are kept by two standard deviations"
GOOD_CATHODES = tuple(Planted(f"cathode_{key}", "cathode", True, _OTHERWISE, _given(key, CATHODE)) for key in MADE)
