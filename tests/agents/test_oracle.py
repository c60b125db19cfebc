"""The oracle: an exact budget of different designs, a log that is never lost, and fitness that infeasibility lowers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import design_toys as toys
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voltgym.agents.oracle import DesignLog, Oracle, Verdict, fitness, ranked, summary
from voltgym.envs.edit_problem import EditProblem
from voltgym.envs.errors import VoltGymError
from voltgym.envs.ledger import BudgetExhausted

WORDS = toys.register()
ABOUT = {"seed": 0}


def oracle(folder: Path, budget: int = 10, about: Any = None) -> Oracle:
    return Oracle(EditProblem(WORDS), folder, about or ABOUT, budget)


def computed(oracle: Oracle) -> list[str]:
    return oracle.problem.twin.model.seen  # type: ignore[attr-defined]


def verdict(key: str, value: float | None, broken: float = 0.0, failure: int = 0) -> Verdict:
    return Verdict(key, value, {"Domain": -broken}, value is not None and broken == 0, failure, 1)


# -- asking --------------------------------------------------------------------------------------------------------


def test_verdicts_say_what_a_design_is_worth(tmp_path: Path) -> None:
    good, far, failed = oracle(tmp_path).ask(["abc", "caca", "abb"])
    assert good == Verdict("abc", 3 / 8, {"Domain": 0.5}, True, 0, 1, good.values)
    assert next(iter(good.values.values())) == 3 / 8
    assert failed.values == {}
    assert (far.value, far.slacks, far.feasible) == (1 / 8, {"Domain": -1.5}, False)
    assert (failed.value, failed.feasible, failed.number) == (None, False, 3)
    assert failed.failure > 0


def test_the_budget_counts_different_designs_and_failures(tmp_path: Path) -> None:
    asked = oracle(tmp_path, budget=3)
    asked.ask(["a", "A ", "a", "bb"])
    asked.ask(["a", "bb"])
    assert asked.ledger.spent["unique_designs"] == 2
    assert asked.ledger.spent["duplicates"] == 4
    asked.ask(["c"])
    assert [v.key for v in asked.ask(["a", "c"])] == ["a", "c"]
    with pytest.raises(BudgetExhausted, match="budget of 3 designs is spent"):
        asked.ask(["ab"])
    assert computed(asked) == ["a", "bb", "c"]


def test_a_batch_that_does_not_fit_is_cut(tmp_path: Path) -> None:
    asked = oracle(tmp_path, budget=4)
    asked.ask(["a"])
    with pytest.raises(BudgetExhausted, match="2 more asked for"):
        asked.ask(["b", "a", "c", "ab", "ac", "ba"])
    assert [v.key for v in asked.log.all] == ["a", "b", "c", "ab"]


@given(st.lists(st.lists(st.text("abcd", min_size=1, max_size=2), max_size=6), max_size=8), st.integers(1, 12))
def test_the_budget_is_spent_exactly(tmp_path_factory: Any, batches: list[list[str]], budget: int) -> None:
    asked = oracle(tmp_path_factory.mktemp("log"), budget)
    batches = [[word.replace("dd", "d") for word in batch] for batch in batches]
    wanted = dict.fromkeys(word for batch in batches for word in batch)
    try:
        for batch in batches:
            assert [v.key for v in asked.ask(batch)] == batch
        assert len(wanted) <= budget
    except BudgetExhausted:
        assert len(wanted) > budget
    assert computed(asked) == list(wanted)[:budget]
    assert [v.number for v in asked.log.all] == list(range(1, min(len(wanted), budget) + 1))


def test_idle_questions_are_counted(tmp_path: Path) -> None:
    asked = oracle(tmp_path)
    asked.ask(["a", "b"])
    asked.ask(["a"])
    asked.ask([])
    assert asked.idle == 2
    asked.ask(["a", "c"])
    assert asked.idle == 0


# -- the log -------------------------------------------------------------------------------------------------------


def test_the_log_answers_again_without_cost(tmp_path: Path) -> None:
    first = oracle(tmp_path).ask(["abc", "abb", "ca"])
    again = oracle(tmp_path)
    assert again.ledger.spent["unique_designs"] == 3
    assert again.ask(["ca", "abc", "abb"]) == [first[2], first[0], first[1]]
    assert again.idle == 0  # new to this agent, if not to the log
    assert computed(again) == []
    assert again.ask(["d"])[0].number == 4
    full = oracle(tmp_path, budget=4)
    with pytest.raises(BudgetExhausted):
        full.ask(["abc", "dc"])


def test_every_design_is_on_the_disk_before_the_next(tmp_path: Path) -> None:
    asked = oracle(tmp_path)
    asked.ask(["a", "b"])
    lines = (tmp_path / "designs.jsonl").read_text().splitlines()
    assert [json.loads(line)["key"] for line in lines] == ["a", "b"]


def test_half_a_last_line_is_dropped(tmp_path: Path) -> None:
    oracle(tmp_path).ask(["a", "b"])
    file = tmp_path / "designs.jsonl"
    file.write_text(file.read_text()[:-9])
    again = oracle(tmp_path)
    assert [v.key for v in again.log.all] == ["a"]
    assert again.ask(["b"])[0].number == 2


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text.replace('"number": 2', '"number": 7'),
        lambda text: text.replace('"key": "b"', '"key": "a"'),
        lambda text: text.replace('"value"', '"worth"', 1),
        lambda text: text.replace("}\n", "\n", 1),
        lambda text: "[1, 2]}\n",
    ],
    ids=["numbers", "twice", "names", "half within", "not ours"],
)
def test_a_damaged_log_is_refused(damage: Any, tmp_path: Path) -> None:
    oracle(tmp_path).ask(["a", "b", "c"])
    file = tmp_path / "designs.jsonl"
    file.write_text(damage(file.read_text()))
    with pytest.raises(VoltGymError, match=r"is damaged .*; delete it to start again") as caught:
        oracle(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_log_of_another_search_is_refused(tmp_path: Path) -> None:
    oracle(tmp_path).ask(["a", "b", "c"])
    with pytest.raises(VoltGymError, match="of another search: its seed is 0, this one's is 1"):
        oracle(tmp_path, about={"seed": 1})
    with pytest.raises(VoltGymError, match="holds 3 designs, more than the budget of 2"):
        oracle(tmp_path, budget=2)
    (tmp_path / "about.json").unlink()
    with pytest.raises(VoltGymError, match="is damaged"):
        oracle(tmp_path)


def test_a_copy_is_the_log(tmp_path: Path) -> None:
    asked = oracle(tmp_path)
    asked.ask(["abc", "abb"])
    asked.log.copy_to(tmp_path / "copy.jsonl")
    assert (tmp_path / "copy.jsonl").read_text() == (tmp_path / "designs.jsonl").read_text()
    assert isinstance(DesignLog(tmp_path, ABOUT)["abc"], Verdict)


# -- judging -------------------------------------------------------------------------------------------------------

VERDICTS = st.lists(
    st.builds(
        lambda value, broken, failed: verdict("x", None if failed else value, broken, int(failed)),
        st.floats(0, 1),
        st.sampled_from([0.0, 0.1, 1.0, 50.0]),
        st.booleans(),
    ),
    min_size=1,
)


@given(VERDICTS, st.sampled_from([1.0, -1.0]))
def test_only_feasible_designs_keep_their_value(found: list[Verdict], sign: float) -> None:
    fit = fitness(found, sign)
    for one, its in zip(found, fit, strict=True):
        value = None if one.value is None else sign * one.value
        assert value is None or (its == value) == one.feasible
        assert value is None or its <= value
    failed = [its for one, its in zip(found, fit, strict=True) if one.value is None]
    rest = [its for one, its in zip(found, fit, strict=True) if one.value is not None]
    assert not failed or not rest or max(failed) <= min(rest) + 1e-12


@given(VERDICTS, st.sampled_from([1.0, -1.0]))
def test_the_ranking_puts_feasible_designs_first(found: list[Verdict], sign: float) -> None:
    order = ranked(found, sign)
    feasible = [v.feasible for v in order]
    assert feasible == sorted(feasible, reverse=True)
    values = [sign * v.value for v in order if v.feasible and v.value is not None]
    assert values == sorted(values, reverse=True)


def test_the_summary_is_of_feasible_designs() -> None:
    found = [verdict("a", 0.5), verdict("b", 0.9, broken=0.1), verdict("c", None, failure=3), verdict("d", 0.7)]
    assert summary(found, 1.0) == {"best": 0.7, "top10": pytest.approx(0.6), "feasible": 0.5}
    assert summary(found, -1.0)["best"] == 0.5
    assert summary([], 1.0) == {}
