"""What scrolls can be reached by keyboard, and headings of the contents have a level: where the theme leaves it out."""

from __future__ import annotations

from typing import Any

from sphinx.application import Sphinx

BODY = (
    ('<div class="highlight"><pre>', '<div class="highlight"><pre tabindex="0">'),
    ('<div class="table-wrapper', '<div tabindex="0" class="table-wrapper'),
)


def mend(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Change the page that is about to be written."""
    for found, wanted in BODY:
        context["body"] = context.get("body", "").replace(found, wanted)
    tree = context.get("furo_navigation_tree", "")
    context["furo_navigation_tree"] = tree.replace('role="heading"', 'role="heading" aria-level="2"')


def setup(app: Sphinx) -> dict[str, bool]:
    """Come after the theme."""
    app.connect("html-page-context", mend, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
