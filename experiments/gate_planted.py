"""Recommendations whose verdict is known: what they are, and how a set of them is judged."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from voltgym.envs.errors import VoltGymError
from voltgym.experiments.gate_subject import Subject


class Planted(NamedTuple):
    """One recommendation with a known verdict."""

    name: str
    domain: str
    good: bool
    how: str
    """How it was made, in a sentence; of a good one, why it is good."""
    make: Callable[..., Subject]
    """From a folder for what it needs."""
    expects: Sequence[str] = ()
    """Of a bad one: the checks of which at least one should name the reason."""
    options: Mapping[str, Any] = {}


class Outcome(NamedTuple):
    """What the gate said of a planted recommendation."""

    name: str
    domain: str
    good: bool
    deploy: bool
    right: bool
    expected_reason: bool | None
    """Whether a bad one was caught for the reason that it was planted with; None of a good one."""
    recommendation: str
    reasons: str
    how: str


def outcome(plant: Planted, verdict: Mapping[str, Any]) -> Outcome:
    """A row of the table."""
    limits = [reason["limit"] for reason in verdict["reasons"]]
    named = any(want in limit for want in plant.expects for limit in limits)
    about = verdict["recommendation"]
    return Outcome(
        plant.name,
        plant.domain,
        plant.good,
        verdict["deploy"],
        verdict["deploy"] == plant.good,
        None if plant.good else named,
        str(about["design"] or about["label"]),
        "; ".join(limits),
        plant.how,
    )


def confusion(found: Sequence[Outcome]) -> dict[str, int]:
    """How many good and bad ones were let through and held back."""
    return {
        "bad held back": sum(not o.good and not o.deploy for o in found),
        "bad let through": sum(not o.good and o.deploy for o in found),
        "good let through": sum(o.good and o.deploy for o in found),
        "good held back": sum(o.good and not o.deploy for o in found),
    }


def chosen(plants: Sequence[Planted], names: Sequence[str]) -> list[Planted]:
    """Those named, or all. Raises `VoltGymError` for a name there is not."""
    known = {plant.name: plant for plant in plants}
    if len(known) != len(plants):
        raise VoltGymError("two planted recommendations have the same name")
    for name in names:
        if name not in known:
            raise VoltGymError(f"there is no planted recommendation {name!r}; known: {', '.join(known)}")
    return [known[name] for name in names] if names else list(plants)


def of_text(folder: Path, design: str, env_id: str, **kwargs: Any) -> Subject:
    """A design that is given."""
    return Subject(design, "a planted design", env_id, kwargs, design=design)


def given(design: str, env_id: str) -> Callable[..., Subject]:
    """Makes a design that is given, searched on the surrogate."""
    return partial(of_text, design=design, env_id=env_id, property_model="surrogate")
