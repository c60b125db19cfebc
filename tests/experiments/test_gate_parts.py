"""The pieces of a gate: intervals, scenarios, thresholds, what is kept, what is asked for."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from voltgym.envs.errors import UnknownName, VoltGymError
from voltgym.experiments import gate_config, gate_keep
from voltgym.experiments.gate_parts import kept_promise, unit_of, wilson
from voltgym.experiments.gate_scenarios import Drawn, Lattice, Listed
from voltgym.experiments.gate_subject import Subject, of_design, of_place
from voltgym.experiments.making import make_core
from voltgym.experiments.progress import Progress
from voltgym.experiments.validate import Request

FROZEN = {
    "charging": "532cfb3a9df5ca512ed0274160193f34ebcf2b8cbec3228141ba99b39f6fb560",
    "solvent": "65bd169b7ed2be70740a07c3fc0a25fe0cfcefce10d4194ff20960f967ed4517",
    "cathode": "50178de8f64ca429cce19d0e00242f9257404d275db370659410af8118223447",
    "episodes": "2a75a2d99b420093beccf63da1d92eb1deaf385032d087276d76e4e32a49a736",
}
"""Thresholds of version 1. A gate whose numbers change is a new version: raise it in the YAML, and freeze that here."""


@pytest.mark.parametrize("name", FROZEN)
def test_the_thresholds_are_frozen(name: str) -> None:
    found = gate_config.find("", name=name)
    assert (found.config["version"], found.hash) == (1, FROZEN[name])
    assert not found.about()["changed"]


def test_a_changed_threshold_is_marked() -> None:
    found = gate_config.find("VoltGym/FastCharge-v0", ["gate.limits.voltage.tolerance=0.02"])
    assert found.name == "charging"
    assert found.config["limits"]["voltage"]["tolerance"] == 0.02
    assert found.about()["changed"]
    assert found.about()["changes"] == ["limits.voltage.tolerance=0.02"]
    assert found.hash != found.frozen


def test_a_gate_is_found_by_the_environment() -> None:
    assert gate_config.find("voltgym.envs:VoltGym/Solvent-v0").name == "solvent"
    assert gate_config.find("VoltGym/Thevenin-v0").name == gate_config.FALLBACK
    with pytest.raises(UnknownName, match="Did you mean 'solvent'"):
        gate_config.find("", name="solvant")
    with pytest.raises(VoltGymError, match="least_shar"):
        gate_config.find("", ["gate.least_shar=0.5"], name="charging")
    with pytest.raises(VoltGymError, match="_target_"):
        gate_config.find("", ["gate._target_=os.remove"], name="charging")


def test_a_gate_of_ones_own_is_a_yaml(tmp_path: Path) -> None:
    (tmp_path / "gate").mkdir()
    (tmp_path / "gate" / "mine.yaml").write_text("_target_: no.such.Gate\nversion: 1\nenvironments: [Mine-v0]\n")
    found = gate_config.find("Mine-v0", search=[f"file://{tmp_path}"])
    assert found.name == "mine"
    with pytest.raises(VoltGymError, match=r"the gate 'mine' cannot be made from 'no\.such\.Gate'"):
        found.make()
    (tmp_path / "gate" / "broken.yaml").write_text("version: 1\n")
    with pytest.raises(VoltGymError, match="has no _target_"):
        gate_config.find("", search=[f"file://{tmp_path}"], name="broken")


def test_wilson_is_the_known_interval() -> None:
    found = wilson(20, 23)  # statsmodels' proportion_confint(20, 23, method="wilson")
    assert (found.low, found.high) == pytest.approx((0.6787, 0.9546), abs=1e-4)
    assert wilson(5, 5).high == 1.0
    assert math.isnan(wilson(0, 0).value)


def test_a_promise_is_kept_in_its_direction() -> None:
    assert kept_promise(30.0, 33.0, "min", 0.9)[0]
    assert not kept_promise(30.0, 34.0, "min", 0.9)[0]
    assert not kept_promise(0.8, 0.7, "max", 0.9)[0]
    assert kept_promise(None, 0.7, "max", 0.9)[0], "who promised nothing broke no promise"
    assert not kept_promise(0.8, None, "max", 0.9)[0]
    assert (unit_of("Voltage [V]"), unit_of("Score")) == ("V", "")


def make(split: str | None) -> Any:
    return make_core("VoltGym/FastCharge-v0", 1, {"fidelity": "SPM", **({} if split is None else {"split": split})})


def lattice(**changes: Any) -> Lattice:
    base = {name: 0.0 for name in make("nominal").scenario(np.random.default_rng(0)) if name != "Redraws"}
    ranges = {"Ambient temperature [K]": [283.15, 308.15], "Initial SOC": [0.05, 0.3]}
    cells = {"nominal cell": {}, "slow cell": {"Cooling factor": 0.8}}
    given = {"base": base, "ranges": ranges, "at": {"Ambient temperature [K]": [283.15]}, "cells": cells}
    return Lattice(**{**given, "draws": 10, "seed": 1, **changes})


def test_a_lattice_has_corners_and_strata() -> None:
    cases = lattice()(make)
    assert [case.label for case in cases[:2]] == ["nominal cell, 10.0 °C", "slow cell, 10.0 °C"]
    assert cases[1].scenario["Cooling factor"] == 0.8
    assert [case.drawn for case in cases] == [False, False, *[True] * 10]
    ambient = np.array([case.scenario["Ambient temperature [K]"] for case in cases[2:]])
    assert sorted(((ambient - 283.15) / 2.5).astype(int)) == list(range(10)), "one draw in each tenth of the range"
    assert [case.scenario for case in lattice()(make)] == [case.scenario for case in cases], "always the same"


def test_a_lattice_that_varies_what_there_is_not_is_an_error() -> None:
    with pytest.raises(VoltGymError, match="the scenarios vary 'Humidity'"):
        lattice(ranges={"Humidity": [0, 1]})
    with pytest.raises(VoltGymError, match="the gate's `base` lacks"):
        lattice(base={"Ambient temperature [K]": 298.15, "Initial SOC": 0.1, "Cooling factor": 1.0})(make)


def test_drawn_scenarios_are_those_of_the_split() -> None:
    cases = Drawn(None, 1000, 3)(make)
    assert cases[0].label == "episode 1000 of validation"
    core = make_core("VoltGym/FastCharge-v0", 1, {"fidelity": "SPM", "split": "validation"})
    assert core is not None
    core.reset(np.array([0]), [None], [1001])
    assert core.scenarios["Initial SOC"][0] == cases[1].scenario["Initial SOC"]
    listed = Listed([case.scenario for case in cases])
    assert listed(np.random.default_rng(0)) == cases[0].scenario


class Counting:
    """A gate that counts what it computes, and has enough after a row that says so."""

    def __init__(self) -> None:
        self.computed: list[str] = []

    def cases(self, subject: Subject) -> list[list[str]]:
        return [["a", "b"], ["c"]]

    def compute(self, subject: Subject, cases: list[str]) -> list[dict[str, Any]]:
        self.computed += cases
        return [{"case": case} for case in cases]

    def enough(self, rows: list[dict[str, Any]]) -> bool:
        return any(row.get("enough") for row in rows)


def test_what_was_computed_is_not_computed_again(tmp_path: Path) -> None:
    gate: Any = Counting()
    subject = of_design("x", {"id": "Mine-v0", "kwargs": {}})
    kept = gate_keep.Kept(tmp_path, "one")
    kept.add([{"case": "b"}])
    with kept.file.open("a") as file:
        file.write('{"case": "c", "val')  # killed in the middle of a row
    rows = gate_keep.computed(gate, subject, gate_keep.Kept(tmp_path, "one"), Progress([]))
    assert gate.computed == ["a", "c"]
    assert [row["case"] for row in rows] == ["a", "b", "c"]
    with pytest.raises(VoltGymError, match="another recommendation"):
        gate_keep.Kept(tmp_path, "other")


def test_a_gate_that_has_enough_stops(tmp_path: Path) -> None:
    gate: Any = Counting()
    kept = gate_keep.Kept(tmp_path, "one")
    kept.add([{"case": "a", "enough": True}, {"case": "b"}])
    rows = gate_keep.computed(gate, of_design("x", {"id": "Mine-v0", "kwargs": {}}), kept, Progress([]))
    assert (gate.computed, [row["case"] for row in rows]) == ([], ["a", "b"])


def test_what_is_asked_for_is_read() -> None:
    asked = Request.of(["env=solvent", "design=CC(=O)C", "design=COC", "gate.draws=20", "option.dft=true", "out=x"])
    assert (asked.designs, asked.gate, asked.options) == (["CC(=O)C", "COC"], ["gate.draws=20"], {"dft": True})
    assert [subject.design for subject in asked.subjects()] == ["CC(=O)C", "COC"]
    assert asked.subjects()[0].env_kwargs["property_model"] == "surrogate"


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ([], "what is to be validated"),
        (["design=COC"], "Give env="),
        (["env=solvent", "design= "], "design= is empty"),
        (["env=solvent", "desing=COC"], "Did you mean 'design'"),
        (["env=solvant", "design=COC"], "solvent"),
        (["/no/such/run"], "is no run folder"),
        (["env=solvent", "design=COC", "top=none"], "top is 'none'"),
    ],
)
def test_mistakes_are_one_line(argv: list[str], said: str) -> None:
    with pytest.raises(VoltGymError, match=said):
        Request.of(argv).subjects()


def test_an_onnx_file_needs_to_say_what_it_is_for(tmp_path: Path) -> None:
    file = tmp_path / "policy.onnx"
    file.write_bytes(b"")
    with pytest.raises(VoltGymError, match="give env="):
        of_place(file, None, 1, "bms")
    with pytest.raises(VoltGymError, match="what the policy sees"):
        of_place(file, {"id": "VoltGym/FastCharge-v0", "kwargs": {}}, 1, "all")


def test_the_subjects_digest_follows_what_it_is() -> None:
    one = of_design("COC", {"id": "VoltGym/Solvent-v0", "kwargs": {"goal": "solvent"}})
    assert one.digest == of_design(" COC ", {"id": "VoltGym/Solvent-v0", "kwargs": {"goal": "solvent"}}).digest
    assert one.digest != one.with_kwargs(goal="additive").digest
    assert json.dumps(one.env_kwargs)
