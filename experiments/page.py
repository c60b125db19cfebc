"""A self-contained page of blocks: facts, tables, figures, cards, commands. ``page.html`` says how they look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import ClassVar, NamedTuple

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup

from voltgym.experiments.svg import style_class


class Cell(NamedTuple):
    """A table cell with a tone: ``"good"`` or ``"bad"``."""

    text: str
    tone: str = ""


class Key(NamedTuple):
    """An entry of a legend: what it is called, and the CSS classes of its sign, such as ``"s1 dashed"``."""

    label: str
    style: str


@dataclass(frozen=True)
class Facts:
    """Names and their values."""

    items: Sequence[tuple[str, str]]
    kind: ClassVar[str] = "facts"


@dataclass(frozen=True)
class Table:
    """Rows of texts or cells; the column ``head`` names the rows."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str | Cell]]
    notes: Sequence[str] = ()
    head: int = 0
    kind: ClassVar[str] = "table"


@dataclass(frozen=True)
class Figures:
    """Charts side by side with one caption and one legend, under a small heading if it has one."""

    charts: Sequence[str]
    caption: str
    legend: Sequence[Key] = ()
    title: str = ""
    kind: ClassVar[str] = "figures"


@dataclass(frozen=True)
class Card:
    """Charts below each other, of one thing. ``tone`` is ``"good"``, ``"bad"`` or nothing."""

    title: str
    verdict: str
    tone: str
    text: str
    charts: Sequence[str]
    more: Folded | None = None
    """What only some will want to read."""
    warning: str = ""


@dataclass(frozen=True)
class Cards:
    """Cards side by side, with one caption and one legend."""

    cards: Sequence[Card]
    caption: str
    legend: Sequence[Key] = ()
    small: bool = False
    """Several beside each other, for pictures that need little room."""
    kind: ClassVar[str] = "cards"


@dataclass(frozen=True)
class Text:
    """A paragraph. ``tone`` ``"bad"`` is a warning."""

    text: str
    tone: str = ""
    kind: ClassVar[str] = "text"


@dataclass(frozen=True)
class Commands:
    """Lines to type."""

    lines: Sequence[str]
    kind: ClassVar[str] = "commands"


@dataclass(frozen=True)
class Folded:
    """A block that opens when asked."""

    summary: str
    block: Facts | Table | Text | Commands
    opened: bool = False
    kind: ClassVar[str] = "folded"


Block = Facts | Table | Figures | Cards | Text | Commands | Folded


@dataclass(frozen=True)
class Section:
    """Blocks under a heading."""

    title: str
    blocks: Sequence[Block]


def key(label: str, style: int) -> Key:
    """The legend's entry of a series."""
    return Key(label, style_class(style))


LIMIT = Key("limit", "limit")
GOAL = Key("target", "goal")
BROKEN = Key("over the limit", "broken")
CROSS = Key("not feasible, or over the limit", "cross")


@cache
def _template() -> Template:
    text = resources.files("voltgym.experiments").joinpath("page.html").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["svg"] = Markup  # our own charts escape what they are given
    return environment.from_string(text)


def render(title: str, subtitle: str, status: Cell, sections: Sequence[Section]) -> str:
    """The page as HTML. It asks for nothing from anywhere."""
    return _template().render(title=title, subtitle=subtitle, status=status, sections=sections)
