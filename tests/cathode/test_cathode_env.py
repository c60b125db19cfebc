"""``VoltGym/Cathode-v0`` as its users see it."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest

import voltgym.envs  # noqa: F401  # registers the ids
from voltgym.agents.oracle import verdicts
from voltgym.envs.cathode.cathode import REFERENCES
from voltgym.envs.cathode.objective import COBALT, SCORE
from voltgym.envs.cathode.pictures import bar_svg
from voltgym.envs.edit_problem import EditProblem
from voltgym.envs.errors import VoltGymError
from voltgym.envs.problem import DesignProblem
from voltgym.experiments import cathode_optimum

ENV = "VoltGym/Cathode-v0"


def test_an_episode_hands_a_cathode_in() -> None:
    env = gym.make(ENV, split="nominal")
    _, info = env.reset(seed=0)
    assert info["design"] == REFERENCES["NMC111"]
    unwrapped = env.unwrapped
    stop = unwrapped.core.task.space.stop  # type: ignore[attr-defined]
    for action in (0, stop):
        observation, _, terminated, truncated, info = env.step(action)
    assert (terminated, truncated) == (True, False)
    assert info["design"] == "LiNi0.2Mn0.4Co0.4O2@0.6"
    assert env.observation_space.contains(observation)
    env.close()


def test_why_a_cathode_is_not_feasible_is_said() -> None:
    env = gym.make(ENV, start="LiNiO2@0.7")
    _, info = env.reset(seed=0)
    assert "Exothermic peak [C] is 218, at least 230" in info["reasons"]
    assert info["cost"] > 0


def test_the_same_design_costs_once() -> None:
    env = gym.make_vec(ENV, num_envs=4, start="LiCoO2@0.5")
    env.reset(seed=0)
    ledger = env.unwrapped.ledger  # type: ignore[attr-defined]
    assert ledger.spent["unique_designs"] == 1
    env.step(np.zeros(4, dtype=int) + env.unwrapped.core.task.space.stop)  # type: ignore[attr-defined]
    assert ledger.spent["surrogate_calls"] == 1


def test_a_random_action_of_the_simplex_is_an_episode() -> None:
    env = gym.make(ENV, action="continuous")
    env.reset(seed=0)
    env.action_space.seed(0)
    _, reward, terminated, truncated, info = env.step(env.action_space.sample())
    assert (terminated, truncated) == (True, False)
    assert np.isfinite(reward)
    assert "@" in info["design"]


def test_both_kinds_of_action_price_a_cathode_alike() -> None:
    from voltgym.envs.cathode.composition import parse
    from voltgym.envs.cathode.simplex import action_of

    edits = EditProblem(ENV)
    simplex = DesignProblem(ENV, action="continuous", split="nominal")
    for key in REFERENCES.values():
        one = edits.evaluate([key])
        other = simplex.evaluate(action_of(parse(key))[None])
        for name in (SCORE, COBALT):
            assert one.values[name][0] == other.values[name][0]
        assert {n: s[0] for n, s in one.slacks.items()} == {n: other.slacks[n][0] for n in one.slacks}


def test_the_whole_grid_is_priced_and_the_best_is_cobalt_poor_and_feasible() -> None:
    problem, designs, found = cathode_optimum.priced("surrogate")
    assert len(designs) == len(found) == 1785
    text = cathode_optimum.lines(problem, found, 3)
    assert "0 failed" in text[0]
    best = problem.evaluate([text[1].split()[-1]])
    assert best.values[COBALT][0] <= 0.1
    assert all(slack[0] >= 0 for slack in best.slacks.values())
    assert sum(line.startswith(tuple(REFERENCES)) for line in text) == 6


def test_references_are_designs_of_the_space() -> None:
    problem = EditProblem(ENV)
    keys = [problem.key(key) for key in REFERENCES.values()]
    judged = verdicts(keys, problem.evaluate(keys), problem.objective, 1)
    assert {name for name, v in zip(REFERENCES, judged, strict=True) if v.feasible} >= {"NMC111", "NMC532", "NMC811"}


@pytest.mark.parametrize(
    ("kwargs", "said"),
    [
        ({"property_model": "twin-hihg"}, "Did you mean 'twin-high'"),
        ({"action": "box"}, "Known: edits, continuous"),
        ({"start": "LiFeO2"}, "has Fe"),
        ({"limits": {"Peak": 1}}, "unknown limit of the cathode"),
        ({"split": "tset"}, "Did you mean 'test'"),
    ],
)
def test_mistakes_are_one_line(kwargs: dict, said: str) -> None:
    with pytest.raises(VoltGymError, match=said):
        gym.make(ENV, **kwargs)


def test_an_episode_can_be_looked_at() -> None:
    env = gym.make(ENV, split="nominal", render_mode="rgb_array")
    env.reset(seed=0)
    env.step(0)
    picture = env.render()
    assert isinstance(picture, np.ndarray)
    assert picture.ndim == 3
    assert picture.std() > 10


def test_a_design_is_drawn_as_a_bar() -> None:
    from xml.etree import ElementTree

    root = ElementTree.fromstring(bar_svg("LiNi0.6Mn0.3Mg0.1O2@0.7"))
    bars = [float(part.get("width", 0)) for part in root if part.tag.endswith("rect")]
    assert [round((b + 1.5) / 300, 3) for b in bars] == [0.6, 0.3, 0.1, 0.3, 0.7]
    assert [part.text for part in root if part.tag.endswith("text")] == ["Ni 0.6", "Mn 0.3", "Mg"]
