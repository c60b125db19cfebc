from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def no_report(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Stands in for the report, which draws; returns the folders that it was asked for."""
    asked: list[Path] = []
    stand_in = types.ModuleType("voltgym.experiments.report")
    stand_in.write_report = asked.append  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "voltgym.experiments.report", stand_in)
    return asked


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Runs go where the command is started: into the test's own folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
