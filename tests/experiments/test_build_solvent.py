"""The builder of the molecule data: resumable, and failures are kept with their reason."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from voltgym.envs.errors import VoltGymError
from voltgym.experiments import build_solvent
from voltgym.surrogates.solvent_names import ELECTRONIC

SHIPPED = Path(build_solvent.__file__).parent.parent / build_solvent.FOLDER


def test_a_build_is_resumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOLTGYM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(build_solvent, "_models", {})
    monkeypatch.setattr(build_solvent, "chosen", lambda level, n: [("C#N", "hand"), ("CC#N", "hand"), ("CCl", "x")][:n])
    rows = build_solvent.build("xtb", 2, 1, tmp_path)
    assert all(r["converged"] for r in rows)
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


def made_up(level: str, smiles: str, source: str) -> dict[str, Any]:
    """A row that costs nothing; ``CC`` fails, and ``CCC`` takes its process with it."""
    if smiles == "CCC":
        os._exit(1)
    good = smiles != "CC"
    values = dict.fromkeys(ELECTRONIC, 1.0 if good else None)
    method = build_solvent.model_of(level).method
    more = {"converged": good, "reason": "" if good else "it fell apart", "seconds": 0.1, "method": method}
    return {"smiles": smiles, "source": source, **values, **more}


@pytest.fixture
def rows_by_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three molecules whose rows are made up."""
    monkeypatch.setenv("VOLTGYM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(build_solvent, "chosen", lambda level, n: [("C", "hand"), ("CC", "real"), ("CCC", "x")][:n])
    monkeypatch.setattr(build_solvent, "row", made_up)


@pytest.mark.usefixtures("rows_by_hand")
def test_failures_are_in_the_table_and_are_asked_for_again(tmp_path: Path) -> None:
    build_solvent.build("xtb", 2, 1, tmp_path)
    good, bad = pq.read_table(tmp_path / "solvent_xtb.parquet").to_pylist()
    assert (good["converged"], bad["converged"], bad["reason"]) == (True, False, "it fell apart")
    assert bad[ELECTRONIC[0]] is None
    method = build_solvent.model_of("xtb").method
    assert list(build_solvent.finished(tmp_path / "solvent_xtb.parquet", method)) == ["C"]
    assert not build_solvent.finished(tmp_path / "solvent_xtb.parquet", "another version")


@pytest.mark.usefixtures("rows_by_hand")
def test_it_stops_when_the_time_is_up_and_keeps_what_it_has(tmp_path: Path) -> None:
    build_solvent.build("xtb", 1, 1, tmp_path)
    rows = build_solvent.build("xtb", 3, 1, tmp_path, minutes=0)
    assert [r["smiles"] for r in rows] == ["C"]
    assert pq.read_table(tmp_path / "solvent_xtb.parquet").to_pylist() == rows


@pytest.mark.usefixtures("rows_by_hand")
def test_a_worker_that_dies_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(VoltGymError, match="run the same command again"):
        build_solvent.build("xtb", 3, 1, tmp_path)


@pytest.mark.slow
def test_a_killed_build_goes_on_and_leaves_no_process(tmp_path: Path) -> None:
    cache, out = tmp_path / "cache", tmp_path / "out"
    command = [sys.executable, "-m", "voltgym.experiments.build_solvent", "xtb", "--molecules", "4", "--out", str(out)]
    environment = {**os.environ, "VOLTGYM_CACHE": str(cache)}
    build = subprocess.Popen(command, env=environment, start_new_session=True, stderr=subprocess.DEVNULL)
    while not (kept := list(cache.rglob("*.json"))):
        assert build.poll() is None
        time.sleep(0.02)
    build.kill()
    build.wait()
    before = {file: file.stat().st_mtime_ns for file in kept}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert "4 of 4 molecules, 4 converged" in done.stdout
    assert {file: file.stat().st_mtime_ns for file in kept} == before
    with pytest.raises(ProcessLookupError):  # the killed build's worker, in its process group, is gone
        os.killpg(build.pid, signal.SIGKILL)


@pytest.mark.parametrize("arguments", [["--workers", "0"], ["--molecules", "0"], ["--minutes", "-1"]])
def test_mistakes_are_one_line(arguments: list[str]) -> None:
    with pytest.raises(VoltGymError, match=r"--(workers|molecules|minutes)"):
        build_solvent.main(["xtb", *arguments])
