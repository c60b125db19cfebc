"""The table of battery solvents: units, ranges, sources, and agreement between independent sources."""

from __future__ import annotations

import csv
import re
from collections import Counter, defaultdict
from itertools import combinations
from pathlib import Path

import pytest
from rdkit import Chem

DATA = Path(__file__).parents[2] / "surrogates" / "data"
CARD = (DATA / "BATTERY_SOLVENTS.md").read_text(encoding="utf-8")
COLUMNS = (
    "smiles name abbreviation role property relation value unit conditions source verification read_in".split()  # noqa: SIM905
)
FIXED = {  # property: unit, smallest and largest believable value
    "melting_point": ("K", 100, 420),
    "boiling_point": ("K", 300, 580),
    "flash_point": ("K", 235, 450),
    "oxidation_limit": ("V vs Li/Li+", 3, 9),
    "li_coordination": ("kJ.mol-1", 120, 330),
    "li_basicity_373K": ("kJ.mol-1", 100, 260),
    "donor_number": ("kcal.mol-1", 5, 40),
}
AT_TEMPERATURE = {
    "viscosity": ("mPa.s", 0.2, 15),
    "permittivity": ("1", 1.8, 130),
    "density": ("g.cm-3", 0.6, 1.8),
}
CORE = "EC PC GBL SL FEC VC DMC EMC DEC DME DOL ACN TMP".split()  # noqa: SIM905


