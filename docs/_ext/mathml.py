"""Equations as MathML, written when the site is built: browsers draw it themselves, so that no script is needed."""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx


def inline(translator: Any, node: nodes.math) -> None:
    """An equation in a line."""
    translator.body.append(_mathml(node.astext(), "inline"))
    raise nodes.SkipNode


def block(translator: Any, node: nodes.math_block) -> None:
    """An equation of its own."""
    translator.body.append(f'<div class="math" tabindex="0">{_mathml(node.astext(), "block")}</div>\n')
    raise nodes.SkipNode


def _mathml(latex: str, display: str) -> str:
    """The same without what browsers warn of: attributes of old MathML."""
    text = convert(latex, display=display)
    return re.sub(r' (?:columnalign|columnspacing|rowspacing)="[^"]*"', "", text)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the renderer ``mathml``."""
    app.add_html_math_renderer("mathml", (inline, None), (block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
