"""The tables of the documentation that repeat code are as the code has them."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

DOCS = Path(__file__).parents[2] / "docs"


def script() -> Any:
    """``docs/tables.py``, which is no package's."""
    spec = importlib.util.spec_from_file_location("docs_tables", DOCS / "tables.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


tables = script()


@pytest.mark.parametrize("page", tables.pages(), ids=lambda page: page.stem)
def test_the_tables_of_a_page_are_of_this_code(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert text == tables.filled(text), "run: python docs/tables.py"


def test_a_changed_table_is_found() -> None:
    text = (DOCS / "environments" / "thevenin.md").read_text(encoding="utf-8")
    assert "| 3.7 |" in text
    assert tables.filled(text.replace("| 3.7 |", "| 3.8 |")) == text


def test_every_table_is_shown_somewhere() -> None:
    shown = {name for page in tables.pages() for _, name, _, _ in tables._MARK.findall(page.read_text("utf-8"))}
    assert shown | {"track control_full", "track safe"} == set(tables.TABLES)
