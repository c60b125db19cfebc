"""Calibration: cycler files good and bad, what is told apart, what comes back, what is written."""

import json
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest

import voltgym.envs  # noqa: F401 (registers)
from voltgym.envs.charging.cells import load_cell
from voltgym.envs.errors import UnknownName, VoltGymError
from voltgym.experiments import cycler_data, cycler_quality, cycler_synthetic
from voltgym.experiments.calibrate import main
from voltgym.experiments.calibrate_options import Options
from voltgym.experiments.calibration_fisher import information, refusals
from voltgym.experiments.calibration_fit import thin
from voltgym.experiments.cycler_data import AMBIENT, CURRENT, SURFACE, TIME, VOLTAGE, Cycle

CAPACITY = 5.0
SHORT = [(0.0, 120.0), (-1.0, 1800.0), (0.0, 900.0), (1.0, 1200.0), (0.0, 900.0), (-2.0, 240.0), (0.0, 600.0)]
TRUE = {
    "negative-diffusivity": 0.9,  # factors of LGM50's functions
    "positive-diffusivity": 1.1,
    "negative-fraction": 0.72,
    "positive-fraction": 0.68,
    "contact-resistance": 0.012,
}


class Silent:
    def update(self, *_: object, **__: float) -> None: ...


@pytest.fixture(scope="module")
def short() -> Cycle:
    values = {"contact-resistance": 0.012, "negative-fraction": 0.72}
    return cycler_synthetic.measure(load_cell("LGM50"), values, SHORT, fidelity="SPM")


def changed(cycle: Cycle, **columns: np.ndarray) -> Cycle:
    names = {"time": TIME, "voltage": VOLTAGE, "current": CURRENT, "surface": SURFACE, "ambient": AMBIENT}
    return Cycle({**cycle.columns, **{names[key]: values for key, values in columns.items()}}, cycle.source)


def written(folder: Path, header: str, rows: list[str]) -> Path:
    path = folder / "data.csv"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def test_a_file_comes_back_as_it_was_written(tmp_path: Path, short: Cycle) -> None:
    cycler_data.write_csv(tmp_path / "a.csv", short)
    again = cycler_data.read(tmp_path / "a.csv")
    assert set(again.columns) == {TIME, VOLTAGE, CURRENT, SURFACE, AMBIENT}
    assert np.allclose(again[VOLTAGE], short[VOLTAGE], atol=1e-5)
    quality = cycler_quality.check(again, CAPACITY)
    assert quality.findings == ()
    assert quality.noise == pytest.approx(5e-3, rel=0.25)


def test_machine_readable_names_and_semicolons_are_read(tmp_path: Path) -> None:
    path = written(tmp_path, "test_time_second;current_ampere;voltage_volt;step_index", ["0;0;3.7;1", "1;1;;1"])
    cycle = cycler_data.read(path)
    assert list(cycle[CURRENT]) == [0.0, 1.0]
    assert np.isnan(cycle[VOLTAGE][1])
    assert SURFACE not in cycle


@pytest.mark.parametrize(
    ("header", "rows", "said"),
    [
        ("Test Time / s,Current / A,Voltage / mV", ["0,0,3700"], "'Voltage / mV' in mV: divide it by 1000"),
        ("Test_Time(s),Current(mA),Voltage(V)", ["0,0,3.7"], "'Current(mA)' in mA: divide it by 1000"),
        ("time/h,Current / A,Voltage / V", ["0,0,3.7"], "'time/h' in h: multiply it by 3600"),
        ("Test Time / s,I[A],Voltage / V", ["0,0,3.7"], "Did you mean 'I[A]'?"),
        ("Test Time / s,Current / A,Ecell/V", ["0,0,3.7"], "Did you mean 'Ecell/V'?"),
        ("Test Time / s,Current / A,Voltge / V", ["0,0,3.7"], "Did you mean 'Voltge / V'?"),
        ("Test Time / s,Current / A,x", ["0,0,3.7"], "there is no column 'Voltage / V'"),
        ("Test Time / s,Current / A,Current / A,Voltage / V", ["0,0,0,3.7"], "there twice"),
        ("Test Time / s,Current / A,Voltage / V", [], "no rows"),
        ("Test Time / s,Current / A,Voltage / V", ["0,0"], "line 2: 2 cells where the header has 3"),
        ("Test Time / s,Current / A,Voltage / V", ["0,0,3.7", "1,0,off"], "row 2 of the data, column 'Voltage / V'"),
        ("Test Time / s;Current / A;Voltage / V", ["0;0;3,7"], "write decimals with a point"),
    ],
)
def test_other_names_units_and_cells_are_named(tmp_path: Path, header: str, rows: list[str], said: str) -> None:
    with pytest.raises(VoltGymError) as error:
        cycler_data.read(written(tmp_path, header, rows))
    assert said in str(error.value)


