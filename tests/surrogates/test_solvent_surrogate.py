"""The shipped solvent surrogate: against cited values, alone and in batches, damaged, and outside its domain."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from voltgym.surrogates.solvent import SolventSurrogate, load_shipped
from voltgym.surrogates.solvent_names import BOILING, FLASH, LIQUID, NAMES, PERMITTIVITY, VISCOSITY

SHIPPED = Path(str(resources.files("voltgym.surrogates") / "models" / "solvent"))
EC, DMC, DME, ACN = "O=C1OCCO1", "COC(=O)OC", "COCCOC", "CC#N"
CITED: dict[str, tuple[str, Callable[[float], float]]] = {
    "boiling_point": (BOILING, float),
    "flash_point": (FLASH, float),
    "viscosity_25C": (VISCOSITY, math.log10),
    "permittivity_25C": (PERMITTIVITY, math.log10),
}


def cited() -> list[tuple[str, str, float]]:
    """(SMILES, name of the property, value) of the battery solvents' table."""
    text = resources.files("voltgym.surrogates.data").joinpath("battery_solvents.csv").read_text(encoding="utf-8")
    rows = [r for r in csv.DictReader(text.splitlines()) if r["property"] in CITED and r["relation"] == "="]
    return [(r["smiles"], CITED[r["property"]][0], CITED[r["property"]][1](float(r["value"]))) for r in rows]


@pytest.fixture(scope="module")
def model() -> SolventSurrogate:
    return load_shipped()


def test_cited_values_of_battery_solvents_lie_within_the_intervals(model: SolventSurrogate) -> None:
    """Many of these were learned from, so this is no measure of its error; that they miss would show a wrong unit."""
    rows = cited()
    found = model.predict([smiles for smiles, _, _ in rows])
    at = [NAMES.index(name) for _, name, _ in rows]
    i = np.arange(len(rows))
    apart = np.abs(found.mean[i, at] - [value for _, _, value in rows]) / found.std[i, at]
    assert len(rows) > 100
    assert np.mean(apart < 2.5) > 0.85


def test_trends_that_a_chemist_expects(model: SolventSurrogate) -> None:
    found = dict(zip((EC, DMC, DME, ACN), model.predict([EC, DMC, DME, ACN]).mean, strict=True))
    at = NAMES.index
    assert found[EC][at(PERMITTIVITY)] > found[DMC][at(PERMITTIVITY)]
    assert found[EC][at(BOILING)] > found[DMC][at(BOILING)] + 50
    assert found[ACN][at(LIQUID)] > found[EC][at(LIQUID)]
    chance = model.predict([EC, DMC, DME, ACN]).mean[:, at(LIQUID)]
    assert ((chance >= 0) & (chance <= 1)).all()


def test_the_domain_ends_where_nothing_is_known(model: SolventSurrogate) -> None:
    inside = model.predict([EC, DMC, DME, ACN]).domain
    assert (inside >= 0).all()
    odd = ["C1C2C3CC1N2P3F", "FS(F)(F)(F)(F)F", "N#CC(C#N)=C(C#N)C#N"]
    assert (model.predict(odd).domain < 0).all()
    assert (model.similarity([EC]) > model.similarity(odd)).all()
    assert model.descriptor_excess([EC])[0] == 0.0
    assert model.descriptor_excess(["C" * 40])[0] > 0.0


def test_the_embedding_is_of_order_one(model: SolventSurrogate) -> None:
    found = model.embed([EC, DMC, DME, ACN])
    assert found.shape == (4, model.embedding)
    assert found.dtype == np.float32
    assert np.abs(found).max() < 10


def test_the_card_says_how_good_it_is(model: SolventSurrogate) -> None:
    rows = model.card["properties"]
    for name in NAMES:
        assert rows[name]["n"][0] > 100
        assert 0.8 < rows[name].get("coverage", [0.9])[0] <= 1.0
