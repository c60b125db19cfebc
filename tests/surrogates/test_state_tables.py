"""SOH and RUL: features that tell what they should, estimators that keep the contract, mistakes in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from voltgym.envs.checker import assert_contract, check_surrogate_contract
from voltgym.surrogates import rul_features, soh_features
from voltgym.surrogates.base import Failure
from voltgym.surrogates.files import WeightsError
from voltgym.surrogates.rul import RulEstimator
from voltgym.surrogates.soh import SohEstimator
from voltgym.surrogates.state_inputs import InputError, table


def soh_rows(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Charges of cells whose windows shrink with their health."""
    rng = np.random.default_rng(seed)
    soh, rate = rng.uniform(0.75, 1.03, n), rng.uniform(0.3, 1.2, n)
    shape = 0.25 + 0.05 * np.sin(np.arange(len(soh_features.EDGES)) + 3 * soh[:, None])
    charge = np.cumsum(soh[:, None] * shape, axis=1)
    return soh_features.features(charge, rate, rng.uniform(285, 315, n)), soh[:, None]


def rul_rows(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Cells that fade in a line, each at its own speed."""
    rng = np.random.default_rng(seed)
    lost = np.exp(rng.uniform(np.log(1e-3), np.log(1e-2), n))
    capacity = 5.0 - lost[:, None] * np.array(rul_features.CHECKS)
    whole = np.linspace(4.9, 0.1, len(rul_features.GRID)) * capacity[:, [0, -1], None] / 5
    x = rul_features.features(whole, capacity, rng.uniform(0.3, 1.2, n), rng.uniform(290, 310, n))
    return x, rul_features.linear_life(capacity, 4.0)[:, None]


FIT: dict[str, Any] = {
    "soh": (SohEstimator(epochs=40, batch=64), soh_rows),
    "rul": (RulEstimator(steps=25), rul_rows),
}


@pytest.fixture(scope="module", params=FIT)
def case(request: pytest.FixtureRequest) -> tuple[Any, Any, str]:
    blank, rows = FIT[request.param]
    return blank.fit(*rows(150)), rows, request.param


def test_it_learns_and_knows_how_well(case: tuple[Any, Any, str]) -> None:
    model, rows, _ = case
    x, y = rows(300, 1)
    found = model.predict(x)
    assert (np.abs(found.mean - y) / y).mean() < 0.03
    assert 0.75 < np.mean(np.abs(found.mean - y) < 1.645 * found.std) <= 1.0
    assert (found.domain >= 0).mean() > 0.8


def test_it_keeps_the_contract(case: tuple[Any, Any, str]) -> None:
    assert_contract(check_surrogate_contract(case[0], case[1](20, 2)[0]))


def test_far_away_it_says_so_and_is_less_sure(case: tuple[Any, Any, str]) -> None:
    model, rows, _ = case
    x = rows(2, 3)[0]
    x[1, -1] = 400.0  # kelvin
    found = model.predict(x)
    assert found.domain[1] < -1
    assert found.std[1, 0] > 5 * found.std[0, 0]
    x[1, -1] = np.nan
    assert model.predict(x).failure.tolist() == [0, Failure.DOMAIN]


def test_nothing_learned_and_files_that_are_missing(case: tuple[Any, Any, str], tmp_path: Path) -> None:
    model, rows, name = case
    with pytest.raises(ValueError, match="has learned nothing yet"):
        type(model)().predict(rows(3)[0])
    with pytest.raises(WeightsError, match=f"voltgym fit surrogate={name}"):
        type(model).load(tmp_path)
    with pytest.raises(InputError, match=r"expected \(n, \d+\)"):
        model.predict(rows(3)[0][:, :-1])


def test_one_measured_charge_gives_the_same_row() -> None:
    volts = np.linspace(3.4, 4.2, 400)
    charge = 4 * (volts - 3.4) ** 1.5
    found = soh_features.of_charge(volts, charge, np.full(400, 300.0), 0.5)
    at = 4 * (soh_features.EDGES - 3.4) ** 1.5
    np.testing.assert_allclose(found, soh_features.features(at[None], np.array([0.5]), np.array([300.0])), atol=2e-3)
    windows = found[0, : len(soh_features.WINDOWS)]
    assert found[0, len(windows)] == pytest.approx(windows.max() / 0.04)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda v, q, t: (v[:-1], q, t), "found 99 voltages, 100 charges"),
        (lambda v, q, t: (v, q, np.where(t > 0, np.nan, t)), "not finite"),
        (lambda v, q, t: (v, q[::-1], t), "the counted charge falls"),
        (lambda v, q, t: (v + 0.4, q, t), r"goes from 3.80 to 4.60 V; expected it to pass 3.66"),
        (lambda v, q, t: (v - 0.3, q, t), "Take a charge that begins lower, or is not ended before"),
    ],
)
def test_a_charge_that_is_none_is_said(change: Any, says: str) -> None:
    v, q, t = np.linspace(3.4, 4.2, 100), np.linspace(0, 4, 100), np.full(100, 300.0)
    with pytest.raises(InputError, match=says):
        soh_features.of_charge(*change(v, q, t), 0.5)


def test_columns_by_name() -> None:
    given = {"a": [1.0, 2.0], "b": [3.0, 4.0]}
    assert table(given, ("b", "a")).tolist() == [[3.0, 1.0], [4.0, 2.0]]
    with pytest.raises(InputError, match="the table lacks 'c'; it has 'a', 'b'"):
        table(given, ("a", "c"))


def test_the_line_through_a_fade() -> None:
    capacity = 5.0 - 0.01 * np.array(rul_features.CHECKS)[None]
    assert rul_features.slope(capacity)[0] == pytest.approx(-0.01)
    assert rul_features.linear_life(capacity, 4.0)[0] == pytest.approx(50.0)
    assert rul_features.linear_life(capacity[:, ::-1], 4.0)[0] == np.inf


def test_the_variance_of_dq_grows_with_the_fade() -> None:
    x, y = rul_rows(100)
    at = rul_features.FEATURES.index("log10 variance of dQ(V) [(A.h)2]")
    assert np.corrcoef(x[:, at], np.log(y[:, 0]))[0, 1] < -0.9
