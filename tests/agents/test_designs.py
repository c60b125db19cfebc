"""What searches share: designs that are handed in, start designs, and how alike designs are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import design_toys as toys
import numpy as np
import pytest

from voltgym.agents.base import Policy, load_policy, save_policy
from voltgym.agents.designs import HandIn, fingerprints, grams, starts
from voltgym.envs.core import make_episodes
from voltgym.envs.errors import VoltGymError

WORDS = toys.register()


def test_each_design_is_handed_in_at_once() -> None:
    policy = HandIn(["abcd", "ab"])
    assert isinstance(policy, Policy)
    ended = []
    for kwargs in policy.environments():
        core = make_episodes(WORDS, 1, **kwargs)
        observation, info = core.reset(np.array([0]), [np.random.default_rng(0)])
        policy.bind(core)
        action, _ = policy(observation, mask=core.masks(np.array([0])))
        *_, terminated, _, info = core.step(np.array([0]), action)
        ended.append((bool(terminated[0]), info["design"][0]))
    assert ended == [(True, "abcd"), (True, "ab")]


def test_actions_that_are_not_counted_from_zero_and_a_mask_that_forbids_to_stop() -> None:
    core: Any = make_episodes(WORDS, 2)
    core.task.action_space.start = 3
    policy = HandIn(["a"])
    policy.bind(core)
    mask = np.ones((2, 6), dtype=bool)
    mask[1, [0, toys.STOP]] = False
    assert policy(np.zeros((2, 1)))[0].tolist() == [toys.STOP + 3] * 2
    assert policy(np.zeros((2, 1)), mask=mask)[0].tolist() == [toys.STOP + 3, 1 + 3]


def test_it_is_kept(tmp_path: Path) -> None:
    save_policy(HandIn(["ab", "c"]), tmp_path, env_id=WORDS, env_kwargs={})
    assert load_policy(tmp_path, env_id=WORDS).designs == ["ab", "c"]  # type: ignore[attr-defined]
    for text in ("", "{}", '{"designs": "ab"}', '{"designs": []}', '{"designs": [1]}'):
        (tmp_path / "hand_in.json").write_text(text)
        with pytest.raises(VoltGymError, match="the policy in"):
            load_policy(tmp_path)


def test_what_cannot_be_handed_in() -> None:
    with pytest.raises(VoltGymError, match="must be bound"):
        HandIn(["a"])(np.zeros((1, 1)))
    with pytest.raises(VoltGymError, match="edits no design"):
        HandIn(["a"]).bind(make_episodes("VoltGym/Thevenin-v0", 1))


def test_start_designs_are_those_of_the_split() -> None:
    found = starts(WORDS, {}, 64)
    assert sorted(found) == ["a", "b", "ba", "cb"]
    assert starts(WORDS, {"start": "abc"}, 5) == ["abc"]
    assert starts(WORDS, {}, 2) == starts(WORDS, {}, 2)


# -- likeness ------------------------------------------------------------------------------------------------------


def test_grams_count_runs_of_characters() -> None:
    one, other, same = grams(["abab", "baba", "abab"])
    assert one.sum() == 4 + 3 + 2
    assert not np.array_equal(one, other)
    np.testing.assert_array_equal(one, same)


def test_a_space_may_have_fingerprints_of_its_own() -> None:
    class Space:
        def fingerprints(self, designs: Any) -> np.ndarray:
            return np.ones((len(designs), 2))

    assert fingerprints(Space())(["a"]).shape == (1, 2)
    assert fingerprints(toys.WordSpace()) is grams
