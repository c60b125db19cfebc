import json
from pathlib import Path

import numpy as np
import pybamm
import pytest
from golden_runs import BPX

from voltgym.envs.charging import support
from voltgym.envs.charging.cell_files import DATA
from voltgym.envs.charging.cells import CellError, UnknownCell, list_cells, load_cell
from voltgym.envs.charging.model import build_model
from voltgym.envs.charging.twins import make_twin
from voltgym.envs.errors import UnknownName, VoltGymError


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def changed_bpx(path: Path, *keys: str, value: object = None) -> Path:
    content = json.loads(BPX.read_text(encoding="utf-8"))
    inner = content
    for key in keys[:-1]:
        inner = inner[key]
    if value is None:
        del inner[keys[-1]]
    else:
        inner[keys[-1]] = value
    return write(path / "cell.json", json.dumps(content))


@pytest.mark.parametrize("cell", ["LGM50", "Mohtat2020", BPX])
def test_own_capacity_lies_between_the_voltage_limits(cell):
    loaded = load_cell(cell)
    built = build_model(loaded, "SPM")
    reference = loaded.parameters()["Reference temperature [K]"]
    for soc, voltage in ((0.0, loaded.lower_voltage), (1.0, loaded.upper_voltage)):
        u = np.array([0.0, reference, soc, 1.0, 1.0, 1.0, 1.0, 0.0])
        rest = built.observe(built.initial(u), u).full().ravel()[built.outputs.index("Voltage [V]")]
        assert rest == pytest.approx(voltage, abs=1e-3)
    assert 0.9 < loaded.capacity / loaded.nominal_capacity < 1.1


def test_lgm50_is_chen2020_with_okane2022s_transport():
    cell, chen, okane = (load_cell(name).parameters() for name in ("LGM50", "Chen2020", "OKane2022"))
    taken = {
        "Electrolyte conductivity [S.m-1]",
        "Electrolyte diffusivity [m2.s-1]",
        "Negative particle diffusivity [m2.s-1]",
        "Positive particle diffusivity [m2.s-1]",
    }
    assert all(cell[name] is okane[name] for name in taken)
    same = [name for name in chen.keys() if name not in taken]  # noqa: SIM118 (not a mapping)
    assert all(cell[name] == chen[name] for name in same)
    assert load_cell("LGM50").digest != load_cell("Chen2020").digest


def test_citations_of_own_cells_are_those_of_pybamm():
    bibliography = (Path(pybamm.__file__).parent / "CITATIONS.bib").read_text(encoding="utf-8")
    for citation in load_cell("LGM50").citations:
        key, doi = citation.split(" doi:")
        entry = bibliography[bibliography.index("{" + key + ",") :]
        assert doi in entry[: entry.index("\n}")]


def test_a_real_bpx_file_says_what_was_assumed():
    cell = load_cell(str(BPX))
    assert cell.name.startswith("Parameterisation example of an NMC111")
    assert cell.nominal_capacity == 12.5
    assert any("legacy BPX" in note for note in cell.notes)


def test_parameters_are_a_fresh_copy():
    cell = load_cell("Chen2020")
    cell.parameters()["Nominal cell capacity [A.h]"] = 1.0
    assert cell.parameters()["Nominal cell capacity [A.h]"] == 5.0


def test_unknown_names_come_with_a_suggestion():
    with pytest.raises(UnknownCell, match="Did you mean 'Chen2020'"):
        load_cell("Chen220")
    with pytest.raises(UnknownName, match=r"unknown fidelity 'SPMee'. Did you mean 'SPMe'"):
        build_model(load_cell("Chen2020"), "SPMee")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("Sulzer2019", "lead-acid"),
        ("Chayambuka2022", "sodium-ion"),
        ("ECM_Example", "equivalent-circuit"),
        ("Xu2019", "half-cell"),
        ("Ecker2015_graphite_halfcell", "half-cell"),
        ("Chen2020_composite", "two particle phases"),
        ("MSMR_Example", "lacks 'Negative electrode exchange-current density"),
    ],
)
def test_sets_that_are_not_full_lithium_ion_cells_are_refused(name, says):
    with pytest.raises(CellError, match=says):
        load_cell(name)


def test_a_set_without_thermal_parameters_is_refused_by_the_model():
    with pytest.raises(CellError, match=r"Prada2013 .* current collector thickness"):
        build_model(load_cell("Prada2013"), "SPMe")


