"""What is wrong with an override, in one line: what was found, what there is, and what was probably meant."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from voltgym.envs.errors import UnknownName, VoltGymError
from voltgym.experiments import search_path

Compose = Callable[[str], Mapping[str, Any]]
"""The config that there is without what sets a key."""


def one_line(error: BaseException) -> str:
    """The first line of somebody else's error, or its kind where it says nothing."""
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__


def explain(error: Exception, overrides: Sequence[str], others: Compose) -> VoltGymError:
    """Hydra's ``error`` over ``overrides`` as one that helps."""
    text = one_line(error)
    group, found = _missing(error)
    if group:
        options = getattr(error, "options", None) or search_path.files(group)
        return UnknownName(group, found, options)
    unknown = _unknown(error)
    if unknown:
        return unknown_key(unknown, _config(unknown, others))
    bad = getattr(error, "override", None) or _unread(text, overrides)
    if bad is not None and re.search(r"[\s\[]", bad.partition("=")[0]) and "=" in bad:
        said = "Hydra reads no key with spaces or brackets, expected it in a YAML file of your own, see --config-dir"
        return VoltGymError(f"cannot read the override {bad!r}: {said}")
    if bad is not None:
        return VoltGymError(
            f"cannot read the override {bad!r}: expected key=value (quote values with special characters)"
        )
    for pattern, advice in ADVICE.items():
        if match := re.search(pattern, text):
            return VoltGymError(f"{text.rstrip('.')}: {advice.format(*match.groups())}")
    return VoltGymError(f"{text.rstrip('.')}; see `voltgym list` for what there is to choose from")


ADVICE = {
    r"append to config.* at '([^']+)'": "it is there already, expected {0}=... without the +",
    r"^(\S+) appears more than once in the final defaults": "it is chosen already, expected {0}=... without the +",
    r"^Multiple values for ([^.\s]+)\.": "it is chosen already, expected {0}=... once, without a +",
    r"Could not delete '([^=']+)=[^']*'": "expected ~{0}, or the choice that there is",
    r"must be a string or a list": "expected the name of a config, such as env=thevenin",
}
"""What to do about errors of Hydra's that don't say so, by what they begin with."""


def _missing(error: Exception) -> tuple[str, str]:
    """The group and the name of a config that there isn't."""
    text = one_line(error)
    found = re.search(r"Could not (?:load|find) '([^']+)'", text)
    name = getattr(error, "missing_cfg_file", None) or (found[1] if found else "")
    if isinstance(name, str) and "/" in name:
        group, _, choice = name.rpartition("/")
        return group, choice
    return "", ""


def _unknown(error: Exception) -> str:
    """The dotted key that there isn't; of a value with keys of its own, the one of them."""
    key = re.match(r"Could not override '([^']+)'", one_line(error))
    key = key or re.match(r"Could not delete from config\. '([^']+)'", one_line(error))
    if not key:
        return ""
    inner = re.search(r"full_key: (\S+)", str(error.__cause__ or ""))
    return inner[1] if inner and inner[1].startswith(key[1]) else key[1]


def _unread(text: str, overrides: Sequence[str]) -> str | None:
    if "LexerNoViableAlt" not in text and "parsing override" not in text:
        return None
    return next((override for override in overrides if override in text), text)


def _config(key: str, others: Compose) -> Mapping[str, Any]:
    if key.partition(".")[0] != "hydra":
        return others(key)
    from hydra.conf import HydraConf
    from omegaconf import OmegaConf

    config: Any = OmegaConf.structured({"hydra": HydraConf})
    return config


def unknown_key(key: str, config: Mapping[str, Any]) -> VoltGymError:
    """The error for a dotted ``key`` that ``config`` lacks, with the nearest that it has."""
    parent, known = "", list(config)
    for part in key.split(".")[:-1]:
        inner = config.get(part) if isinstance(config, Mapping) else None
        if not isinstance(inner, Mapping):
            break
        parent, known, config = f"{parent}{part}.", list(inner), inner
    close = difflib.get_close_matches(key.removeprefix(parent), [str(k) for k in known], n=1, cutoff=0.4)
    hint = f" Did you mean {parent + close[0]!r}?" if close else ""
    names = ", ".join(f"{parent}{k}" for k in known) or "none"
    return VoltGymError(f"unknown config key {key!r}.{hint} There are: {names}. (To add a new key: +{key}=...)")
