"""The loop on fast charging: it can be killed anywhere and pays for all that it runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from voltgym.agents.base import Silent, load_policy
from voltgym.agents.mlp import MlpPolicy
from voltgym.agents.twin_greedy import TwinGreedyAgent
from voltgym.envs.charging.objective import EXTREMES, FastChargeObjective, Limits
from voltgym.envs.checker import assert_contract, check_agent_contract
from voltgym.envs.core import make_episodes
from voltgym.envs.errors import VoltGymError
from voltgym.experiments import loop_control, loop_control_charges, loop_engine
from voltgym.experiments.benchmark_loop_control import main, reached, table
from voltgym.experiments.loop_control import ControlLoop
from voltgym.experiments.loop_control_charges import follow, place_of, read, together
from voltgym.experiments.loop_control_choice import choose
from voltgym.experiments.loop_control_verdict import ended, minutes_of
from voltgym.experiments.loop_log import LoopLog, Verdict
from voltgym.surrogates.charging import LearnedTwin, shipped
from voltgym.surrogates.charging_fit import open_loop
from voltgym.surrogates.charging_scores import one_step

ENV = "VoltGym/FastCharge-v0"
KWARGS = {"cell": "LGM50", "fidelity": "SPM"}
FIT = {
    "hidden": [8], "members": 2, "single": 20, "stretches": [[2, 3]], "batch": 32, "rate": 0.003, "device": "cpu",
    "seed": 0,
}  # fmt: skip
BUDGET, ROUNDS = 8000, 3


class Steady:
    """A quick agent: about 1C whatever is observed."""

    unit, default_budget = "env_steps", 0

    def train(self, env_id: str, env_kwargs: Any, **_: Any) -> MlpPolicy:
        space = {"kind": "box", "low": [0.0], "high": [3.0]}
        return MlpPolicy([(np.full((1, 17), 0.01), np.array([-0.3]))], space, "full")


HOW: dict[str, Any] = {
    "observation": "full", "start": "nothing", "first": {"explore": 4, "rest": 8, "start": 8},
    "protocols": {"ride": 1.0}, "charges": 2, "random_share": 0.5, "noise": 0.05, "check": 2, "pool": 4,
    "agent_budget": 0, "pessimism": 1.0, "fit": FIT, "refit": FIT,
}  # fmt: skip


def small(**changes: Any) -> ControlLoop:
    return ControlLoop(ENV, KWARGS, Steady(), **{**HOW, **changes})


def run(problem: ControlLoop, out: Path, rounds: int = ROUNDS, budget: float = BUDGET) -> LoopLog:
    log = LoopLog(out, {"of": "a test"})
    loop_engine.run(problem, out, log, budget=budget, seed=3, rounds=rounds, progress=Silent())  # type: ignore[arg-type]
    return log


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Verdict]]:
    out = tmp_path_factory.mktemp("loop")
    return out, run(small(), out).all


def test_every_step_is_paid_for_and_kept(whole: tuple[Path, list[Verdict]]) -> None:
    out, verdicts = whole
    assert {v.round for v in verdicts} == {0, 1, 2}
    for v in verdicts:
        charges = read(place_of(loop_engine.round_folder(out, v.round), v.place))
        assert v.spent == sum(len(charge.steps["step"]) for charge in charges) > 0
        assert v.spent <= v.design["steps"]
        assert len(charges) == v.design.get("episodes", 1)
    assert json.loads(json.dumps([v._asdict() for v in verdicts]))


def test_only_a_policy_has_a_value(whole: tuple[Path, list[Verdict]]) -> None:
    _, verdicts = whole
    checks = [v for v in verdicts if v.why == "check"]
    assert len(checks) == 2
    assert all(v.value is not None and v.predicted is not None and v.std is not None for v in checks)
    assert all(v.value is None for v in verdicts if v.why != "check")
    assert all("anode error [V]" in v.properties for v in verdicts if v.round)
    numbers = small().summary(verdicts)
    assert numbers["anode error [mV]"] > 0


def test_a_budget_is_never_passed(tmp_path: Path) -> None:
    log = run(small(), tmp_path, rounds=9, budget=1500)
    assert 300 < log.spent <= 1500
    last = max(v.round for v in log.all)
    folder = loop_engine.round_folder(tmp_path, last + 1)
    assert last >= 1
    assert not folder.exists()  # nothing is fitted that no check could be paid for


def test_no_more_is_recommended_than_can_be_paid(tmp_path: Path) -> None:
    batch = small().recommend([], None, tmp_path / "rounds" / "000", 250, 0, Silent())
    assert 0 < sum(one.design["steps"] for one in batch) <= 250
    assert not small().recommend([], None, tmp_path / "rounds" / "000", 5, 0, Silent())


class Killed(BaseException):
    """As a signal would be."""


def killed_at(module: Any, name: str, call: int, patch: pytest.MonkeyPatch) -> None:
    real, calls = getattr(module, name), 0

    def dying(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == call:
            raise Killed
        return real(*args, **kwargs)

    patch.setattr(module, name, dying)


@pytest.mark.parametrize(
    ("name", "call"),
    [("keep", 5), ("keep", 22), ("refit", 2), ("foresee", 2), ("judged", 21)],
)
def test_a_kill_loses_no_verdict(
    name: str, call: int, whole: tuple[Path, list[Verdict]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        killed_at(loop_control, name, call, patch)
        with pytest.raises(Killed):
            run(small(), tmp_path)
    before = LoopLog(tmp_path, {"of": "a test"}).all
    after = run(small(), tmp_path).all
    assert after[: len(before)] == before
    assert after == whole[1]


def test_a_loop_is_judged_by_physics_in_its_own_splits() -> None:
    for kwargs, said in (({"fidelity": "learned"}, "judge is physics"), ({"split": "nominal"}, "env=fastcharge")):
        with pytest.raises(VoltGymError, match=said):
            ControlLoop(ENV, kwargs, Steady(), **HOW)
    for wrong in (
        {"start": "somewhere"},
        {"charges": -1},
        {"pessimism": "much"},
        {"first": {"rest": 0.5}},
        {"fit": {}},
    ):
        with pytest.raises(VoltGymError, match=f"loop.{next(iter(wrong))}"):
            small(**wrong)


def test_a_missing_charge_is_said(whole: tuple[Path, list[Verdict]], tmp_path: Path) -> None:
    verdicts = whole[1][:3]
    with pytest.raises(
        VoltGymError, match=r"00000.parquet cannot be read .* restore the file, or begin the loop again"
    ):
        small().fit(verdicts, tmp_path / "rounds" / "001" / "surrogate", Silent())


def test_from_the_shipped_twin_the_first_round_has_a_policy(tmp_path: Path) -> None:
    problem = small(start="shipped", charges=1)
    log = run(problem, tmp_path, rounds=1)
    assert log.all[0].why == "check"
    assert log.all[0].predicted == pytest.approx(log.all[0].value, rel=0.6)
    assert all("anode error [V]" in v.properties for v in log.all)


def test_what_is_handed_in_is_the_best_check(whole: tuple[Path, list[Verdict]]) -> None:
    out, verdicts = whole
    made = [v._replace(feasible=v.why == "check") for v in verdicts]
    best = min((v for v in made if v.value is not None), key=lambda v: v.value or 0.0)
    policy, kwargs = small().hand_in(made, out)
    same = load_policy(loop_engine.round_folder(out, best.round) / "policy")
    observation = np.random.default_rng(0).normal(0, 0.2, (3, 17)).astype(np.float32)
    np.testing.assert_array_equal(policy(observation)[0], same(observation)[0])
    assert kwargs["observation"] == "full"
    with pytest.raises(VoltGymError, match="spend more"):
        small().hand_in([v._replace(feasible=False) for v in verdicts], out)


def test_minutes_and_limits_are_the_environments_own() -> None:
    core = make_episodes(ENV, 2, **KWARGS, observation="full", split="validation")

    class Held:
        information = "full"

        def __call__(self, observation: np.ndarray, *_: Any) -> Any:
            return np.full((len(observation), 1), 0.9, np.float32), None

    still = [{"episode": k, "steps": 180, "noise": 0.0, "seed": 0} for k in range(2)]
    ends = [ended(charge, 0.8) for charge in follow(core, Held(), still)]  # type: ignore[arg-type]
    minutes = core.objective.value(core.measured)["Time to target [min]"]
    np.testing.assert_allclose([end.minutes for end in ends], minutes, atol=1e-3)
    assert minutes_of([30.0, 50.0, np.nan], [True, False, True]) == pytest.approx((30 * 90 * 90) ** (1 / 3))


def test_noise_is_remembered_as_it_was(whole: tuple[Path, list[Verdict]]) -> None:
    out, verdicts = whole
    noisy = next(v for v in verdicts if v.round and v.why != "check")
    folder = loop_engine.round_folder(out, noisy.round)
    policy = load_policy(folder / "policy")
    core = make_episodes(ENV, 1, **KWARGS, observation="full", split="train")
    again = follow(core, policy, [noisy.design])
    first = read(place_of(folder, noisy.place))
    np.testing.assert_allclose(again[0].steps["C-rate"], first[0].steps["C-rate"], rtol=1e-6)
    quiet = follow(core, policy, [{**noisy.design, "noise": 0.0}])
    assert abs(quiet[0].steps["C-rate"][0] - first[0].steps["C-rate"][0]) > 1e-4


def test_most_are_where_the_networks_disagree() -> None:
    found = choose(np.array([0.1, 5.0, 0.2, 4.0, 0.3, 3.0]), 4, 0.25, np.random.default_rng(0))
    assert [i for i, why in found if why == "acquisition"] == [1, 3, 5]
    assert len({i for i, _ in found}) == 4


def test_pessimism_takes_doubt_off_and_changes_nothing_without_one() -> None:
    sure = {name: np.array([value]) for name, value in zip(EXTREMES, (4.1, 310.0, 0.02), strict=True)}
    doubted = sure | {f"{name} std": np.array([0.01]) for name in EXTREMES}
    limits = [FastChargeObjective(voltage_limit=4.2, k=k) for k in (0.0, 2.0)]
    for name, slack in limits[0].slacks(sure).items():
        assert limits[1].slacks(sure)[name] == slack == limits[0].slacks(doubted)[name]
        assert limits[1].slacks(doubted)[name] == pytest.approx(slack - 0.02)
    with pytest.raises(VoltGymError, match="standard deviations"):
        Limits(voltage_limit=4.2, k=-1.0)


def test_a_planner_needs_a_learned_twin_and_to_see() -> None:
    agent = TwinGreedyAgent()
    how: dict[str, Any] = {"budget": 0, "seed": 0, "out": Path(), "progress": Silent()}
    with pytest.raises(VoltGymError, match="fidelity=learned"):
        agent.train(ENV, {**KWARGS, "observation": "full"}, **how)
    with pytest.raises(VoltGymError, match="observation=full"):
        agent.train(ENV, {"fidelity": "learned", "observation": "bms"}, **how)


def test_a_planner_is_an_agent() -> None:
    kwargs = {"fidelity": "learned", "observation": "full"}
    assert_contract(check_agent_contract(TwinGreedyAgent, ENV, kwargs, budget=0, seed=3))


def test_pessimism_slows_the_planner_down() -> None:
    core = make_episodes(ENV, 4, fidelity="learned", observation="full", split="validation")
    observation, _ = core.reset(np.arange(4), [None] * 4, list(range(4)))
    rates = []
    for k in (0.0, 3.0):
        kwargs = {"fidelity": "learned", "observation": "full", "k": k}
        policy = TwinGreedyAgent().train(ENV, kwargs, budget=0, seed=0, out=Path(), progress=Silent())
        rates.append(policy(observation)[0])
    assert (rates[1] < rates[0]).all()
    core.step(np.arange(4), rates[0])
    slacks = core.objective.slacks(core.measured)
    assert min(slack.min() for slack in slacks.values()) > -1e-3  # on its own twin it keeps the limits


def test_a_single_step_from_the_start_is_the_first_of_an_open_loop(whole: tuple[Path, list[Verdict]]) -> None:
    out, verdicts = whole
    charges = [c for v in verdicts[:4] for c in read(place_of(loop_engine.round_folder(out, 0), v.place))]
    twin = LearnedTwin.load(shipped())
    data = together(charges, {name: twin.card["cell"][name] for name in ("x0", "x100", "y0", "y100")})[2]
    found, (_, outputs) = one_step(twin.weights, data), open_loop(twin.weights, data)
    said = outputs[:, :, 0, 0].mean(axis=0) - data.outputs[:, 0, 0]
    np.testing.assert_allclose(found.error[found.step == 0, 0], said, atol=1e-5)
    assert loop_control_charges.place_of(Path("a"), 7) == Path("a/charges/00007.parquet")


def test_the_benchmark_counts_steps_to_the_first_good_policy() -> None:
    poor, good = {"steps": 10.0, "score": 0.949, "feasible": 1.0}, {"steps": 20.0, "score": 0.95, "feasible": 1.0}
    assert reached([poor, good, {**good, "steps": 30.0}]) == 20.0
    assert reached([poor]) == float("inf")
    text = table({"loop 0": [{**poor, "round": 1, "twin": 0.9}, good], "loop 1": [poor], "direct 0": [poor]})
    assert "loop: 1 of 2 seeds reach 95% of the reference" in text
    assert "direct: 0 of 1 seeds reach 95% of the reference" in text


def test_the_benchmark_says_what_it_does_not_know() -> None:
    for wrong in (["parts=lop"], ["seed=3"], ["seeds=many"]):
        with pytest.raises(VoltGymError, match=r"part|argument|seeds"):
            main(wrong)
