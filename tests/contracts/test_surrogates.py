"""One suite for every learned model: it predicts, alone and in batches, and is the same from the disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from voltgym.surrogates.ensemble import Ensemble
from voltgym.surrogates.files import WeightsError
from voltgym.surrogates.gp import GaussianProcess

RNG = np.random.default_rng(0)
COUNTS = RNG.poisson(0.5, (160, 40)).astype(np.uint8)
NUMBERS = RNG.normal(size=(160, 3))
TRUTH = COUNTS[:, :4].sum(axis=1) + np.sin(2 * NUMBERS[:, 0])


class Case(NamedTuple):
    """A kind of model on small data."""

    fit: Callable[[], Any]
    predict: Callable[[Any, np.ndarray], tuple[np.ndarray, np.ndarray]]
    load: Callable[[Path], Any]
    error: float
    """Mean absolute error that it must reach on rows that it did not learn from."""


def _both(rows: np.ndarray) -> np.ndarray:
    return np.concatenate([COUNTS[rows], NUMBERS[rows]], axis=1).astype(float)


def first(found: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of the first value."""
    return found[0][:, 0], found[1][:, 0]


LEARNED, NEW = np.arange(120), np.arange(120, 160)
CASES = {
    "Gaussian process": Case(
        lambda: GaussianProcess().fit(COUNTS[LEARNED], NUMBERS[LEARNED], TRUTH[LEARNED]),
        lambda model, rows: first(model.predict(COUNTS[rows], NUMBERS[rows])),
        GaussianProcess.load,
        0.75,
    ),
    "Gaussian process on numbers": Case(
        lambda: GaussianProcess().fit(np.zeros((120, 0), np.uint8), NUMBERS[LEARNED], np.sin(2 * NUMBERS[LEARNED, 0])),
        lambda model, rows: first(model.predict(np.zeros((len(rows), 0), np.uint8), NUMBERS[rows])),
        GaussianProcess.load,
        np.inf,
    ),
    "ensemble": Case(
        lambda: Ensemble((32,), epochs=150, rate=1e-2, batch=32).fit(_both(LEARNED), TRUTH[LEARNED]),
        lambda model, rows: first(model.predict(_both(rows))),
        Ensemble.load,
        0.9,
    ),
}


@pytest.fixture(scope="module", params=CASES)
def case(request: pytest.FixtureRequest) -> tuple[Case, Any]:
    case = CASES[request.param]
    return case, case.fit()


def test_it_predicts_rows_that_it_did_not_see(case: tuple[Case, Any]) -> None:
    kind, model = case
    mean, std = kind.predict(model, NEW)
    assert mean.shape == std.shape == (40,)
    assert np.isfinite(mean).all()
    assert (std > 0).all()
    assert np.abs(mean - TRUTH[NEW]).mean() < kind.error


def test_a_row_does_not_depend_on_the_others(case: tuple[Case, Any]) -> None:
    kind, model = case
    together, alone = kind.predict(model, NEW), kind.predict(model, NEW[3:4])
    for a, b in zip(together, alone, strict=True):
        np.testing.assert_allclose(a[3], b[0], rtol=1e-5, atol=1e-6)


def test_it_is_the_same_from_the_disk(case: tuple[Case, Any], tmp_path: Path) -> None:
    kind, model = case
    model.save(tmp_path / "m.npz")
    assert [file.suffix for file in tmp_path.iterdir()] == [".npz"]
    again = kind.load(tmp_path / "m.npz")
    for a, b in zip(kind.predict(model, NEW), kind.predict(again, NEW), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    for name, array in model.arrays().items():
        np.testing.assert_array_equal(array, again.arrays()[name])


def test_the_same_seed_gives_the_same_model(case: tuple[Case, Any]) -> None:
    kind, model = case
    np.testing.assert_array_equal(kind.predict(kind.fit(), NEW)[0], kind.predict(model, NEW)[0])


def test_damaged_and_missing_weights_are_one_line(case: tuple[Case, Any], tmp_path: Path) -> None:
    kind, model = case
    with pytest.raises(WeightsError, match="there are no weights in"):
        kind.load(tmp_path / "m.npz")
    model.save(tmp_path / "m.npz")
    text = (tmp_path / "m.npz").read_bytes()
    (tmp_path / "m.npz").write_bytes(text[: len(text) // 2])
    with pytest.raises(WeightsError, match="is damaged"):
        kind.load(tmp_path / "m.npz")


def test_a_process_on_smooth_data_is_nearly_exact() -> None:
    kind = CASES["Gaussian process on numbers"]
    mean, _ = kind.predict(kind.fit(), NEW)
    assert np.abs(mean - np.sin(2 * NUMBERS[NEW, 0])).mean() < 0.15


def test_an_ensemble_learns_around_missing_values() -> None:
    y = np.stack([TRUTH, -TRUTH], axis=1)[LEARNED]
    y[::2, 0] = np.nan
    model = Ensemble((32,), epochs=100, rate=1e-2, batch=32).fit(_both(LEARNED), y)
    assert np.abs(model.predict(_both(NEW))[0][:, 1] + TRUTH[NEW]).mean() < 1.2
