"""Errors as other programs meet them: by type, in Python's words, and across processes."""

from __future__ import annotations

import pickle

import gymnasium as gym
import pytest

import voltgym.envs  # noqa: F401  # registers the ids
from voltgym.envs.errors import UnknownArgument, UnknownName, VoltGymError
from voltgym.envs.ledger import BudgetExhausted
from voltgym.envs.making import make_episodes

PYTHONS_WORDS = "got an unexpected keyword argument 'frameskip'"


def make_core(env_id: str, **kwargs: object) -> object:
    return make_episodes(env_id, 2, **kwargs)


def make_native(env_id: str, **kwargs: object) -> object:
    return gym.make_vec(env_id, 2, "vector_entry_point", **kwargs)


@pytest.mark.parametrize("make", [gym.make, make_native, make_core])
def test_an_unknown_keyword_is_the_type_error_that_clients_probe_for(make: object) -> None:
    with pytest.raises(TypeError, match=PYTHONS_WORDS) as error:
        make("VoltGym/Thevenin-v0", frameskip=1)
    assert isinstance(error.value, VoltGymError)
    assert str(error.value).endswith("Known: split, max_steps, render_mode.")


@pytest.mark.parametrize(
    "error",
    [
        VoltGymError("x is 1; expected 2"),
        UnknownName("cell", "LGM5O", ["LGM50"]),
        UnknownArgument.of("VoltGym/Thevenin-v0", "spilt", ["split"]),
        BudgetExhausted("budget exhausted"),
    ],
)
def test_errors_come_home_from_worker_processes(error: VoltGymError) -> None:
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is type(error)
    assert str(back) == str(error)
