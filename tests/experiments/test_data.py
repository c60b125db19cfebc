"""Sets of trajectories: what is in them, that they are balanced, repeatable, resumable and shared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from filelock import FileLock

from voltgym.envs.charging.scenario import KELVIN
from voltgym.envs.errors import VoltGymError
from voltgym.experiments import data, data_charging
from voltgym.experiments.data_protocols import KINDS
from voltgym.experiments.data_schema import AFTER, SLACKS, STATE

SMALL = ("data.episodes=10", "data.part=4", "data.steps=8", "data.draws=4")


def made(out: Path, *overrides: str) -> dict[str, Any]:
    data.main([*SMALL, f"out={out}", *overrides])
    return json.loads((out / "manifest.json").read_text())


def tables(out: Path, kind: str) -> Any:
    return pq.ParquetDataset([str(file) for file in sorted((out / kind).glob("*.parquet"))]).read()


def same(one: Path, other: Path, kind: str) -> bool:
    """Whether two sets are equal, NaN to NaN."""
    a, b = tables(one, kind), tables(other, kind)
    floats = [field.name for field in a.schema if field.type in (pa.float32(), pa.float64())]
    if len(a) != len(b) or not a.drop_columns(floats).equals(b.drop_columns(floats)):
        return False
    return all(np.array_equal(a[name].to_numpy(), b[name].to_numpy(), equal_nan=True) for name in floats)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("data") / "set"
    made(out)
    return out


def test_rows_are_a_step_each_with_units_and_provenance(whole: Path) -> None:
    steps, episodes, about = (
        tables(whole, "steps"),
        tables(whole, "episodes"),
        json.loads((whole / "manifest.json").read_text()),
    )
    assert about["rows"] == {"episodes": 10, "steps": len(steps)}
    assert about["command"].startswith("voltgym data ")
    assert {"config_hash", "git", "versions", "fingerprint", "config"} <= about.keys()
    assert steps.schema.field("Voltage [V]").metadata[b"unit"] == b"V"
    assert all(field.metadata[b"description"] for field in [*steps.schema, *episodes.schema])
    said = json.loads(steps.schema.metadata[b"voltgym"])
    assert said["config_hash"] == about["config_hash"]
    assert said["fingerprint"]["model"] == about["fingerprint"]["model"]
    counts = np.bincount(steps["episode"].to_numpy(), minlength=10)
    assert counts.tolist() == episodes["steps"].to_pylist()


def test_a_step_begins_where_the_last_one_ended_and_slacks_are_what_is_left(whole: Path) -> None:
    table = tables(whole, "steps")
    rows = {name: table[name].to_numpy() for name in table.column_names}
    follows = np.diff(rows["episode"]) == 0
    assert (np.diff(rows["step"])[follows] == 1).all()
    for name in STATE:
        np.testing.assert_array_equal(rows[name][1:][follows], rows[name + AFTER][:-1][follows])
    np.testing.assert_allclose(rows["Voltage slack [V]"], 4.2 - rows["Maximum voltage [V]"], atol=1e-5)
    lost = rows["failure"] > 2
    assert np.array_equal(lost, np.isnan(rows["Voltage [V]" + AFTER]))
    assert (rows["Maximum temperature [K]"] >= rows["Temperature [K]" + AFTER])[~lost].all()
    assert set(SLACKS) <= rows.keys()


def test_the_same_seed_gives_the_same_set_and_another_one_does_not(whole: Path, tmp_path: Path) -> None:
    made(tmp_path / "again")
    made(tmp_path / "other", "seed=1")
    assert same(tmp_path / "again", whole, "steps")
    assert same(tmp_path / "again", whole, "episodes")
    assert not same(tmp_path / "other", whole, "steps")


def test_what_was_killed_goes_on_where_it_was(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write, calls = data_charging.write, []

    def killed(found: Any, path: Path) -> None:
        calls.append(path)
        if len(calls) == 4:  # the steps of the second part are there, its episodes are not
            raise KeyboardInterrupt
        write(found, path)

    monkeypatch.setattr(data_charging, "write", killed)
    with pytest.raises(KeyboardInterrupt):
        made(tmp_path)
    monkeypatch.setattr(data_charging, "write", write)
    first = data_charging.file(tmp_path, "steps", 0).stat().st_mtime_ns
    made(tmp_path)
    assert data_charging.file(tmp_path, "steps", 0).stat().st_mtime_ns == first
    assert same(tmp_path, whole, "steps")


def test_a_part_that_another_process_makes_is_left_to_it(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "locks").mkdir()
    with FileLock(str(tmp_path / "locks" / "00001.lock")):
        assert made(tmp_path)["parts"] == 2
    assert "1 parts are still made by another process" in capsys.readouterr().out
    assert made(tmp_path)["parts"] == 3
    assert same(tmp_path, whole, "steps")


@pytest.mark.slow
def test_two_workers_make_the_same_set(whole: Path, tmp_path: Path) -> None:
    made(tmp_path, "workers=2")
    assert same(tmp_path, whole, "steps")


@pytest.mark.parametrize(
    ("aim", "column"),
    [("plating", "Minimum anode potential [V]"), ("over_voltage", "Maximum voltage [V]")],
)
def test_the_balance_decides_what_is_shown(aim: str, column: str, tmp_path: Path) -> None:
    shares = ",".join(
        f"{name}: {float(name == aim)}" for name in ("nothing", "plating", "over_temperature", "over_voltage")
    )
    about = made(tmp_path, f"data.balance={{{shares}}}", "data.draws=20")
    assert about["aims"][aim]["shown"] == 10
    table = tables(tmp_path, "steps")
    worst = table.group_by("episode").aggregate([(column, "min"), (column, "max")])
    broken = np.array(worst[f"{column}_min"]) < 0 if aim == "plating" else np.array(worst[f"{column}_max"]) > 4.2
    assert broken.all()


def test_conditions_are_as_wide_as_the_config_says(whole: Path) -> None:
    ambient = tables(whole, "episodes")["Ambient temperature [K]"].to_numpy() - KELVIN
    assert (ambient >= -10).all()
    assert (ambient <= 45).all()
    assert np.ptp(ambient) > 20


@pytest.mark.parametrize("kind", KINDS)
def test_every_protocol_stays_within_the_rates(kind: str) -> None:
    for seed in range(20):
        plan = KINDS[kind](np.random.default_rng(seed), 30, 2.0)
        assert plan.rates.shape == (30,)
        assert (plan.rates >= 0).all()
        assert (plan.rates <= 2.0).all()


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (("data=chargin",), "charging"),
        (("data.episods=3",), "episodes"),
        (("data.episodes=0",), ">= 1"),
        (("data.ambient_c=[45,-10]",), "low <= high"),
        (("data.balance={platng: 1.0}",), "plating"),
        (("data.protocols={hold: 1.0}",), "holds"),
        (("data.aged=2.0",), "from 0 to 1"),
        (("data.cell=LGM5",), "LGM50"),
        (("workers=0",), ">= 1"),
        (("data.balance={nothing: 0, plating: 0, over_temperature: 0, over_voltage: 0}",), "no share above 0"),
    ],
)
def test_a_wrong_config_is_said_in_a_line(overrides: tuple[str, ...], said: str, tmp_path: Path) -> None:
    with pytest.raises(VoltGymError, match=said) as error:
        data.main([f"out={tmp_path}", *overrides])
    assert "\n" not in str(error.value)


def test_another_set_in_the_folder_is_refused(whole: Path) -> None:
    with pytest.raises(VoltGymError, match="another config or seed"):
        made(whole, "seed=3")
