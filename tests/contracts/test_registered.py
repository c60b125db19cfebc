"""One suite for every environment of the namespace: the conformance kit on each, in a few variants."""

from __future__ import annotations

from typing import Any

import contract_toys as toys
import gymnasium as gym
import pytest

import voltgym.envs  # noqa: F401  # registers the ids
from voltgym.envs.checker import Finding, check_env_contract
from voltgym.envs.errors import VoltGymError

VARIANTS: dict[str, list[dict[str, Any]]] = {
    "VoltGym/Thevenin-v0": [{"split": "nominal"}, {"max_steps": 2}],
    "VoltGym/FastCharge-v0": [
        {"observation": "full", "fidelity": "SPM", "penalty": 0.0},
        {"cell": "Mohtat2020", "split": "test", "history": 0},
        {"fidelity": "learned", "observation": "full"},
    ],
    "VoltGym/ProtocolDesign-v0": [{"cells": 2, "stages": 3, "split": "test"}, {"fidelity": "learned", "stages": 2}],
    "VoltGym/Solvent-v0": [{"goal": "additive", "split": "test"}],
    "VoltGym/SolventRediscovery-v0": [{"target": "DME", "split": "nominal"}],
}
"""What is tried beside the defaults."""

IDS = sorted(env_id for env_id in gym.registry if env_id.startswith("VoltGym/"))

CASES = [(env_id, kwargs) for env_id in IDS for kwargs in ({}, *VARIANTS.get(env_id, []))]


def red(findings: list[Finding]) -> list[str]:
    return [f"{f.name}: {f.explanation}" for f in findings if f.required and not f.ok]


@pytest.mark.parametrize(("env_id", "kwargs"), CASES, ids=lambda value: str(value).replace(" ", ""))
def test_registered_environments_keep_the_contract(env_id: str, kwargs: dict[str, Any]) -> None:
    findings = check_env_contract(env_id, **kwargs)
    assert red(findings) == []
    assert next(f for f in findings if f.name == "made in a worker process").required


@pytest.mark.slow
@pytest.mark.parametrize("env_id", ["VoltGym/FastCharge-v0", "VoltGym/ProtocolDesign-v0"])
def test_the_dfn_keeps_the_contract(env_id: str) -> None:
    assert red(check_env_contract(env_id, fidelity="DFN")) == []


@pytest.mark.parametrize("env_id", [toys.WORDS, toys.FAILING])
def test_environments_of_others_can_keep_it_too(env_id: str) -> None:
    assert red(check_env_contract(env_id)) == []


def test_masks_are_really_checked() -> None:
    masks = next(f for f in check_env_contract(toys.WORDS) if f.name == "masks")
    assert masks.required
    assert "masked-out actions did nothing" in masks.explanation


def test_a_plain_gymnasium_environment_is_told_what_it_lacks() -> None:
    findings = check_env_contract("CartPole-v1")
    assert red(findings) == []
    lacks = {finding.name for finding in findings if not finding.ok}
    assert {"composed of twin, task and objective", "info['cost']", "info['slacks']"} <= lacks
    assert next(f for f in findings if f.name == "time limit").explanation.startswith("500 steps")


class Forgetful(gym.Env):
    """Breaks Gymnasium's own contract: no seeding, and an observation outside its space."""

    action_space = gym.spaces.Discrete(2)
    observation_space = gym.spaces.Box(0, 1, (1,))

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        return self.observation_space.high + 1, {}

    def step(self, action: Any) -> Any:
        return self.observation_space.high + 1, 0.0, False, False, {}


def test_what_gymnasium_refuses_is_a_finding() -> None:
    gym.registry.pop("Toy/Forgetful-v0", None)
    gym.register("Toy/Forgetful-v0", entry_point=Forgetful)
    found = check_env_contract("Toy/Forgetful-v0")[0]
    assert not found.ok
    assert found.required
    assert "observation" in found.explanation


def test_an_unknown_id_is_one_line_with_a_hint() -> None:
    with pytest.raises(VoltGymError, match="Thevenin") as error:
        check_env_contract("VoltGym/Thevenim-v0")
    assert "\n" not in str(error.value)
