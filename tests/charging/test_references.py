"""The references reach their known minutes, keep what they promise, and look only where they may."""

from pathlib import Path

import numpy as np
import pytest
import yaml

import voltgym.conf
from voltgym.agents.base import Silent
from voltgym.agents.protocols import RatesBySOC
from voltgym.agents.reference import TunedDesign, TunedMargins
from voltgym.envs.charging.cells import load_cell
from voltgym.envs.charging.objective import ANODE, TIME_TO_TARGET, VOLTAGE
from voltgym.envs.charging.references import BASELINE, REFERENCE, Greedy, ObserverGreedy
from voltgym.envs.core import make_episodes
from voltgym.envs.errors import VoltGymError
from voltgym.experiments.evaluate import evaluate_policy

ID = "VoltGym/FastCharge-v0"
MARGINS = {"Voltage [V]": 0.0033, "Temperature [K]": 0.13, "Anode potential [V]": 0.0227}


def records(policy, split="nominal", episodes=1, **kwargs):
    return evaluate_policy(policy, ID, kwargs, split=split, episodes=episodes, agent="reference", seed=None)


@pytest.mark.parametrize(("name", "minutes"), [("Chen2020", 32.0), ("LGM50", 26.7)])
def test_greedy_takes_the_known_minutes_on_nominal_capacity(name, minutes):
    """Within 2 % of two values found with another integrator (SPMe, 25 C, 10 to 80 % of 5.0 Ah)."""
    cell = load_cell(name)
    target = 0.1 + 0.7 * cell.nominal_capacity / cell.capacity
    (record,) = records(Greedy(), cell=name, target_soc=target)
    assert record["feasible"]
    assert record["values"][TIME_TO_TARGET] == pytest.approx(minutes, rel=0.02)


def test_greedy_keeps_the_limits_of_every_cell_and_is_never_slower_than_cc_cv():
    greedy = records(Greedy(), "test", 4)
    assert all(r["feasible"] for r in greedy)
    charger = records(Greedy(limits=[VOLTAGE], max_rate=0.5), "test", 4)
    assert all(a["values"][TIME_TO_TARGET] < b["values"][TIME_TO_TARGET] for a, b in zip(greedy, charger, strict=True))
    assert {r["information"] for r in greedy} == {"lookahead"}
    assert {r["information"] for r in charger} == {"bms"}


def test_the_observer_never_looks_at_the_true_state():
    core = make_episodes(ID, 2, split="test")
    rows = np.arange(2)
    observation, _ = core.reset(rows, [None, None], [0, 1])
    policy = ObserverGreedy(MARGINS, electrolyte=480.0)
    policy.bind(core)
    action, memory = policy(observation)
    for name, values in core.state.items():
        core.state[name] = np.full_like(values, np.nan) if values.dtype.kind == "f" else values
    again, _ = policy(observation)
    np.testing.assert_array_equal(action, again)
    assert memory is not None


def test_the_observer_with_its_margins_keeps_limits_that_it_breaks_without():
    kept = records(ObserverGreedy(MARGINS, electrolyte=480.0), "test", 4)
    bare = records(ObserverGreedy(electrolyte=480.0), "test", 4)
    assert all(r["feasible"] for r in kept)
    assert not all(r["feasible"] for r in bare)
    assert min(r["worst_slacks"][ANODE] for r in bare) < -1e-3


def test_margins_that_cannot_help_are_told_at_once(tmp_path):
    agent = TunedMargins(lambda margins: Greedy(limits=[VOLTAGE], max_rate=0.05), episodes=2)  # far too slow for 90 min
    with pytest.raises(VoltGymError, match="no margin would help"):
        agent.train(ID, {}, budget=10**6, seed=0, out=tmp_path, progress=Silent())


def test_a_tuned_design_keeps_its_limits_and_beats_its_start(tmp_path):
    agent = TunedDesign(RatesBySOC(2), start=0.5, split="nominal")
    policy = agent.train(ID, {}, budget=25, seed=0, out=tmp_path, progress=Silent())
    (tuned,) = records(policy)
    (start,) = records(Greedy(limits=[VOLTAGE], max_rate=0.5))
    assert tuned["feasible"]
    assert tuned["values"][TIME_TO_TARGET] < 0.9 * start["values"][TIME_TO_TARGET]


def test_suites_score_between_the_named_baseline_and_reference():
    suite = yaml.safe_load((Path(voltgym.conf.__path__[0]) / "suite" / "demo.yaml").read_text())
    scoring = [table["scoring"] for table in suite["tables"] if "scoring" in table]
    assert scoring
    for about in scoring:
        assert about["baseline"].startswith(BASELINE)
        assert about["reference"].startswith(REFERENCE)


@pytest.mark.slow
def test_a_protocol_reports_what_it_costs_in_capacity():
    core = make_episodes("VoltGym/ProtocolDesign-v0", 2, ageing_cycles=3)
    rows = np.arange(2)
    core.reset(rows, [None, None], [0, 0])
    core.step(rows, np.array([[1.0] * 5, [0.7] * 5], dtype=np.float32))
    value = core.objective.value(core.measured)
    assert set(value) == set(core.objective.directions)
    assert (value["Capacity loss [A.h]"] > 0).all()


class Stops:
    """Progress that interrupts after some designs."""

    def __init__(self, after: int) -> None:
        self.after = after

    def update(self, done, total, **numbers):
        if done >= self.after:
            raise KeyboardInterrupt


def test_a_tuned_design_that_was_interrupted_goes_on_as_if_it_had_not_been(tmp_path):
    def train(out, progress):
        agent = TunedDesign(RatesBySOC(2), start=0.5, split="nominal")
        return agent, agent.train(ID, {}, budget=14, seed=0, out=out, progress=progress)

    _, whole = train(tmp_path / "whole", Silent())
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "cut", Stops(6))
    points = tmp_path / "cut" / "checkpoint" / "points.jsonl"
    points.write_text(points.read_text() + '{"x": [0.5')  # a half-written line
    agent, resumed = train(tmp_path / "cut", Silent())
    assert resumed.x == whole.x
    assert agent.ledger.spent["evaluations"] == 14
    assert points.read_text() == (tmp_path / "whole" / "checkpoint" / "points.jsonl").read_text()
