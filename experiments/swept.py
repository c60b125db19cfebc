"""Values that a sweep takes, as Hydra writes them: ``0,1``, ``range(10)``, ``choice(a,b)``, ``glob(c*)``."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice, product
from typing import Any

from voltgym.envs.errors import VoltGymError
from voltgym.experiments import search_path
from voltgym.experiments.explain import explain, one_line

MOST = 10_000
"""Jobs of a sweep: more are taken for a mistake."""
OF_ALL = "hydra.", "hydra/"
"""What an override of the sweep as a whole begins with: it has one value for all jobs."""


def combinations(overrides: Sequence[str], params: Mapping[str, Any], search: Sequence[str] = ()) -> list[list[str]]:
    """Every combination of the values that ``overrides`` sweep over, after those of ``hydra.sweeper.params``.

    The last that is said of a key counts; ``search`` are further places of configs, for a ``glob``.

    Raises:
        VoltGymError: an interval, which only a search can take; no values; more than ``MOST`` combinations.
    """
    found = parsed(overrides, params, search)
    for override in found.values():
        if override.is_interval_sweep():
            raise VoltGymError(
                f"{override.input_line!r} is an interval, of which a sweep cannot take every value; "
                "list values, or search with hydra/sweeper=tpe"
            )
    texts = [[f"{override.get_key_element()}={value}" for value in values(override)] for override in found.values()]
    count = math.prod(map(len, texts))
    if count > MOST:
        raise VoltGymError(f"the sweep has {count} combinations; expected 1 to {MOST}")
    return [list(one) for one in product(*texts)]


def parsed(overrides: Sequence[str], params: Mapping[str, Any], search: Sequence[str] = ()) -> dict[str, Any]:
    """Overrides after those of ``hydra.sweeper.params``, as Hydra reads them, by key."""
    return by_key(globbed([*(f"{name}={value}" for name, value in params.items()), *overrides], search))


def by_key(overrides: Sequence[str]) -> dict[str, Any]:
    """Overrides as Hydra reads them, by key: the last that is said of a key counts."""
    return {override.get_key_element(): override for override in parse(overrides)}


def parse(overrides: Sequence[str]) -> list[Any]:
    """Overrides as Hydra reads them. Raises `VoltGymError` for one that it cannot read."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        return list(OverridesParser.create().parse_overrides([*overrides]))
    except HydraException as error:
        raise explain(error, overrides, lambda key: {}) from None


def values(override: Any, search: Sequence[str] = ()) -> list[str]:
    """The values of an override as texts, in their order; ``search`` are further places of configs, for a ``glob``.

    Raises:
        VoltGymError: there are none, more than ``MOST``, or one twice.
    """
    if not override.is_sweep_override():
        return [override.get_value_element_as_str()]
    text = override.input_line
    found = _texts(override, search)
    if not found:
        raise VoltGymError(f"the sweep {text!r} has no values; expected some, as in seed=0,1,2 or range(0,3)")
    if len(found) > MOST:
        raise VoltGymError(f"the sweep {text!r} has more than {MOST} values; expected 1 to {MOST}")
    twice = next((value for value in found if found.count(value) > 1), None) if len(set(found)) < len(found) else None
    if twice is not None:
        raise VoltGymError(f"the sweep {text!r} has {twice} more than once; expected every value once")
    return found


def _texts(override: Any, search: Sequence[str]) -> list[str]:
    from hydra.core.override_parser.types import Glob
    from omegaconf.errors import OmegaConfBaseException

    value = override.value()
    if isinstance(value, Glob):
        key = override.key_or_group
        known = list(search_path.files(key, search))
        if not known:
            raise VoltGymError(f"{override.input_line!r}: {key} is no group of configs, of which a glob chooses")
        chosen: list[str] = value.filter(known)
        return chosen
    try:
        if override.is_range_sweep() and len(few := list(islice(_range(value), MOST + 1))) > MOST:
            return [str(number) for number in few]  # shuffling would make all of them
        return list(override.sweep_string_iterator())
    except (ArithmeticError, OmegaConfBaseException, ValueError) as error:  # range(nan), range(3),5, range(0,3,0)
        raise VoltGymError(
            f"the sweep {override.input_line!r} has values that cannot be listed ({one_line(error)}); "
            "expected some, as in seed=0,1,2 or range(0,3)"
        ) from None


def _range(sweep: Any) -> Iterable[float]:
    if sweep.step == 0:
        raise ValueError("its step is 0")
    numbers: Iterable[float] = sweep.range()
    return numbers


def globbed(overrides: Sequence[str], search: Sequence[str] = ()) -> list[str]:
    """Overrides with the names of configs in place of every ``glob``; ``search`` are places beside ours."""
    out = []
    for text in overrides:
        one = parse([text])[0] if "glob(" in text else None
        if one is not None and one.value_type is not None and one.value_type.name == "GLOB_CHOICE_SWEEP":
            out.append(f"{one.get_key_element()}={','.join(values(one, search))}")
        else:
            out.append(text)
    return out


def check_one_value(overrides: Sequence[str]) -> None:
    """Raise `VoltGymError` where what concerns a sweep as a whole has several values."""
    for override in parse(overrides):
        if override.is_sweep_override() and override.key_or_group.startswith(OF_ALL):
            said = "expected one value"
            if override.key_or_group.startswith("hydra.sweeper."):
                said += f", or quotes: {override.key_or_group}='...'"
            raise VoltGymError(f"{override.input_line!r} is of the sweep as a whole; {said}")
