"""Gates as configs: which one is for an environment, its thresholds and their hash, and what was changed of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from voltgym.envs.errors import UnknownName, VoltGymError
from voltgym.experiments import configs
from voltgym.experiments.manifest import config_hash

GROUP = "gate"
FALLBACK = "episodes"
"""The gate for environments that no other one names."""
ABOUT = ("_target_", "version", "environments")
"""What of a gate's YAML is not handed to its class."""
PREFIX = "gate."


@dataclass(frozen=True)
class Thresholds:
    """A gate's config with what was changed of it."""

    name: str
    config: Mapping[str, Any]
    """As it is used."""
    frozen: str
    """The hash of it as it is shipped."""
    changes: Sequence[str]
    """Overrides, as they were written."""

    @property
    def hash(self) -> str:
        """The hash of what is used."""
        return config_hash(self.config)

    def about(self) -> dict[str, Any]:
        """For a verdict."""
        return {
            "gate": self.name,
            "version": self.config.get("version"),
            "hash": self.hash,
            "frozen_hash": self.frozen,
            "changed": self.hash != self.frozen,
            "changes": list(self.changes),
            "config": dict(self.config),
        }

    def make(self, **options: Any) -> Any:
        """The gate. ``options`` are no thresholds."""
        kept = {name: value for name, value in self.config.items() if name not in ABOUT}
        return made({"_target_": self.config["_target_"], **kept, **options}, f"the gate {self.name!r}")


def find(env_id: str, overrides: Sequence[str] = (), search: Sequence[str] = (), name: str | None = None) -> Thresholds:
    """The gate ``name``, or the one that names ``env_id``, with ``gate.key=value`` put over it.

    Raises:
        VoltGymError: there is no such gate, its YAML is wrong, or an override does not fit.
    """
    known = configs.choices(GROUP, search)
    if name is None:
        bare = env_id.rpartition(":")[2]
        fitting = (one for one in known if {bare, env_id} & set(read(one, search).get("environments") or ()))
        name = next(fitting, FALLBACK)
    elif name not in known:
        raise UnknownName(GROUP, name, known)
    shipped = read(name, search)
    changes = [text.removeprefix(PREFIX) for text in overrides]
    used = configs.merge(shipped, changes)
    if used.get("_target_") != shipped.get("_target_"):
        raise VoltGymError("gate._target_ cannot be changed: write a YAML of your own, and name it by gate=NAME")
    return Thresholds(name, used, config_hash(shipped), changes)


def read(name: str, search: Sequence[str] = ()) -> dict[str, Any]:
    """The YAML of a gate. Raises `VoltGymError` if it is none."""
    import yaml

    try:
        found = yaml.safe_load(configs.read(GROUP, name, search))
    except yaml.YAMLError as error:
        raise VoltGymError(f"the gate {name!r} is no YAML: {' '.join(str(error).split())}") from None
    if not isinstance(found, dict) or not isinstance(found.get("_target_"), str):
        raise VoltGymError(f"the gate {name!r} has no _target_; expected the dotted name of a class of gates")
    return found


def made(config: Mapping[str, Any], what: str) -> Any:
    """The object that ``config`` names by ``_target_``, the rest its keywords as they are.

    Raises:
        VoltGymError: it cannot be found or made.
    """
    from hydra.utils import get_object

    kwargs = {name: value for name, value in config.items() if name != "_target_"}
    try:
        return get_object(config["_target_"])(**kwargs)
    except VoltGymError:
        raise
    except Exception as error:  # whatever importing or calling somebody's class raises
        said = " ".join(str(error).split())
        raise VoltGymError(f"{what} cannot be made from {config.get('_target_')!r}: {said}") from None
