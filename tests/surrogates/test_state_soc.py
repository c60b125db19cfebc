"""The SOC estimator and what it stands beside: they learn, keep rows apart, say where they know nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from voltgym.envs.checker import assert_contract, check_surrogate_contract
from voltgym.surrogates import soc_network
from voltgym.surrogates.base import Failure
from voltgym.surrogates.files import WeightsError
from voltgym.surrogates.soc import SocEstimator
from voltgym.surrogates.soc_baselines import Kalman, counting, tuned
from voltgym.surrogates.soc_circuit import COARSE, KNOTS, Circuit, slow_rate
from voltgym.surrogates.soc_fit import Plan, Rest, Truth, fit, ranges
from voltgym.surrogates.state_inputs import InputError
from voltgym.surrogates.state_sensors import COUNTED, RATE, SAMPLE, VOLTS, Sensors, counts, histories

NOMINAL, TAU, SERIES, SLOW = 5.0, 120.0, 0.1, 0.05
"""A cell of the tests' own: 3 V to 4.2 V in a line, 0.1 V at 1C at once and 0.05 V slowly."""

REST = Rest.line(np.array([3.0, 4.2]), np.array([0.0, 1.0]))


def truth(n: int, length: int = 30, seed: int = 0) -> Truth:
    rng = np.random.default_rng(seed)
    rate = np.repeat(rng.uniform(-1, 1.5, (n, length // 5)), 5, axis=1)
    rate[:, 0] = 0
    soc = rng.uniform(0.2, 0.6, (n, 1)) + np.cumsum(rate, axis=1) * SAMPLE / 3600
    volts = 3 + 1.2 * soc + SERIES * rate + SLOW * slow_rate(rate, TAU)
    return Truth(volts, np.full((n, length), 298.15), rate, soc, NOMINAL)


@pytest.fixture(scope="module")
def model() -> SocEstimator:
    some, rng = truth(160), np.random.default_rng(1)
    weights = fit(lambda r: some.measured(Sensors(), r), some.soc, REST, Plan(8, 2, 16, 16, 0.03), lambda a, b, c: None)
    return SocEstimator(weights, {**ranges(some.measured(Sensors(), rng)), "factor": 1.0, "base": 0.003})


def measured(n: int, seed: int = 5) -> tuple[np.ndarray, np.ndarray]:
    some = truth(n, seed=seed)
    return some.measured(Sensors(), np.random.default_rng(seed)), some.soc


def test_sensors_are_off_as_much_as_they_are_said_to_be() -> None:
    some = truth(4000, 10)
    found = some.measured(Sensors(0.002, 0.02, 0.1), np.random.default_rng(0))
    assert np.std(found[..., VOLTS] - some.volts) == pytest.approx(0.002, rel=0.03)
    off = (found[..., RATE] - some.rate) * NOMINAL
    assert 0.0199 < np.abs(off).max() <= 0.02 + 1e-6
    assert np.ptp(off, axis=1).max() < 1e-5  # the same all the time
    start = found[:, 0, COUNTED] - some.soc[:, 0]
    assert 0.099 < np.abs(start).max() <= 0.1 + 1e-6
    clean = histories(some.volts, some.kelvin, some.rate, some.soc, NOMINAL, Sensors(0, 0, 0), np.random.default_rng(0))
    np.testing.assert_allclose(clean[..., COUNTED], some.soc, atol=1e-6)
    assert counts(np.ones((1, 3)))[0].tolist() == [0.0, 1 / 120, 2 / 120]


def test_it_knows_more_than_counting(model: SocEstimator) -> None:
    given, soc = measured(300)
    found = model.predict(given)
    counted = np.abs(given[:, -1, COUNTED] - soc[:, -1])
    assert np.sqrt(np.mean((found.mean[:, 0] - soc[:, -1]) ** 2)) < 0.02 < 0.05 < np.sqrt(np.mean(counted**2))
    assert (found.failure == Failure.NONE).all()
    assert (found.domain >= -0.2).all()


def test_its_networks_are_those_of_torch() -> None:
    import torch

    torch.manual_seed(0)
    gru, out = torch.nn.GRU(6, 8, batch_first=True), torch.nn.Linear(8, 2)
    parts = [gru.weight_ih_l0.T, gru.weight_hh_l0.T, gru.bias_ih_l0[None], gru.bias_hh_l0[None]]
    parts += [out.weight.T, out.bias[None]]
    known = REST.table, REST.drop
    w = soc_network.Gru(*(np.ascontiguousarray(p.detach().numpy())[None] for p in parts), *known)
    given, _ = measured(5)
    theirs = out(gru(torch.as_tensor(soc_network.inputs(*known, given)))[0]).detach().numpy()[:, -1]
    memory = np.zeros((5, 1, 8), np.float32)
    for j in range(given.shape[1]):
        memory, off, std = soc_network.update(w, memory, given[:, j])
    np.testing.assert_allclose(off[:, 0], soc_network.OUT * theirs[:, 0], atol=1e-6)
    np.testing.assert_allclose(std[:, 0], soc_network.OUT * np.exp(theirs[:, 1]), rtol=1e-4)


def test_it_keeps_the_contract(model: SocEstimator) -> None:
    assert_contract(check_surrogate_contract(model, measured(8)[0]))


def test_it_can_be_fitted_through_the_contract() -> None:
    given, soc = measured(48)
    fresh = SocEstimator(plan=Plan(8, 2, 15, 16, 0.02))
    with pytest.raises(ValueError, match="has learned nothing yet"):
        fresh.predict(given)
    one, other = fresh.fit(given, soc[:, -1:]), fresh.fit(given, soc[:, -1:])
    np.testing.assert_array_equal(one.predict(given).mean, other.predict(given).mean)
    error = np.abs(one.predict(given).mean - soc[:, -1:]).mean()
    assert error < np.abs(soc[:, -1] - soc[:, -1].mean()).mean()


def test_sample_by_sample_is_the_same_as_at_once(model: SocEstimator) -> None:
    given, _ = measured(6)
    now = model.begin(6)
    for j in range(given.shape[1]):
        now, found = model.follow(now, given[:, j])
    whole = model.predict(given)
    np.testing.assert_array_equal(found.soc, whole.mean[:, 0])
    np.testing.assert_array_equal(found.std, whole.std[:, 0])
    np.testing.assert_array_equal(found.domain, whole.domain)


@pytest.mark.parametrize(("column", "value"), [(0, 5.0), (1, 250.0), (2, 4.0), (3, 2.0)])
def test_outside_it_says_so_and_is_less_sure(model: SocEstimator, column: int, value: float) -> None:
    given = measured(3)[0]
    strange = given.copy()
    strange[1, 3, column] = value  # once is enough: what it remembers is spoilt
    usual, found = model.predict(given), model.predict(strange)
    assert found.domain[1] < 0 <= usual.domain[1] + 0.2
    assert found.std[1, 0] > 1.5 * usual.std[1, 0]
    np.testing.assert_array_equal(found.mean[[0, 2]], usual.mean[[0, 2]])


def test_a_history_longer_than_any_is_outside(model: SocEstimator) -> None:
    given = measured(2)[0]
    assert (model.predict(np.concatenate([given, given[:, -5:]], axis=1)).domain < 0).all()


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (np.zeros((3, 4)), r"shape \(3, 4\); expected \(n, samples, 4\), the last axis being: Voltage \[V\]"),
        (np.zeros((3, 10, 3)), r"shape \(3, 10, 3\)"),
        ([np.zeros((3, 4)), np.zeros((5, 4))], "of one length; expected"),
        ("nothing", "no array of numbers"),
        (None, r"shape \(\)|no array"),
    ],
)
def test_other_shapes_are_one_line(model: SocEstimator, given: Any, says: str) -> None:
    with pytest.raises(InputError, match=says) as error:
        model.predict(given)
    assert "\n" not in str(error.value)


def test_damaged_files_are_said(model: SocEstimator, tmp_path: Path) -> None:
    model.save(tmp_path)
    assert SocEstimator.load(tmp_path).digest == model.digest
    (tmp_path / "0.npz").write_bytes(b"PK")
    with pytest.raises(WeightsError, match=r"0.npz is damaged; make it again with `voltgym fit surrogate=soc`"):
        SocEstimator.load(tmp_path)


def test_the_circuit_is_found_again_and_the_filter_settles() -> None:
    some = truth(400, 60)
    circuit = Circuit.fit(some.volts, some.kelvin, some.rate, some.soc)
    assert circuit.tau == TAU
    assert circuit.error < 1e-3
    near = (KNOTS > 0.2) & (KNOTS < 0.6)
    np.testing.assert_allclose(circuit.ocv[near], 3 + 1.2 * KNOTS[near], atol=5e-3)
    middle = np.abs(COARSE - 0.4).argmin()
    assert circuit.series.sum(axis=0)[middle] == pytest.approx(SERIES, abs=0.01)
    given, new = truth(50, 60, 7).measured(Sensors(), np.random.default_rng(0)), truth(50, 60, 7)
    best = tuned(circuit, given, new.soc)
    found, counted = best.follow(given), counting(given, 0.1)
    assert np.abs(found.soc - new.soc)[:, -1].max() < 0.01 < np.abs(counted.soc - new.soc)[:, -1].max()
    assert (found.std[:, -1] < found.std[:, 0]).all()
    assert counted.std[0, 0] == pytest.approx(0.1 / 3**0.5)
    unsure = best._replace(drift=20 * best.drift).follow(given)
    assert (unsure.std[:, -1] > 1.5 * found.std[:, -1]).all()  # what drifts more is known less


def test_the_filter_keeps_rows_apart() -> None:
    some = truth(50, 60)
    kalman = Kalman(Circuit.fit(some.volts, some.kelvin, some.rate, some.soc))
    given = some.measured(Sensors(), np.random.default_rng(0))
    broken = given.copy()
    broken[1, 5:] = np.nan
    found = kalman.follow(broken)
    np.testing.assert_allclose(found.soc[[0, 2]], kalman.follow(given).soc[[0, 2]], atol=1e-12)
    assert np.isnan(found.soc[1, 5:]).all()
