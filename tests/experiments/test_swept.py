"""Values of sweeps: each once, as Hydra writes them; what cannot be listed is one line."""

from __future__ import annotations

from typing import Any

import pytest

from voltgym.envs.errors import VoltGymError
from voltgym.experiments import cli, configs, swept
from voltgym.experiments.arguments import quoted
from voltgym.experiments.swept import combinations


def test_combinations_are_every_one_and_the_last_word_counts() -> None:
    found = combinations(["agent=ppo,sac", "budget=10"], {"seed": "range(2)", "budget": "5,6"})
    assert len(found) == 4
    assert ["seed=1", "budget=10", "agent=sac"] in found


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (["budget=interval(1,5)"], "search with hydra/sweeper=tpe"),
        (["seed=range(0,0)"], "has no values"),
        (["seed=range(0,3,0)"], "its step is 0"),
        (["+agent.x=range(nan)"], "cannot be listed"),
        (["seed=range(3),5"], "cannot be listed"),
        (["seed=range(1e9)"], "more than 10000 values"),
        (["seed=shuffle(range(1000000000))"], "more than 10000 values"),
        (["seed=range(0,200)", "budget=range(0,200)"], "has 40000 combinations"),
        (["seed=1,1"], "has 1 more than once"),
        (["+agent.x=0.1,0.10"], "has 0.1 more than once"),
        (["seed=glob(*)"], "seed is no group of configs"),
        (["seed=range(2"], "cannot read the override"),
    ],
)
def test_combinations_that_there_cannot_be(overrides: list[str], says: str) -> None:
    with pytest.raises(VoltGymError) as error:
        combinations(overrides, {})
    assert says in str(error.value)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("[1,2],[3]", [[1, 2], [3]]),
        ("'a b','c,d'", ["a b", "c,d"]),
        ("'name=\"a b\"',b", ['name="a b"', "b"]),
        ("{a:[1,2]},{a:'x,y'}", [{"a": [1, 2]}, {"a": "x,y"}]),
        ("'é','日本'", ["é", "日本"]),
        ("null,true,1e-3,'1'", [None, True, 0.001, "1"]),
        ("sort(3,1,2)", [1, 2, 3]),
        ("range(0,1,0.5)", [0.0, 0.5]),
    ],
)
def test_every_value_arrives_as_it_was_written(text: str, values: list[Any]) -> None:
    found = combinations([f"+agent.x={text}"], {})
    assert [configs.compose("train", ["env=thevenin", *one])["agent"]["x"] for one in found] == values


def test_a_glob_is_the_names_of_a_group() -> None:
    assert swept.globbed(["agent=glob(tpe*)", "seed=1"]) == ["agent=tpe", "seed=1"]
    assert ["agent=ppo_bms"] in combinations([], {"agent": "glob(ppo*)"})


def test_of_a_long_range_the_ends_are_checked() -> None:
    assert configs.expand(["seed=range(2000)"]) == [["seed=0"], ["seed=1999"]]


@pytest.mark.parametrize("text", ["it's", "tail\\", "a\\'b", "sp ace", "[b],{c}=d", "dol$ar"])
def test_quoted_is_read_as_it_is(text: str) -> None:
    assert swept.parse([f"a={quoted(text)}"])[0].value() == text


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["hydra/launcher=joblib,basic"], "expected one value"),
        (["hydra.sweep.dir=a,b"], "expected one value"),
        (["hydra.sweep.dir="], "hydra.sweep.dir is empty"),
        (["hydra.sweep.subdir=x"], "hydra.sweep.subdir is not used"),
        (["experiment=sweep_seeds", "hydra.sweeper.params.seed=0,1"], "or quotes: hydra.sweeper.params.seed='...'"),
        (["+hydra.sweeper.params={seed: '0,1'}"], "what is swept over is written as seed=0,1"),
        (["hydra.launcher._target_=nothing.There"], "cannot be made: No module named 'nothing'"),
        (["hydra.launcher._target_=pathlib.Path", "~hydra.launcher.n_jobs"], "is no launcher"),
        (["seed=0,1", "--cfg", "job"], "shows one config"),
        (["--run"], "two things to do"),
        (["resume="], "names nothing"),
    ],
)
def test_commands_that_there_cannot_be(arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        cli.run_command("train", ["-m", "env=thevenin", "agent=random", *arguments])
    assert end.value.code == 2
    told = capsys.readouterr().err
    assert says in told
    assert told.count("\n") == 1
