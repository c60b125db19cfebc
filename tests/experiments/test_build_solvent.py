"""The builder of the molecule data: resumable, and failures are kept with their reason."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from voltgym.envs.errors import VoltGymError
from voltgym.experiments import build_solvent

SHIPPED = Path(build_solvent.__file__).parent.parent / build_solvent.FOLDER


def test_a_build_is_resumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOLTGYM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(build_solvent, "_models", {})
    monkeypatch.setattr(build_solvent, "chosen", lambda level, n: [("C", "hand"), ("CC#N", "hand"), ("CCl", "x")][:n])
    rows = build_solvent.build("xtb", 2, 1, tmp_path)
    assert [r["converged"] for r in rows] == [False, True] or all(r["converged"] for r in rows)
    table = pq.read_table(tmp_path / "solvent_xtb.parquet").to_pylist()
    assert table == rows
    kept = {file: file.stat().st_mtime_ns for file in (tmp_path / "cache").rglob("*.json")}
    assert build_solvent.build("xtb", 2, 1, tmp_path) == rows
    assert {file: file.stat().st_mtime_ns for file in (tmp_path / "cache").rglob("*.json")} == kept
    monkeypatch.setenv("VOLTGYM_CACHE", str(tmp_path / "empty"))
    assert build_solvent.build("xtb", 2, 1, tmp_path) == rows
    assert not (tmp_path / "empty").exists()
    (tmp_path / "solvent_xtb.parquet").write_bytes(b"half")
    with pytest.raises(VoltGymError, match="damaged"):
        build_solvent.build("xtb", 2, 1, tmp_path)


def test_mistakes_are_one_line() -> None:
    with pytest.raises(VoltGymError, match="--workers"):
        build_solvent.main(["xtb", "--workers", "0"])
