"""``{commands}``: every command of ``voltgym`` in a line, read off the source when the site is built."""

from __future__ import annotations

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from voltgym.experiments.cli import commands


class Commands(SphinxDirective):
    """A list of all commands with their help."""

    def run(self) -> list[nodes.Node]:
        """A definition list."""
        out = nodes.definition_list()
        for name, text in commands().items():
            term = nodes.term("", "", nodes.literal(text=f"voltgym {name}"))
            said, _ = self.parse_inline(text)
            out += nodes.definition_list_item("", term, nodes.definition("", nodes.paragraph("", "", *said)))
        return [out]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("commands", Commands)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
