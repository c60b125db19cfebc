"""The Gymnasium shells: autoreset, partial resets, pictures, and one line for every mistake."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import voltgym.envs  # noqa: F401  # registers the ids
from voltgym.envs.core import entry_points
from voltgym.envs.errors import UnknownName, VoltGymError
from voltgym.envs.thevenin import parts

ENV = "VoltGym/Thevenin-v0"


def make(**kwargs: Any) -> Any:
    return gym.make(ENV, **kwargs).unwrapped


def make_vec(n: int = 3, **kwargs: Any) -> Any:
    return gym.make_vec(ENV, num_envs=n, **kwargs).unwrapped


@pytest.mark.parametrize("seed", [0, 7])
def test_every_split_but_train_counts_episodes(seed: int) -> None:
    env = make(split="test")
    starts = {k: env.reset(options={"episode": k})[0] for k in range(12)}
    assert np.array_equal(env.reset(seed=seed)[0], starts[seed])
    assert np.array_equal(env.reset()[0], starts[seed + 1])
    env.reset(options={"episode": 3})
    assert np.array_equal(env.reset()[0], starts[4])


def test_rows_share_the_episodes_of_a_split_out() -> None:
    single, vector = make(split="test", max_steps=1), make_vec(3, split="test", max_steps=1)
    starts = [single.reset(options={"episode": k})[0] for k in range(9)]
    found = [*vector.reset(seed=0)[0]]
    for _ in range(2):
        vector.step(np.zeros((3, 1)))
        found += [*vector.step(np.zeros((3, 1)))[0]]
    assert np.array_equal(found, starts)


def test_rows_are_reset_on_request() -> None:
    env = make_vec(autoreset_mode="Disabled", max_steps=2)
    env.reset(seed=0)
    env.step(np.ones((3, 1)))
    before, *_ = env.step(np.ones((3, 1)))
    with pytest.raises(VoltGymError, match="reset_mask"):
        env.step(np.ones((3, 1)))
    after, info = env.reset(options={"reset_mask": np.array([False, True, False])})
    assert np.array_equal(before[[0, 2]], after[[0, 2]])
    assert not np.array_equal(before[1], after[1])
    assert info["_cost"].tolist() == [False, True, False]


@pytest.mark.parametrize("mask", [[1, 0, 1], np.array([True]), np.zeros(3, dtype=bool)])
def test_a_wrong_mask_is_one_line(mask: Any) -> None:
    env = make_vec()
    with pytest.raises(VoltGymError, match="reset_mask"):
        env.reset(options={"reset_mask": mask})


def test_what_ended_is_handed_over_when_a_row_is_reset_at_once() -> None:
    env = make_vec(autoreset_mode="SameStep", max_steps=1)
    env.reset(seed=3)
    observation, _, _, truncated, info = env.step(np.ones((3, 1)))
    assert truncated.all()
    assert info["final_info"]["measured"]["C-rate"].tolist() == [1, 1, 1]
    assert info["measured"]["C-rate"].tolist() == [0, 0, 0]
    assert not np.array_equal(info["final_obs"][0], observation[0])


@pytest.mark.parametrize(
    ("kwargs", "says"),
    [
        ({"max_stepz": 5}, "Did you mean 'max_steps'"),
        ({"split": "tests"}, "Did you mean 'test'"),
        ({"max_steps": 0}, "whole number >= 1"),
        ({"max_steps": "many"}, "whole number >= 1"),
        ({"max_steps": 2.5}, "whole number >= 1"),
        ({"render_mode": "rgb_arry"}, "Did you mean 'rgb_array'"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*render_mode.*:UserWarning")
def test_mistakes_when_made(kwargs: dict[str, Any], says: str) -> None:
    for maker in (make, make_vec):
        with pytest.raises(VoltGymError, match=says) as error:
            maker(**kwargs)
        assert "\n" not in str(error.value)


def test_the_default_split_is_the_one_of_the_parts() -> None:
    make, make_vec = entry_points(lambda split="nominal": parts(split), env_id="Toy/Nominal-v0", max_steps=5)
    assert make().core.split == make_vec(num_envs=2).core.split == "nominal"
    assert make(split="train").core.split == "train"


def test_mistakes_that_only_a_vector_can_have() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'SameStep'"):
        make_vec(autoreset_mode="Samestep")
    with pytest.raises(VoltGymError, match="num_envs"):
        make_vec(0)
    env = make_vec()
    with pytest.raises(VoltGymError, match="call reset"):
        env.step(np.ones((3, 1)))


def test_mistakes_of_a_step_and_a_reset() -> None:
    env = make()
    with pytest.raises(VoltGymError, match="call reset"):
        env.step([1.0])
    for options in ({"episod": 3}, {"episode": -1}, {"episode": "first"}, {"episode": 1.5}):
        with pytest.raises(VoltGymError, match="episode"):
            env.reset(options=options)
    env.reset(seed=0)
    for action in (1.0, [1.0, 2.0], "fast", None):
        with pytest.raises(VoltGymError, match="expected shape"):
            env.step(action)


def test_pictures_of_one_and_of_many() -> None:
    env, vector = make(render_mode="rgb_array"), make_vec(2, render_mode="rgb_array")
    with pytest.raises(VoltGymError, match="call reset"):
        env.render()
    env.reset(seed=0)
    vector.reset(seed=0)
    env.step([1.0])
    vector.step(np.ones((2, 1)))
    pictures = vector.render()
    assert len(pictures) == 2
    assert pictures[0].dtype == np.uint8
    assert np.array_equal(pictures[0], env.render())
    assert not np.array_equal(pictures[0], pictures[1])
    assert make_vec(2).render() is None


def test_the_length_is_known_to_the_observation_and_to_gymnasium() -> None:
    env = make(max_steps=5)
    assert env.reset(seed=0)[1]["measured"]["Steps left"] == 5
    assert gym.spec(ENV).max_episode_steps is None
    vector: Any = gym.make_vec(ENV, num_envs=2, max_episode_steps=4).unwrapped
    assert vector.max_steps == 4
