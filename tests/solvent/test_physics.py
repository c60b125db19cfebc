"""xTB and DFT as property models: goldens, trends that chemistry demands, and typed failures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from voltgym.envs.errors import VoltGymError
from voltgym.envs.ledger import BudgetExhausted, Ledger
from voltgym.envs.solvent import dft, xtb
from voltgym.envs.solvent.geometry import Structure, embed, intact
from voltgym.envs.solvent.physics import DFTModel, QuantumModel, XTBModel
from voltgym.surrogates.base import Failure, PropertyModel
from voltgym.surrogates.solvent_names import AFFINITY, BINDING, DIPOLE, ELECTRONIC, IONIZATION

EC, ACN, DMC, DME = "O=C1OCCO1", "CC#N", "COC(=O)OC", "COCCOC"

GOLDEN = {
    EC: {IONIZATION: 15.77, AFFINITY: 1.74, BINDING: 245.8, DIPOLE: 5.78},
    ACN: {IONIZATION: 17.31, AFFINITY: 0.74, BINDING: 209.3, DIPOLE: 3.85},
}
"""With tblite 0.8.0: raw values of tight binding, which carry its shift."""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> XTBModel:
    return XTBModel(folder=tmp_path_factory.mktemp("xtb"))


@pytest.mark.parametrize("smiles", GOLDEN)
def test_goldens(smiles: str, model: XTBModel) -> None:
    values = model.answer(smiles)["values"]
    tolerance = {IONIZATION: 0.05, AFFINITY: 0.05, BINDING: 3.0, DIPOLE: 0.1}
    for name, expected in GOLDEN[smiles].items():
        assert values[name] == pytest.approx(expected, abs=tolerance[name]), name


def test_trends(model: XTBModel) -> None:
    """Carbonates are reduced before ethers, ethers are oxidised first, and a chelate binds Li+ more than EC does."""
    assert isinstance(model, PropertyModel)
    mean = model.predict([EC, DMC, DME]).mean
    at = ELECTRONIC.index
    assert mean[0, at(AFFINITY)] > mean[1, at(AFFINITY)] > mean[2, at(AFFINITY)]
    assert mean[2, at(IONIZATION)] < mean[1, at(IONIZATION)]
    assert mean[2, at(BINDING)] > mean[0, at(BINDING)]


def test_it_is_the_same_every_time_and_from_the_disk(model: XTBModel, tmp_path: Path) -> None:
    again = XTBModel(folder=tmp_path).answer(ACN)
    np.testing.assert_allclose(
        [again["values"][n] for n in ELECTRONIC], [model.answer(ACN)["values"][n] for n in ELECTRONIC], atol=1e-6
    )
    kept = XTBModel(folder=tmp_path)
    kept._compute = lambda smiles, seconds: pytest.fail("it was computed again")
    assert kept.answer(ACN) == again


def test_bad_molecules_fail_alone(model: XTBModel) -> None:
    found = model.predict(["CCl", ACN, "no smiles", "C[O-]", "CC.CC", "[CH3]", "C" * 15, None])
    assert found.failure.tolist() == [Failure.DOMAIN, 0, *[Failure.DOMAIN] * 6]
    assert np.isfinite(found.mean[1]).all()
    assert np.isnan(np.delete(found.mean, 1, axis=0)).all()


@pytest.mark.parametrize(
    ("smiles", "message"),
    [
        ("CCl", "has the atom Cl"),
        ("C1CC", "is no SMILES"),
        ("C[O-]", "a charge"),
        ("CC.CC", "several molecules"),
        ("[13CH4]", "the isotope 13C"),
        ("C" * 80, "80 heavy atoms; expected 1 to 14"),
        ("[H][H]", "0 heavy atoms"),
    ],
)
def test_a_users_mistake_is_one_line(smiles: str, message: str, model: XTBModel) -> None:
    with pytest.raises(VoltGymError, match=message):
        model.answer(smiles)


def test_a_time_out_is_a_failure_and_is_tried_again(tmp_path: Path) -> None:
    hasty = XTBModel(folder=tmp_path, seconds=1e-6)
    assert hasty.predict([ACN]).failure.tolist() == [Failure.SOLVER]
    assert "longer than" in hasty.answer(ACN)["reason"]
    assert XTBModel(folder=tmp_path).answer(ACN)["converged"]


def made_up(compute: Any, folder: Path, **more: Any) -> QuantumModel:
    return QuantumModel(compute, method="made up", calls="calls", folder=folder, **more)


def test_whatever_goes_wrong_is_a_reason(tmp_path: Path) -> None:
    def compute(smiles: str, seconds: float) -> Any:
        if smiles == "C":
            raise xtb.Trouble("it fell apart")
        if smiles == "CC":
            raise ZeroDivisionError
        return dict.fromkeys(ELECTRONIC, float("nan") if smiles == "CCC" else 1.0), None

    model = made_up(compute, tmp_path)
    found = model.predict(["C", "CC", "CCC", "CCCC"])
    assert found.failure.tolist() == [Failure.SOLVER] * 3 + [0]
    assert [model.answer(s)["reason"] for s in ("C", "CC", "CCC")] == [
        "it fell apart",
        "ZeroDivisionError",
        "a value is not finite",
    ]


def test_only_what_the_chemistry_says_is_kept(tmp_path: Path) -> None:
    """An error that says nothing of the molecule (memory, a broken installation) must not become its verdict."""
    errors: list[Exception] = [MemoryError(), ImportError("no tblite"), xtb.TimeOut("longer than 1 s"), ValueError()]

    def compute(smiles: str, seconds: float) -> Any:
        if errors:
            raise errors.pop()
        return dict.fromkeys(ELECTRONIC, 1.0), None

    model = made_up(compute, tmp_path)
    assert [model.answer("C")["converged"] for _ in range(5)] == [False] * 4 + [True]


def test_a_molecule_is_one_however_it_is_written(tmp_path: Path) -> None:
    computed: list[str] = []

    def compute(smiles: str, seconds: float) -> Any:
        computed.append(smiles)
        return dict.fromkeys(ELECTRONIC, 1.0), None

    found = made_up(compute, tmp_path).predict(["OCC", "CCO", "C(C)O", "C[C@H](F)O", "CC(F)O"])
    assert not found.failure.any()
    assert computed == ["CCO", "CC(O)F"]


def test_calls_are_charged_before_the_work_even_when_known(tmp_path: Path) -> None:
    model = made_up(lambda s, t: (dict.fromkeys(ELECTRONIC, 1.0), None), tmp_path, ledger=Ledger().limit(calls=3))
    model.predict(["C", "CC"])
    model.predict(["C"])
    with pytest.raises(BudgetExhausted):
        model.predict(["CCC"])
    assert model.store.get("CCC") is None


def test_a_molecule_that_rearranged_is_seen() -> None:
    molecule, (structure, *_) = embed("CCO")
    assert intact(molecule, structure)
    moved = structure.positions.copy()
    moved[2] += 3.0
    assert not intact(molecule, Structure(structure.numbers, moved))


def test_a_conformer_that_cannot_be_made_is_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voltgym.envs.solvent.geometry.rdDistGeom.EmbedMultipleConfs", lambda *a: [])
    assert "embedded" in XTBModel(folder=tmp_path).answer(ACN)["reason"]


@pytest.mark.slow
def test_dft_golden(tmp_path: Path) -> None:
    values = DFTModel(folder=tmp_path).answer(ACN)["values"]
    assert values[IONIZATION] == pytest.approx(12.26, abs=0.05)
    assert values[BINDING] == pytest.approx(203.4, abs=3.0)


def test_the_dft_field_is_found_by_second_order_where_iteration_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    fluorine = {"numbers": [9, 1], "positions": [[0.0, 0.0, 0.0], [0.0, 0.0, 0.92]]}
    plain, _ = dft.energy(fluorine, 0, lambda: None)
    monkeypatch.setattr(dft, "CYCLES", 2)
    second, field = dft.energy(fluorine, 0, lambda: None)
    assert second == pytest.approx(plain, abs=1e-6)
    assert np.linalg.norm(field.dip_moment(verbose=0)) == pytest.approx(1.9, abs=0.3)  # measured: 1.83 D
    monkeypatch.setattr(dft, "SECOND_ORDER_CYCLES", 0)
    with pytest.raises(xtb.Trouble, match=r"charge \+0 is not converged"):
        dft.energy(fluorine, 0, lambda: None)


def test_dft_needs_a_geometry(tmp_path: Path) -> None:
    model = DFTModel(folder=tmp_path)
    model.geometries._compute = lambda s, t: (_ for _ in ()).throw(xtb.Trouble("it fell apart"))
    answer = model.answer(ACN)
    assert not answer["converged"]
    assert answer["reason"] == "there is no geometry: it fell apart"


def test_dft_is_tried_again_after_the_geometry_took_too_long(tmp_path: Path) -> None:
    model = DFTModel(folder=tmp_path)
    model.geometries.seconds = 1e-6
    assert model.predict([ACN]).failure.tolist() == [Failure.SOLVER]
    assert model.store.get(ACN) is None


def test_levels_say_what_they_are(tmp_path: Path) -> None:
    found = [(m.fidelity, m.calls) for m in (XTBModel(folder=tmp_path), DFTModel(folder=tmp_path))]
    assert found == [("xtb", "xtb_calls"), ("dft", "dft_calls")]
