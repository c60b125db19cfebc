"""JSON and YAML of strangers: read strictly, and nothing but data comes out."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import yaml

from voltgym.envs.errors import VoltGymError, shown

MOST_EVENTS = 5_000
"""Of a YAML document: keys, values, begins and ends."""
MOST_DEPTH = 12
MOST_DIGITS = 18
"""Of a whole number."""


class SubmissionError(VoltGymError):
    """A bundle is not what it should be. Says what was found, what is expected and what to do."""


def read_json(data: bytes, where: str) -> Any:
    """A JSON value without NaN, infinity, numbers beyond double precision, or keys that are there twice."""
    try:
        hooks: dict[str, Any] = {"parse_constant": _no_constant, "parse_float": _finite, "parse_int": _whole}
        value = json.loads(data.decode("utf-8"), object_pairs_hook=_once, **hooks)
        json.dumps(value, ensure_ascii=False).encode("utf-8")  # half characters, written as escapes, cannot be kept
        return value
    except SubmissionError as error:
        raise SubmissionError(f"{where}: {error}") from None
    except (ValueError, RecursionError) as error:
        raise SubmissionError(f"{where} is no JSON ({_line(error)}); make the bundle again") from None


def read_lines(data: bytes, where: str, most: int) -> list[Any]:
    """JSON values, one a line, at most so many. They are counted before any is read."""
    lines = [line for line in data.split(b"\n") if line.strip()] if data.count(b"\n") <= 2 * most + 2 else None
    if lines is None or len(lines) > most:
        found = data.count(b"\n") if lines is None else len(lines)
        raise SubmissionError(f"{where} has {found} lines; expected at most {most}: submit what the track asks for")
    return [read_json(line, f"{where}, line {number}") for number, line in enumerate(lines, 1)]


def _no_constant(text: str) -> Any:
    raise SubmissionError(f"found {text}; expected finite numbers only")


def _whole(text: str) -> int:
    if len(text) > MOST_DIGITS:
        raise SubmissionError(f"found a whole number of {len(text)} digits; expected at most {MOST_DIGITS}")
    return int(text)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise SubmissionError(f"found {text[:40]}; expected finite numbers only")
    return value


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    out = dict(pairs)
    if len(out) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise SubmissionError(f"the key {shown(twice)} is there twice; expected it once")
    return out


def read_yaml(data: bytes, where: str) -> Any:
    """A YAML value of plain mappings, lists, texts and numbers: no tags, no anchors, no aliases, no double keys."""
    try:
        text = data.decode("utf-8")
        _check_events(text)
        value = yaml.load(text, Loader=_Plain)  # a SafeLoader: it makes no objects
        _check_value(value)
    except SubmissionError as error:
        raise SubmissionError(f"{where}: {error}") from None
    except (yaml.YAMLError, ValueError, TypeError, RecursionError, AttributeError, LookupError) as error:
        raise SubmissionError(f"{where} is no plain YAML ({_line(error)}); make the bundle again") from None
    return value


def write_yaml(value: Any) -> bytes:
    """A plain value as YAML, the same bytes each time."""
    text = yaml.dump(value, Dumper=_NoAliases, sort_keys=False, allow_unicode=True, width=120)
    return str(text).encode("utf-8")


def _check_events(text: str) -> None:
    depth = 0
    for number, event in enumerate(yaml.parse(text, Loader=yaml.SafeLoader)):
        if number > MOST_EVENTS:
            raise SubmissionError(f"found more than {MOST_EVENTS} YAML nodes; expected a short description")
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise SubmissionError("found a YAML anchor or alias; expected every value written out")
        if isinstance(event, yaml.NodeEvent) and getattr(event, "tag", None) is not None:
            raise SubmissionError(f"found the YAML tag {shown(event.tag)}; expected plain values")  # type: ignore[attr-defined]
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MOST_DEPTH:
            raise SubmissionError(f"found YAML nested more than {MOST_DEPTH} deep; expected a short description")


def _check_value(value: Any) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise SubmissionError(f"found {value}; expected finite numbers only")
    if isinstance(value, str):
        value.encode("utf-8")
    for item in [*value, *value.values()] if isinstance(value, dict) else value if isinstance(value, list) else ():
        _check_value(item)


class _Plain(yaml.SafeLoader):
    """Refuses keys that are there twice, where YAML would take the last."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        """A mapping of a node."""
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        _once([(key, None) for key in keys])
        return super().construct_mapping(node, deep)


class _NoAliases(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        """Write every value out."""
        return True


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:160] or type(error).__name__
