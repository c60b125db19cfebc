"""From relaxed cells to voltages: with made-up energies whose voltages are known, and the real potential (slow)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from voltgym.envs.cathode import physics
from voltgym.envs.cathode.composition import Composition, parse, parse_formula
from voltgym.envs.cathode.physics import TIERS, CathodePhysics, Curve, Relaxations, levels, properties
from voltgym.envs.cathode.relax import TIMED_OUT, Relaxed
from voltgym.surrogates.base import Failure
from voltgym.surrogates.cathode_features import ELEMENTS, capacity, numbers
from voltgym.surrogates.cathode_names import ENERGY, MASSES, VOLTAGE, VOLUME

METAL, VOLTS = -2.0, 3.8


def flat(lithium: int, start: int = 0) -> float:
    """The energy of a crystal with one voltage, whatever is taken out [eV]."""
    return -300.0 + start + (10 - lithium) * (VOLTS - METAL)


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Relaxations:
    """Relaxations that cost nothing; cobalt never converges, manganese takes too long."""
    source = Relaxations(folder=tmp_path)
    calls: list[Any] = []

    def relaxed(composition: Composition, lithium: int, start: int, force: float, before: Any) -> Relaxed:
        calls.append((composition.formula, lithium, start, force))
        reason = {"LiCoO2": "not converged in 200 steps", "LiMnO2": TIMED_OUT}.get(composition.formula, "")
        volume = 330.0 - (10 - lithium) * (1.0 + start)
        return Relaxed(flat(lithium, start), volume, 0.01, 0.01, 5, not reason, reason, 2.0, [[0.0] * 3], [[0.0] * 3])

    monkeypatch.setattr(source, "_relaxed", relaxed)
    monkeypatch.setattr(source, "lithium", lambda: METAL)
    source.calls = calls  # type: ignore[attr-defined]
    return source


def test_a_flat_curve_has_its_voltage_everywhere() -> None:
    curve = Curve((10, 6, 3), tuple(flat(n) for n in (10, 6, 3)), (330.0, 326.0, 323.0))
    assert curve.windows(METAL) == [(10, 6, pytest.approx(VOLTS)), (6, 3, pytest.approx(VOLTS))]
    found = properties(parse("LiNiO2@0.5"), curve, METAL)
    assert found[VOLTAGE] == pytest.approx(VOLTS)
    assert found[VOLUME] == pytest.approx(-100 * 5 / 330)
    theory = 0.5 * 96485.33212 / 3.6 / (6.94 + 58.693 + 2 * 15.999)
    assert found[ENERGY] == pytest.approx(VOLTS * theory)


def test_windows_average_to_the_whole() -> None:
    energy = (-300.0, -278.0, -255.0, -240.0)
    curve = Curve((10, 7, 5, 3), energy, (1.0, 1.0, 1.0, 1.0))
    windows = curve.windows(METAL)
    mean = sum((a - b) * volts for a, b, volts in windows) / 7
    assert mean == pytest.approx(properties(parse("LiNiO2@0.7"), curve, METAL)[VOLTAGE])


@pytest.mark.parametrize("tier", TIERS)
def test_levels_go_down_to_the_deepest_charge_and_not_beyond(tier: str) -> None:
    for text, deepest in (("LiNiO2", 3), ("LiCo0.8Mg0.2O2", 4)):
        found = levels(TIERS[tier], parse_formula(text))
        assert found[0] == 10
        assert found[-1] == deepest
        assert list(found) == sorted(set(found), reverse=True)


def test_predictions_and_what_they_cost(made_up: Relaxations) -> None:
    model = CathodePhysics("F3", made_up)
    found = model.predict(["LiNiO2@0.7", "LiNi0.5Mn0.5O2@0.5"])
    assert not found.failure.any()
    assert found.mean[:, 0] == pytest.approx([VOLTS, VOLTS])
    assert (found.std[:, 2] > 0).all()  # the three starts shrink differently
    assert model.ledger.spent["twin_calls"] == 2
    assert model.ledger.spent["solver_ms"] == 2 * 3 * 5 * 2000
    before = len(made_up.calls)  # type: ignore[attr-defined]
    model.predict(["LiNiO2@0.7"])
    assert len(made_up.calls) == before  # type: ignore[attr-defined]
    assert model.ledger.spent["twin_calls"] == 3


def test_a_design_that_does_not_converge_fails_alone(made_up: Relaxations) -> None:
    found = CathodePhysics("F1", made_up).predict(["LiCoO2@0.5", "LiNiO2@0.5", "LiFeO2@0.5", "LiMnO2@0.5"])
    assert found.failure.tolist() == [Failure.SOLVER, Failure.NONE, Failure.DOMAIN, Failure.SOLVER]
    assert np.isnan(found.mean[[0, 2, 3]]).all()
    assert np.isfinite(found.mean[1]).all()


def test_a_time_out_is_tried_again_and_a_failure_is_not(made_up: Relaxations) -> None:
    model = CathodePhysics("F1", made_up)
    model.predict(["LiMnO2@0.5", "LiCoO2@0.5"])
    first = [call[0] for call in made_up.calls]  # type: ignore[attr-defined]
    model.predict(["LiMnO2@0.5", "LiCoO2@0.5"])
    again = [call[0] for call in made_up.calls][len(first) :]  # type: ignore[attr-defined]
    assert set(first) == {"LiMnO2", "LiCoO2"}
    assert set(again) == {"LiMnO2"}


def test_a_tight_relaxation_begins_with_the_loose_one(made_up: Relaxations) -> None:
    CathodePhysics("F2", made_up).predict(["LiNiO2@0.7"])
    forces = [call[3] for call in made_up.calls]  # type: ignore[attr-defined]
    assert forces == [physics.LOOSE, physics.TIGHT] * 5


def test_masses_and_elements_are_those_of_pymatgen() -> None:
    from pymatgen.core import Element, Species

    for symbol, mass in MASSES.items():
        assert mass == pytest.approx(float(Element(symbol).atomic_mass), abs=0.01)
    for symbol, (electronegativity, radius, charge) in ELEMENTS.items():
        assert electronegativity == pytest.approx(Element(symbol).X, abs=0.011)
        spin = "Low Spin" if symbol in ("Ni", "Co") else ""
        shannon = Species(symbol, int(charge)).get_shannon_radius("VI", spin)
        assert radius == pytest.approx(shannon, abs=0.011)


def test_capacities_are_known() -> None:
    whole = capacity(numbers(["LiCoO2@1"])[0])[0]
    assert whole == pytest.approx(273.9, abs=0.2)  # of LiCoO2, all its lithium


@pytest.mark.slow
def test_the_potential_gives_the_shipped_energies(tmp_path: Path) -> None:
    from importlib import resources

    import pyarrow.parquet as pq

    file = Path(str(resources.files("voltgym.surrogates") / "data" / "cathode_relaxations.parquet"))
    source = Relaxations(folder=tmp_path)
    rows = [r for r in pq.read_table(file).to_pylist() if r["formula"] == "LiCoO2" and r["method"] == source.method]
    assert rows
    for row in rows[:2]:
        found = source.get(parse_formula("LiCoO2"), row["lithium"], row["start"], row["target"])
        assert found["energy"] == pytest.approx(row["energy"], abs=2e-3)
