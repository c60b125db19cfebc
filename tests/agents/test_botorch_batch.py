"""Choosing a batch from what a surrogate expects of listed designs."""

from __future__ import annotations

import numpy as np

from voltgym.agents.botorch_batch import choose
from voltgym.surrogates.growing import Joint


def sure(mean: np.ndarray, std: float | np.ndarray = 1e-3) -> Joint:
    return Joint(mean, np.diag(np.broadcast_to(np.square(std), mean.shape).astype(float)))


def itself(samples: np.ndarray, places: np.ndarray) -> np.ndarray:
    return samples[..., 0]


def test_the_best_of_what_is_sure_comes_first() -> None:
    mean = np.array([0.0, 0.5, 0.9, 0.7, 0.2, 0.1])
    assert choose([sure(mean)], itself, [0, 1], [2, 3, 4, 5], 2, seed=0)[0] == 2


def test_a_batch_has_no_design_twice_and_none_that_is_known() -> None:
    mean = np.linspace(0, 1, 30)
    found = choose([sure(mean, 0.3)], itself, [0, 1, 29], list(range(2, 29)), 6, seed=1)
    assert len(set(found)) == 6
    assert not set(found) & {0, 1, 29}


def test_doubt_counts_where_the_mean_does_not() -> None:
    mean, std = np.array([1.0, 0.9, 0.9]), np.array([1e-3, 1e-3, 0.5])
    assert choose([sure(mean, std)], itself, [0], [1, 2], 1, seed=0) == [2]


def test_what_is_worth_is_the_callers_matter() -> None:
    """Two properties; what breaks the limit of the second wins nothing by its first."""
    joints = [sure(np.array([0.0, 3.0, 1.0, 0.5])), sure(np.array([1.0, -1.0, 1.0, 1.0]))]

    def utility(samples: np.ndarray, places: np.ndarray) -> np.ndarray:
        assert samples.shape[1:] == (len(places), 2)
        return np.where(samples[..., 1] > 0, samples[..., 0], -5.0)

    assert choose(joints, utility, [0], [1, 2, 3], 1, seed=0) == [2]


def test_two_that_are_the_same_thing_are_not_both_chosen() -> None:
    """Designs 1 and 2 rise and fall together; once one is chosen, the other adds nothing."""
    covariance = np.diag([1e-6, 0.25, 0.25, 0.2])
    covariance[1, 2] = covariance[2, 1] = 0.25 - 1e-9
    found = choose([Joint(np.array([0.0, 0.5, 0.5, 0.4]), covariance)], itself, [0], [1, 2, 3], 2, seed=0)
    assert 3 in found


def test_the_same_seed_chooses_the_same() -> None:
    mean = np.sin(np.arange(40.0))
    pick = [choose([sure(mean, 0.4)], itself, [0, 1], list(range(2, 40)), 3, seed=s) for s in (4, 4, 5)]
    assert pick[0] == pick[1]


def test_all_that_is_left_is_taken() -> None:
    assert choose([sure(np.zeros(3))], itself, [0], [1, 2], 5, seed=0) == [1, 2]
    assert choose([sure(np.zeros(3))], itself, [0], [1, 2], 0, seed=0) == []
