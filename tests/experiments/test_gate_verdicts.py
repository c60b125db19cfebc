"""Verdicts from the command to the page, on levels and scenario sets that take seconds."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from voltgym.agents.base import save_policy
from voltgym.agents.policies import DesignPolicy
from voltgym.envs.charging.references import Greedy
from voltgym.envs.errors import VoltGymError
from voltgym.experiments import gate_config, gate_keep, gate_verdict, validate
from voltgym.experiments.gate_subject import Subject

QUICK = ["gate.change.fidelity=SPM", "gate.uses.field.scenarios.draws=3", "gate.chunk=12", "quiet=true"]
CAREFUL = "0.8,0.8,0.8,0.7,0.5"


def run(out: Path, *argv: str) -> dict[str, Any]:
    (verdict,) = validate.run([*argv, f"out={out}"])
    return verdict


@pytest.fixture(scope="module")
def refused(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A protocol that is too fast for the field."""
    out = tmp_path_factory.mktemp("gate") / "fast"
    return out, run(out, "env=protocol", "design=2.5,2.5,2.5,2.5,2.5", "use=field", *QUICK)


def test_a_protocol_that_is_too_fast_is_held_back(refused: tuple[Path, dict[str, Any]]) -> None:
    out, verdict = refused
    assert not verdict["deploy"]
    assert gate_verdict.read_verdict(out / gate_verdict.FILE) == verdict, "what is on the disk follows the schema"
    voltage = next(reason for reason in verdict["reasons"] if reason["limit"] == "Voltage [V]")
    worst = min(row["margins"]["Voltage [V]"] for row in verdict["scenarios"] if not row["beyond"])
    assert voltage["margin"] == worst < -0.005
    assert voltage["where"] in {row["label"] for row in verdict["scenarios"]}
    assert verdict["use"]["name"] == "field"
    assert verdict["thresholds"]["changed"]
    assert "thresholds were changed" in verdict["summary"]
    assert len(verdict["scenarios"]) == 9 + 3
    assert verdict["feasible"]["of"] == 3, "corners stand for nobody"
    assert verdict["surrogate_gap"]["of"] == "SPMe"


def test_the_page_says_it_in_words_and_pictures(refused: tuple[Path, dict[str, Any]]) -> None:
    text = (refused[0] / "verdict.html").read_text()
    assert "do not deploy" in text
    assert "not the frozen gate" in text
    assert text.count("<svg") > 10
    assert not re.search(r"(src|href)=\"http", text), "it asks for nothing from anywhere"


