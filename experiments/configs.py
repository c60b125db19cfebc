"""Configs: composing them with Hydra, listing them, and saying in one line what is wrong with an override."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from importlib.resources.abc import Traversable
from typing import Any

from voltgym.envs.errors import UnknownName, VoltGymError
from voltgym.experiments import arguments, search_path, swept
from voltgym.experiments.config_types import check_types
from voltgym.experiments.explain import Compose, explain, one_line, unknown_key

PACKAGE = search_path.PACKAGE
groups = search_path.groups


def choices(group: str, search: Sequence[str] = ()) -> dict[str, str]:
    """The configs of a group and what each is: the first comment of its YAML that is not a Hydra directive.

    ``search`` are places beside ours and the plug-ins', as Hydra writes them.
    """
    return {name: _first_comment(file.read_text("utf-8")) for name, (file, _) in _files(group, search).items()}


def owners(group: str, search: Sequence[str] = ()) -> dict[str, str]:
    """Whose each config of a group is; nothing for ours."""
    return {name: place.owner for name, (_, place) in _files(group, search).items()}


def read(group: str, name: str, search: Sequence[str] = ()) -> str:
    """The text of a config's YAML file."""
    found = _files(group, search)
    if name not in found:
        raise UnknownName(group, name, found)
    return found[name][0].read_text("utf-8")


def _files(group: str, search: Sequence[str]) -> dict[str, tuple[Traversable, search_path.Place]]:
    known = groups(search)
    if group not in known:
        raise UnknownName("config group", group, known)
    return search_path.files(group, search)


def _first_comment(text: str) -> str:
    comments = (line.lstrip("# ").strip() for line in text.splitlines() if line.startswith("#"))
    return next((line for line in comments if not line.startswith("@package")), "")


def compose(name: str, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """The config ``name`` with ``overrides``, resolved except for what only a running job knows.

    Raises `VoltGymError`, one line with a "did you mean", for an override that does not fit: an unknown key or choice,
    or a value of another type than the default's.
    """
    from omegaconf import OmegaConf

    chosen = _choices_among(overrides)  # first: it says what is wrong with a place before Hydra warns of it
    config = _compose(name, overrides)
    base = _compose(name, chosen) if len(chosen) < len(overrides) else config
    plain: Any = OmegaConf.to_container(config, resolve=False)
    default: Any = OmegaConf.to_container(base, resolve=False)
    check_types(plain, default)
    return plain


def _choices_among(overrides: Sequence[str]) -> list[str]:
    """The overrides that choose configs, or where to look for them."""
    search, _ = arguments.split(overrides)
    known = groups(search)

    def chooses(override: str) -> bool:
        key = override.lstrip("+~").split("=")[0].split("@")[0]
        return key in known or key == arguments.SEARCH or key.startswith("hydra/")

    return [override for override in overrides if chooses(override)]


def _names(override: str, key: str) -> bool:
    whole = override.lstrip("+~").split("=")[0]
    return key in (whole, whole.split("@")[0])


def _compose(name: str, overrides: Sequence[str]) -> Any:
    import hydra
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError

    search_path.register()
    try:
        with hydra.initialize_config_module(config_module=PACKAGE, version_base="1.3"):
            return hydra.compose(config_name=name, overrides=list(overrides))
    except (HydraException, OmegaConfBaseException) as error:
        raise explain(error, overrides, _others(name, overrides)) from None
    except (ValueError, OSError, YAMLError, AssertionError, AttributeError, TypeError) as error:
        # env=null; a config file of the user's that cannot be read; a key below one that is null
        said = "; see `voltgym list` for what there is to choose from"
        if any(override.lstrip("+").startswith("hydra.sweeper.params") for override in overrides):
            said = "; on the command line, what is swept over is written as seed=0,1"
        raise VoltGymError(f"the overrides {' '.join(overrides)} cannot be composed: {one_line(error)}{said}") from None


def _others(name: str, overrides: Sequence[str]) -> Compose:
    """Composes what the choices among ``overrides`` give, one that sets ``key`` left out: what there is beside it."""
    return lambda key: _compose(name, [o for o in _choices_among(overrides) if not _names(o, key)])


WHOLE = ("env.id", "env.kwargs", "agent", "name", "seed", "quiet", "budget", "evaluation.split", "evaluation.episodes",
         "evaluation.batch", "evaluation.kwargs", "evaluation.recheck.fidelity", "evaluation.recheck.episodes",
         "evaluation.recheck.tolerances")  # fmt: skip
"""What the config of a training cannot do without."""


def check_whole(config: Mapping[str, Any], keys: Iterable[str] = WHOLE) -> None:
    """Raise `VoltGymError` where a config of a training lacks a key (``~key`` on the command line takes one away)."""
    for key in keys:
        node: Any = config
        for part in key.split("."):
            if not isinstance(node, Mapping) or part not in node:
                raise VoltGymError(f"the config has no {key!r}, which a training needs; leave ~{key} out, or set it")
            node = node[part]


def merge(default: Mapping[str, Any], overrides: Iterable[str]) -> dict[str, Any]:
    """``default`` with ``key=value`` texts (dotted keys, YAML values) put over it, checked like :func:`compose`.

    New keys are allowed only below a key whose default is an empty mapping.
    """
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError

    overrides = list(overrides)
    out = OmegaConf.create(dict(default))
    for override in overrides:
        key, sign, _ = override.partition("=")
        if not sign or not key:
            raise VoltGymError(f"cannot read {override!r}: expected key=value")
        parent = OmegaConf.select(out, key.rpartition(".")[0]) if "." in key else None
        if OmegaConf.select(out, key, default=Ellipsis) is Ellipsis and not _open(default, key, parent):
            raise unknown_key(key, default)
        try:
            out = OmegaConf.merge(out, OmegaConf.from_dotlist([override]))  # type: ignore[assignment]
        except (YAMLError, ValueError) as error:
            raise VoltGymError(f"cannot read {override!r}: its value is not YAML ({one_line(error)})") from None
    try:
        plain: Any = OmegaConf.to_container(out, resolve=True)
    except OmegaConfBaseException as error:
        raise VoltGymError(f"cannot fill in {' '.join(overrides)}: {one_line(error)}") from None
    check_types(plain, default)
    return {str(name): value for name, value in plain.items()}


def _open(default: Mapping[str, Any], key: str, parent: Any) -> bool:
    if parent is None:
        return False
    node: Any = default
    for part in key.split(".")[:-1]:
        node = node.get(part, {}) if isinstance(node, Mapping) else None
    return isinstance(node, Mapping) and not node


LONG = 20


def expand(overrides: Sequence[str]) -> list[list[str]]:
    """Overrides without sweeps that together name every value of the sweeps in ``overrides``: the first is the base.

    Not the product: enough to check that each value is one that exists. Of a long range its ends: all are numbers.
    """
    values: list[list[str]] = []
    for text, override in zip(overrides, swept.parse(overrides), strict=True):
        if not override.is_sweep_override():
            values.append([text])
        elif not override.is_interval_sweep():
            found = [f"{override.get_key_element()}={value}" for value in swept.values(override)]
            long = override.is_range_sweep() and len(found) > LONG
            values.append([found[0], found[-1]] if long else found)
    base = [options[0] for options in values]
    others = [[*base[:i], v, *base[i + 1 :]] for i, options in enumerate(values) for v in options[1:]]
    return [base, *others]
