"""Policy folders that are damaged, or not of our making: one line, and nothing in them is run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from voltgym.agents.base import load_policy, save_policy
from voltgym.agents.policies import DesignPolicy
from voltgym.agents.protocols import RatesBySOC
from voltgym.agents.reference import TunedDesign
from voltgym.envs.errors import VoltGymError

ENV = "VoltGym/Thevenin-v0"
ABOUT = {"env_id": ENV, "env_kwargs": {}, "information": "bms"}


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("no.such.Thing", "is not installed"),
        ("voltgym.agents.policies.Nothing", "is not installed"),
        (".relative.Name", "is not installed"),
        (3, "is not installed"),
        ("os.system", "not of voltgym's making"),
        ("pathlib.Path", "lacks load"),
    ],
)
def test_a_class_that_is_no_policy(target: Any, says: str, tmp_path: Path) -> None:
    (tmp_path / "policy.json").write_text(json.dumps({"_target_": target, **ABOUT}))
    with pytest.raises(VoltGymError, match=says) as caught:
        load_policy(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", [b"", b"\xff\xfe", b"null", b"[]", b"{}", b"[" * 100_000])
def test_a_description_that_is_damaged(text: bytes, tmp_path: Path) -> None:
    (tmp_path / "policy.json").write_bytes(text)
    with pytest.raises(VoltGymError, match="is damaged"):
        load_policy(tmp_path)


def test_a_design_file_runs_nothing_that_is_no_design(tmp_path: Path) -> None:
    save_policy(DesignPolicy(RatesBySOC(stages=1), [1.0]), tmp_path, env_id=ENV, env_kwargs={})
    assert load_policy(tmp_path, env_id=ENV).x == [1.0]  # type: ignore[attr-defined]
    mark = tmp_path / "ran"
    bad = {"design": {"_target_": "os.mkdir", "arguments": {"path": str(mark)}}, "x": [1]}
    (tmp_path / "design.json").write_text(json.dumps(bad))
    with pytest.raises(VoltGymError, match="not of voltgym's making"):
        load_policy(tmp_path)
    assert not mark.exists()
    for text in ("", "null", '{"design": null, "x": "abc"}', '{"design": null, "x": [NaN]}'):
        (tmp_path / "design.json").write_text(text)
        with pytest.raises(VoltGymError, match="the policy in"):
            load_policy(tmp_path)


def test_what_json_cannot_keep_is_said_when_it_is_saved(tmp_path: Path) -> None:
    class Odd:
        bounds, arguments = np.ones((2, 1)), {"x": object()}

        def policy(self, x: Any, episodes: Any) -> Any: ...

    with pytest.raises(VoltGymError, match="cannot be kept as JSON"):
        save_policy(DesignPolicy(Odd(), [1.0]), tmp_path, env_id=ENV, env_kwargs={})
    with pytest.raises(VoltGymError, match="cannot be kept as JSON"):
        save_policy(DesignPolicy(None, [1.0]), tmp_path, env_id=ENV, env_kwargs={"x": object()})


@pytest.mark.parametrize("start", [9.0, [1.0, 1.0], "x", float("nan")])
def test_a_search_begins_within_the_bounds(start: Any, tmp_path: Path) -> None:
    agent = TunedDesign(RatesBySOC(stages=3), start=start)
    with pytest.raises(VoltGymError, match="start"):
        agent.train(ENV, {}, budget=10, seed=0, out=tmp_path, progress=None)  # type: ignore[arg-type]
