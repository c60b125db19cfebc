"""Pictures that the documentation shows and no other command writes: ``python docs/pictures.py``."""

from __future__ import annotations

import os
from pathlib import Path

os.environ.setdefault("PYBAMM_DISABLE_TELEMETRY", "true")

import gymnasium as gym
import numpy as np
from matplotlib.image import imsave

import voltgym.envs
from voltgym.envs.thevenin import best_rate
from voltgym.experiments import results

DOCS = Path(__file__).parent


def thevenin() -> np.ndarray:
    """The optimal charge of the nominal scenario."""
    env = gym.make("VoltGym/Thevenin-v0", split="nominal", render_mode="rgb_array")
    _, info = env.reset(options={"episode": 0})
    over = False
    while not over:
        rate = best_rate({name: np.array([value]) for name, value in info["measured"].items()})
        _, _, terminated, truncated, info = env.step(rate.astype(np.float32))
        over = terminated or truncated
    return np.asarray(env.render())


def protocol() -> np.ndarray:
    """The protocol of the shipped record of ``five_stage_cc`` (COBYQA), played again on the twin."""
    run = next(run for run in results.read(track="protocol") if run.records[0]["agent"] == "five_stage_cc")
    env = gym.make("VoltGym/ProtocolDesign-v0", render_mode="rgb_array", **run.records[0]["env_kwargs"])
    env.reset(options={"episode": 0})
    env.step(np.array(run.records[0]["actions"][0], dtype=np.float32))
    return np.asarray(env.render())


if __name__ == "__main__":
    assert voltgym.envs  # the ids are registered
    for draw in (thevenin, protocol):
        imsave(DOCS / f"{draw.__name__}.png", draw())
