"""Where configs are looked for: ours, those of installed plug-in packages, and places named on the command line.

An installed package adds its configs by an entry point of the group ``voltgym.conf``, whose value is the package that
holds them::

    [project.entry-points."voltgym.conf"]
    my_package = "my_package.conf"

Ours come first: no plug-in changes what a name of ours means. A Hydra application that isn't ours sees none of this.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from functools import cache
from importlib import import_module, resources
from importlib.metadata import entry_points
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, NamedTuple

from voltgym.envs.errors import VoltGymError

PACKAGE = "voltgym.conf"
"""Our configs; also the name of the group of entry points."""
SUFFIX = ".yaml"


class Place(NamedTuple):
    """A folder of configs: a folder a group in it, a YAML file a config."""

    path: str
    """As Hydra writes it: ``pkg://my_package.conf`` or ``file:///home/me/conf``."""
    owner: str
    """Whose it is: nothing for ours, the distribution of a plug-in, else the path."""
    folder: Traversable


@cache
def plugins() -> tuple[Place, ...]:
    """The places of installed plug-ins. One that cannot be imported is left out, and said so once."""
    found = {}
    for point in sorted(entry_points(group=PACKAGE), key=lambda point: point.value):
        owner = point.dist.name if point.dist else point.name
        try:
            import_module(point.value)
            found[point.value] = Place(f"pkg://{point.value}", owner, resources.files(point.value))
        except Exception as error:  # whatever somebody's package raises when it is imported
            what = f"{type(error).__name__}: {' '.join(str(error).split())}"
            print(
                f"voltgym: the plug-in {owner} is left out, {point.value} cannot be imported: {what}", file=sys.stderr
            )
    return tuple(found.values())


def places(extra: Sequence[str] = ()) -> tuple[Place, ...]:
    """Every place in the order in which it is searched; ``extra`` are paths as Hydra writes them."""
    return (Place(f"pkg://{PACKAGE}", "", resources.files(PACKAGE)), *plugins(), *map(_place, extra))


def _place(path: str) -> Place:
    scheme, sign, rest = path.partition("://")
    if not sign or scheme == "file":  # Hydra, too, takes a bare path for a folder
        folder = Path(rest if sign else path)
        if folder.is_dir():
            return Place(f"file://{folder.absolute()}", path, folder)
        raise VoltGymError(f"no folder {str(folder)!r} to search for configs; expected one with env/, agent/ ... in it")
    if scheme != "pkg":
        raise VoltGymError(f"cannot search {path!r} for configs; expected pkg://package.conf or file:///a/folder")
    try:
        return Place(path, path, resources.files(rest.replace("/", ".")))
    except (ImportError, TypeError, ValueError) as error:
        why = " ".join(str(error).split())
        raise VoltGymError(
            f"no package {rest!r} to search for configs ({why}); install it, or check its name"
        ) from None


def files(group: str, extra: Sequence[str] = ()) -> dict[str, tuple[Traversable, Place]]:
    """The YAML files of a group, by the name of their config; the first place that has a name wins."""
    found: dict[str, tuple[Traversable, Place]] = {}
    for place in places(extra):
        folder = place.folder.joinpath(*group.split("/"))
        inside: Iterable[Traversable] = folder.iterdir() if folder.is_dir() else ()
        for file in sorted(inside, key=str):
            if file.name.endswith(SUFFIX):
                found.setdefault(file.name.removesuffix(SUFFIX), (file, place))
    return found


def groups(extra: Sequence[str] = ()) -> tuple[str, ...]:
    """The config groups: the folders of every place, and of Hydra's own groups those that a place adds to."""
    found = set()
    for place in places(extra):
        names = set(_folders(place.folder))
        found |= names - {"hydra"}
        if "hydra" in names:
            found |= {f"hydra/{name}" for name in _folders(place.folder.joinpath("hydra"))}
    return tuple(sorted(found))


def _folders(parent: Traversable) -> list[str]:
    return [f.name for f in parent.iterdir() if f.is_dir() and not f.name.startswith(("_", "."))]


@cache
def register() -> None:
    """Tell Hydra, in this process, of the plug-ins' places."""
    from hydra.core.plugins import Plugins
    from hydra.plugins.search_path_plugin import SearchPathPlugin

    class PlugIns(SearchPathPlugin):
        """Adds the places of plug-ins behind ours."""

        def manipulate_search_path(self, search_path: Any) -> None:
            """Nothing, where the application is not ours."""
            if any(entry.path == f"pkg://{PACKAGE}" for entry in search_path.get_path()):
                for place in plugins():
                    search_path.append(provider=place.owner, path=place.path)

    Plugins.instance().register(PlugIns)