def test_a_missing_file_names_its_neighbour():
    with pytest.raises(CellError, match=r"no such cell file. Did you mean 'nmc_pouch_cell_BPX.json'"):
        load_cell(BPX.with_name("nmc_pouch_cell.json"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"Header": {', "not valid JSON, line 1 column"),
        ("[1, 2]", "holds a list"),
        ('{"a": 1}', "neither a BPX file"),
        ('{"Header": {"BPX": "1.0", "Model": "DFN"}}', "section 'Parameterisation' is missing"),
        ('{"Header": 3}', "section 'Header' is missing or not a mapping"),
    ],
)
def test_broken_files_are_explained(tmp_path, text, says):
    with pytest.raises(CellError, match=says):
        load_cell(write(tmp_path / "cell.json", text))


def test_a_binary_file_is_explained(tmp_path):
    path = tmp_path / "cell.json"
    path.write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(CellError, match="cannot be read as text"):
        load_cell(path)


@pytest.mark.parametrize(
    ("keys", "value", "says"),
    [
        (("Parameterisation", "Negative electrode", "Particle radius [m]"), None, "Particle radius"),
        (("Parameterisation", "Negative electrode", "OCP [V]"), "1 +* x", "OCP"),
        (("Parameterisation", "Cell", "Nominal cell capacity [A.h]"), "lots", "Nominal cell capacity"),
        (("Parameterisation", "Cell", "Upper voltage cut-off [V]"), 9.0, "no equilibrium between its voltage cut-offs"),
    ],
)
def test_a_bpx_file_with_a_broken_field_names_it(tmp_path, keys, value, says):
    with pytest.raises(CellError, match=says):
        load_cell(changed_bpx(tmp_path, *keys, value=value))


CELL, NEGATIVE, LIQUID = (("Parameterisation", part) for part in ("Cell", "Negative electrode", "Electrolyte"))


@pytest.mark.parametrize(
    ("keys", "value", "says"),
    [
        (
            (*NEGATIVE, "Thickness [m]"),
            -1e-4,
            r"Negative electrode > Thickness \[m\] is -0.0001; expected a number > 0",
        ),
        ((*NEGATIVE, "Thickness [m]"), float("nan"), r"Thickness \[m\] is nan; expected a number > 0"),
        ((*NEGATIVE, "Porosity"), 1.5, "expected a number > 0 and <= 1"),
        ((*CELL, "Nominal cell capacity [A.h]"), 0.0, r"Nominal cell capacity \[A.h\] is 0.0"),
        ((*CELL, "Nominal cell capacity [A.h]"), 1e30, "its electrodes hold 13.17 A.h"),
        ((*CELL, "Reference temperature [K]"), 1.0, "kelvin between 200 and 400"),
        ((*CELL, "Upper voltage cut-off [V]"), 1e30, "volts above the lower cut-off"),
        ((*LIQUID, "Initial concentration [mol.m-3]"), -1.0, "expected a number > 0"),
        ((*LIQUID, "Conductivity [S.m-1]"), float("nan"), "expected a number > 0"),
        ((*LIQUID, "Conductivity [S.m-1]"), "1/0", "a function in it cannot be evaluated: ZeroDivisionError"),
    ],
)
def test_numbers_that_no_cell_has_are_named(tmp_path, keys, value, says):
    with pytest.raises(CellError, match=says) as caught:
        load_cell(changed_bpx(tmp_path, *keys, value=value))
    assert "\n" not in str(caught.value)


def test_a_cell_that_is_nan_at_rest_is_refused_by_the_model(tmp_path):
    path = changed_bpx(tmp_path, *LIQUID, "Conductivity activation energy [J.mol-1]", value=float("nan"))
    with pytest.raises(CellError, match=r"at rest at 25 C and 50 %, has no finite Voltage \[V\]"):
        build_model(load_cell(path), "SPMe")


@pytest.mark.parametrize("path", ["a\0.json", "a" * 5000 + ".json", "~nobody-of-that-name/a.json", "loop.json"])
def test_paths_that_are_none(tmp_path, monkeypatch, path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "loop.json").symlink_to(tmp_path / "loop.json")
    with pytest.raises(CellError, match="Check the path"):
        load_cell(path)


def test_files_that_no_parser_survives(tmp_path):
    for name, text in (("deep.json", "[" * 100_000), ("long.json", "1" * 10_000), ("deep.yaml", "[" * 3_000)):
        with pytest.raises(CellError, match=name):
            load_cell(write(tmp_path / name, text))


def test_the_kernel_is_not_for_every_fidelity():
    with pytest.raises(UnknownName, match="unknown fidelity of the engine 'kernel' 'DFN'"):
        make_twin(fidelity="DFN", engine="kernel")
    with pytest.raises(UnknownName, match=r"unknown setting of the engine 'auto' 'thread'\. Did you mean 'threads'"):
        make_twin(thread=2)
    with pytest.raises(VoltGymError, match="dt is nan; expected the length of a step in seconds"):
        make_twin(dt=float("nan"))


OWN = "name: mine\nversion: 3\nbase: Chen2020\n"


def test_a_users_own_cell_file(tmp_path):
    text = OWN + "take:\n  OKane2022: [Electrolyte conductivity [S.m-1]]\nset:\n  Nominal cell capacity [A.h]: 4.8\n"
    text = text.replace("[Electrolyte conductivity [S.m-1]]", '["Electrolyte conductivity [S.m-1]"]')
    cell = load_cell(write(tmp_path / "mine.yaml", text))
    assert (cell.name, cell.version, cell.nominal_capacity) == ("mine", "3", 4.8)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (OWN + "sett: {}\n", "unknown key 'sett'. Did you mean 'set'"),
        (OWN.replace("version: 3\n", ""), "the key 'version' is missing"),
        (OWN.replace("3", "three"), "'version' is a str"),
        (OWN.replace("Chen2020", "Chen202"), "Did you mean 'Chen2020'"),
        (OWN.replace("Chen2020", "Sulzer2019"), "'Sulzer2019' is not one of PyBaMM's lithium-ion"),
        (OWN + "take: {OKane: []}\n", "'OKane' is not one of .* Did you mean 'OKane2022'"),
        (OWN + "take: {OKane2022: Electrolyte}\n", "needs a list"),
        (OWN + 'take: {OKane2022: ["Electrolyte conductivity"]}\n', "Did you mean 'Electrolyte conductivity"),
        (OWN + 'set: {"Nominal cell capacity [A.h]": many}\n', "a number was expected"),
        (OWN + 'set: {"Nominal cell capacity [A.h]": 0}\n', "is 0.0; expected a number > 0"),
        (OWN + 'set: {"Negative electrode thickness [m]": .nan}\n', "is nan; expected a number > 0"),
        (OWN + 'set: {"Reference temperature [K]": 25}\n', "is 25.0; expected kelvin between 200 and 400"),
        (OWN + "set: {Nominal capacity: 3}\n", "there is no parameter 'Nominal capacity'"),
        (OWN + "set: {1: 3}\n", "there is no parameter 1"),
        (OWN + "citations: [Chen2020]\n", "each of 'citations'"),
        ("name: [", "not valid YAML"),
    ],
)
def test_mistakes_in_a_users_cell_file_are_explained(tmp_path, text, says):
    with pytest.raises(CellError, match=says):
        load_cell(write(tmp_path / "mine.yaml", text))


def test_an_edited_file_is_read_again(tmp_path):
    path = write(tmp_path / "mine.yaml", OWN)
    first = load_cell(path)
    write(path, OWN.replace("version: 3", "version: 4"))
    assert (first.version, load_cell(path).version) == ("3", "4")


def test_every_cell_is_in_the_support_table():
    table = {(row.cell, row.fidelity): row for row in support.read()}
    assert set(table) == {(cell, f) for cell in list_cells() for f in ("SPM", "SPMe", "DFN")}
    assert all(row.works != bool(row.why_not) for row in table.values())
    assert DATA / "support.csv" == support.TABLE


@pytest.mark.parametrize(
    ("cell", "fidelity"), [("LGM50", "SPMe"), ("Marquis2019", "DFN"), ("Ramadass2004", "SPM"), ("Xu2019", "SPM")]
)
def test_a_few_lines_of_the_support_table(cell, fidelity):
    shipped = next(row for row in support.read() if (row.cell, row.fidelity) == (cell, fidelity))
    assert support.measure(cell, fidelity) == shipped


@pytest.mark.slow
def test_the_whole_support_table():
    assert support.measure_all() == support.read()
