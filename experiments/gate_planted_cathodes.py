"""Cathodes with a known verdict: what a search hands in that believes something false, and good ones.

Good ones are good by another potential than the gate's (CHGNet, shipped relaxations), with two standard deviations of
the gate left to heat and life: the six best of those.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from voltgym.envs.cathode.composition import CUT_OFFS, Design, compositions
from voltgym.envs.cathode.objective import PEAK, RETENTION
from voltgym.envs.cathode.physics import LOOSE
from voltgym.envs.edit_problem import EditProblem
from voltgym.experiments.gate_planted import Planted, given, of_text
from voltgym.experiments.gate_subject import Subject
from voltgym.surrogates.cathode_names import VOLTAGE

CATHODE = "VoltGym/Cathode-v0"
AT_MEAN = "Score at the mean"


@cache
def _cathodes() -> tuple[EditProblem, list[str], dict[str, np.ndarray]]:
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
        given("LiMn0.7Co0.2Ti0.1O2@0.7", CATHODE),
        "Physics",
    ),
    _cathode(
        "not_balanced",
        "its metals sum to 1.1: it cannot be made with one lithium and two oxygens",
        given("LiNi0.8Mn0.2Co0.1O2@0.7", CATHODE),
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
GOOD_CATHODES = tuple(Planted(f"cathode_{key}", "cathode", True, _OTHERWISE, given(key, CATHODE)) for key in MADE)
