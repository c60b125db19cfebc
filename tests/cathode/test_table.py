"""The table of relaxations as a source, its builder, and what a half-written one says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from voltgym.envs.cathode import table
from voltgym.envs.cathode.composition import parse_formula
from voltgym.envs.cathode.physics import LITHIUM, LOOSE, CathodePhysics, Relaxations
from voltgym.envs.errors import VoltGymError
from voltgym.experiments import build_cathode
from voltgym.experiments.building import write
from voltgym.surrogates.cathode_names import VOLTAGE

METHOD = "made up"
VOLTS, METAL = 3.7, -2.0


def row(formula: str, lithium: int, **changes: Any) -> dict[str, Any]:
    energy = METAL if formula == LITHIUM[0] else -300.0 + (10 - lithium) * (VOLTS - METAL)
    about = {"formula": formula, "lithium": lithium, "start": 0, "target": LOOSE, "method": METHOD}
    rest = {"energy": energy, "volume": 330.0, "force": 0.01, "stress": 0.1, "steps": 9, "seconds": 7.0}
    return {**about, **rest, "converged": True, "reason": "", **changes}


ROWS = [
    row("LiNiO2", 10),
    row("LiNiO2", 3),
    row("LiCoO2", 10),
    row("LiMnO2", 10),
    row("LiMnO2", 3, converged=False, reason="it took too long"),
    row("LiCo0.8Mg0.2O2", 10, method="another"),
    row(LITHIUM[0], 1, target=LITHIUM[3]),
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    write(ROWS, tmp_path / "table.parquet")
    return tmp_path / "table.parquet"


def test_designs_are_those_whose_curves_are_whole(file: Path) -> None:
    keys, values = table.designs(table.rows(METHOD, file), "F1", METAL)
    assert keys == [f"LiNiO2@0.{n}" for n in (3, 4, 5, 6, 7)]
    np.testing.assert_allclose(values[:, 0], VOLTS)
    assert table.curve(table.rows(METHOD, file), parse_formula("LiCoO2"), "F1") is None
    assert table.curve(table.rows(METHOD, file), parse_formula("LiMnO2"), "F1") is None


def test_what_is_in_the_table_is_not_computed(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = Relaxations(folder=tmp_path)
    source.known = table.rows(METHOD, file)
    monkeypatch.setattr(source, "_computed", lambda *cell: pytest.fail(f"{cell} was computed"))
    found = CathodePhysics("F1", source).predict(["LiNiO2@0.5"])
    assert found.mean[0, CathodePhysics.names.index(VOLTAGE)] == pytest.approx(VOLTS)


def test_a_half_written_table_is_one_line(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:200])
    table.rows.cache_clear()
    with pytest.raises(VoltGymError, match=r"is damaged .*get it again, or build it anew"):
        table.rows(METHOD, file)
    with pytest.raises(VoltGymError, match=r"is damaged .*delete it to build it again"):
        build_cathode.build("sevennet", build_cathode.cells("F1", 1), "F1", 1, file, 0.0)


def test_no_table_has_no_rows(tmp_path: Path) -> None:
    assert table.rows(METHOD, tmp_path / "none") == {}


def test_a_build_computes_only_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    method = Relaxations().method
    asked = []

    def computed(work: Any, todo: Any, workers: int, end: float) -> Any:
        for _, cell in todo:
            asked.append(cell)
            key = LITHIUM if cell is None else cell.key
            yield row(key[0], key[1], start=key[2], target=key[3], method=method)

    monkeypatch.setattr(build_cathode, "computed", computed)
    file = tmp_path / "t.parquet"
    first = build_cathode.build("sevennet", build_cathode.cells("F1", 3), "F1 of cathodes", 1, file, 1.0)
    assert len(first) == len(asked) == 1 + 3 * 2
    again = build_cathode.build("sevennet", build_cathode.cells("F1", 4), "F1 of cathodes", 1, file, 1.0)
    assert len(asked) == 7 + 2
    assert len(again) == 9
    assert [build_cathode.identity(r) for r in again] == sorted(
        (build_cathode.identity(r) for r in again), key=lambda key: tuple(map(str, key))
    )
    assert "F1 of cathodes" in capsys.readouterr().err


def test_the_grid_is_spread_over_and_known_ones_come_first() -> None:
    cells = build_cathode.cells("F1", 20)
    names = list(dict.fromkeys(cell.composition.formula for cell in cells))
    assert len(names) == 20
    assert "LiNi0.8Mn0.1Co0.1O2" in names[:8]
    assert {"LiMnO2", "LiCoO2", "LiNiO2"} <= set(names)
    assert len(build_cathode.cells("F1", 366)) == 732
    asked = build_cathode.cells("F1", 9, ["LiMn0.5Co0.5O2"])
    assert asked[-1].composition.formula == "LiMn0.5Co0.5O2"
    assert len(build_cathode.cells("F3", 2)) == 2 * 3 * 5
