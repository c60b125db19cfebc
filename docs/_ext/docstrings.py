"""Docstrings with ``Args:`` and ``Raises:`` sections, for autodoc.

Napoleon would do, but takes "What it is: how it is shaped" in the docstring of an attribute for a type and a text.
"""

from __future__ import annotations

from typing import Any

from sphinx.application import Sphinx
from sphinx.ext.napoleon import Config, GoogleDocstring

CONFIG = Config(napoleon_use_rtype=False)
PLAIN = ("attribute", "data", "property")


def read(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Sections become lists of fields."""
    if what not in PLAIN:
        lines[:] = GoogleDocstring(list(lines), CONFIG, app, what, name, obj, options).lines()


def skip(app: Sphinx, what: str, name: str, obj: Any, skipped: bool, options: Any) -> bool | None:
    """Fields of named tuples that nobody described are in the signature already."""
    return True if str(getattr(obj, "__doc__", "")).startswith("Alias for field number") else None


def setup(app: Sphinx) -> dict[str, bool]:
    """Listen to autodoc."""
    app.setup_extension("sphinx.ext.autodoc")
    app.connect("autodoc-process-docstring", read)
    app.connect("autodoc-skip-member", skip)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
