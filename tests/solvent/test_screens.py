from __future__ import annotations

import csv
from importlib import resources

import numpy as np
import pytest
from rdkit import Chem

from voltgym.envs.solvent.objective import HARDEST_SA
from voltgym.envs.solvent.parse import canonical
from voltgym.envs.solvent.screens import explain, flags, reasons, sa_score, screens
from voltgym.envs.solvent.space import MoleculeSpace
from voltgym.surrogates.solvent_features import molecule

TABLE = (resources.files("voltgym.surrogates.data") / "battery_solvents.csv").read_text(encoding="utf-8")
KNOWN = {row["smiles"]: row["name"] for row in csv.DictReader(TABLE.splitlines())}
MORE = {
    "COC(=O)OCC(F)(F)F": "FEMC",
    "COCCOC(F)(F)C(F)F": "a fluorinated glyme",
    "C=COC(C)=O": "vinyl acetate",
    "C=CC#N": "acrylonitrile",
    "C=CS(C)(=O)=O": "methyl vinyl sulfone",
    "CS(=O)(=O)F": "methanesulfonyl fluoride",
    "CN1CCCC1=O": "NMP",
    "COP(OC)OC": "trimethyl phosphite",
    "COC(OC)OC": "trimethyl orthoformate",
    "O=C1C=CCO1": "butenolide",
    "O=C1OCC(F)C1": "fluoro-GBL",
    "O=S1(=O)C=CCO1": "prop-1-ene-1,3-sultone",
    "Fc1ccccc1": "fluorobenzene",
    "COc1ccccc1": "anisole",
    "CN(C)P(=O)(OC)OC": "a phosphoramidate",
}
UNSTABLE = {
    "COOC": "peroxide",
    "CNNC": "N-N bond",
    "CC(C)=NOC": "N-O bond",
    "CN(C)F": "N-F or O-F bond",
    "CSN(C)C": "N-S(II) or N-P(III) bond",
    "CSSC": "S-S bond",
    "CSOC": "S(II)-O bond",
    "CS(=O)F": "S-F bond below S(VI)",
    "CSP(=O)(OC)OC": "P-P or P-S bond",
    "CP(C)C": "phosphine",
    "COP(=O)(F)OC": "P-F bond",
    "COP(=O)(C#N)N(C)C": "P-CN group",
    "CC(=O)F": "acyl halide",
    "COC(=O)F": "acyl halide",
    "CC(=O)C#N": "acyl or sulfonyl cyanide",
    "CC=O": "aldehyde",
    "CN(C)C=O": "formamide",
    "CC(=O)OC(C)=O": "anhydride",
    "COC(=O)OC(=O)OC": "anhydride",
    "CC(=O)OS(C)(=O)=O": "mixed anhydride",
    "CC(=O)CC(C)=O": "active methylene",
    "CC(C#N)C#N": "geminal dinitrile",
    "C=C(OC)OC": "ketene acetal",
    "COC(OC)(OC)OC": "orthocarbonate",
    "C=C=C": "cumulated double bonds",
    "CN=C=O": "cumulated double bonds",
    "CC(C)=NC": "imine",
    "COC(C)=NC": "imidate or amidine",
    "CC(C)=S": "thiocarbonyl",
    "CP=C": "P=C, P=N or P#C bond",
    "CP=O": "oxo-phosphine",
    "O=S": "oxide of sulfur",
    "CO": "O-H group",
    "CC(=O)O": "O-H group",
    "CNC(C)=O": "N-H group",
    "c1cc[nH]c1": "N-H group",
    "CS": "S-H group",
    "CP": "P-H group",
    "CC#C": "acidic C-H at a triple bond",
    "CC1CO1": "three-membered ring",
    "O=C1CCO1": "four-membered ring",
    "C=CC=C": "conjugated diene",
    "N#CC#N": "conjugated triple bonds",
    "C=CN(C)C": "enamine",
    "CN(C)CN(C)C": "aminal or alpha-fluoroamine",
    "CSCF": "alpha-fluoro sulfide",
    "CSC#N": "cyanate, thiocyanate or cyanamide",
    "CC#COC": "ynol ether or ynamine",
    "COC(=O)CF": "monofluoroacetate",
    "FC(F)=C(F)F": "gem-difluoroalkene",
    "COS(=O)(=O)F": "fluorosulfate",
    "COS(=O)(=O)OC": "open dialkyl sulfate",
    "C1CC2CCC1C2": "bridged rings",
}


def test_battery_solvents_in_use_are_not_flagged():
    wrong = {name: flags(canonical(smiles)) for smiles, name in (KNOWN | MORE).items() if flags(canonical(smiles))}
    assert wrong == {
        "N,N-dimethylformamide": ("formamide",),
        "dimethyl sulfate": ("open dialkyl sulfate",),
    }
    assert len(KNOWN | MORE) >= 80


@pytest.mark.parametrize("smiles", KNOWN | MORE)
def test_battery_solvents_are_not_hard_to_make(smiles):
    assert 1 <= sa_score(canonical(smiles)) <= HARDEST_SA


def test_the_sa_score_is_that_of_rdkits_contrib_folder():
    from rdkit.Contrib.SA_Score import sascorer

    designs = MoleculeSpace().sample(np.random.default_rng(3), 300)
    for smiles in dict.fromkeys([*designs, *KNOWN, "C1CCCCCCCCCC1", "CC12OC1C1NP1S2"]):
        assert sa_score(canonical(smiles)) == pytest.approx(sascorer.calculateScore(molecule(canonical(smiles))))


@pytest.mark.parametrize(("smiles", "group"), UNSTABLE.items())
def test_unstable_groups_are_flagged_with_a_reason(smiles, group):
    key = canonical(smiles)
    assert group in flags(key)
    assert reasons(key)[group]
    assert f"{group}: {reasons(key)[group]}" in explain(key)


def test_every_screen_has_a_molecule_that_it_flags_and_a_reason():
    assert set(UNSTABLE.values()) == {screen.name for screen in screens()}
    assert all(len(screen.reason) > 5 and ";" not in screen.reason for screen in screens())


def test_what_a_screen_needs_of_the_smiles_never_hides_a_group():
    designs = MoleculeSpace().sample(np.random.default_rng(2), 500)
    for smiles in dict.fromkeys(designs):
        mol = molecule(smiles)
        assert flags(smiles) == tuple(screen.name for screen in screens() if screen.matches(mol)), smiles


def test_explain_says_nothing_of_a_good_molecule_and_all_of_a_bad_one():
    assert explain("CCOC(=O)OC") == ""
    hard = "CC12OC1C1NP1S2"
    assert sa_score(hard) > HARDEST_SA
    said = explain(hard).split("; ")
    assert len(said) == len(flags(hard)) + 1
    assert "SA score" in said[-1]
    assert Chem.MolFromSmiles(hard) is not None
