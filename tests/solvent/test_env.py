"""``VoltGym/Solvent-v0`` and ``SolventRediscovery-v0``: goals, levels, bad input, and what an episode shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import voltgym.envs  # noqa: F401  # registers the ids
from voltgym.envs.edit_problem import EditProblem
from voltgym.envs.errors import VoltGymError
from voltgym.envs.solvent.families import lines
from voltgym.envs.solvent.goals import GOALS
from voltgym.envs.solvent.objective import MEAN_SCORE, SCORE, SIMILARITY, SYNTHESIS, UNSTABLE
from voltgym.envs.solvent.rediscovery import SIMILARITY as TO_TARGET
from voltgym.envs.solvent.rediscovery import STARTS, TARGETS
from voltgym.surrogates.base import Failure
from voltgym.surrogates.solvent_names import IONIZATION, NAMES

SOLVENT, REDISCOVERY = "VoltGym/Solvent-v0", "VoltGym/SolventRediscovery-v0"


def walk(env: Any, steps: int, seed: int = 0) -> list[dict[str, Any]]:
    """The infos of random valid edits."""
    rng, infos = np.random.default_rng(seed), []
    for _ in range(steps):
        choices = np.flatnonzero(env.action_masks()[:-1])
        *_, info = env.step(int(rng.choice(choices)))
        infos.append(info)
    return infos


@pytest.mark.parametrize("goal", GOALS)
def test_an_episode_shows_properties_reasons_and_the_mask(goal: str) -> None:
    env: Any = gym.make(SOLVENT, goal=goal, split="nominal").unwrapped
    observation, info = env.reset(seed=0)
    assert info["design"] == GOALS[goal].nominal
    assert observation.shape == env.observation_space.shape
    assert np.isfinite(observation).all()
    task = env.core.task
    for name in NAMES:
        assert task.read(observation[None], name)[0] == pytest.approx(float(info["measured"][name]), rel=1e-4, abs=1e-4)
        assert info["measured"][f"{name} std"] > 0
    for info in walk(env, 8):
        assert set(info["slacks"]) == {SIMILARITY, "Descriptors in range", UNSTABLE, SYNTHESIS, "Completed"}
        assert bool(info["reasons"]) == any(slack < 0 for slack in info["slacks"].values())
    *_, terminated, _, info = env.step(env.core.twin.space.stop)
    assert terminated
    assert info["failure"] == Failure.NONE


def test_known_solvents_score_and_a_peroxide_does_not_pass() -> None:
    problem = EditProblem(SOLVENT, goal="solvent")
    names = list(GOALS["solvent"].references)
    found = problem.evaluate(list(GOALS["solvent"].references.values()))
    scores = dict(zip(names, found.values[SCORE], strict=True))
    assert all(0 <= score <= 1 for score in scores.values())
    assert (found.values[MEAN_SCORE] >= found.values[SCORE] - 1e-12).all()
    for slack in found.slacks.values():
        assert (slack >= 0).all(), names
    bad = problem.evaluate(["COOC", "CC(=O)F", "CNNC"])
    assert (bad.slacks[UNSTABLE] < 0).all()


def test_the_goals_rank_molecules_differently() -> None:
    molecules = ["O=C1OCCO1", "O=c1occo1", "COCCOC", "CCOC(=O)OC", "CS(C)(=O)=O", "O=S1(=O)CCCO1"]
    ranks = [np.argsort(EditProblem(SOLVENT, goal=goal).evaluate(molecules).values[SCORE]) for goal in GOALS]
    assert list(ranks[0]) != list(ranks[1])


def test_pessimism_and_points_are_arguments() -> None:
    careful, bold = (EditProblem(SOLVENT, k=k).evaluate(["O=C1CCCO1"]).values[SCORE][0] for k in (2.0, 0.0))
    assert careful < bold
    terms = {"Flash point [K]": [100.0, 101.0]}
    assert EditProblem(SOLVENT, k=0.0, terms=terms).evaluate(["O=C1CCCO1"]).values[SCORE][0] >= bold


def test_xtb_computes_what_the_surrogate_predicts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOLTGYM_CACHE", str(tmp_path))
    problem = EditProblem(SOLVENT, property_model="xtb")
    measured, failure = problem.twin.price(["CC#N"])
    assert failure[0] == Failure.NONE
    assert measured[f"{IONIZATION} std"][0] == pytest.approx(lines()[IONIZATION]["error"])
    assert measured["Flash point [K] std"][0] > 0
    assert problem.ledger.spent["xtb_calls"] == 1
    learned = EditProblem(SOLVENT).twin.price(["CC#N"])[0][IONIZATION][0]
    assert measured[IONIZATION][0] == pytest.approx(learned, abs=1.0)  # corrected alike, so on one scale


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"goal": "solvnt"}, "Did you mean 'solvent'"),
        ({"property_model": "xbt"}, "Did you mean 'xtb'"),
        ({"start": "C1CC"}, "not a SMILES|no valid molecule"),
        ({"start": "CCl"}, "Cl"),
        ({"start": "C" * 15}, "15 heavy atoms"),
        ({"k": -1}, "k is -1"),
        ({"share": 2}, "share is 2"),
        ({"terms": {"Flash": [1, 2]}}, "term of the goal"),
        ({"split": "tset"}, "Did you mean 'test'"),
    ],
)
def test_mistakes_are_one_line(kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(VoltGymError, match=message):
        gym.make(SOLVENT, **kwargs)


def test_row_i_of_a_batch_is_the_single_environment() -> None:
    many: Any = gym.make_vec(SOLVENT, num_envs=3).unwrapped
    _, infos = many.reset(seed=5)
    for i in range(3):
        _, info = gym.make(SOLVENT).unwrapped.reset(seed=5 + i)
        assert infos["design"][i] == info["design"]


def test_a_picture_of_the_episode() -> None:
    env: Any = gym.make(SOLVENT, split="nominal", render_mode="rgb_array").unwrapped
    env.reset(seed=0)
    walk(env, 3)
    picture = env.render()
    assert picture.dtype == np.uint8
    assert picture.shape[1] > 600
    assert (picture < 128).any()
    assert "<svg" in env.viewer.design_svg("CC#N")


@pytest.mark.parametrize("target", TARGETS)
def test_rediscovery_starts_far_away_and_ends_at_one(target: str) -> None:
    problem = EditProblem(REDISCOVERY, target=target)
    found = problem.evaluate([TARGETS[target], *STARTS]).values[TO_TARGET]
    assert found[0] == pytest.approx(1.0)
    assert (found[1:] < 0.3).all()
    with pytest.raises(VoltGymError, match="Did you mean"):
        EditProblem(REDISCOVERY, target=target[:-1] + "X")
