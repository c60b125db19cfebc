"""Environments by id, voltgym's or anybody's, with errors that a user can act on."""

from __future__ import annotations

import importlib
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gymnasium as gym

import voltgym.envs  # noqa: F401  # registers the ids
from voltgym.envs.core import Episodes
from voltgym.envs.errors import VoltGymError, shown


def find_spec(env_id: str) -> gym.envs.registration.EnvSpec:
    """The registered specification of ``env_id``, which may be ``module:Id``. An unknown id is a `VoltGymError`."""
    if not isinstance(env_id, str) or not env_id:
        raise VoltGymError(f"the environment's id is {env_id!r}; name a registered one, such as env.id=CartPole-v1")
    module, _, bare = env_id.rpartition(":")
    try:
        if module:
            importlib.import_module(module)
        return gym.spec(bare)
    except (gym.error.Error, ImportError, TypeError, ValueError) as error:
        raise VoltGymError(
            f"no environment {env_id!r}: {str(error).rstrip('.')} (`voltgym list envs` shows ours; one of "
            f"your own package is named package.module:Id)"
        ) from None


def make_env(env_id: str, env_kwargs: Mapping[str, Any], **more: Any) -> gym.Env:
    """``gym.make``, where an unknown id or argument is a `VoltGymError`."""
    find_spec(env_id)
    mode = {**env_kwargs, **more}.get("render_mode")
    if mode is not None and not isinstance(mode, str):  # Gymnasium itself takes it for a text
        raise VoltGymError(f"render_mode is {shown(mode)}; expected a text such as 'rgb_array', or nothing")
    return _call(gym.make, env_id, {**env_kwargs, **more})


def make_core(env_id: str, n: int, env_kwargs: Mapping[str, Any], **more: Any) -> Episodes | None:
    """``n`` episodes of a voltgym environment; None where ``env_id`` is a plain Gymnasium environment."""
    if find_spec(env_id).vector_entry_point is None or not _has_core(env_id, env_kwargs):
        return None
    kwargs = {**env_kwargs, **more, "num_envs": n, "vectorization_mode": "vector_entry_point"}
    core = getattr(_call(gym.make_vec, env_id, kwargs).unwrapped, "core", None)
    return core if isinstance(core, Episodes) else None


def _has_core(env_id: str, env_kwargs: Mapping[str, Any]) -> bool:
    env = make_env(env_id, env_kwargs)
    found = isinstance(getattr(env.unwrapped, "core", None), Episodes)
    env.close()
    return found


def _call(make: Callable[..., Any], env_id: str, kwargs: Mapping[str, Any]) -> Any:
    try:
        return make(env_id, **kwargs)
    except VoltGymError:
        raise
    except Exception as error:  # anybody's environment may raise anything: say what and where, keep it as the cause
        given = ", ".join(f"{name}={shown(value)}" for name, value in kwargs.items() if name != "vectorization_mode")
        last = traceback.extract_tb(error.__traceback__)[-1]
        known = isinstance(error, TypeError | gym.error.Error)
        what = "" if known else f"{type(error).__name__} ({Path(last.filename).name}, line {last.lineno}): "
        said = " ".join(str(error).split())
        raise VoltGymError(f"{env_id} cannot be made with {given or 'its defaults'}: {what}{said}") from error
