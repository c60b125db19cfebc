"""Properties that hold for anything hypothesis comes up with."""

from __future__ import annotations

import contract_toys as toys
import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voltgym.envs.core import Failure, make_episodes
from voltgym.envs.errors import VoltGymError
from voltgym.envs.ledger import BudgetExhausted, Ledger
from voltgym.envs.lookahead import largest_feasible
from voltgym.surrogates.base import put, take

NUMBERS = st.floats(allow_nan=True, allow_infinity=True) | st.floats(-1, 4) | st.integers(-5, 9)


@pytest.mark.parametrize("env_id", ["VoltGym/Thevenin-v0", toys.WORDS, toys.FAILING])
def test_no_action_ever_raises(env_id: str) -> None:
    core, rows = make_episodes(env_id, 3, max_steps=4), np.arange(3)
    space = core.task.observation_space

    @given(st.lists(st.lists(NUMBERS, min_size=3, max_size=3), min_size=1, max_size=4))
    def play(steps: list[list[float]]) -> None:
        core.reset(rows, [np.random.default_rng(i) for i in rows])
        for numbers in steps:
            action = np.array(numbers, dtype=float).reshape(3, *(core.task.action_space.shape or ()))
            observation, reward, terminated, truncated, info = core.step(rows, action)
            assert observation in gym.spaces.Box(-np.inf, np.inf, observation.shape, space.dtype)  # type: ignore[arg-type]
            assert np.isfinite(observation).all()
            assert np.isfinite(reward).all()
            failed = info["failure"] != Failure.NONE
            assert (terminated >= failed).all()
            assert not (terminated & truncated).any()
            assert (failed >= ~np.isfinite(action.reshape(3, -1)).all(axis=1)).all()

    play()


@given(
    st.sampled_from(["VoltGym/Thevenin-v0", toys.WORDS]),
    st.sampled_from([(), (1,), (3,), (2, 1), (3, 2), (3, 1, 1)]),
    st.sampled_from(["f8", "f4", "i8", "u1", "?", "c16", "U1", "O"]),
)
def test_actions_of_a_wrong_shape_or_type_are_one_line(env_id: str, shape: tuple[int, ...], dtype: str) -> None:
    env = gym.make_vec(env_id, num_envs=3).unwrapped
    env.reset(seed=0)
    right = (3, *(env.single_action_space.shape or ()))
    if shape == right and dtype in ("f8", "f4", "i8", "u1", "?"):
        env.step(np.zeros(shape, dtype=dtype))
        return
    with pytest.raises(VoltGymError) as error:
        env.step(np.zeros(shape, dtype=dtype))
    assert "\n" not in str(error.value)


@given(
    st.dictionaries(st.sampled_from("abc"), st.integers(0, 50)),
    st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 20))),
)
def test_a_ledger_never_passes_a_limit(limits: dict[str, int], charges: list[tuple[str, int]]) -> None:
    ledger = Ledger().limit(**limits)
    for kind, amount in charges:
        spent, left = ledger.spent[kind], ledger.left(kind)
        if amount <= left:
            ledger.charge(kind, amount)
            assert ledger.spent[kind] == spent + amount
        else:
            with pytest.raises(BudgetExhausted):
                ledger.charge(kind, amount)
            assert ledger.spent[kind] == spent
        assert ledger.spent[kind] <= limits.get(kind, float("inf"))


@given(st.integers(0, 8), st.lists(st.lists(st.integers(0, 9), max_size=6), max_size=6))
def test_designs_are_counted_once(limit: int, batches: list[list[int]]) -> None:
    ledger, seen, asked = Ledger().limit(unique_designs=limit), set(), 0
    for batch in batches:
        if len(seen | set(batch)) > limit:
            with pytest.raises(BudgetExhausted):
                ledger.charge_designs(batch)
            continue
        new = ledger.charge_designs(batch)
        assert set(new) == set(batch) - seen
        seen, asked = seen | set(batch), asked + len(batch)
        assert ledger.spent["unique_designs"] == len(seen) <= limit
        assert ledger.spent["duplicates"] == asked - len(seen)


SHAPES = {
    "linear": lambda x: x,
    "cubic": lambda x: x**3,
    "steep": lambda x: np.expm1(8 * x),
    "flat": lambda x: np.sign(x) * np.abs(x) ** 0.2,
    "saturating": lambda x: np.tanh(20 * x),
    "a cliff": lambda x: np.where(x > 0, 1e4 + x, x),
    "a jump": lambda x: np.sign(x) + 1e-9 * x,
}


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.sampled_from(sorted(SHAPES)), st.floats(-0.5, 3.5), st.floats(0, 1)), min_size=1, max_size=6)
)
def test_largest_feasible_finds_the_root_of_falling_functions(rows: list[tuple[str, float, float]]) -> None:
    """Each row falls through zero at its root; where the model fails (a share of the way above it), it gives NaN.

    A margin of -1e-12 counts as zero.
    """
    roots = np.array([root for _, root, _ in rows])
    fails = np.array([root + 0.01 + 3 * where if where > 0.5 else np.inf for _, root, where in rows])
    calls = np.zeros(len(rows), dtype=int)

    def margin(which: np.ndarray, values: np.ndarray) -> np.ndarray:
        calls[which] += 1
        found = [-SHAPES[rows[i][0]](v - roots[i]) for i, v in zip(which, values, strict=True)]
        return np.where(values > fails[which], np.nan, np.array(found, dtype=float))

    found = largest_feasible(margin, len(rows), 0.0, 3.0, slip=0.0)
    inside = (roots >= 0) & (roots <= 3)
    assert (found[roots < 0] == 0).all()
    assert (found[roots > 3] == 3).all()
    at_found = margin(np.arange(len(rows)), found)
    assert (at_found[inside] >= -1e-11).all()
    assert (found[inside] >= roots[inside] - 5e-4).all()
    assert calls.max() <= 45


@given(st.integers(1, 6).flatmap(lambda n: st.tuples(st.just(n), st.lists(st.integers(0, n - 1), unique=True))))
def test_take_and_put_are_inverse(case: tuple[int, list[int]]) -> None:
    n, chosen = case
    rows = np.array(chosen, dtype=int)
    state = {
        "a": np.arange(n, dtype=float),
        "b": np.arange(2 * n).reshape(n, 2),
        "c": np.array([f"{i}" for i in range(n)], dtype=object),
    }
    kept = {name: values.copy() for name, values in state.items()}
    part = take(state, rows)
    assert all(np.array_equal(put(state, rows, part)[name], kept[name]) for name in state)
    part["a"] += 10
    changed = put(state, rows, part)
    assert all(np.array_equal(state[name], kept[name]) for name in state)  # neither of them writes into its input
    assert np.array_equal(changed["a"][rows], kept["a"][rows] + 10)
    others = np.setdiff1d(np.arange(n), rows)
    assert all(np.array_equal(changed[name][others], kept[name][others]) for name in state)
