"""What is on a command line of Hydra's kind: overrides, flags, and where else to look for configs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from voltgym.envs.errors import UnknownName, VoltGymError

FOLDER = ("--config-dir", "-cd")
VALUED = (*FOLDER, "--config-name", "-cn", "--config-path", "-cp", "--package", "-p", "--cfg", "-c",
          "--experimental-rerun")  # fmt: skip
"""Hydra's flags that are followed by a value."""
PLAIN = ("--help", "-h", "--hydra-help", "--version", "--resolve", "--run", "-r", "--multirun", "-m",
         "--shell-completion", "-sc", "--info", "-i")  # fmt: skip
"""Those that are not (``--info`` may be)."""
SEARCH = "hydra.searchpath"
MODES = {"-m": "--multirun", "-r": "--run", "-c": "--cfg", "-i": "--info", "-sc": "--shell-completion"}
"""Flags of which Hydra does one, short and long."""
INFO = ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath")


def overrides(argv: Sequence[str]) -> list[str]:
    """The overrides among Hydra's arguments, with all that is to be searched for configs as one of them.

    Raises `VoltGymError` for a flag that Hydra does not know.
    """
    search, rest = split(argv)
    found, takes = list[str](), ""
    for text in rest:
        name = text.split("=")[0]
        if (takes == "--info" and text in INFO) or (takes and takes != "--info"):  # its value may be left out
            takes = ""
        elif not text.startswith("-") or text[1:2].isdigit():
            found.append(text)
        elif name not in (*VALUED, *PLAIN):
            raise UnknownName("option", text, [flag for flag in (*VALUED, *PLAIN) if flag.startswith("--")])
        else:
            takes = {"-i": "--info"}.get(name, name) if name in (*VALUED, "--info", "-i") and "=" not in text else ""
    if takes and takes != "--info":
        raise VoltGymError(f"{takes} is followed by nothing; expected a value, as in `{takes} VALUE`")
    return found + as_override(search)


def check_flags(argv: Sequence[str]) -> set[str]:
    """What is to be done, as the long names of flags; to show the config of a sweep is allowed.

    Raises `VoltGymError` for two things at once.
    """
    names = {text.split("=")[0] for text in argv}
    found = {long for short, long in MODES.items() if {short, long} & names}
    if len(found - {"--multirun"}) > 1 or {"--run", "--multirun"} <= found:
        raise VoltGymError(f"{' and '.join(sorted(found))} are two things to do; expected one of them")
    return found


def split(argv: Sequence[str]) -> tuple[tuple[str, ...], list[str]]:
    """Where else to look for configs (``--config-dir DIR``, ``hydra.searchpath=[...]``), and the other arguments."""
    search, rest, texts = list[str](), list[str](), iter(argv)
    for text in texts:
        name, sign, value = text.partition("=")
        if name in FOLDER:
            value = value if sign else next(texts, "")
            if not value or value.startswith("-"):
                raise VoltGymError(f"{name} is followed by {value or 'nothing'}; expected a folder with configs")
            search.append(f"file://{Path(value).expanduser().absolute()}")
        elif name.lstrip("+") == SEARCH:
            search += listed(value)
        else:
            rest.append(text)
    return tuple(dict.fromkeys(search)), rest


def listed(text: str) -> list[str]:
    """The paths in ``[a,b]``, the value of ``hydra.searchpath``, as Hydra reads it."""
    inner = text.strip()
    if not (inner.startswith("[") and inner.endswith("]")):
        raise VoltGymError(f"{SEARCH} is {text!r}; expected a list, such as {SEARCH}=[pkg://my_package.conf]")
    return [part.strip().strip("'\"") for part in inner[1:-1].split(",") if part.strip()]


def is_place(text: str) -> bool:
    """Whether an argument is a folder, which may have a ``=`` in its name, and no option."""
    return "=" not in text or Path(text).is_dir()


def as_override(search: Sequence[str]) -> list[str]:
    """The override that has Hydra look there; none for nothing."""
    return [f"{SEARCH}=[{','.join(map(quoted, search))}]"] if search else []


def quoted(text: str) -> str:
    """A text as a value that Hydra reads as it is, whatever is in it."""
    from hydra.core.override_parser.types import Quote, QuotedString

    return str(QuotedString(text=text, quote=Quote.single).with_quotes())