def test_a_killed_gate_goes_on(refused: tuple[Path, dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    out, verdict = refused
    rows = (out / gate_keep.ROWS).read_text().splitlines()
    (out / gate_keep.ROWS).write_text("\n".join(rows[:-1]) + "\n" + rows[-1][:40])
    computed: list[str] = []
    from voltgym.experiments.gate_control import ControlGate

    real = ControlGate.compute

    def counting(self: Any, subject: Any, cases: Any) -> Any:
        computed.extend(cases)
        return real(self, subject, cases)

    monkeypatch.setattr(ControlGate, "compute", counting)
    again = run(out, "env=protocol", "design=2.5,2.5,2.5,2.5,2.5", "use=field", *QUICK)
    assert computed == [json.loads(rows[-1])["case"]]
    same = ("deploy", "reasons", "checks", "expected", "scenarios", "summary")
    assert {name: again[name] for name in same} == {name: verdict[name] for name in same}


def test_the_exit_status_says_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validate, "run", lambda argv: [{"deploy": True}, {"deploy": False}])
    with pytest.raises(SystemExit) as left:
        validate.main([])
    assert left.value.code == 3
    monkeypatch.setattr(validate, "run", lambda argv: [{"deploy": True}])
    validate.main([])


def test_a_policy_folder_is_judged_and_its_use_is_its_split(tmp_path: Path) -> None:
    policy = DesignPolicy(None, [float(x) for x in CAREFUL.split(",")])
    save_policy(policy, tmp_path / "policy", env_id="VoltGym/ProtocolDesign-v0", env_kwargs={"cell": "LGM50"})
    verdict = run(
        tmp_path / "out", str(tmp_path / "policy"), *QUICK, "gate.uses.nominal.scenarios.draws=2",
        "gate.slowest.nominal=0.3",
    )  # fmt: skip
    assert verdict["use"]["name"] == "nominal"
    assert verdict["recommendation"]["kind"] == "policy"
    assert any("Beyond its declared use" in note for note in verdict["notes"])
    assert any(row["beyond"] for row in verdict["scenarios"])
    assert verdict["deploy"]


def gate(*changes: str) -> Any:
    return gate_config.find("VoltGym/FastCharge-v0", [f"gate.{change}" for change in changes]).make(use="field")


def subject(policy: Any) -> Subject:
    env = {"fidelity": "SPM", "split": "train"}
    return Subject("mine", "a test", "VoltGym/FastCharge-v0", env, policy=policy)


def row(case: str, **changes: Any) -> dict[str, Any]:
    slacks = {"Voltage [V]": 0.1, "Temperature [K]": 5.0, "Anode potential [V]": 0.02, "Completed": 1.0}
    found = {"feasible": True, "goal_reached": True, "failure": "NONE", "steps": 60, "worst_slacks": slacks,
             "values": {"Time to target [min]": 40.0}}  # fmt: skip
    about = {"case": case, "label": f"scenario {case}", "drawn": True, "scenario": {"Ambient temperature [K]": 300.0}}
    return {**about, "found": {**found, **changes}, "promised": found}


def judged(*rows: dict[str, Any], policy: Any = None) -> Any:
    return gate("change.fidelity=SPM").judge(subject(policy or DesignPolicy(None, [1.0])), rows)


def test_a_scenario_that_cannot_be_solved_is_not_validated() -> None:
    assert judged(row("0"), row("1")).deploy
    lost = {"feasible": False, "goal_reached": False, "failure": "SOLVER", "values": {"Time to target [min]": None}}
    found = judged(row("0"), row("1", **lost))
    check = next(check for check in found.checks if check.limit == "Solved")
    assert not check.passed
    assert not found.deploy
    assert "not validated there" in check.text
    assert check.where == "scenario 1"


def test_each_limit_is_held_against_its_own_tolerance() -> None:
    slacks = row("0")["found"]["worst_slacks"]
    within = row("0", worst_slacks={**slacks, "Anode potential [V]": -0.004})
    assert judged(within).deploy
    beyond = judged(row("0"), row("1", worst_slacks={**slacks, "Anode potential [V]": -0.006}, feasible=False))
    reasons = [check for check in beyond.checks if not check.passed]
    assert [check.limit for check in reasons] == ["Anode potential [V]", "Feasible"]
    assert (reasons[0].margin, reasons[0].where, reasons[0].unit) == (-0.006, "scenario 1", "V")


def test_what_is_slow_or_was_promised_faster_is_held_back() -> None:
    slow = judged(row("0", values={"Time to target [min]": 110.0}))
    assert [check.limit for check in slow.checks if not check.passed] == ["Expected value", "Promise"]
    assert slow.value.mean == 110.0


def test_a_policy_that_looks_into_the_cell_is_held_back() -> None:
    found = judged(row("0"), policy=Greedy())
    assert [check.limit for check in found.checks if not check.passed] == ["Information"]


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["env=protocol", "design=1,1,1"], "takes 5 here"),
        (["env=protocol", "design=9,1,1,1,1"], "the design has 9; VoltGym/ProtocolDesign-v0 takes 0.1 to 3"),
        (["env=protocol", "design=fast"], "expected numbers such as"),
        (["env=protocol", "design=1,1,1,1,1", "use=arctic"], "unknown use 'arctic'"),
        (["env=gymnasium", "env.id=CartPole-v1", "design=1"], "plain Gymnasium environment"),
        (["env=cathode", "design=LiCoO2@0.5", "use=field"], "declared for one use only"),
        (["env=solvent", "design=COC", "option.dft=maybe"], "dft"),
    ],
)
def test_what_cannot_be_judged_is_said_in_one_line(argv: list[str], said: str, tmp_path: Path) -> None:
    with pytest.raises(VoltGymError, match=re.escape(said)):
        run(tmp_path, *argv, "quiet=true")


def test_any_environment_of_our_parts_has_a_gate(tmp_path: Path) -> None:
    changes = ["gate.uses.episodes.scenarios.count=4", "gate.chunk=4", "quiet=true"]
    verdict = run(tmp_path, "env=thevenin", "design=0.3", *changes)
    assert verdict["thresholds"]["gate"] == "episodes"
    assert verdict["feasible"]["of"] == 4
    assert verdict["surrogate_gap"]["of"] is None