def _read() -> list[dict[str, str]]:
    with (DATA / "battery_solvents.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


ROWS = _read()


def _limits(name: str) -> tuple[str, float, float]:
    if name in FIXED:
        return FIXED[name]
    stem, temperature = name.rsplit("_", 1)
    assert re.fullmatch(r"\d+C", temperature), name
    return AT_TEMPERATURE[stem]


def _exact(prop: str) -> dict[str, list[float]]:
    """The values of a property by abbreviation, bounds left out."""
    found = defaultdict(list)
    for row in ROWS:
        if row["property"] == prop and row["relation"] == "=":
            found[row["abbreviation"]].append(float(row["value"]))
    return found


def test_columns_and_size() -> None:
    assert list(ROWS[0]) == COLUMNS
    assert len({row["smiles"] for row in ROWS}) >= 40


def test_every_molecule_is_a_canonical_design() -> None:
    for smiles in {row["smiles"] for row in ROWS}:
        molecule = Chem.MolFromSmiles(smiles)
        assert Chem.MolToSmiles(molecule, isomericSmiles=False) == smiles
        assert 1 <= molecule.GetNumHeavyAtoms() <= 14, smiles
        for atom in molecule.GetAtoms():
            assert atom.GetSymbol() in "CNOFSP"
            assert (atom.GetFormalCharge(), atom.GetNumRadicalElectrons(), atom.GetIsotope()) == (0, 0, 0)


def test_one_name_one_abbreviation_and_one_role_a_molecule() -> None:
    described = {(row["smiles"], row["name"], row["abbreviation"], row["role"]) for row in ROWS}
    for column in range(3):
        assert len({entry[column] for entry in described}) == len(described)
    assert {entry[3] for entry in described} == {"solvent", "co-solvent", "additive"}


def test_units_and_ranges() -> None:
    for row in ROWS:
        unit, low, high = _limits(row["property"])
        assert row["unit"] == unit, row
        assert low <= float(row["value"]) <= high, row
        assert row["relation"] in {"=", "<", ">", "~"}, row


def test_every_row_says_where_it_comes_from() -> None:
    for row in ROWS:
        assert row["source"].strip(), row
        assert row["conditions"].strip(), row
        assert row["verification"] in {"read", "package", "memory"}, row
        assert bool(row["read_in"]) == (row["verification"] == "read"), row
        assert ("from memory" in row["source"]) == (row["verification"] == "memory"), row


def test_a_temperature_in_the_name_is_the_one_in_the_conditions() -> None:
    for row in ROWS:
        found = re.fullmatch(r"(viscosity|permittivity|density)_(\d+)C", row["property"])
        if found:
            stated = re.findall(r"(\d+(?:\.\d+)?) C\b", row["conditions"])
            assert stated, row
            assert abs(float(stated[0]) - int(found[2])) < 0.5 or "taken as" in row["conditions"], row


def test_no_row_twice() -> None:
    keys = Counter((row["smiles"], row["property"], row["conditions"], row["source"]) for row in ROWS)
    assert [key for key, count in keys.items() if count > 1] == []


def test_liquids_melt_before_they_boil_and_flash_before_they_boil() -> None:
    melting, boiling, flash = (_exact(f"{name}_point") for name in ("melting", "boiling", "flash"))
    for name, values in boiling.items():
        assert max(melting.get(name, [0.0])) < min(values), name
        assert max(flash.get(name, [0.0])) < min(values), name


@pytest.mark.parametrize(
    ("prop", "absolute", "relative"),
    [
        ("boiling_point", 20.0, 0.0),
        ("melting_point", 35.0, 0.0),  # DEC: -43 C in the old tables, -74 C by calorimetry
        ("flash_point", 25.0, 0.0),
        ("donor_number", 1.0, 0.0),
        ("permittivity_25C", 0.0, 0.15),
        ("viscosity_25C", 0.0, 0.05),
        ("viscosity_40C", 0.0, 0.05),
        ("permittivity_40C", 0.0, 0.02),
    ],
)
def test_independent_sources_agree(prop: str, absolute: float, relative: float) -> None:
    pairs = [(name, a, b) for name, values in _exact(prop).items() for a, b in combinations(values, 2)]
    assert pairs
    assert [pair for pair in pairs if abs(pair[1] - pair[2]) > absolute + relative * max(pair[1:])] == []


def test_the_two_series_of_oxidation_limits_differ_by_their_reference_only() -> None:
    series: dict[str, dict[str, float]] = {"read": {}, "memory": {}}
    for row in ROWS:
        if row["property"] == "oxidation_limit" and row["conditions"].startswith("glassy carbon"):
            series[row["verification"]][row["abbreviation"]] = float(row["value"])
    both = series["read"].keys() & series["memory"].keys()
    assert len(both) >= 4
    for name in both:
        assert series["read"][name] - series["memory"][name] == pytest.approx(0.3, abs=0.05), name


@pytest.mark.parametrize("name", CORE)
def test_the_core_solvents_have_their_gaps_filled(name: str) -> None:
    stems = {row["property"].split("_")[0] for row in ROWS if row["abbreviation"] == name}
    wanted = {"melting", "boiling", "flash", "permittivity", "viscosity"}
    if name == "VC":  # none was found
        wanted.discard("viscosity")
    assert wanted <= stems


def test_package_rows_are_few_and_are_what_the_package_says() -> None:
    chemicals = pytest.importorskip("chemicals")
    rows = [row for row in ROWS if row["verification"] == "package"]
    assert 0 < len(rows) <= 40
    for row in rows:
        function, method, cas = re.search(r", (\w+), method (.+), CAS ([\d-]+)$", row["source"]).groups()  # type: ignore[union-attr]
        if function == "permittivity":
            value = chemicals.permittivity.permittivity_data_CRC.loc[cas].iloc[2]
        else:
            value = getattr(chemicals, function)(cas, method=method)
        assert float(row["value"]) == pytest.approx(float(value), abs=0.01), row


def test_the_card_counts_what_is_in_the_table() -> None:
    kinds = Counter(row["verification"] for row in ROWS)
    counted = defaultdict(Counter)
    for row in ROWS:
        counted[row["property"]][row["verification"]] += 1
    table = {}
    for line in CARD.splitlines():
        cells = [cell.strip().strip("`") for cell in line.strip("|").split("|")]
        if len(cells) == 4 and (cells[0] in counted or cells[0] == "all"):
            table[cells[0]] = tuple(int(cell) for cell in cells[1:])
    kinds_of = {name: tuple(counts[kind] for kind in ("read", "package", "memory")) for name, counts in counted.items()}
    assert table == kinds_of | {"all": (kinds["read"], kinds["package"], kinds["memory"])}
    share = re.search(r"([\d.]+) % of the rows are from memory", CARD)
    assert share
    assert float(share[1]) == pytest.approx(100 * kinds["memory"] / len(ROWS), abs=0.05)
    assert f"{len(ROWS)} rows" in CARD
    assert f"{len({row['smiles'] for row in ROWS})} molecules" in CARD
