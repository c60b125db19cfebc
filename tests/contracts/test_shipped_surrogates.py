"""One suite for every surrogate that comes with the package: ``surrogates/base.py``'s contract on real designs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from voltgym.envs.checker import assert_contract, check_surrogate_contract
from voltgym.surrogates import cathode, protocol, rul, soc, soh, solvent
from voltgym.surrogates.base import Failure, Surrogate
from voltgym.surrogates.files import WeightsError


class Case(NamedTuple):
    """A surrogate as it is shipped."""

    kind: Any
    load: Callable[[], Any]
    designs: tuple[Any, ...]
    wrong: Any
    """What is no design."""


def histories(n: int, length: int = 30) -> tuple[np.ndarray, ...]:
    """What a battery's sensors might see of n cells: (length, 4)."""
    rate = np.random.default_rng(0).uniform(-0.5, 1.5, (n, length))
    soc = 0.4 + np.cumsum(rate, axis=1) / 120
    return tuple(np.stack([3.3 + 0.8 * soc + 0.1 * rate, 300 + 5 * rate, rate, soc + 0.05], axis=-1))


def between(low: list[float], high: list[float], n: int = 12) -> tuple[np.ndarray, ...]:
    """N rows between two, no two alike."""
    share = np.random.default_rng(0).uniform(0.1, 0.9, (n, len(low)))
    return tuple(np.array(low) + share * (np.array(high) - np.array(low)))


CHARGES = between([*[0.1] * 13, 6.0, 3.7, 0.3, 290.0], [*[0.4] * 13, 15.0, 4.1, 1.2, 315.0])
LIVES = between(
    [-5.0, -2.0, -0.3, 4.7, 4.4, 5e-4, -0.01, 0.3, 290.0], [-2.0, -0.5, 0.0, 5.2, 5.1, 8e-3, 0.01, 1.2, 315.0]
)

CASES = {
    "protocol": Case(
        protocol.ProtocolSurrogate, protocol.load_shipped, between([0.6] * 5, [2.0] * 5), np.full(5, np.nan)
    ),
    "soc": Case(soc.SocEstimator, soc.load_shipped, histories(12), np.full((30, 4), np.nan)),
    "soh": Case(soh.SohEstimator, soh.load_shipped, CHARGES, np.full(17, np.nan)),
    "rul": Case(rul.RulEstimator, rul.load_shipped, LIVES, np.full(9, np.nan)),
    "solvent": Case(
        solvent.SolventSurrogate,
        solvent.load_shipped,
        (
            "O=C1OCCO1",
            "COC(=O)OC",
            "COCCOC",
            "CC#N",
            "CCOC(=O)OC",
            "O=C1OCC(F)O1",
            "CS(C)(=O)=O",
            "O=c1occo1",
            "C1CCOC1",
            "COP(=O)(OC)OC",
            "CC(=O)OC",
            "COCC(F)(F)F",
            "CCC#N",
            "O=C1CCCO1",
            "CC1COC(=O)O1",
            "CN(C)C(C)=O",
            "COCCOCCOC",
            "C=CS(C)(=O)=O",
        ),
        "no molecule",
    ),
    "cathode": Case(
        cathode.CathodeSurrogate,
        cathode.load_shipped,
        (
            "LiNi0.8Mn0.1Co0.1O2@0.7",
            "LiCoO2@0.5",
            "LiNiO2@0.7",
            *(f"LiNi{n / 10:g}Mn{0.8 - n / 10:.1f}Al0.2O2@0.{c}" for n in (1, 3, 5) for c in (3, 5, 7)),
            *(f"LiNi{n / 10:g}Co{0.9 - n / 10:.1f}Mg0.1O2@0.{c}" for n in (2, 4) for c in (4, 6)),
            "LiNi0.5Mn0.3Ti0.2O2@0.3",
            "LiMnO2@0.4",
        ),
        "LiFeO2@0.5",
    ),
}


@pytest.fixture(scope="module", params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


def folder(name: str) -> Path:
    """Where the weights of a surrogate are."""
    return Path(str(resources.files("voltgym.surrogates") / "models" / name))


def test_it_keeps_the_contract(case: Case) -> None:
    model = case.load()
    assert isinstance(model, Surrogate)
    findings = check_surrogate_contract(model, list(case.designs), wrong=case.wrong)
    assert_contract(finding._replace(required=True) for finding in findings)  # ours lack nothing
    found = model.predict([*case.designs, case.wrong])
    assert found.failure.tolist() == [0] * len(case.designs) + [Failure.DOMAIN]


def test_its_files_are_npz_and_json(case: Case, tmp_path: Path) -> None:
    model = case.load()
    model.save(tmp_path)
    assert {file.suffix for file in tmp_path.iterdir()} == {".npz", ".json"}
    assert case.kind.load(tmp_path).digest == model.digest


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "0.npz").unlink(), r"0.npz is missing; .*voltgym fit"),
        (lambda f: (f / "0.npz").write_bytes(b"PK"), r"0.npz is damaged"),
        (lambda f: (f / "card.json").unlink(), "card.json is missing"),
        (lambda f: (f / "card.json").write_text("{"), "card.json is damaged"),
        (lambda f: (f / "card.json").write_text(json.dumps({"version": 0})), "version 0"),
    ],
)
@pytest.mark.parametrize("name", CASES)
def test_damaged_weights_are_one_line(name: str, damage: Any, message: str, tmp_path: Path) -> None:
    shutil.copytree(folder(name), tmp_path / "w")
    damage(tmp_path / "w")
    with pytest.raises(WeightsError, match=message):
        CASES[name].kind.load(tmp_path / "w")


@pytest.mark.parametrize("name", CASES)
def test_it_has_a_card_and_is_small(name: str) -> None:
    assert (folder(name) / "MODEL_CARD.md").is_file()
    assert sum(file.stat().st_size for file in folder(name).iterdir()) < 8e6
