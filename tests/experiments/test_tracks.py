"""Every track is whole: its jobs compose, its budget is kept, its score is defined."""

from __future__ import annotations

import pytest

from voltgym.envs.errors import VoltGymError
from voltgym.envs.making import make_episodes
from voltgym.experiments import benchmark, configs, tracks
from voltgym.experiments.train import build_agent


@pytest.mark.parametrize("name", tracks.names())
def test_a_track_is_whole(name: str) -> None:
    track = tracks.load(name)
    core = make_episodes(track.env_id, 1, **{**track.env_kwargs, "split": track.split})
    known = set(core.objective.directions)
    assert track.score.value in known or hasattr(track.score, "point")
    assert set(track.score.anchors) <= {*track.fixed, *track.entries}
    assert track.optimum in ("proven", "best known")
    assert all(0 < at <= max(track.budget.values()) for at in track.checkpoints)
    assert set(track.seeds_of) <= set(track.entries)


@pytest.mark.parametrize("name", tracks.names())
def test_every_entry_stays_within_the_budget_of_its_unit(name: str) -> None:
    track = tracks.load(name)
    for entry, overrides in track.entries.items():
        config = configs.compose("train", (*track.common, *overrides))
        agent = build_agent(config["agent"])
        budget = config["budget"] if config["budget"] is not None else agent.default_budget  # type: ignore[attr-defined]
        assert budget == 0 or budget <= track.budget[agent.unit], entry


@pytest.mark.parametrize("name", tracks.names())
def test_every_entry_is_judged_on_the_same_problem(name: str) -> None:
    track = tracks.load(name)
    for entry, overrides in {**track.fixed, **track.entries}.items():
        config = configs.compose("train", (*track.common, *overrides))
        assert config["env"]["id"] == track.env_id, entry
        if not track.hand_in:  # designs are judged with the arguments of the track
            judged = {**config["env"]["kwargs"], **config["evaluation"]["kwargs"]}
            assert {k: v for k, v in judged.items() if k != "split"} == track.env_kwargs, entry


@pytest.mark.parametrize("name", tracks.names())
def test_every_agent_says_on_what_it_was_tuned(name: str) -> None:
    for entry, overrides in tracks.load(name).entries.items():
        (agent,) = (text.removeprefix("agent=") for text in overrides if text.startswith("agent="))
        assert "\n# Tuned: " in configs.read("agent", agent), (
            f"{entry}: conf/agent/{agent}.yaml has no line '# Tuned: ...'"
        )


def test_the_core_benchmark_has_every_track() -> None:
    settings = benchmark.load_benchmark("core", [])
    assert set(settings["tracks"]) == set(tracks.names())


def test_errors_say_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(VoltGymError, match="control_full"):
        tracks.load("control_ful")
    text = configs.read("track", "protocol").replace("seeds: 10", "seeed: 10")
    tracks.load.cache_clear()
    monkeypatch.setattr(configs, "read", lambda group, name: text)
    with pytest.raises(VoltGymError, match="lacks seeds"):
        tracks.load("protocol")
