"""Splits and seeds: what is the same for everybody, and what is different."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from voltgym.envs.charging.scenario import NOMINAL, SPREAD, Spread, splits
from voltgym.envs.core import make_episodes
from voltgym.envs.errors import UnknownName, VoltGymError
from voltgym.envs.scenario import SALT_VARIABLE, generator, pick_split, stack
from voltgym.envs.thevenin import SCENARIOS, spread


@pytest.mark.parametrize(
    ("env_id", "split", "episode", "first"),
    [
        ("VoltGym/Thevenin-v0", "test", 0, 0.32756861219590705),
        ("VoltGym/FastCharge-v0", "test", 0, 0.1507786308859933),
        ("VoltGym/FastCharge-v0", "validation", 39, 0.6590078578367776),
    ],
)
def test_the_generator_of_an_episode_is_pinned(env_id: str, split: str, episode: int, first: float) -> None:
    """These numbers never change: results of every published episode hang on them."""
    assert generator(env_id, split, episode).random() == first


def test_every_episode_has_a_generator_of_its_own() -> None:
    ids, names = ("VoltGym/Thevenin-v0", "VoltGym/FastCharge-v0"), ("train", "validation", "test")
    drawn = {generator(i, s, k).random() for i in ids for s in names for k in range(200)}
    assert len(drawn) == 2 * 3 * 200


def test_the_private_split_needs_its_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SALT_VARIABLE, raising=False)
    with pytest.raises(VoltGymError, match=SALT_VARIABLE):
        generator("VoltGym/Thevenin-v0", "private", 0)
    core, row = make_episodes("VoltGym/Thevenin-v0", 1, split="private"), np.array([0])
    with pytest.raises(VoltGymError, match=SALT_VARIABLE):
        core.reset(row, [None], [0])
    drawn = []
    for salt in ("one", "two", "one"):
        monkeypatch.setenv(SALT_VARIABLE, salt)
        core.reset(row, [None], [0])
        drawn.append(core.scenarios["SOC"][0])
    assert drawn[0] == drawn[2] != drawn[1]


def test_a_split_that_does_not_exist() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'validation'"):
        pick_split(SCENARIOS, "validaton")


def test_stacking_keeps_numbers_texts_and_vectors() -> None:
    rows = [{"x": 1.5, "word": "ab", "v": np.array([1.0, 2.0])}, {"x": 2.5, "word": "abcd", "v": np.array([3.0, 4.0])}]
    state = stack(rows)
    assert state["x"].tolist() == [1.5, 2.5]
    assert state["word"].dtype == object
    assert state["word"].tolist() == ["ab", "abcd"]
    assert state["v"].shape == (2, 2)


def test_charging_scenarios_stay_within_their_bounds() -> None:
    scenario = Spread((10.0, 35.0))
    drawn = stack([scenario(np.random.default_rng(k)) for k in range(500)])
    assert set(drawn) == {*NOMINAL, "Redraws"}
    for name, (low, high) in SPREAD.items():
        values = drawn[name]
        assert low <= values.min() < low + 0.05 * (high - low)
        assert high - 0.05 * (high - low) < values.max() <= high
    assert 283.15 <= drawn["Ambient temperature [K]"].min() < drawn["Ambient temperature [K]"].max() <= 308.15


def test_what_greedy_cannot_finish_is_redrawn_but_where_it_always_can() -> None:
    """With an estimate that half the draws fail: they are drawn again wherever greedy is not known to be in time."""

    def minutes(scenario: Mapping[str, float]) -> float:
        return 61.0 if scenario["Contact resistance [Ohm]"] > 0.002 else 59.0

    scenarios = splits(minutes)
    for split in ("train", "validation", "test", "cold", "hot"):
        drawn = stack([scenarios[split](np.random.default_rng(k)) for k in range(60)])
        outside = ~np.isin(split, ["train", "validation", "test"])  # these lie within ALWAYS_IN_TIME
        assert (drawn["Contact resistance [Ohm]"].max() <= 0.002) == outside
        assert (0.5 < drawn["Redraws"].mean() < 2) == outside  # one draw in two is drawn again
    assert scenarios["nominal"](np.random.default_rng(0)) == {**NOMINAL, "Redraws": 0}


def test_a_split_that_nothing_can_charge_says_so() -> None:
    with pytest.raises(VoltGymError, match="none of 100 draws"):
        Spread((0.0, 10.0), minutes=lambda scenario: 61.0)(np.random.default_rng(0))


def test_redraws_are_counted() -> None:
    core = make_episodes("VoltGym/Thevenin-v0", 2)
    core.scenario = lambda rng: {**spread(rng), "Redraws": 2}
    core.reset(np.arange(2), [np.random.default_rng(k) for k in range(2)])
    assert core.ledger.spent["redraws"] == 4
