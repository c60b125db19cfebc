"""Molecules and cathodes at the gate: windows, draws, physics that fails, and what was promised."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from voltgym.experiments import benchmark_gate, gate_config, gate_planted_cathodes, gate_planted_solvents, validate
from voltgym.experiments.gate_designs import Draw, Window, drawn, window_margins
from voltgym.experiments.gate_planted import Planted, chosen, confusion, outcome
from voltgym.experiments.gate_subject import of_design
from voltgym.surrogates.cathode_names import VOLTAGE
from voltgym.surrogates.solvent_names import AFFINITY, BINDING, IONIZATION

GOOD = "LiNi0.6Mn0.2Co0.2O2@0.6"


def run(out: Path, *argv: str) -> dict[str, Any]:
    (verdict,) = validate.run([*argv, f"out={out}", "quiet=true"])
    return verdict


def failed(verdict: dict[str, Any]) -> list[str]:
    return [reason["limit"] for reason in verdict["reasons"]]


def test_a_window_is_left_on_its_own_side() -> None:
    values = {"a": np.array([1.0, 3.0]), "b": np.array([1.0, -5.0])}
    windows = [Window("a", 2.0, 1.0), Window("b", 4.0, -1.0, reference=0.5, apart=True)]
    margins = window_margins(windows, values)
    assert margins["a"].tolist() == [-1.0, 1.0]
    assert margins["b"].tolist() == [3.5, -1.5]


def test_a_draw_is_taken_as_it_is() -> None:
    base = {"a": np.array([1.0]), "a std": np.array([0.5])}
    found = drawn(base, [Draw("one", {"a": 0.25}), Draw("two", {})])
    assert found["a"].tolist() == [1.25, 1.0]
    assert found["a std"].tolist() == [0.0, 0.0]


def test_a_known_cathode_may_be_deployed(tmp_path: Path) -> None:
    verdict = run(tmp_path, "env=cathode", f"design={GOOD}")
    assert verdict["deploy"]
    assert verdict["expected"]["low"] < verdict["expected"]["mean"] < verdict["expected"]["high"]
    assert not verdict["thresholds"]["changed"]
    off = verdict["surrogate_gap"]["values"][VOLTAGE]
    assert off["off"] == pytest.approx(off["promised"] - off["found"])
    assert "<svg" in (tmp_path / "verdict.html").read_text()


def test_a_cathode_that_does_not_converge_is_held_back_at_once(tmp_path: Path) -> None:
    verdict = run(tmp_path, "env=cathode", "design=LiMn0.7Co0.2Ti0.1O2@0.7")
    assert failed(verdict) == ["Physics"]
    assert "not converged in 200 steps" in verdict["summary"]
    assert verdict["expected"]["mean"] is None
    assert len((tmp_path / "rows.jsonl").read_text().splitlines()) == 1, "the others need not be relaxed"


@pytest.mark.parametrize(
    ("env", "design", "said"),
    [
        ("cathode", "LiNi0.8Mn0.2Co0.1O2@0.7", "sum to 1.1"),
        ("cathode", "LiNi0.85Mn0.15O2@0.7", "multiple of 0.1"),
        ("solvent", "[CH2]OC(=O)OC", "radical"),
        ("solvent", "C[N+](C)(C)C", "charge"),
    ],
)
def test_what_is_no_design_is_held_back(env: str, design: str, said: str, tmp_path: Path) -> None:
    verdict = run(tmp_path, f"env={env}", f"design={design}")
    assert failed(verdict) == ["Design"]
    assert said in verdict["summary"]


def test_heat_and_life_are_reasons_with_their_margins(tmp_path: Path) -> None:
    verdict = run(tmp_path, "env=cathode", "design=LiNiO2@0.7")
    peak = next(reason for reason in verdict["reasons"] if reason["limit"] == "Exothermic peak [C]")
    assert peak["margin"] < -12
    assert peak["unit"] == "C"
    assert "Capacity retention [%]" in failed(verdict)


def test_a_changed_threshold_changes_the_verdict(tmp_path: Path) -> None:
    verdict = run(tmp_path, "env=cathode", f"design={GOOD}", "gate.least_value=0.9")
    assert failed(verdict) == ["Expected value"]
    assert verdict["thresholds"]["changes"] == ["least_value=0.9"]


def solvent_gate() -> Any:
    return gate_config.find("VoltGym/Solvent-v0").make(dft="false")


def made(label: str, **values: float) -> dict[str, Any]:
    return {"case": label, "label": label, "values": values or None, "reason": "", "needed": label == "xTB"}


def quantum_rows(gfn1: float) -> list[dict[str, Any]]:
    """Propylene carbonate as the shipped protocol has it, and a GFN1-xTB that differs by ``gfn1`` eV."""
    from voltgym.envs.solvent.goals import EC

    physics = solvent_gate().physics
    known = {smiles: physics.protocol(smiles, "xTB")[0] for smiles in ("CC1COC(=O)O1", EC)}
    own = known["CC1COC(=O)O1"]
    relative = {name: own[name] - known[EC][name] for name in (IONIZATION, AFFINITY)}
    return [made("xTB", **own), made("GFN1-xTB", **{**relative, IONIZATION: relative[IONIZATION] + gfn1})]


def test_methods_that_disagree_are_a_reason() -> None:
    gate = solvent_gate()
    subject = gate.subject(of_design("CC1COC(=O)O1", {"id": "VoltGym/Solvent-v0", "kwargs": {}}))
    assert gate.judge(subject, quantum_rows(0.1)).deploy
    found = gate.judge(subject, quantum_rows(-3.0))
    reasons = {check.limit: check for check in found.checks if not check.passed}
    assert reasons["Methods"].margin == pytest.approx(-2.0)
    assert IONIZATION in reasons, "half of the draws are by the other method"


def test_a_molecule_that_falls_apart_has_a_page(tmp_path: Path) -> None:
    verdict = run(tmp_path, "env=solvent", "design=COC(=O)C1(F)CC(N(C)C)OC1=O")
    assert failed(verdict) == ["Physics"]
    assert "<svg" in (tmp_path / "verdict.html").read_text()


def test_variants_are_computed_for_a_small_molecule() -> None:
    physics = solvent_gate().physics
    rows = [physics.compute("COC", name) for (name,) in physics.variants("COC")]
    by = {row["label"]: row for row in rows}
    assert set(by["xTB"]["values"]) > {IONIZATION, AFFINITY, BINDING}
    assert by["GFN1-xTB"]["values"][IONIZATION] < 0, "ethers are oxidised before ethylene carbonate"
    assert all(row["values"] is not None or row["reason"] for row in rows)
    assert len(physics.draws("COC", rows, {IONIZATION: 0.1}, np.random.default_rng(0), 10)) == 10


# -- what is planted ---------------------------------------------------------------------------------------------------


def test_twenty_bad_and_twenty_good_ones_are_planted() -> None:
    plants = benchmark_gate.plants()
    assert [sum(plant.good == good for plant in plants) for good in (False, True)] == [20, 20]
    assert all(bool(plant.expects) != plant.good for plant in plants)
    assert len(chosen(plants, [])) == 40
    with pytest.raises(ValueError, match="no planted recommendation 'x'"):
        chosen(plants, ["x"])


def test_the_good_designs_are_those_that_their_criterion_chooses() -> None:
    assert gate_planted_solvents.known_good() == list(gate_planted_solvents.USED)
    assert gate_planted_cathodes.sure_cathodes()[:6] == gate_planted_cathodes.MADE


def test_the_confusion_table_counts() -> None:
    about = {"design": "x", "label": "x"}
    plant = Planted("one", "solvent", False, "how", lambda folder: None, ("Anode",))  # type: ignore[arg-type, return-value]
    reason = {"limit": "Anode potential [V]"}
    caught = outcome(plant, {"deploy": False, "reasons": [reason], "recommendation": about})
    missed = outcome(plant, {"deploy": True, "reasons": [], "recommendation": about})
    good = outcome(plant._replace(good=True), {"deploy": False, "reasons": [reason], "recommendation": about})
    assert (caught.right, caught.expected_reason, missed.right, good.right) == (True, True, False, False)
    counted = {"bad held back": 1, "bad let through": 1, "good let through": 0, "good held back": 1}
    assert confusion([caught, missed, good]) == counted


MISSED = {"solvent_N#CCCCC#N", "solvent_COP(=O)(OC)OC", "cathode_LiNi0.5Mn0.3Co0.2O2@0.6"}
"""Good ones that the gate of version 1 holds back, each by a little (docs/validate.md says why)."""


@pytest.mark.slow
def test_the_gate_is_right_about_all_that_is_planted_but_three(tmp_path: Path) -> None:
    found = benchmark_gate.run(tmp_path, [], quiet=True)
    counted = {"bad held back": 20, "bad let through": 0, "good let through": 17, "good held back": 3}
    assert confusion(found) == counted
    assert {one.name for one in found if not one.right} == MISSED
    assert all(one.expected_reason for one in found if not one.good)
