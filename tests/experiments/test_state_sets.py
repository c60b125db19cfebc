"""Sets of profiles and of cycled cells, and the rows that are made of them: whole or not there, and what is known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from voltgym.envs.errors import VoltGymError
from voltgym.experiments import build_cycling, cycling_table, data, data_parts
from voltgym.experiments.cycling_table import Set, lives, rul_rows, soh_rows, split
from voltgym.experiments.data_cycling import CHARGE_GRID, CHECK_GRID
from voltgym.experiments.data_profiles import CUT_OFF, HELD_OUT, KINDS
from voltgym.surrogates import rul_features
from voltgym.surrogates.state_sensors import Sensors

TINY = ["data.cells=9", "data.part=4", "data.steps=20", "data.fidelity=SPM"]


@pytest.fixture(scope="module")
def profiles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("profiles")
    data.main(["data=profiles_test", *TINY, f"out={folder}"])
    return folder


@pytest.fixture(scope="module")
def cycled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cycled")
    data.main(["data=cycling", "data.cells=5", "data.part=3", "data.cycles=10", f"out={folder}"])
    return folder


def test_profiles_keep_to_what_a_battery_would(profiles: Path) -> None:
    found = data_parts.table(profiles, "cells")
    assert found["cell"].to_pylist() == list(range(9))
    volts, soc, rate = (np.array(found[name].to_pylist()) for name in ("Voltage [V]", "SOC", "C-rate"))
    assert volts.shape == (9, 21)
    assert (rate[:, 0] == 0).all()
    going = np.isfinite(volts)
    assert (going[:, :-1] | ~going[:, 1:]).all()  # what has ended does not begin again
    assert np.nanmax(np.where(going[:, 1:], volts[:, :-1], np.nan)) <= 4.2 + CUT_OFF
    passed = np.diff(soc, axis=1) - rate[:, 1:] * 30 / 3600 * 5.0 / 5.15
    assert np.nanmax(np.abs(passed)) < 1e-3  # the capacity is the cell's own


def test_a_part_that_is_missing_is_made_again_alike(profiles: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = profiles / "cells" / "part-00001.parquet"
    before = pq.read_table(file)
    other = profiles / "cells" / "part-00000.parquet"
    kept = other.stat().st_mtime_ns
    file.unlink()
    data.main(["data=profiles_test", *TINY, f"out={profiles}"])
    assert pq.read_table(file).equals(before)
    assert other.stat().st_mtime_ns == kept
    assert json.loads((profiles / "manifest.json").read_text())["rows"] == {"cells": 9}


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["data.cells=10"], "holds a set of another config or seed"),
        (["data.kinds.surf=1"], r"unknown entry of data.kinds 'surf'|Could not override|surf"),
        (["data.ambient_c=[40,10]"], r"data.ambient_c is \[40, 10\]; expected \[low, high\]"),
        (["data.kinds={charge: -1}"], r"expected a share|cannot read"),
        (["data.discharge=0"], "data.discharge is 0; expected a C-rate"),
    ],
)
def test_profiles_that_cannot_be(profiles: Path, more: list[str], says: str) -> None:
    with pytest.raises(VoltGymError, match=says) as error:
        data.main(["data=profiles_test", *TINY, f"out={profiles}", *more])
    assert "\n" not in str(error.value)


def test_every_kind_moves_within_its_rates() -> None:
    for name, kind in KINDS.items():
        rates = kind(np.random.default_rng(0), 100, 3.0, 2.0)
        assert rates.shape == (100,), name
        assert np.isfinite(rates).all(), name
        assert np.ptp(rates) > 0.1, name
    assert set(HELD_OUT) < set(KINDS)


def test_cycled_cells_have_check_ups_and_curves(cycled: Path) -> None:
    checks, cells = (data_parts.table(cycled, kind) for kind in ("checks", "cells"))
    assert sorted(set(checks["cycle"].to_pylist())) == [0, 10]
    assert set(cells["protocol"].to_pylist()) <= {"one stage", "soft start", "fast start"}
    capacity = np.array(checks["Capacity [A.h]"].to_pylist())
    assert (capacity > 4.4).all()
    assert (capacity < 5.4).all()
    charge = np.array(checks["Charge curve [A.h]"].to_pylist(), float)
    assert charge.shape[1] == len(CHARGE_GRID)
    assert np.nanmin(np.diff(charge, axis=1)) > 0
    assert np.array(checks["Check-up curve [A.h]"].to_pylist(), float).shape[1] == len(CHECK_GRID)


def test_a_cell_is_the_same_in_every_part(cycled: Path, tmp_path: Path) -> None:
    data.main(
        [
            "data=cycling",
            "data.cells=5",
            "data.part=5",
            "data.cycles=10",
            f"out={tmp_path}",
        ]
    )
    a, b = (data_parts.table(folder, "checks").to_pandas() for folder in (cycled, tmp_path))
    order = ["cell", "cycle"]
    a, b = (t.sort_values(order).reset_index(drop=True) for t in (a, b))
    np.testing.assert_array_equal(a["Capacity [A.h]"], b["Capacity [A.h]"])


def test_the_shipped_tables_are_written_of_whole_sets_only(cycled: Path, tmp_path: Path) -> None:
    build_cycling.main([str(cycled), "--out", str(tmp_path)])
    assert {file.name for file in tmp_path.iterdir()} == set(cycling_table.FILES.values())
    about = json.loads(pq.read_schema(tmp_path / "cycling_cells.parquet").metadata[b"voltgym"])
    assert about["rows"]["cells"] == 5
    broken = tmp_path / "half"
    broken.mkdir()
    manifest = json.loads((cycled / "manifest.json").read_text()) | {"parts": 1}
    (broken / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(VoltGymError, match="has 1 of 2 parts; make the rest"):
        build_cycling.main([str(broken), "--out", str(tmp_path)])


def made(fades: list[float], last: int = 400, **more: Any) -> Set:
    """Cells that fade in a line from 5 A.h, with check-ups every 10 cycles."""
    at = np.arange(0, last + 1, 10)
    cell = np.repeat(np.arange(len(fades)), len(at))
    capacity = np.concatenate([5.0 - fade * at for fade in fades])
    charge = np.linspace(0.5, 4.0, len(CHARGE_GRID)) * capacity[:, None] / 5
    check = np.linspace(4.9, 0.1, len(CHECK_GRID)) * capacity[:, None] / 5
    checks = {"cell": cell, "cycle": np.tile(at, len(fades)), "Capacity [A.h]": capacity}
    checks |= {"Charge curve [A.h]": charge, "Check-up curve [A.h]": check, "Mean temperature [K]": 300 + 0 * capacity}
    n = len(fades)
    cells = {"cell": np.arange(n), "charge": np.full(n, 0.5), "failed": np.zeros(n, bool)}
    return Set(checks, {**cells, "protocol": np.array(["one stage"] * (n - 1) + ["soft start"]), **more})


def test_a_life_ends_where_the_fade_meets_the_end() -> None:
    found = made([1 / 97, 1 / 203, 0.001])
    np.testing.assert_allclose(lives(found)[:2], [97.0, 203.0])
    assert np.isnan(lives(found)[2])  # it was not seen to end
    assert split(found)[2] == "soft start"
    assert set(split(made([0.01] * 400))[:-1]) == {"train", "new cells"}


def test_rows_of_lives_leave_out_what_is_not_known() -> None:
    found = made([0.01, 0.005, 0.001, 0.03])  # the last ends before the first cycles are over
    rows = rul_rows(found, Sensors(0.0, 0.0), np.random.default_rng(0))
    assert rows.cell.tolist() == [0, 1]
    np.testing.assert_allclose(rows.y, [50.0, 150.0])
    np.testing.assert_allclose(rows.baseline, rows.y, rtol=1e-6)  # a line is right of lines
    assert rows.x.shape == (2, len(rul_features.FEATURES))


def test_rows_of_charges_know_the_sensors() -> None:
    found = made([0.002, 0.001])
    clean = soh_rows(found, Sensors(0.0, 0.0), np.random.default_rng(0))
    np.testing.assert_allclose(clean.baseline, clean.y, rtol=1e-6)  # here every window shrinks as the capacity does
    noisy = soh_rows(found, Sensors(0.002, 0.02), np.random.default_rng(0))
    off = noisy.baseline - noisy.y
    assert 1e-4 < off.std() < 0.02
    found.checks["Charge curve [A.h]"][3, 0:6] = np.nan  # it began above the first window
    assert len(soh_rows(found, Sensors(0.0, 0.0), np.random.default_rng(0)).y) == len(clean.y) - 1


def test_sets_that_are_missing_are_said(tmp_path: Path) -> None:
    with pytest.raises(VoltGymError, match=r"cannot be read .*make it with `voltgym data data=cycling"):
        cycling_table.read(tmp_path)


def test_the_shipped_set_is_what_the_card_says() -> None:
    found = cycling_table.read(None)
    about = json.loads(pq.read_schema(cycling_table.shipped() / "cycling_cells.parquet").metadata[b"voltgym"])
    assert len(found.cells["cell"]) == about["rows"]["cells"] == about["config"]["cells"]
    assert isinstance(pq.read_table(cycling_table.shipped() / "cycling_checks.parquet"), pa.Table)
    sizes = [(cycling_table.shipped() / file).stat().st_size for file in cycling_table.FILES.values()]
    assert sum(sizes) < 3e6
    life = lives(found)
    assert np.isfinite(life).sum() > 100
    assert (life[np.isfinite(life)] > 0).all()
