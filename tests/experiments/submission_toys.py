"""Small tracks, runs of them, and a way to change what is in a bundle."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from voltgym.agents.mlp import MlpPolicy, describe_space
from voltgym.experiments import configs, train
from voltgym.experiments.making import make_env
from voltgym.experiments.runs import RunFolder
from voltgym.experiments.scores import Times, Values
from voltgym.experiments.submission_submit import submit
from voltgym.experiments.submission_text import SubmissionError, write_yaml
from voltgym.experiments.submission_verify import verify
from voltgym.experiments.tracks import Track

ABOUT = {"entry": "net", "author": "Jane Doe", "description": "", "licence": ""}
EPISODES, DESIGNS, POLICY = "runs/0/episodes.jsonl", "runs/0/designs.jsonl", "runs/0/policy.onnx"
THEVENIN, CATHODE = "VoltGym/Thevenin-v0", "VoltGym/Cathode-v0"
VALUE = "Time to target [min]"
SLOW = ("agent=five_stage_cc", "~agent.design")


def track(**changes: Any) -> Track:
    """Charging the circuit on one page, three episodes."""
    fields: dict[str, Any] = {
        "name": "toy_control",
        "title": "Toy",
        "version": 2,
        "env_id": THEVENIN,
        "env_kwargs": {"max_steps": 120},
        "split": "test",
        "episodes": 3,
        "budget": {"env_steps": 1000},
        "seeds": 2,
        "score": Times(VALUE, 60.0, "slow", "fast"),
        "common": ("env=thevenin", "evaluation.episodes=3"),
        "entries": {},
        "fixed": {"slow": (*SLOW, "agent.x=[0.5]"), "fast": (*SLOW, "agent.x=[0.8]")},
        "checkpoints": (),
        "hand_in": 0,
        "optimum": "proven",
        "about": "",
        "seeds_of": {},
    }
    return Track(**{**fields, **changes})


def design_track(**changes: Any) -> Track:
    """Cathodes on what was learned of them."""
    return track(
        **{
            "name": "toy_design",
            "env_id": CATHODE,
            "env_kwargs": {"property_model": "surrogate"},
            "split": "nominal",
            "episodes": 1,
            "budget": {"unique_designs": 12},
            "score": Values("Score", 0.4, 0.9),
            "common": ("env=cathode", "env.kwargs.property_model=surrogate", "evaluation=nominal"),
            "fixed": {},
            "hand_in": 3,
            **changes,
        }
    )


class Net:
    """An agent whose policy is a network of given size that charges at about ``rate``; it spends its budget."""

    unit = "env_steps"
    default_budget = 100

    def __init__(self, rate: float = 0.6) -> None:
        self.rate = rate

    def train(
        self, env_id: str, env_kwargs: Mapping[str, Any], *, budget: int, seed: int, out: Path, progress: Any
    ) -> MlpPolicy:
        from voltgym.envs.ledger import Ledger

        self.ledger = Ledger()
        self.ledger.charge("env_steps", budget)
        env = make_env(env_id, env_kwargs)
        rng, size = np.random.default_rng(seed), env.observation_space.shape[0]  # type: ignore[index]
        space: Any = env.action_space
        centre = 2 * (self.rate - space.low) / (space.high - space.low) - 1
        layers = [
            (rng.normal(size=(8, size)), rng.normal(size=8)),
            "Tanh",
            (rng.normal(size=(1, 8)) * 0.01, centre),
        ]
        return MlpPolicy(layers, describe_space(space), "bms")


def net_run(path: Path, seed: int = 0, episodes: int = 3, **settings: Any) -> RunFolder:
    """A finished run of :class:`Net`, which takes ``settings``."""
    overrides = ["env=thevenin", "agent=random", f"evaluation.episodes={episodes}", "quiet=true", f"seed={seed}"]
    whole = configs.compose("train", overrides)
    agent = {"_target_": "submission_toys.Net", **settings}
    return train.run_training({**whole, "name": "net", "agent": agent, "budget": 100}, path)


def design_run(path: Path, seed: int = 0, agent: Sequence[str] = ("agent=random_designs", "budget=12")) -> RunFolder:
    """A finished search of twelve cathodes."""
    overrides = [*design_track().common, "evaluation.recheck.episodes=0", *agent]
    return train.run_training(
        {**configs.compose("train", [*overrides, f"seed={seed}", "quiet=true"]), "name": "r"}, path
    )


def make_bundles(place: Path) -> dict[str, bytes]:
    """One of each kind of submission."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "draw_report", lambda path: None)
        net, search = net_run(place / "net").path, design_run(place / "designs").path
    return {
        "actions": submit([net], track(), ABOUT, "actions"),
        "policy": submit([net], track(), ABOUT, "policy"),
        "designs": submit([search], design_track(), ABOUT),
    }


def refused(data: bytes, says: str, of: Track | None = None) -> None:
    """``data`` is refused in one line that ``says`` so."""
    file = Path("bundle.voltgym.zip")
    file.write_bytes(data)
    with pytest.raises(SubmissionError, match=says) as caught:
        verify(file, of or track(), private=False)
    assert "\n" not in str(caught.value)


# -- changing a bundle -------------------------------------------------------------------------------------------------

Files = dict[str, bytes]


def unpack(data: bytes) -> Files:
    with zipfile.ZipFile(io.BytesIO(data)) as bundle:
        return {name: bundle.read(name) for name in bundle.namelist()}


def repack(files: Mapping[str, bytes], *, sums: bool = True, stored: bool = False) -> bytes:
    """A zip of ``files``; ``sums``: with a manifest that fits them, as somebody who cheats would make it."""
    files = dict(files)
    if sums:
        files.pop("manifest.json", None)
        table = {n: {"sha256": hashlib.sha256(d).hexdigest(), "bytes": len(d)} for n, d in files.items()}
        files["manifest.json"] = json.dumps({"schema": 1, "files": table}).encode()
    buffer = io.BytesIO()
    method = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(buffer, "w", method) as out:
        for name, data in files.items():
            out.writestr(name, data)
    return buffer.getvalue()


def with_about(data: bytes, change: Callable[[dict[str, Any]], Any]) -> bytes:
    """The bundle with another ``submission.yaml``."""
    files = unpack(data)
    about = yaml.safe_load(files["submission.yaml"])
    change(about)
    return repack({**files, "submission.yaml": write_yaml(about)})


def with_lines(data: bytes, name: str, change: Callable[[list[Any]], Any]) -> bytes:
    """The bundle with other JSON lines in ``name``; ``change`` works in place."""
    files = unpack(data)
    lines = [json.loads(line) for line in files[name].splitlines()]
    change(lines)
    return repack({**files, name: "".join(json.dumps(line) + "\n" for line in lines).encode()})


def with_file(data: bytes, name: str, content: bytes) -> bytes:
    """The bundle with another file, or with one more."""
    return repack({**unpack(data), name: content})
