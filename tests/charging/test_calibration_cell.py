"""Cells that were calibrated: files that read back, and environments in which they count."""

import json
from pathlib import Path

import numpy as np
import pytest
from golden_runs import BPX

from voltgym.envs.charging.calibration_cell import write_cell
from voltgym.envs.charging.calibration_parameters import choose
from voltgym.envs.charging.cells import CellError, load_cell
from voltgym.envs.charging.twins import make_twin

WANTED = ["negative-diffusivity", "negative-fraction", "contact-resistance", "electrolyte-conductivity"]


def calibrated(folder: Path, base: object, name: str = "mine", by: float = 1.1) -> Path:
    cell = load_cell(base)  # type: ignore[arg-type]
    fitted = [(p, by * (p.own or p.scale)) for p in choose(cell, WANTED)]
    return write_cell(folder, name, cell, fitted, ["a note"])[0]


@pytest.mark.parametrize(("base", "suffix"), [("LGM50", ".yaml"), ("Chen2020", ".yaml"), (BPX, ".json")])
def test_what_was_fitted_is_in_the_file(tmp_path: Path, base: object, suffix: str) -> None:
    path = calibrated(tmp_path, base)
    assert path.suffix == suffix
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    was, now = load_cell(base), load_cell(path)  # type: ignore[arg-type]
    name = "Negative electrode active material volume fraction"
    assert now.parameters()[name] == pytest.approx(1.1 * was.parameters()[name])
    assert now.parameters()["Contact resistance [Ohm]"] == pytest.approx(0.011)
    assert now.capacity > was.capacity


def test_a_calibrated_cell_can_be_calibrated_again(tmp_path: Path) -> None:
    first = calibrated(tmp_path, "LGM50")
    again = load_cell(calibrated(tmp_path, first, "again"))
    assert again.parameters()["Contact resistance [Ohm]"] == pytest.approx(1.1 * 0.011)
    assert "Electrolyte conductivity [S.m-1]: 1.21" in (tmp_path / "again.yaml").read_text()


def test_another_factor_is_another_digest(tmp_path: Path) -> None:
    digests = {load_cell(calibrated(tmp_path, "LGM50", "same", by)).digest for by in (1.1, 1.2)}
    same = {load_cell(calibrated(tmp_path, "LGM50", f"same{i}")).digest for i in range(2)}
    assert len(digests) == 2
    assert len(same) == 1


def test_the_cells_own_contact_resistance_counts(tmp_path: Path) -> None:
    """In series with the scenario's: 20 mOhm at 1C of 5 A.h are 0.1 V."""
    text = "name: leads\nversion: 1\nbase: Chen2020\nset:\n  Contact resistance [Ohm]: {}\n"
    volts = []
    for ohm in (0.0, 0.02):
        path = tmp_path / f"leads{ohm}.yaml"
        path.write_text(text.format(ohm), encoding="utf-8")
        twin = make_twin(path, "SPM", "pybamm", compile=False)
        state = twin.initial({"Ambient temperature [K]": np.array([298.15]), "Initial SOC": np.array([0.5])})
        volts.append(twin.measure(twin.advance(state, np.array([1.0]), np.array([1.0]))[0])["Voltage [V]"][0])
    assert volts[1] - volts[0] == pytest.approx(0.02 * 5.0, abs=1e-3)


def test_scale_is_checked_like_the_other_keys(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    for line, said in (("Negative particle difusivity [m2.s-1]: 1.1", "Did you mean"),
                       ("Negative particle diffusivity [m2.s-1]: much", "a number was expected")):  # fmt: skip
        path.write_text(f"name: bad\nversion: 1\nbase: Chen2020\nscale:\n  {line}\n", encoding="utf-8")
        with pytest.raises(CellError, match=said):
            load_cell(path)
        path.unlink()


def test_bpx_keeps_its_form(tmp_path: Path) -> None:
    content = json.loads(calibrated(tmp_path, BPX).read_text())
    was = json.loads(BPX.read_text())["Parameterisation"]
    new = content["Parameterisation"]
    place = ("Negative electrode", "Diffusivity [m2.s-1]")
    assert new[place[0]][place[1]] == pytest.approx(1.1 * was[place[0]][place[1]])
    assert new["Electrolyte"]["Conductivity [S.m-1]"] == f"1.1 * ({was['Electrolyte']['Conductivity [S.m-1]']})"
    assert new["User-defined"] == {"Contact resistance [Ohm]": pytest.approx(0.011)}