def test_a_temperature_by_another_name_is_not_left_out_silently(tmp_path: Path, short: Cycle) -> None:
    cycler_data.write_csv(tmp_path / "a.csv", short)
    text = (tmp_path / "a.csv").read_text()
    (tmp_path / "b.csv").write_text(text.replace(SURFACE, "Temperature / K"))
    quality = cycler_quality.check(cycler_data.read(tmp_path / "b.csv"), CAPACITY)
    assert not quality.errors
    assert "'Temperature / K' is none of the format's columns" in quality.warnings[0]


def test_thinning_keeps_the_steps(short: Cycle) -> None:
    keep = thin(short, 200, CAPACITY)
    steps = np.flatnonzero(np.abs(np.diff(short[CURRENT])) > 1)
    assert len(keep) <= 200
    assert set(steps) | set(steps + 1) <= set(keep)
    assert keep[0] == 0
    assert keep[-1] == len(short) - 1


def test_what_is_no_file_or_no_text_is_said(tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "b.parquet").write_bytes(b"nothing")
    (tmp_path / "c.csv").write_text("")
    for name, said in (("a.csv", "no such file"), ("b.csv", "UTF-8"), ("b.parquet", "parquet"), ("c.csv", "empty")):
        with pytest.raises(VoltGymError, match=said):
            cycler_data.read(tmp_path / name)


def spoilt(cycle: Cycle, how: str) -> Cycle:
    time, volts, current = (cycle[name].copy() for name in (TIME, VOLTAGE, CURRENT))
    running = int(np.flatnonzero(np.abs(current) > 1)[20])
    if how == "duplicated":
        time[5] = time[4]
    elif how == "backwards":
        time[5] = time[3] - 1
    elif how == "nan":
        volts[7] = np.nan
    elif how == "outlier":
        volts[10] += 0.5
    elif how == "gap":
        time[running:] += 900
    elif how == "rest gap":
        time[5:] += 900
    elif how == "rest":
        current[:] = 0
    elif how == "moving":
        return cycle.take(np.arange(running, len(cycle)))
    factor = {"millivolt": (1, 1000, 1), "milliampere": (1, 1, 1000), "milliseconds": (1000, 1, 1),
              "hours": (1 / 3600, 1, 1), "discharge": (1, 1, -1)}.get(how, (1, 1, 1))  # fmt: skip
    return changed(cycle, time=time * factor[0], voltage=volts * factor[1], current=current * factor[2])


@pytest.mark.parametrize(
    ("how", "level", "said"),
    [
        ("duplicated", "error", "time repeats the row before 1 times, first in row 6"),
        ("backwards", "error", "time goes back"),
        ("nan", "error", "1 cells are empty or not finite, first in row 8"),
        ("outlier", "warning", "1 voltages far from their neighbours, first in row 11"),
        ("gap", "error", "1 gaps while current flows, the longest 910 s"),
        ("rest gap", "warning", "1 gaps at rest"),
        ("rest", "error", "nothing but rest"),
        ("moving", "warning", "the file starts at"),
        ("millivolt", "error", "looks like millivolts"),
        ("milliampere", "error", "is it in milliamperes"),
        ("milliseconds", "error", "the time in milliseconds"),
        ("hours", "error", "expected at least"),
        ("discharge", "error", "say sign=discharge-positive"),
    ],
)
def test_what_is_wrong_with_data_is_found(short: Cycle, how: str, level: str, said: str) -> None:
    findings = cycler_quality.check(spoilt(short, how), CAPACITY).findings
    assert [f for f in findings if f.level == level and said in f.text], findings


def test_kelvin_and_time_in_hours_are_found(short: Cycle) -> None:
    kelvin = cycler_quality.check(changed(short, surface=short[SURFACE] + 273.15), CAPACITY)
    assert "looks like kelvin" in kelvin.errors[0]
    deep = changed(short, voltage=short[VOLTAGE] + np.linspace(0, -1, len(short)), time=short[TIME] / 60)
    assert any("in minutes or hours" in text for text in cycler_quality.check(deep, CAPACITY).errors)


def test_repair_leaves_out_what_can_be_left_out(short: Cycle) -> None:
    for how in ("duplicated", "backwards", "nan"):
        cycle, said = cycler_quality.repair(spoilt(short, how))
        assert len(cycle) == len(short) - 1
        assert len(said) == 1
        assert not cycler_quality.check(cycle, CAPACITY).errors


def test_wrong_options_are_named(tmp_path: Path) -> None:
    for argv, said in (
        ([], "which data?"),
        (["a.csv", "cel=LGM50"], "Did you mean 'cell'?"),
        (["a.csv", "sign=negative"], "unknown sign"),
        (["a.csv", "name=a/b"], "the name of a cell"),
    ):
        with pytest.raises(VoltGymError) as error:
            Options.of(argv)
        assert said in str(error.value)
    from voltgym.envs.charging.calibration_parameters import choose, starts

    cell = load_cell("LGM50")
    with pytest.raises(UnknownName, match="Did you mean 'negative-fraction'"):
        choose(cell, ["negativ-fraction"])
    with pytest.raises(VoltGymError, match="length of the mesh"):
        choose(cell, ["Separator thickness [m]"])
    with pytest.raises(VoltGymError, match="start it by a factor"):
        starts(choose(cell), {"negative-diffusivity": "3e-14"})
    with pytest.raises(VoltGymError, match=r"expected 0.075 to 0.98"):
        starts(choose(cell), {"negative-fraction": "1.2"})


