from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voltgym.experiments import metrics
from voltgym.experiments.metrics import MetricError, score
from voltgym.experiments.records import Record, make_record

NAME, MAXIMUM = "Time to target [min]", 90.0


def record(minutes: float, feasible: bool = True, episode: int = 0, **changes: Any) -> Record:
    fields: dict[str, Any] = {
        "env_id": "VoltGym/FastCharge-v0",
        "env_kwargs": {},
        "split": "test",
        "episode": episode,
        "agent": "a",
        "information": "bms",
        "seed": 0,
        "feasible": feasible,
        "goal_reached": feasible,
        "failure": "NONE",
        "steps": 60,
        "return": 1.0,
        "cost": 0.0,
        "violated_steps": 0,
        "worst_slacks": {"Voltage [V]": 0.01},
        "values": {NAME: minutes},
        "directions": {NAME: "min"},
        "actions": [],
        "scenario": {"SOC": 0.1 + episode / 100},
        "ledger": {},
        "fingerprint": {"numpy": "2"},
    }
    return make_record(**{**fields, **changes})


def group(times: list[float], feasible: list[bool] | None = None) -> list[Record]:
    return [record(t, True if feasible is None else feasible[i], i) for i, t in enumerate(times)]


times_strategy = st.lists(st.floats(1.0, 89.0), min_size=1, max_size=12)
slower = st.floats(1.01, 3.0)


@given(times_strategy, slower)
def test_the_baseline_scores_zero_and_the_reference_one(best: list[float], factor: float) -> None:
    reference, baseline = group(best), group([t * factor for t in best])
    assert score(baseline, baseline, reference, NAME, 300.0) == pytest.approx(0.0, abs=1e-12)
    assert score(reference, baseline, reference, NAME, 300.0) == pytest.approx(1.0)


@given(times_strategy, slower, st.floats(0.2, 5.0))
def test_the_score_is_linear_in_the_logarithm_and_not_clipped(best: list[float], factor: float, share: float) -> None:
    reference, baseline = group(best), group([t * factor for t in best])
    agent = group([t * factor * factor**-share for t in best])
    assert score(agent, baseline, reference, NAME, 1000.0) == pytest.approx(share)


@given(times_strategy, slower, st.randoms(use_true_random=False))
def test_the_order_of_records_does_not_matter(best: list[float], factor: float, random: Any) -> None:
    reference, baseline = group(best), group([t * factor for t in best])
    agent = group([t * 1.1 for t in best])
    mixed = list(agent)
    random.shuffle(mixed)
    assert score(mixed, baseline, reference, NAME, 300.0) == score(agent, baseline, reference, NAME, 300.0)


@given(st.lists(st.floats(5.0, 40.0), min_size=2, max_size=8), st.data())
def test_an_infeasible_episode_counts_with_the_maximal_time(best: list[float], data: st.DataObject) -> None:
    feasible = data.draw(st.lists(st.booleans(), min_size=len(best), max_size=len(best)))
    reference, baseline = group(best), group([t * 2 for t in best])
    claimed = [t / 2 if not ok else t for t, ok in zip(best, feasible, strict=True)]  # cheating is fast
    counted = [t if ok else MAXIMUM for t, ok in zip(best, feasible, strict=True)]
    expected = sum(math.log(2 * b / t) for b, t in zip(best, counted, strict=True)) / (len(best) * math.log(2))
    assert score(group(claimed, feasible), baseline, reference, NAME, MAXIMUM) == pytest.approx(expected)


def test_by_hand() -> None:
    agent, base, ref = group([30.0, 45.0]), group([36.0, 50.0]), group([27.0, 40.0])
    expected = (math.log(36 / 30) + math.log(50 / 45)) / (math.log(36 / 27) + math.log(50 / 40))
    assert score(agent, base, ref, NAME, MAXIMUM) == pytest.approx(expected)


def test_unfinished_counts_with_the_maximum() -> None:
    assert metrics.times([record(math.nan)], NAME, MAXIMUM).tolist() == [MAXIMUM]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda g: g[:-1], "different episodes"),
        (lambda g: [*g, g[0]], "there twice"),
        (lambda g: [{**g[0], "scenario": {"SOC": 0.7}}, *g[1:]], "two different scenarios"),
        (lambda g: [{**r, "split": "cold"} for r in g], "different episodes"),
        (lambda g: [{**r, "values": {"Minutes": 1.0}} for r in g], "no value 'Time to target"),
        (lambda g: [], "different episodes"),
    ],
)
def test_records_that_do_not_pair_are_refused(change: Any, says: str) -> None:
    base, ref = group([36.0, 50.0]), group([27.0, 40.0])
    with pytest.raises(MetricError, match=says):
        score(change(group([30.0, 45.0])), base, ref, NAME, MAXIMUM)


def test_a_score_without_a_span_is_refused() -> None:
    same = group([30.0, 40.0])
    with pytest.raises(MetricError, match="not faster than the baseline"):
        score(same, same, same, NAME, MAXIMUM)
    with pytest.raises(MetricError, match="maximal time"):
        score(same, same, group([20.0, 30.0]), NAME, float("nan"))


@given(st.lists(st.booleans(), min_size=1))
def test_the_feasible_rate_is_the_share(feasible: list[bool]) -> None:
    records = group([30.0] * len(feasible), feasible)
    assert metrics.feasible_rate(records) == pytest.approx(np.mean(feasible))


def test_without_slacks_nothing_is_feasible_or_not() -> None:
    assert math.isnan(metrics.feasible_rate([record(1.0, feasible=None)]))  # type: ignore[arg-type]


def test_worst_margins_over_episodes_that_lack_some() -> None:
    a = record(1.0, worst_slacks={"Voltage [V]": 0.02, "Temperature [K]": None})
    b = record(1.0, worst_slacks={"Voltage [V]": -0.01})
    found = metrics.worst_margins([a, b])
    assert found["Voltage [V]"] == -0.01
    assert math.isnan(found["Temperature [K]"])


def test_fingerprints_are_never_mixed_silently() -> None:
    assert metrics.fingerprint_differences([record(1.0)], [record(2.0)]) == []
    other = record(1.0, fingerprint={"numpy": "3"})
    assert metrics.fingerprint_differences([record(1.0)], [other]) == ["numpy: 2 and 3"]


def test_records_of_different_physics_are_not_paired() -> None:
    one = record(1.0, fingerprint={"cell": "a", "model": "m"})
    other = record(1.0, fingerprint={"cell": "b", "model": "m"})
    metrics.paired([one], [record(2.0, fingerprint={"cell": "a", "model": "m"})])
    with pytest.raises(metrics.MetricError, match="another cell or fidelity"):
        metrics.paired([one], [other])


def test_the_share_of_violated_steps_is_over_all_steps() -> None:
    two = [record(30, violated_steps=6, steps=60), record(30, violated_steps=0, steps=20)]
    assert metrics.violated_step_rate(two) == 6 / 80
    assert math.isnan(metrics.violated_step_rate([record(30, violated_steps=None)]))
    assert math.isnan(metrics.violated_step_rate([record(30, steps=0)]))
