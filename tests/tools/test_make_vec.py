"""``gym.make_vec`` in Gymnasium's three ways, on every environment: the same numbers row by row."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import voltgym.envs  # noqa: F401  # registers the ids

IDS = sorted(env_id for env_id in gym.registry if env_id.startswith("VoltGym/"))
MODES = ("sync", "async", "vector_entry_point")


def steps(env_id: str, mode: str) -> list[tuple[Any, ...]]:
    """What two rows give in four steps, an autoreset among them."""
    vector = {"autoreset_mode": gym.vector.AutoresetMode.NEXT_STEP}
    more = {} if mode == "vector_entry_point" else {"vector_kwargs": vector}
    envs = gym.make_vec(f"voltgym.envs:{env_id}", 2, mode, max_steps=2, **more)
    envs.action_space.seed(3)
    observation, info = envs.reset(seed=7)
    out = [(observation, info["cost"])]
    for _ in range(4):
        observation, reward, terminated, truncated, info = envs.step(envs.action_space.sample())
        out.append((observation, reward, terminated, truncated, info["cost"], info["failure"]))
    envs.close()
    return out


@pytest.mark.parametrize("env_id", IDS)
def test_sync_async_and_native_agree_to_the_bit(env_id: str) -> None:
    sync, forked, native = (steps(env_id, mode) for mode in MODES)
    assert any(row[3].any() or row[2].any() for row in sync[1:])
    for mode, other in (("async", forked), ("native", native)):
        for step, (expected, found) in enumerate(zip(sync, other, strict=True)):
            for a, b in zip(expected, found, strict=True):
                np.testing.assert_array_equal(np.asarray(a), np.asarray(b), err_msg=f"{mode}, step {step}")