def test_the_fisher_matrix_of_a_line_is_that_of_a_textbook() -> None:
    """Intercept and slope of n points with deviation s: var(slope) = s^2 / sum((t - mean)^2)."""
    t, s = np.linspace(0, 1, 50), 0.1
    info = information(["slope"], t[:, None] / s, np.ones((50, 1)) / s)
    assert info.half[0] == pytest.approx(1.959964 * s / np.sqrt(((t - t.mean()) ** 2).sum()))
    assert refusals(info) == []
    vague = information(["slope"], t[:, None] / 10, np.ones((50, 1)))
    assert "leave it out" in refusals(vague)[0]


def test_columns_that_look_alike_are_refused_by_name() -> None:
    rng = np.random.default_rng(0)
    a, b, one = rng.standard_normal(200), rng.standard_normal(200), np.ones((200, 1))
    apart = information(["contact-resistance", "electrolyte-conductivity"], 100 * np.stack([a, b], 1), one)
    alike = information(["contact-resistance", "electrolyte-conductivity"], 100 * np.stack([a, a + 0.1 * b], 1), one)
    assert refusals(apart) == []
    (said,) = refusals(alike)
    assert "contact-resistance and electrolyte-conductivity cannot be told apart" in said
    assert "impedance" in said


def test_two_parameters_come_back_and_the_cell_can_be_charged(
    tmp_path: Path, short: Cycle, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also from a file whose current is positive on discharge, on request."""
    data, out = tmp_path / "mine.csv", tmp_path / "out"
    cycler_data.write_csv(data, changed(short, current=-short[CURRENT]))
    argv = [str(data), "fidelity=SPM", "parameters=contact-resistance,negative-fraction", f"out={out}"]
    with pytest.raises(VoltGymError, match="say sign=discharge-positive"):
        main(argv)
    main([*argv, "sign=discharge-positive", "start=contact-resistance:0.0096,negative-fraction:0.8"])
    assert "contact-resistance" in capsys.readouterr().out
    result = json.loads((out / "result.json").read_text())
    for name, true in (("contact-resistance", 0.012), ("negative-fraction", 0.72)):
        (p,) = (p for p in result["parameters"] if p["short"] == name)
        assert p["value"] == pytest.approx(true, rel=0.03)
        assert abs(p["value"] - true) < 1.5 * p["half interval"] < 0.06 * true
    page = (out / "calibration.html").read_text()
    assert "Contact resistance [Ohm]" in page
    assert "<script" not in page
    env = gym.make("VoltGym/FastCharge-v0", cell=str(out / "mine-calibrated.yaml"), fidelity="SPM", split="nominal")
    env.reset(options={"episode": 0})
    assert env.step(env.action_space.low)[4]["failure"] == 0


def test_conductivity_with_contact_resistance_is_refused(tmp_path: Path) -> None:
    data = tmp_path / "mine.csv"
    cycler_synthetic.write(data, "LGM50", {"contact-resistance": 0.012, "electrolyte-conductivity": 1.0}, steps=SHORT)
    with pytest.raises(VoltGymError) as error:
        main([str(data), "parameters=contact-resistance,electrolyte-conductivity", f"out={tmp_path / 'out'}"])
    assert "contact-resistance and electrolyte-conductivity cannot be told apart" in str(error.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.parametrize("start", [(1.2, 0.8, 1.2, 0.8, 1.2), (0.8, 1.2, 0.85, 1.2, 0.8), (1.2, 1.2, 1.1, 1.1, 0.8)])
def test_five_parameters_come_back_within_two_percent(tmp_path: Path, start: tuple[float, ...]) -> None:
    """C/3 to 2C with rests, 5 mV and 0.1 K of noise, started up to 20 % off; also with too little capacity to live."""
    data = tmp_path / "rates.csv"
    cycler_synthetic.write(data, "LGM50", TRUE, steps=cycler_synthetic.rate_test(charge=1.0), every=5.0)
    values = [t * factor for t, factor in zip(TRUE.values(), start, strict=True)]
    texts = [f"{name}:{v}{'x' if 'diffusivity' in name else ''}" for name, v in zip(TRUE, values, strict=True)]
    main([str(data), f"start={','.join(texts)}", f"out={tmp_path / 'out'}"])
    result = json.loads((tmp_path / "out" / "result.json").read_text())
    found = {p["short"]: p["value"] for p in result["parameters"]}
    assert {name: found[name] for name in TRUE} == pytest.approx(TRUE, rel=0.02)
    assert result["notes"] == []
