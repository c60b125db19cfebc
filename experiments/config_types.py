"""Whether a config's values are of the kinds that their defaults have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from voltgym.envs.errors import VoltGymError


def check_types(config: Mapping[str, Any], default: Mapping[str, Any], parent: str = "") -> None:
    """Raise `VoltGymError` where a value is of another kind than its default; a default of None takes anything."""
    for name, usual in default.items():
        if name not in config:
            continue
        found, where = config[name], f"{parent}{name}"
        if isinstance(usual, Mapping) and found is None:
            raise VoltGymError(f"{where} is null; expected keys ({', '.join(map(str, usual)) or 'none is {}'})")
        if isinstance(usual, Mapping) and isinstance(found, Mapping):
            check_types(found, usual, f"{where}.")
        elif not _fits(found, usual):
            raise VoltGymError(f"{where} is {found!r}; expected {_kind(usual)}, such as its default {usual!r}")


def _fits(found: Any, usual: Any) -> bool:
    if usual is None or found is None or (isinstance(found, str) and found.startswith("${")):
        return True
    if isinstance(usual, bool) or isinstance(found, bool):
        return isinstance(usual, bool) and isinstance(found, bool)
    if isinstance(usual, float):
        return isinstance(found, int | float)
    if isinstance(usual, str):  # a text may stand for a number: ent_coef=auto
        return isinstance(found, str | int | float) or usual.startswith("${")
    return isinstance(found, type(usual))


def _kind(value: Any) -> str:
    names = {
        bool: "true or false",
        int: "a whole number",
        float: "a number",
        str: "a text",
        list: "a list",
        dict: "keys",
    }
    return names.get(type(value), type(value).__name__)
