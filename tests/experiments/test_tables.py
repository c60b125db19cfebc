from __future__ import annotations

from typing import Any

import pytest
from test_metrics import NAME, group, record

from voltgym.experiments.tables import Scoring, entry, ranked, scored, show, table

SCORING = Scoring(value=NAME, maximum=90.0, baseline="five", reference="greedy")


def groups() -> dict[str, list[dict[str, Any]]]:
    greedy = [{**r, "information": "lookahead"} for r in group([27.0] * 20)]
    sloppy = group([20.0] * 20, [True] * 18 + [False] * 2)
    return {"greedy": greedy, "five": group([36.0] * 20), "ppo": group([30.0] * 20), "sloppy": sloppy}


def test_ranks_are_within_a_class_and_infeasible_entries_come_last() -> None:
    entries = {e.name: e for e in ranked(scored(groups(), SCORING))}
    assert {name: (e.information, e.rank) for name, e in entries.items()} == {
        "ppo": ("bms", 1),
        "five": ("bms", 2),
        "sloppy": ("bms", 3),
        "greedy": ("lookahead", 1),
    }
    assert entries["sloppy"].score > entries["five"].score, "it would have ranked above on its score alone"
    assert (entries["five"].score, entries["greedy"].score) == (0.0, 1.0)


def test_without_the_baseline_there_is_no_score() -> None:
    found = groups()
    del found["five"]
    assert all(e.score != e.score for e in scored(found, SCORING))


def test_without_a_score_the_better_value_ranks_first() -> None:
    plain = [entry(n, [record(v, feasible=None, directions={NAME: "max"})]) for n, v in (("low", 1.0), ("high", 2.0))]  # type: ignore[arg-type]
    assert [e.name for e in ranked(plain)] == ["high", "low"]
    assert [e.name for e in ranked([entry(n, [record(v)]) for n, v in (("slow", 2.0), ("quick", 1.0))])] == [
        "quick",
        "slow",
    ]


def test_an_entry_says_what_the_records_say() -> None:
    a = record(
        30.0, recheck={"fidelity": "DFN", "feasible": True, "failure": "NONE", "worst_slacks": {}, "tolerances": {}}
    )
    b = record(40.0, episode=1, worst_slacks={"Voltage [V]": -0.002})
    c = record(10.0, feasible=False, episode=2)
    found = entry("ppo", [a, b, c])
    assert (found.episodes, found.feasible, found.value) == (3, pytest.approx(2 / 3), (NAME, 35.0))
    assert found.margins == {"Voltage [V]": -0.002}
    assert found.recheck == (1, 1)


def test_empty_columns_are_left_out_and_brackets_survive(capsys: pytest.CaptureFixture[str]) -> None:
    found = table("Fast charge", ranked([entry("ppo", [record(30.0)])]), ["A note [sic]."])
    assert found.columns == ("class", "rank", "agent", "feasible", NAME, "worst Voltage [V]")
    assert found.rows == (("bms", "1", "ppo", "100 % of 1", "30.00", "+0.0100"),)
    assert "| bms | 1 | ppo | 100 % of 1 | 30.00 | +0.0100 |" in found.markdown()
    show([found])
    text = capsys.readouterr().out
    assert "Voltage [V]" in text
    assert "A note [sic]." in text


def test_nothing_feasible_has_no_time() -> None:
    found = entry("bad", [record(10.0, feasible=False)])
    assert found.value[1] != found.value[1]
