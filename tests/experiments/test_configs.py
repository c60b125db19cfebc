from __future__ import annotations

from pathlib import Path

import pytest

from voltgym.envs.errors import VoltGymError
from voltgym.experiments import configs
from voltgym.experiments.train import build_agent

DEFAULT = {"split": "test", "episodes": 50, "share": 0.5, "kwargs": {}, "recheck": {"fidelity": "DFN", "episodes": 0}}


@pytest.mark.parametrize("group", configs.groups())
def test_every_config_says_what_it_is(group: str) -> None:
    assert [name for name, text in configs.choices(group).items() if not text] == []


@pytest.mark.parametrize("agent", configs.choices("agent"))
def test_every_agent_can_be_built(agent: str) -> None:
    built = build_agent(configs.compose("train", [f"agent={agent}", "env=thevenin"])["agent"])
    assert built.unit in ("env_steps", "evaluations", "unique_designs")


@pytest.mark.parametrize("evaluation", configs.choices("evaluation"))
def test_every_evaluation_has_the_same_keys(evaluation: str) -> None:
    found = configs.compose("train", [f"evaluation={evaluation}"])["evaluation"]
    assert found.keys() == configs.compose("train")["evaluation"].keys()


@pytest.mark.parametrize("experiment", configs.choices("experiment"))
def test_every_experiment_composes(experiment: str) -> None:
    configs.compose("train", [f"experiment={experiment}"])


@pytest.mark.parametrize("env", configs.choices("env"))
def test_an_environment_is_an_id_and_its_arguments(env: str) -> None:
    assert configs.compose("train", [f"env={env}"])["env"].keys() == {"id", "kwargs"}


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (["env=thevnin"], "unknown env 'thevnin'. Did you mean 'thevenin'?"),
        (["agnt=random"], "unknown config key 'agnt'. Did you mean 'agent'?"),
        (["evaluation.episods=3"], "Did you mean 'evaluation.episodes'?"),
        (["evaluation.recheck.fidelty=SPM"], "Did you mean 'evaluation.recheck.fidelity'?"),
        (["seed=abc"], "seed is 'abc'; expected a whole number, such as its default 0"),
        (["seed=0.5"], "seed is 0.5; expected a whole number"),
        (["quiet=3"], "quiet is 3; expected true or false"),
        (["evaluation.recheck.episodes=many"], "evaluation.recheck.episodes is 'many'"),
        (["env.kwargs=3"], "env.kwargs is 3; expected keys"),
        (["foo"], "cannot read the override 'foo'"),
        (["a=[1"], "cannot read the override 'a=[1'"),
        (["+seed=3"], "Could not append to config"),
        (["env=null"], "cannot be composed"),
        (["suite=demo"], "unknown config key 'suite'"),
        (["env.kwargs=null"], "env.kwargs is null; expected keys"),
        (["evaluation.recheck=null"], "evaluation.recheck is null; expected keys (fidelity"),
        (["+suit=demo"], None),
    ],
)
def test_a_wrong_override_is_one_line(overrides: list[str], says: str | None) -> None:
    if says is None:
        assert configs.compose("train", overrides)["suit"] == "demo"
        return
    with pytest.raises(VoltGymError) as caught:
        configs.compose("train", overrides)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_users_own_config_is_found_on_the_search_path(tmp_path: Path) -> None:
    (tmp_path / "env").mkdir()
    (tmp_path / "env" / "mine.yaml").write_text("id: CartPole-v1\nkwargs: {}\n")
    found = configs.compose("train", [f"hydra.searchpath=[file://{tmp_path}]", "env=mine"])
    assert found["env"] == {"id": "CartPole-v1", "kwargs": {}}


def test_merge_takes_what_fits() -> None:
    found = configs.merge(DEFAULT, ["episodes=3", "recheck.fidelity=SPM", "kwargs.cell=Chen2020", "share=1"])
    assert found == {
        "split": "test",
        "episodes": 3,
        "share": 1,
        "kwargs": {"cell": "Chen2020"},
        "recheck": {"fidelity": "SPM", "episodes": 0},
    }
    assert DEFAULT["episodes"] == 50


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("episods=3", "Did you mean 'episodes'"),
        ("recheck.fidelty=SPM", "Did you mean 'recheck.fidelity'"),
        ("episodes=few", "expected a whole number"),
        ("episodes", "expected key=value"),
        ("recheck=3", "expected keys"),
        ("split.name=x", "unknown config key 'split.name'"),
    ],
)
def test_merge_refuses_the_rest(override: str, says: str) -> None:
    with pytest.raises(VoltGymError, match=says):
        configs.merge(DEFAULT, [override])


def test_a_sweep_is_checked_value_by_value() -> None:
    assert configs.expand(["agent=a,b", "seed=0,1,2", "x=3"]) == [
        ["agent=a", "seed=0", "x=3"],
        ["agent=b", "seed=0", "x=3"],
        ["agent=a", "seed=1", "x=3"],
        ["agent=a", "seed=2", "x=3"],
    ]
    assert configs.expand(["seed=range(0,3)"]) == [["seed=0"], ["seed=1"], ["seed=2"]]
    assert configs.expand(["rate=interval(0,1)", "seed=1"]) == [["seed=1"]]


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({}, "no _target_"),
        ({"_target_": "voltgym.agents.nothing.Agent"}, "cannot be built"),
        ({"_target_": "toys.Agent", "rat": 3}, "unexpected keyword argument 'rat'"),
        ({"_target_": "pathlib.Path"}, "is not an agent"),
    ],
)
def test_an_agent_that_cannot_be_built_says_why(config: dict, says: str) -> None:
    with pytest.raises(VoltGymError, match=says) as caught:
        build_agent(config)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("key", ["env", "agent", "seed", "evaluation", "evaluation.recheck", "env.kwargs", "env.id"])
def test_a_key_that_a_training_needs_is_missed(key: str) -> None:
    configs.check_whole(configs.compose("train"))
    with pytest.raises(VoltGymError, match=f"the config has no '{key}"):
        configs.check_whole(configs.compose("train", [f"~{key}"]))


@pytest.mark.parametrize(("override", "says"), [("split=[", "is not YAML"), ("split=${x}", "cannot fill in")])
def test_merge_says_what_cannot_be_read(override: str, says: str) -> None:
    with pytest.raises(VoltGymError, match=says) as caught:
        configs.merge(DEFAULT, [override])
    assert "\n" not in str(caught.value)
