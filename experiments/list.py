"""List what there is: environments, agents, evaluations, experiments, suites and cells."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import gymnasium as gym

from voltgym.envs.errors import UnknownName, VoltGymError
from voltgym.experiments import arguments, configs
from voltgym.experiments.making import find_spec, make_env

USAGE = """usage: voltgym list [WHAT | ID] [--config-dir FOLDER] [hydra.searchpath=[...]]

WHAT is envs, cells, engines, or a config group (agent, env, evaluation, ...); left out, everything is listed. Configs
of plug-ins, and of places that the search path names, say whose they are.
With an environment's ID, what it is made of: spaces, arguments, slacks."""

Rows = dict[str, str]


def environments() -> Rows:
    """The registered ids of voltgym, and those of plug-ins that a config names, and what each is. Makes nothing."""
    ours = {name: _first_line(spec) for name, spec in sorted(gym.registry.items()) if spec.namespace == "VoltGym"}
    theirs = [name for name, owner in configs.owners("env").items() if owner]
    found = {name: re.search(r"^id:\s*(\S+:\S+)", configs.read("env", name), re.M) for name in theirs}
    return ours | {match[1]: f"env={name}  ({configs.owners('env')[name]})" for name, match in found.items() if match}


def _first_line(spec: gym.envs.registration.EnvSpec) -> str:
    import ast
    from importlib.util import find_spec as find_module

    module = find_module(str(spec.entry_point).partition(":")[0])
    if module is None or module.origin is None:
        return ""
    with open(module.origin, encoding="utf-8") as file:
        text = ast.get_docstring(ast.parse(file.read())) or ""
    return text.split("\n")[0].partition(": ")[2] or text.split("\n")[0]


def cells() -> Rows:
    """The cells that charging environments can be made with."""
    return {str(name): "" for name in import_module("voltgym.envs.charging.cells").list_cells()}


def engines() -> Rows:
    """What runs the charging environments here, by fidelity."""
    return import_module("voltgym.envs.charging.twins").describe_engines()


def of_group(group: str, search: Sequence[str] = ()) -> Rows:
    """The configs of a group, and whose they are where they aren't ours."""
    owners = configs.owners(group, search)
    rows = configs.choices(group, search).items()
    return {name: f"{text}  ({owners[name]})" if owners[name] else text for name, text in rows}


def everything(search: Sequence[str] = ()) -> dict[str, Any]:
    """What can be listed: name -> a function that gives the rows."""
    found = {"envs": environments, "cells": cells, "engines": engines}
    return found | {group: (lambda group=group: of_group(group, search)) for group in configs.groups(search)}


def details(env_id: str) -> Rows:
    """What an environment is made of; makes it."""
    spec = find_spec(env_id)
    env = make_env(env_id, {})
    rows = {"observation": str(env.observation_space), "action": str(env.action_space)}
    core = getattr(env.unwrapped, "core", None)
    if core is not None:
        rows["steps at most"] = str(core.max_steps)
        rows["arguments"] = _arguments(str(spec.entry_point))
        tolerances = core.objective.tolerances
        rows["slacks (tolerance)"] = ", ".join(f"{n} ({tolerances.get(n, 0):g})" for n in core.objective.scales)
        rows["results (better)"] = ", ".join(f"{n} ({d})" for n, d in core.objective.directions.items())
    env.close()
    return rows


def _arguments(entry_point: str) -> str:
    parts = getattr(import_module(entry_point.partition(":")[0]), "parts", None)
    own = inspect.signature(parts).parameters.values() if parts else ()
    return ", ".join([*(f"{p.name}={p.default!r}" for p in own), "max_steps", "render_mode"])


def main(argv: list[str]) -> None:
    """Print the lists asked for."""
    search, argv = arguments.split(argv)
    known = everything(search)
    if len(argv) > 1:
        raise VoltGymError(f"one thing at a time\n{USAGE}")
    if argv and argv[0] not in known:
        _print(argv[0], details(argv[0]) if _is_id(argv[0]) else _unknown(argv[0], known))
        return
    for what in argv or known:
        _print(what, known[what]())


def _is_id(text: str) -> bool:
    return text in gym.registry or any(mark in text for mark in "/:") or text.rpartition("-v")[2].isdigit()


def _unknown(found: str, known: dict[str, Any]) -> Rows:
    raise UnknownName("thing to list", found, [*known, *environments()])


def _print(title: str, rows: Rows) -> None:
    width = max(map(len, rows), default=0)
    print(title)
    for name, text in rows.items():
        print(f"  {name.ljust(width)}  {text}".rstrip())


if __name__ == "__main__":
    from voltgym.experiments.cli import run_command

    run_command("list", sys.argv[1:])
