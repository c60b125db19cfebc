"""Splits, seeds, and what varies between episodes.

Randomness is drawn in the scenario, at reset, and nowhere else. Outside ``train``, episode ``k`` of a split is the same
scenario for everybody: its generator derives from (suite version, environment id, split, k).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from voltgym.envs.contracts import Scenario
from voltgym.envs.errors import VoltGymError, check_name
from voltgym.surrogates.base import State

SUITE_VERSION = 1
"""Part of every scenario's seed: raising it makes new scenarios everywhere."""

SALT_VARIABLE = "VOLTGYM_PRIVATE_SALT"
"""The environment variable that holds the secret of the ``private`` split."""


def generator(env_id: str, split: str, episode: int) -> np.random.Generator:
    """The generator of episode ``episode`` of ``split``, the same on every machine.

    The ``private`` split is salted with ``VOLTGYM_PRIVATE_SALT`` and refuses to run without it.
    """
    salt = ""
    if split == "private":
        salt = os.environ.get(SALT_VARIABLE, "")
        if not salt:
            raise VoltGymError(f"the split 'private' needs a secret in the environment variable {SALT_VARIABLE}")
    text = f"{SUITE_VERSION}|{env_id}|{split}|{int(episode)}|{salt}"
    return np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "little"))


def pick_split(scenarios: Mapping[str, Scenario], split: str) -> Scenario:
    """The scenario of a split, or an error that names those there are."""
    check_name("split", split, scenarios)
    return scenarios[split]


def stack(rows: Sequence[Mapping[str, Any]]) -> State:
    """Scenarios of several episodes as one state: (N, ...) arrays, object arrays for strings."""
    out = {}
    for name, first in rows[0].items():
        values = [row[name] for row in rows]
        out[name] = np.array(values, dtype=object) if isinstance(first, str) else np.array(values)
    return out
