"""Tracks: what a benchmark fixes, as configs: environment, split, budget, seeds, score, and the agents entered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from voltgym.envs.errors import UnknownName, VoltGymError, number, whole_number
from voltgym.experiments import configs
from voltgym.experiments.scores import Score

REQUIRED = ("title", "version", "common", "budget", "seeds", "score", "entries")
OPTIONAL = {
    "fixed": dict,
    "checkpoints": list,
    "hand_in": int,
    "optimum": str,
    "about": str,
    "per_entry_seeds": dict,
    "most_violated": float,
    "information": str,
    "trained_on": str,
}
"""Keys of a track that may be left out."""


@dataclass(frozen=True)
class Track:
    """A benchmark problem. A change of anything here is a new version: results of another version are not shown."""

    name: str
    title: str
    version: int
    env_id: str
    env_kwargs: Mapping[str, Any]
    """Of the evaluation, the split aside: results whose records have others are of another problem."""
    split: str
    episodes: int
    """Of the split, from the first: what a run is judged on. With designs: how many may be handed in."""
    budget: Mapping[str, int]
    """The most that a training may spend, by unit. An entry's own budget may be smaller."""
    seeds: int
    score: Score
    common: tuple[str, ...]
    """Overrides of `voltgym train` that all entries share."""
    entries: Mapping[str, tuple[str, ...]]
    """Those of each entry that is trained, a run a seed."""
    fixed: Mapping[str, tuple[str, ...]]
    """Those of entries that no seed changes: one run each."""
    checkpoints: tuple[int, ...]
    """Where on its way to the budget the best so far is read, too."""
    hand_in: int
    """How many of the designs that a search has priced, best first, the physics judges; 0: the policy is judged."""
    optimum: str
    """``proven`` or ``best known``: what a score of 1 is."""
    about: str
    seeds_of: Mapping[str, int]
    """Entries that run with fewer seeds, and how many."""
    information: str = ""
    """The class of all entries that do not look ahead: who sees less competes with who sees all. Empty: their own."""
    trained_on: str = ""
    """The split that entries train on: as many episodes of it are evaluated, too, to see what does not carry over.
    Empty: there is one problem alone."""
    most_violated: float = 1.0
    """The largest share of steps that may violate a limit; entries beyond it rank below all others."""


@cache
def load(name: str) -> Track:
    """The track ``name`` of ``conf/track``. Raises `VoltGymError` for one that is not whole."""
    from hydra.utils import instantiate

    raw = _read(name)
    common = tuple(str(text) for text in raw["common"])
    config = configs.compose("train", common)
    env, evaluation = config["env"], config["evaluation"]
    kwargs = {k: v for k, v in {**env["kwargs"], **evaluation["kwargs"]}.items() if k != "split"}
    return Track(
        name=name,
        title=str(raw["title"]),
        version=whole_number(f"{name}: version", raw["version"]),
        env_id=env["id"],
        env_kwargs=kwargs,
        split=evaluation["split"],
        episodes=whole_number("episodes", evaluation["episodes"]),
        budget={
            str(unit): int(number(f"{name}: budget", most, "a number > 0")) for unit, most in raw["budget"].items()
        },
        seeds=whole_number(f"{name}: seeds", raw["seeds"]),
        score=instantiate(raw["score"]),
        common=common,
        entries=_overrides(raw["entries"]),
        fixed=_overrides(raw.get("fixed", {})),
        checkpoints=tuple(raw.get("checkpoints", ())),
        hand_in=int(raw.get("hand_in", 0)),
        optimum=raw.get("optimum", "best known"),
        about=raw.get("about", ""),
        seeds_of=raw.get("per_entry_seeds", {}),
        information=str(raw.get("information", "")),
        trained_on=str(raw.get("trained_on", "")),
        most_violated=number(f"{name}: most_violated", raw.get("most_violated", 1.0), "a share in [0, 1]", high=1.0),
    )


def names() -> list[str]:
    """Every track."""
    return list(configs.choices("track"))


def _read(name: str) -> dict[str, Any]:
    from omegaconf import OmegaConf

    if name not in configs.choices("track"):
        raise UnknownName("track", name, configs.choices("track"))
    text = configs.read("track", name)
    raw: Any = OmegaConf.to_container(OmegaConf.create(text))
    missing = [key for key in REQUIRED if key not in raw]
    unknown = [key for key in raw if key not in (*REQUIRED, *OPTIONAL)]
    if missing or unknown:
        what = f"lacks {', '.join(missing)}" if missing else f"has unknown keys: {', '.join(unknown)}"
        raise VoltGymError(f"conf/track/{name}.yaml {what}; expected {', '.join((*REQUIRED, *OPTIONAL))}")
    return dict(raw)


def _overrides(entries: Mapping[str, Sequence[Any]]) -> dict[str, tuple[str, ...]]:
    return {str(name): tuple(str(text) for text in overrides) for name, overrides in entries.items()}
