"""Loops of the environments that come with the package, as their configs name them (``conf/loop/``).

Such a function takes the environment's id and arguments, the agent, and the rest of its YAML.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from voltgym.agents.base import Agent
from voltgym.envs.errors import VoltGymError, number, whole_number
from voltgym.experiments.loop_designs import DesignLoop
from voltgym.experiments.loop_edits import EditField
from voltgym.experiments.loop_points import PointField
from voltgym.surrogates.growing import Growing

STAGES = 5
"""Of a protocol, where its environment is not told."""


def edits(
    env_id: str, env_kwargs: Mapping[str, Any], agent: Agent, *, level: str, grow: str, load: str, pessimism: float,
    exhaustive: bool = False, begin: str = "random", **how: Any,
) -> DesignLoop:  # fmt: skip
    """A loop over an editing environment. ``grow`` and ``load`` are dotted names, see ``EditField``."""
    pessimism = number("loop.pessimism", pessimism, "a number of standard deviations >= 0")
    fit = found(grow)
    functions: dict[str, Any] = {"grow": lambda x, y, seed: fit(x, y, seed=seed), "load": found(load)}
    field = EditField(
        env_id, env_kwargs, level=level, pessimism=pessimism, exhaustive=exhaustive, begin=begin, **functions
    )
    return DesignLoop(field, agent, **how)


def protocols(
    env_id: str, env_kwargs: Mapping[str, Any], agent: Agent, *, level: str, pessimism: float, **how: Any
) -> DesignLoop:
    """A loop over whole charging protocols of one cell in the nominal scenario."""
    from voltgym.envs.charging.protocol_learned import NOMINAL, rest
    from voltgym.surrogates.protocol import ProtocolSurrogate, latent

    for name, usual in NOMINAL.items():
        if env_kwargs.get(name, usual) != usual:
            raise VoltGymError(f"env.kwargs.{name} is {env_kwargs[name]!r}; a loop over protocols knows {usual!r} only")
    stages = whole_number("env.kwargs.stages", env_kwargs.get("stages", STAGES), most=50)
    task = {name: env_kwargs[name] for name in ("cell", "target_soc") if name in env_kwargs}

    def grow(x: np.ndarray, y: np.ndarray, bounds: np.ndarray) -> Growing:
        return ProtocolSurrogate.fit(x, y, low=bounds[0], high=bounds[1], card={"task": task, "source": "a loop"})

    def load(folder: Path) -> Growing:
        return ProtocolSurrogate.load(folder)

    pessimism = number("loop.pessimism", pessimism, "a number of standard deviations >= 0")
    field = PointField(
        env_id,
        env_kwargs,
        level=level,
        grow=grow,
        load=load,
        latent=latent(stages),
        finish=rest,
        pessimism=pessimism,
    )
    return DesignLoop(field, agent, **how)


def found(name: str) -> Any:
    """What a dotted name of a config is."""
    from hydra.utils import get_method

    try:
        return get_method(name)
    except Exception as error:  # whatever importing somebody's function raises
        said = " ".join(str(error).split())
        raise VoltGymError(f"{name!r} cannot be found ({said}); expected the dotted name of a function") from None
