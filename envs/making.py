"""From a function that makes the parts of an environment to the entry points that Gymnasium calls."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import gymnasium as gym

from voltgym.envs.contracts import Parts
from voltgym.envs.episodes import Episodes
from voltgym.envs.errors import UnknownArgument, VoltGymError, shown, whole_number
from voltgym.envs.single import DesignEnv
from voltgym.envs.vector import DesignVectorEnv


def entry_points(
    parts: Callable[..., Parts], *, env_id: str, max_steps: int
) -> tuple[Callable[..., DesignEnv], Callable[..., DesignVectorEnv]]:
    """``(make, make_vec)`` for ``gym.register(entry_point=, vector_entry_point=)``.

    ``parts(split=, **kwargs)`` builds twin, task, objective, scenario and viewer; its keywords and their defaults are
    the environment's. ``max_steps``, ``split``, ``render_mode`` (and ``num_envs``, ``autoreset_mode``) are understood
    by every environment. An argument that nobody takes is an error with a "did you mean".
    """
    parameters = inspect.signature(parts).parameters
    own = [name for name in parameters if name != "split"]
    first = parameters["split"].default
    shell = ["split", "max_steps", "render_mode"]

    def build(kwargs: dict[str, Any], split: str) -> Parts:
        for name in kwargs:
            if name not in own:
                raise UnknownArgument.of(env_id, name, [*own, *shell])
        return parts(split=split, **kwargs)

    def length(steps: int | None) -> int:
        return whole_number("max_steps", max_steps if steps is None else steps)

    def make(
        *, split: str = first, max_steps: int | None = None, render_mode: str | None = None, **kwargs: Any
    ) -> DesignEnv:
        steps = length(max_steps)
        return DesignEnv(build(kwargs, split), env_id=env_id, max_steps=steps, split=split, render_mode=render_mode)

    def make_vec(
        *,
        num_envs: int,
        split: str = first,
        max_steps: int | None = None,
        max_episode_steps: int | None = None,
        autoreset_mode: str = "NextStep",
        render_mode: str | None = None,
        **kwargs: Any,
    ) -> DesignVectorEnv:
        return DesignVectorEnv(
            build(kwargs, split),
            num_envs=num_envs,
            env_id=env_id,
            max_steps=length(max_episode_steps if max_steps is None else max_steps),
            split=split,
            autoreset_mode=autoreset_mode,
            render_mode=render_mode,
        )

    make.metadata = DesignEnv.metadata  # type: ignore[attr-defined]  # gym.make reads the render modes here
    return make, make_vec


def make_episodes(env_id: str, n: int, **kwargs: Any) -> Episodes:
    """N episodes of a registered voltgym environment, without a shell: for evaluation and design problems."""
    if not isinstance(env_id, str):
        raise VoltGymError(f"the environment's id is {shown(env_id)}; expected a text such as VoltGym/Thevenin-v0")
    n = whole_number("n", n, most=10**6)
    try:
        env = gym.make_vec(env_id, num_envs=n, vectorization_mode="vector_entry_point", **kwargs)
    except VoltGymError:
        raise
    except (gym.error.Error, ImportError) as error:  # an id that does not exist, or one without a vector entry point
        raise VoltGymError(str(error)) from None
    except TypeError as error:  # somebody else's vector environment does not take our arguments
        if "unexpected keyword" not in str(error):
            raise
        raise VoltGymError(f"{env_id} is not composed of a twin, a task and an objective: {error}") from None
    core = getattr(env.unwrapped, "core", None)
    if not isinstance(core, Episodes):
        raise VoltGymError(f"{env_id} is not composed of a twin, a task and an objective: it has no Episodes")
    return core
