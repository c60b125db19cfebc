"""Bundles whose words, records or designs somebody has tampered with: refused, each with the reason."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import submission_toys as toys
from submission_toys import DESIGNS, EPISODES, refused

DESIGN = toys.design_track()


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return toys.make_bundles(tmp_path_factory.mktemp("runs"))


# -- what it says of itself --------------------------------------------------------------------------------------------

ABOUTS: list[tuple[str, Callable[[dict[str, Any]], Any], str]] = [
    ("extra key", lambda a: a.update(score=2.0), "'score' was unexpected"),
    ("extra key of a run", lambda a: a["runs"][0].update(score=2.0), "'score' was unexpected"),
    ("missing key", lambda a: a.pop("author"), "'author' is a required property"),
    ("other track", lambda a: a.update(track="control_bms"), "is of control_bms, version 2; here is toy_control"),
    ("other version", lambda a: a.update(track_version=1), "version 1; here is toy_control, version 2"),
    ("other fingerprint", lambda a: a.update(fingerprint="0123456789ab"), "its fingerprint is 0123456789ab, that of"),
    ("our name", lambda a: a.update(author="VoltGym"), "as of the entries that are shipped; name yourself"),
    ("budget over by one", lambda a: a["runs"][0].update(budget=1001), "1001 env_steps; toy_control allows 1000"),
    ("unit of no track", lambda a: a["runs"][0].update(unit="wishes"), "of wishes; toy_control counts env_steps"),
    ("spent over the budget", lambda a: a["runs"][0].update(budget=99), "100 env_steps were spent of a budget of 99"),
    ("spent another sum", lambda a: a["runs"][0].update(spent={"env_steps": 1}), "its ledger says .*100.*; the run"),
    ("other class", lambda a: a.update(information="full"), "its information is 'bms'; expected 'full'"),
    ("other seed", lambda a: a["runs"][0].update(seed=1), "runs/0/episodes.jsonl does not belong"),
    ("seed twice", lambda a: a["runs"].append({**a["runs"][0]}), "seed 0 is there twice"),
    ("other kind", lambda a: a.update(kind="policy"), "runs/0/policy.onnx is missing"),
    ("too many runs", lambda a: a.update(runs=[{**a["runs"][0], "seed": i} for i in range(31)]), "is too long"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "says"), [a[1:] for a in ABOUTS], ids=[a[0] for a in ABOUTS])
def test_what_it_says_of_itself(change: Callable, says: str, bundles: dict[str, bytes]) -> None:
    refused(toys.with_about(bundles["actions"], change), says)


def test_a_budget_that_is_passed_by_one(bundles: dict[str, bytes]) -> None:
    """The ledger of every record agrees with it."""

    def spend(lines: list[dict[str, Any]]) -> None:
        for line in lines:
            line["ledger"]["training env_steps"] = 1001

    def say(about: dict[str, Any]) -> None:
        about["runs"][0].update(budget=1000, spent={"env_steps": 1001})

    refused(toys.with_about(toys.with_lines(bundles["actions"], EPISODES, spend), say), "1001 env_steps were spent")


# -- its records -------------------------------------------------------------------------------------------------------


def first(**changes: Any) -> Callable[[list[dict[str, Any]]], Any]:
    return lambda lines: lines[0].update(changes)


RECORDS: list[tuple[str, Callable[[list[Any]], Any], str]] = [
    ("score", lambda ls: ls[0]["values"].update({toys.VALUE: 1.0}), r"min\] is 1.0, found"),
    ("return", first(**{"return": 9.0}), "return is 9.0, found"),
    ("slack", lambda ls: ls[0]["worst_slacks"].update({"Voltage [V]": 1.0}), r"Voltage \[V\] is 1.0, found"),
    ("no slack", lambda ls: ls[0].update(worst_slacks={}), r"Voltage \[V\] is None, found"),
    ("feasible", lambda ls: ls[0].update(feasible=not ls[0]["feasible"]), "feasible is"),
    ("scenario", lambda ls: ls[0]["scenario"].update(SOC=0.29), "scenario is .* found"),
    ("actions", lambda ls: ls[0].update(actions=[[2.0]] * len(ls[0]["actions"])), r"found .* differences\)"),
    ("extra key", first(score=1.0), "not a record.*'score' was unexpected"),
    ("wrong split", first(split="nominal"), "its split is 'nominal'; expected 'test'"),
    ("private split", first(split="private"), "its split is 'private'; expected 'test'"),
    ("wrong environment", first(env_id="CartPole-v1"), "its env_id is 'CartPole-v1'; expected 'VoltGym/Thevenin-v0'"),
    ("code to import", first(env_id="os:Thing-v0"), "its env_id is 'os:Thing-v0'"),
    ("easier environment", first(env_kwargs={"max_steps": 500}), "its environment has .*500.*; toy_control has"),
    ("other seed", first(seed=3), "its seed is 3; expected 0"),
    ("other fingerprint", lambda ls: ls[0]["fingerprint"].update(golden="x"), "another fingerprint: golden 'x', here"),
    ("other engine", lambda ls: ls[0]["fingerprint"].update(engine="mine"), "another fingerprint: engine 'mine', here"),
    ("missing episode", lambda ls: ls.pop(), "has 2 episodes; toy_control has 3"),
    ("episode twice", lambda ls: ls.__setitem__(0, ls[1]), r"its episodes are \[1, 1, 2\]"),
    ("other episode", lambda ls: ls[0].update(episode=7), r"its episodes are \[1, 2, 7\]"),
    ("one episode more", lambda ls: ls.append(ls[0]), "has 4 lines; expected at most 3"),
    ("no actions", first(actions=[]), "has 0 actions; expected 1 to 120"),
    ("too many actions", first(actions=[[1.0]] * 121), "has 121 actions"),
    ("odd actions", first(actions=["rm"]), "has the action 'rm'"),
    ("wide actions", first(actions=[[1.0, 2.0]]), "has the action"),
    ("huge actions", first(actions=[[1e300]]), "has the action"),
    ("cut short", lambda ls: ls[0].update(actions=ls[0]["actions"][:2]), r"found .* differences\)"),
]


@pytest.mark.parametrize(("change", "says"), [r[1:] for r in RECORDS], ids=[r[0] for r in RECORDS])
def test_records(change: Callable, says: str, bundles: dict[str, bytes]) -> None:
    refused(toys.with_lines(bundles["actions"], EPISODES, change), says)


def test_a_million_episodes_are_counted_not_read(bundles: dict[str, bytes]) -> None:
    files = toys.unpack(bundles["actions"])
    many = {**files, EPISODES: b"{}\n" * 10**6}
    refused(toys.repack(many, stored=True), "has 1000000 lines; expected at most 3")


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_are_none(text: str, bundles: dict[str, bytes]) -> None:
    files = toys.unpack(bundles["actions"])
    lines = [json.loads(line) for line in files[EPISODES].splitlines()]
    lines[0]["return"] = "@"
    data = "".join(json.dumps(line) + "\n" for line in lines).replace('"@"', text).encode()
    refused(toys.with_file(bundles["actions"], EPISODES, data), f"found {text}; expected finite numbers")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"[" * 100_000, "is no JSON"),
        (b"\xff\xfe", "is no JSON"),
        (b'{"a": 1, "a": 2}', "the key 'a' is there twice"),
        (b"null\n1\n2", "not a record"),
        (b"9" * 5000, "a whole number of 5000 digits"),
        (b'{"return": 1' + b"0" * 400 + b"}", "a whole number of 401 digits"),
        (rb'{"agent": "\ud800"}', "is no JSON"),
        (b"", "its episodes are"),
    ],
)
def test_lines_that_are_no_records(data: bytes, says: str, bundles: dict[str, bytes]) -> None:
    refused(toys.with_file(bundles["actions"], EPISODES, data), says)


# -- its designs -------------------------------------------------------------------------------------------------------


def swap(lines: list[dict[str, Any]]) -> None:
    """The first design handed in is said to be another one that was priced."""
    lines[0]["env_kwargs"]["start"] = lines[2]["env_kwargs"]["start"]
    lines[2]["env_kwargs"]["start"] = lines[0]["design"]


def test_a_swapped_design(bundles: dict[str, bytes]) -> None:
    refused(toys.with_lines(bundles["designs"], EPISODES, swap), "found .* differences", DESIGN)


def test_a_design_that_was_never_paid_for(bundles: dict[str, bytes]) -> None:
    best = "LiNi0.5Mn0.3Al0.2O2@0.7"

    def change(lines: list[dict[str, Any]]) -> None:
        lines[0]["env_kwargs"]["start"] = best

    refused(
        toys.with_lines(bundles["designs"], EPISODES, change), "never priced within the budget", toys.design_track()
    )


def test_a_duplicate_is_not_counted_twice(bundles: dict[str, bytes]) -> None:
    def repeat(lines: list[dict[str, Any]]) -> None:
        lines[5] = {**lines[4], "number": 6}

    refused(toys.with_lines(bundles["designs"], DESIGNS, repeat), "is there twice .*counts once", DESIGN)


def test_a_design_handed_in_twice(bundles: dict[str, bytes]) -> None:
    def repeat(lines: list[dict[str, Any]]) -> None:
        lines[1] = {**lines[0], "episode": 1}

    refused(toys.with_lines(bundles["designs"], EPISODES, repeat), "is there twice", DESIGN)


def test_a_budget_of_designs_that_is_passed_by_one(bundles: dict[str, bytes]) -> None:
    def one_more(lines: list[dict[str, Any]]) -> None:
        known = {line["key"] for line in lines}
        other = next(k for k in ("LiNi0.5Mn0.3Al0.2O2@0.7", "LiNi0.6Mn0.1Co0.2Ti0.1O2@0.6") if k not in known)
        lines.append({**lines[0], "key": other, "number": len(lines) + 1})

    data = toys.with_lines(bundles["designs"], DESIGNS, one_more)
    refused(data, "13 different designs are listed; its ledger says 12", DESIGN)


def test_a_design_left_out_of_the_count(bundles: dict[str, bytes]) -> None:
    data = toys.with_lines(bundles["designs"], DESIGNS, lambda lines: lines.pop())
    refused(data, "11 different designs are listed; its ledger says 12", DESIGN)


def test_a_search_that_was_better_than_it_was(bundles: dict[str, bytes]) -> None:
    data = toys.with_lines(bundles["designs"], DESIGNS, lambda lines: lines[3].update(value=0.99))
    refused(data, "is 0.99, feasible", DESIGN)


def test_a_design_that_is_none(bundles: dict[str, bytes]) -> None:
    data = toys.with_lines(bundles["designs"], DESIGNS, lambda lines: lines[3].update(key="__import__('os')"))
    refused(data, "runs/0: ", DESIGN)
