from __future__ import annotations

import numpy as np
import pytest
from toys import Constant

from voltgym.agents.base import Silent
from voltgym.envs.errors import VoltGymError
from voltgym.envs.thevenin import best_rate
from voltgym.experiments.evaluate import evaluate_policy, recheck, replay
from voltgym.experiments.making import make_core, make_env
from voltgym.experiments.records import Record

THEVENIN = "VoltGym/Thevenin-v0"


def evaluate(
    policy: object, env_id: str = THEVENIN, episodes: int = 7, split: str = "test", **more: object
) -> list[Record]:
    kwargs = dict(more.pop("env_kwargs", {}))  # type: ignore[call-overload]
    return evaluate_policy(policy, env_id, kwargs, split=split, episodes=episodes, agent="a", seed=0, **more)  # type: ignore[arg-type]


class Best:
    """The optimal policy: looks at the circuit itself, for the rows that its memory says are left."""

    information = "lookahead"

    def bind(self, episodes: object) -> None:
        self.episodes = episodes

    def __call__(
        self, observation: np.ndarray, memory: object = None, first: object = None, mask: object = None
    ) -> tuple:
        memory = memory or {"row": np.arange(len(observation))}
        measured = {name: v[memory["row"]] for name, v in self.episodes.measured.items()}  # type: ignore[index, attr-defined]
        return best_rate(measured)[:, None], memory


def test_the_optimal_policy_is_feasible_and_touches_the_limit() -> None:
    records = evaluate(Best())
    assert [r["feasible"] for r in records] == [True] * 7
    assert [r["information"] for r in records] == ["lookahead"] * 7
    assert all(abs(r["worst_slacks"]["Voltage [V]"]) < 1e-3 for r in records)
    assert all(r["violated_steps"] == 0 and r["steps"] == len(r["actions"]) for r in records)


def test_batches_do_not_change_a_number() -> None:
    whole, single = evaluate(Best()), evaluate(Best(), batch=1)
    ledgerless = [[{**r, "ledger": None} for r in group] for group in (whole, single)]
    assert ledgerless[0] == ledgerless[1]


def test_a_violation_beyond_the_tolerance_is_infeasible_though_the_goal_is_reached() -> None:
    record = evaluate(Constant(2.5), split="nominal", episodes=1)[0]
    assert record["goal_reached"]
    assert not record["feasible"]
    assert record["violated_steps"] > 0
    assert record["worst_slacks"]["Voltage [V]"] < -1e-3


def test_too_slow_is_infeasible_without_a_violation() -> None:
    record = evaluate(Constant(0.1), split="nominal", episodes=1)[0]
    assert (record["goal_reached"], record["feasible"], record["violated_steps"]) == (False, False, 0)
    assert record["steps"] == 120
    assert record["values"] == {"Time to target [min]": None}


def test_an_unusable_action_is_a_failure_that_is_recorded_and_replayed() -> None:
    record = evaluate(Constant(float("nan")), split="nominal", episodes=1)[0]
    assert (record["failure"], record["feasible"], record["actions"]) == ("ACTION", False, [[None]])
    assert record["worst_slacks"]["Completed"] == -1.0
    assert replay(record)[0]["failure"] == "ACTION"


def test_a_replay_is_the_episode_again_with_what_was_measured() -> None:
    record = evaluate(Best(), episodes=3)[2]
    outcome, trace = replay(record)
    assert {name: outcome[name] for name in ("return", "steps", "worst_slacks", "values", "feasible")} == {
        name: record[name] for name in ("return", "steps", "worst_slacks", "values", "feasible")
    }
    assert len(trace) == record["steps"] + 1
    assert trace[0]["SOC"] == record["scenario"]["SOC"]
    assert trace[-1]["SOC"] >= 0.8 - 1e-12


def test_a_recheck_judges_the_same_actions_by_its_own_tolerances(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thevenin has one fidelity, so the argument is dropped here: what is tested is the replay and its judgement."""
    import voltgym.experiments.evaluate as module

    def make(env_id: str, n: int, kwargs: dict, **more: object) -> object:
        assert kwargs.pop("fidelity") == "DFN"
        return make_core(env_id, n, kwargs, **more)

    records = evaluate(Constant(2.5), episodes=3)
    monkeypatch.setattr(module, "make_core", make)
    strict = recheck(records, fidelity="DFN", tolerances={"Voltage [V]": 0.001}, batch=2)
    loose = recheck(records, fidelity="DFN", tolerances={"Voltage [V]": 9.0})
    assert [r["recheck"]["feasible"] for r in strict] == [False] * 3
    assert [r["recheck"]["feasible"] for r in loose] == [True] * 3
    assert [r["recheck"]["worst_slacks"] for r in strict] == [r["worst_slacks"] for r in records]
    assert [r["feasible"] for r in loose] == [False] * 3, "the record itself is not touched"


def test_a_replay_of_another_scenario_is_refused() -> None:
    record = evaluate(Constant(1.0), episodes=1)[0]
    with pytest.raises(VoltGymError, match="has another scenario now"):
        replay({**record, "scenario": {**record["scenario"], "SOC": 0.2}})


class Left:
    """CartPole: always to the left."""

    information = "full"

    def __call__(
        self, observation: np.ndarray, memory: object = None, first: object = None, mask: object = None
    ) -> tuple:
        return np.zeros(len(observation), dtype=int), None


def test_any_gymnasium_environment_is_evaluated_without_slacks() -> None:
    records = evaluate(Left(), "CartPole-v1", 2, env_kwargs={"max_episode_steps": 5})
    assert [r["steps"] for r in records] == [5, 5]
    assert {r["feasible"] for r in records} == {None}
    assert records[0]["scenario"]["Seed"] != records[1]["scenario"]["Seed"]
    assert records == evaluate(Left(), "CartPole-v1", 2, env_kwargs={"max_episode_steps": 5})
    with pytest.raises(VoltGymError, match="cannot be replayed"):
        replay(records[0])


@pytest.mark.parametrize(
    ("env_id", "kwargs", "says"),
    [
        ("VoltGym/Thevnin-v0", {}, "Did you mean: `Thevenin`"),
        ("nowhere.at.all:Id-v0", {}, "No module named 'nowhere'"),
        (THEVENIN, {"max_step": 3}, "Did you mean 'max_steps'"),
        ("CartPole-v1", {"gravitas": 3}, "cannot be made with gravitas=3"),
    ],
)
def test_what_cannot_be_made_says_why(env_id: str, kwargs: dict, says: str) -> None:
    with pytest.raises(VoltGymError, match=says):
        make_env(env_id, kwargs)


def test_progress_is_told() -> None:
    class Told(Silent):
        seen: list[tuple[int, int]] = []  # noqa: RUF012

        def update(self, done: int, total: int, **numbers: float) -> None:
            self.seen.append((done, total))

    evaluate(Constant(1.0), batch=3, progress=Told())
    done = [d for d, _ in Told.seen]
    assert done == sorted(done)
    assert set(done) >= {3, 6, 7}
    assert done[-1] == 7
    assert {total for _, total in Told.seen} == {7}
