"""Surrogates of few rows: what they expect together, how they calibrate themselves, what a protocol's is made of."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from voltgym.surrogates import cathode_grow, growing, protocol, solvent_grow
from voltgym.surrogates.cathode import CathodeSurrogate
from voltgym.surrogates.gp import GaussianProcess
from voltgym.surrogates.solvent_names import ELECTRONIC


def nothing(n: int) -> np.ndarray:
    return np.zeros((n, 0), np.uint8)


@pytest.fixture(scope="module")
def data() -> tuple[np.ndarray, np.ndarray]:
    x = np.random.default_rng(0).uniform(size=(30, 2))
    return x, np.sin(4 * x[:, 0]) + x[:, 1]


@pytest.fixture(scope="module")
def model(data: tuple[np.ndarray, np.ndarray]) -> GaussianProcess:
    return GaussianProcess(quiet=True).fit(nothing(30), *data)


def test_together_is_what_each_is_alone(model: GaussianProcess) -> None:
    new = np.random.default_rng(1).uniform(size=(20, 2))
    mean, covariance = model.joint(nothing(20), new)
    alone, std = model.predict(nothing(20), new)
    assert np.allclose(mean[:, 0], alone[:, 0], atol=1e-3)
    assert (np.diag(covariance[0]) <= std[:, 0] ** 2 + 1e-6).all()  # alone has the noise of the data on top
    assert np.linalg.eigvalsh(covariance[0]).min() > -1e-6
    assert np.abs(covariance[0] - covariance[0].T).max() < 1e-9


def test_quiet_data_are_interpolated(data: tuple[np.ndarray, np.ndarray], model: GaussianProcess) -> None:
    x, y = data
    noisy = GaussianProcess().fit(nothing(30), x, y)
    quiet, loud = (float(np.abs(m.joint(nothing(30), x)[0][:, 0] - y).max()) for m in (model, noisy))
    assert quiet < 0.01
    assert quiet < loud


def test_left_out_is_what_the_others_predict(data: tuple[np.ndarray, np.ndarray], model: GaussianProcess) -> None:
    """The closed form against solving without the row, with the same hyper-parameters."""
    error, std = model.left_out()
    kept, y = model._kept, model._outputs(np.asarray(data[1])[:, None])[:, 0]
    k = model._matrix(model.counts, kept["numbers"], model.counts, kept["numbers"])
    for i in (0, 7, 29):
        rest = np.arange(30) != i
        inner = k[np.ix_(rest, rest)] + float(kept["noise"]) * np.eye(29)
        mean = k[i, rest] @ np.linalg.solve(inner, y[rest])
        variance = k[i, i] + float(kept["noise"]) - k[i, rest] @ np.linalg.solve(inner, k[rest, i])
        assert error[i, 0] == pytest.approx((mean - y[i]) * model._outputs.scale[0], rel=1e-2, abs=1e-3)
        assert std[i, 0] == pytest.approx(np.sqrt(variance) * model._outputs.scale[0], rel=1e-3)


def test_too_few_rows_are_an_error() -> None:
    with pytest.raises(ValueError, match="there are 3 values of 'x'; expected at least 4"):
        growing.grown("x", nothing(3), np.eye(3), np.arange(3.0))


KEYS = [f"LiNi0.{n}Mn0.{8 - n}Al0.2O2@0.{c}" for n in (1, 3, 5, 7) for c in (3, 6)]


def test_a_grown_cathode_surrogate_is_one_like_any(tmp_path: Path) -> None:
    values = np.column_stack([np.linspace(3.2, 3.9, 8), np.linspace(-3, 0, 8)])
    found = cathode_grow.grow(KEYS, values)
    found.save(tmp_path)
    again = CathodeSurrogate.load(tmp_path)
    assert again.digest == found.digest
    assert np.abs(again.predict(KEYS).mean[:, 0] - values[:, 0]).max() < 0.05
    assert (again.predict(["LiCoO2@0.7"]).domain >= 0).all()  # a loop is to go anywhere
    assert [len(joint.mean) for joint in again.joint(KEYS)] == [8, 8]
    with pytest.raises(ValueError, match="is no design"):
        cathode_grow.grow(["LiFeO2@0.5", *KEYS], np.zeros((9, 2)))


def test_a_grown_solvent_surrogate_keeps_what_is_measured() -> None:
    molecules = ["O=C1OCCO1", "COC(=O)OC", "COCCOC", "CC#N", "CCOC(=O)OC"]
    values = np.arange(20.0).reshape(5, 4)
    found, base = solvent_grow.grow(molecules, values), solvent_grow.load_shipped()
    at = [found.names.index(name) for name in ELECTRONIC]
    rest = [i for i in range(len(found.names)) if i not in at]
    assert np.array_equal(found.predict(molecules).mean[:, rest], base.predict(molecules).mean[:, rest])
    assert np.abs(found.predict(molecules).mean[:, at] - values).max() < 4
    assert len(found.joint(molecules)) == len(ELECTRONIC)


def charges(n: int, stages: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Protocols and made-up extremes that keep causality: a stage knows its own rate and the one before."""
    x = np.random.default_rng(0).uniform(0.3, 3, (n, stages))
    before = np.column_stack([np.zeros(n), x[:, :-1]])
    volts, kelvin, anode = 4 + 0.05 * x, 300 + 3 * x + before, 0.1 - 0.04 * x - 0.01 * before
    return x, np.column_stack([60 * 0.7 / stages * (1 / x).sum(axis=1), volts, kelvin, anode])


def test_a_protocol_surrogate_takes_the_worst_of_the_stages() -> None:
    x, y = charges(60)
    found = protocol.ProtocolSurrogate.fit(x[:50], y[:50])
    mean = found.predict(x[50:]).mean
    worst = np.column_stack([y[50:, 0], y[50:, 1:4].max(axis=1), y[50:, 4:7].max(axis=1), y[50:, 7:].min(axis=1)])
    assert np.abs(mean - worst)[:, 0].max() < 1.0
    assert np.abs(mean - worst)[:, [1, 3]].max() < 5e-3
    assert np.abs(mean - worst)[:, 2].max() < 0.5


def test_a_stage_does_not_depend_on_what_comes_after_it() -> None:
    x, y = charges(40)
    found = protocol.ProtocolSurrogate.fit(x, y)
    other = x.copy()
    other[:, 2] = 1.0
    first = found.latent.index(protocol.of_stage("Minimum anode potential [V]", 1))
    assert np.array_equal(found.joint(x)[first].mean, found.joint(other)[first].mean)


def test_a_stage_that_never_began_is_not_learned_from() -> None:
    x, y = charges(40)
    y[:5, [3, 6, 9]] = np.nan
    found = protocol.ProtocolSurrogate.fit(x, y)
    assert np.isfinite(found.predict(x).mean).all()
    with pytest.raises(ValueError, match="expected \\(n, stages\\) and"):
        protocol.ProtocolSurrogate.fit(x, y[:, :5])
    with pytest.raises(ValueError, match="have 2 C-rates; this surrogate is of 3"):
        found.predict(x[:, :2])
