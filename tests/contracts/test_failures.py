"""A row that fails is data: it is typed, rolled back and ended, and its neighbours don't notice."""

from __future__ import annotations

import contract_toys as toys
import numpy as np
import pytest

from voltgym.envs.core import Failure, make_episodes
from voltgym.envs.episodes import COMPLETED, Episodes

ROWS = np.arange(5)
RATES = np.array([[0.5], [1.05], [2.05], [0.7], [np.nan]])  # fine, SOLVER, a silent NaN, fine, not an action
EXPECTED = [Failure.NONE, Failure.SOLVER, Failure.NONFINITE, Failure.NONE, Failure.ACTION]


@pytest.fixture
def core() -> Episodes:
    core = make_episodes(toys.FAILING, 5)
    core.reset(ROWS, [np.random.default_rng(i) for i in ROWS])
    core.step(ROWS, np.full((5, 1), 0.4))
    return core


def test_failures_are_typed_and_end_their_rows_only(core: Episodes) -> None:
    _, reward, terminated, truncated, info = core.step(ROWS, RATES)
    assert info["failure"].tolist() == EXPECTED
    assert terminated.tolist() == [False, True, True, False, True]
    assert not truncated.any()
    assert info["slacks"][COMPLETED].tolist() == [1, -1, -1, 1, -1]
    assert np.isfinite(reward).all()
    assert np.all(info["cost"][[1, 2, 4]] >= 1)
    assert reward[[1, 2, 4]].max() < reward[[0, 3]].min()


def test_failed_rows_keep_their_last_good_state(core: Episodes) -> None:
    state, measured = core.snapshot()[1], core.snapshot()[3]
    observation, *_, info = core.step(ROWS, RATES)
    assert np.isfinite(observation).all()
    for row in (1, 2, 4):
        assert all(core.state[name][row] == values[row] for name, values in state.items())
        moved = {name for name, values in measured.items() if core.measured[name][row] != values[row]}
        assert moved == {"Steps left"}
        assert info["measured"]["Steps left"][row] == measured["Steps left"][row] - 1


def test_other_rows_are_untouched_bit_by_bit(core: Episodes) -> None:
    good = np.array([0, 3])
    start = core.snapshot()
    together = core.step(ROWS, RATES)
    core.restore(start)
    alone = core.step(good, RATES[good])
    for one, other in zip(together[:4], alone[:4], strict=True):
        assert one[good].tobytes() == other.tobytes()
    for name, values in alone[4]["measured"].items():
        assert together[4]["measured"][name][good].tobytes() == values.tobytes()


def test_a_failed_row_starts_again_and_the_others_go_on(core: Episodes) -> None:
    core.step(ROWS, RATES)
    going = core.state["SOC"][[0, 3]].copy()
    failed = np.array([1, 2, 4])
    core.reset(failed, [np.random.default_rng(100 + i) for i in failed])
    assert core.steps.tolist() == [2, 0, 0, 2, 0]
    assert core.state["SOC"][[0, 3]].tobytes() == going.tobytes()
    *_, info = core.step(ROWS, np.full((5, 1), 0.4))
    assert info["failure"].tolist() == [0] * 5


def test_a_broken_hard_limit_keeps_its_true_slacks() -> None:
    core = make_episodes("VoltGym/Thevenin-v0", 1, split="nominal")
    row = np.array([0])
    core.reset(row, [None], [0])
    core.state["SOC"][:], core.state["u"][:] = 0.75, 0.5  # 3C here is far beyond the voltage limit
    _, _, terminated, _, info = core.step(row, np.array([[3.0]]))
    assert info["failure"][0] == Failure.LIMIT
    assert terminated[0]
    assert info["slacks"]["Voltage [V]"][0] < -0.5
    assert info["slacks"][COMPLETED][0] == 1
    assert info["measured"]["Maximum voltage [V]"][0] == core.measured["Maximum voltage [V]"][0] > 4.7


def test_looking_ahead_tells_failures_too(core: Episodes) -> None:
    measured, slacks, failure = core.peek(ROWS, RATES)
    assert failure.tolist() == EXPECTED
    assert all(np.isfinite(values).all() for values in (*measured.values(), *slacks.values()))
