"""FastCharge with the SOC estimate in its `bms` observation: off by default, a row's own, and nothing else changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import voltgym.envs  # noqa: F401 (registers the ids)
from voltgym.envs.charging.soc_estimate import ESTIMATE, SPREAD
from voltgym.envs.core import make_episodes
from voltgym.envs.errors import VoltGymError
from voltgym.surrogates.soc import SocEstimator, load_shipped
from voltgym.surrogates.state_sensors import COLUMNS

FAST = "VoltGym/FastCharge-v0"
KWARGS: dict[str, Any] = {"split": "test", "fidelity": "SPM"}


def played(n: int, steps: int = 12, **kwargs: Any) -> tuple[Any, list[np.ndarray], list[dict[str, np.ndarray]]]:
    """Episodes 0 to n - 1, their observations and what was measured, under the same random currents."""
    core = make_episodes(FAST, n, **{**KWARGS, **kwargs})
    rows = np.arange(n)
    seen, rates = (
        [core.reset(rows, [None] * n, list(range(n)))[0]],
        np.random.default_rng(3).uniform(0.2, 1.4, (steps, 9)),
    )
    told = [core.measured]
    for rate in rates:
        seen.append(core.step(rows, rate[:n, None])[0])
        told.append(core.measured)
    return core, seen, told


def test_it_is_off_by_default_and_takes_nothing_away() -> None:
    plain, without, _ = played(3)
    core, seen, _ = played(3, soc_estimate=True)
    assert ESTIMATE not in plain.task.names
    assert core.task.names[-2:] == (ESTIMATE, SPREAD)
    assert core.task.names[:-2] == plain.task.names
    for a, b in zip(without, seen, strict=True):
        np.testing.assert_array_equal(a, b[:, :-2])


def test_it_is_the_estimator_s_word_on_what_was_measured() -> None:
    core, seen, told = played(3, soc_estimate=True)
    history = np.stack([np.stack([now[name] for name in COLUMNS], axis=1) for now in told], axis=1)
    said = load_shipped().predict(history)
    np.testing.assert_allclose(core.task.read(seen[-1], ESTIMATE), said.mean[:, 0], atol=1e-6)
    np.testing.assert_allclose(core.task.read(seen[-1], SPREAD), said.std[:, 0], atol=1e-6)


def test_a_row_is_alone() -> None:
    together, alone = played(9, soc_estimate=True)[1], played(1, soc_estimate=True)[1]
    for a, b in zip(together, alone, strict=True):
        np.testing.assert_array_equal(a[:1], b)


def test_a_reset_forgets_and_a_snapshot_remembers() -> None:
    core, seen, _ = played(2, soc_estimate=True)
    kept, rates = core.snapshot(), np.full((2, 1), 0.7)
    once = core.step(np.arange(2), rates)[0]
    core.restore(kept)
    np.testing.assert_array_equal(core.step(np.arange(2), rates)[0], once)
    first = core.reset(np.array([1]), [None], [1])[0]
    np.testing.assert_array_equal(first, seen[0][1:])
    after = core.step(np.arange(2), rates)[0]
    assert (after[0] != once[0]).any()


def test_it_is_nearer_than_counting_on_the_test_split() -> None:
    core, seen, told = played(9, 40, soc_estimate=True, fidelity="SPMe")  # what it learned from
    errors: dict[str, list[np.ndarray]] = {ESTIMATE: [], "Counted SOC": []}
    for observation, measured in zip(seen[10:], told[10:], strict=True):
        for name, off in errors.items():
            off.append(core.task.read(observation, name) - measured["SOC"])
    rms = {name: float(np.sqrt(np.mean(np.square(off)))) for name, off in errors.items()}
    assert rms[ESTIMATE] < 0.015
    assert rms[ESTIMATE] < rms["Counted SOC"]


def test_gymnasium_makes_it_alike_with_a_folder(tmp_path: Path) -> None:
    load_shipped().save(tmp_path)
    env: Any = gym.make(FAST, **KWARGS, soc_estimate=str(tmp_path))
    many: Any = gym.make_vec(FAST, num_envs=2, **KWARGS, soc_estimate=tmp_path)
    observation, _ = env.reset(options={"episode": 0})
    both, _ = many.reset(options={"episode": 0})
    np.testing.assert_array_equal(both[0], observation)
    assert env.observation_space.shape == observation.shape


@pytest.mark.parametrize(
    ("kwargs", "says"),
    [
        ({"soc_estimate": True, "observation": "full"}, r"soc_estimate goes with observation='bms', not with 'full'"),
        ({"soc_estimate": True, "cell": "Chen2020"}, r"of LGM50, not of Chen2020.*voltgym fit surrogate=soc"),
        ({"soc_estimate": 3}, r"soc_estimate is 3; expected False, True or a folder"),
        ({"soc_estimate": "nowhere"}, r"no estimator in nowhere: card.json is missing; make it again with"),
    ],
)
def test_mistakes_are_one_line(kwargs: dict[str, Any], says: str) -> None:
    with pytest.raises(VoltGymError, match=says) as error:
        make_episodes(FAST, 1, **KWARGS, **kwargs)
    assert "\n" not in str(error.value)


def test_another_cell_may_have_an_estimator_of_its_own(tmp_path: Path) -> None:
    load_shipped().save(tmp_path)
    core = make_episodes(FAST, 1, **KWARGS, cell="Chen2020", soc_estimate=tmp_path)
    assert isinstance(core.task.soc.estimator, SocEstimator)  # type: ignore[attr-defined]
