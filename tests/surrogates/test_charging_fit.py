"""How the learned twin is fitted and judged: from sets to arrays, and that the twin does what was judged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from voltgym.envs.charging.twins import make_twin
from voltgym.envs.errors import VoltGymError
from voltgym.experiments import data, fit
from voltgym.experiments.fit_charging import columns
from voltgym.surrogates import charging_scores
from voltgym.surrogates.charging import LearnedTwin
from voltgym.surrogates.charging_fit import Plan, open_loop
from voltgym.surrogates.charging_fit import fit as fitted
from voltgym.surrogates.charging_runs import rest_table, runs
from voltgym.surrogates.charging_scores import Residuals, calibrated, scores
from voltgym.surrogates.charging_step import MEMORY, past_after


@pytest.fixture(scope="module")
def trajectories(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any, Any]:
    """Columns of the steps and the episodes of a small set, and the numbers of its cell."""
    out = tmp_path_factory.mktemp("data")
    data.main(["data.episodes=40", "data.part=40", "data.steps=12", "data.draws=2", f"out={out}"])
    card = make_twin(fidelity="learned").card
    return columns(out, "steps"), columns(out, "episodes"), card["cell"]


def test_arrays_are_the_trajectories(trajectories: Any) -> None:
    steps, episodes, cell = trajectories
    found = runs(steps, episodes, cell)
    real = steps["failure"] <= 2
    assert found.steps.sum() == real.sum()
    of = episodes["episode"] == 3
    rows = (steps["episode"] == 3) & real
    np.testing.assert_array_equal(found.outputs[of, : rows.sum(), 0][0], steps["Voltage [V], after"][rows])
    np.testing.assert_array_equal(found.rates[of, : rows.sum()][0].astype(np.float32), steps["C-rate"][rows])
    np.testing.assert_allclose(found.z[:, 0, 1:3], 0.0, atol=1e-5)  # at rest the surface is as the rest


def test_the_table_of_rest_is_what_cells_at_rest_show(trajectories: Any) -> None:
    steps, _, _ = trajectories
    table = rest_table(steps)
    first = steps["step"] == 0
    at = np.linspace(0, 1.2, table.shape[1])
    np.testing.assert_allclose(
        np.interp(steps["SOC"][first], at, table[0]), steps["Anode potential [V]"][first], atol=5e-3
    )


def test_the_past_is_remembered_and_fades() -> None:
    past = np.zeros((1, 4))
    for _ in range(200):
        past = past_after(past, np.array([2.0]))
    np.testing.assert_allclose(past[0], 2.0, rtol=0.01)
    gone = past_after(past, np.array([0.0]))[0]
    assert gone[0] == 0
    np.testing.assert_allclose(gone[1:], past[0, 1:] * np.exp(-30 / np.array(MEMORY)))


def test_the_twin_does_what_was_judged(trajectories: Any) -> None:
    """Stepped with the same currents it gives what the open loop of the fit gave, to rounding; and fitting fits."""
    steps, episodes, cell = trajectories
    found = runs(steps, episodes, cell)
    plan = Plan(hidden=(12,), members=2, single=60, stretches=((3, 5),), batch=64)
    said: list[str] = []
    weights = fitted(found, rest_table(steps), 5.0, plan, said.append)
    assert "left" in said[-1]
    twin = LearnedTwin(weights, make_twin(fidelity="learned").card)
    some = np.flatnonzero(found.steps >= 6)[:8]
    start = {name: episodes[name][some] for name in episodes if "steps" not in name and episodes[name].dtype == float}
    z, outputs = open_loop(weights, found.some(some))
    state = twin.initial(start)
    for k in range(6):
        state, failure = twin.advance(state, found.rates[some, k])
        good = failure == 0
        np.testing.assert_allclose(state["outputs"][good], outputs[:, good, k].transpose(1, 0, 2), atol=2e-3)
        np.testing.assert_allclose(state["z"][good], z[:, good, k].transpose(1, 0, 2), rtol=1e-4, atol=2e-3)


def test_fitting_again_with_the_same_seed_gives_the_same_weights(trajectories: Any) -> None:
    steps, episodes, cell = trajectories
    plan = Plan(hidden=(6,), members=2, single=4, stretches=(), batch=16, seed=3)
    one, two = (fitted(runs(steps, episodes, cell), rest_table(steps), 5.0, plan, str) for _ in range(2))
    for a, b in zip(one.layers, two.layers, strict=True):
        np.testing.assert_array_equal(a[0], b[0])


def test_an_empty_electrolyte_is_told_by_what_failed(trajectories: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    steps, episodes, cell = trajectories
    found = runs(steps, episodes, cell)
    n, most = found.rates.shape
    ends = found._replace(steps=np.full(n, 5), failed=np.arange(n) % 2 == 0)
    z = np.full((2, n, most, 5), 600.0)
    z[:, ends.failed, 5, 3] = np.linspace(50.0, 180.0, ends.failed.sum())  # where they fail, at their sixth step
    z[:, 1, 3, 3] = 210.0
    monkeypatch.setattr(charging_scores, "open_loop", lambda w, data: (z, z))
    assert 180.0 < charging_scores.depleted(None, ends) < 210.0  # type: ignore[arg-type]
    assert charging_scores.depleted(None, ends._replace(failed=np.zeros(n, dtype=bool))) == 0.0  # type: ignore[arg-type]


def test_intervals_are_widened_until_they_cover() -> None:
    rng = np.random.default_rng(0)
    true = rng.uniform(0.5, 2.0, (4000, 6))
    found = Residuals(
        true * rng.standard_normal(true.shape), true / 7, np.arange(4000) // 50, np.zeros(4000), np.ones(4000)
    )
    factor, base = calibrated(found.of(np.arange(2000)))
    judged = scores(found.of(np.arange(2000, 4000)), factor, base)
    assert judged["episodes"] == 40
    assert judged["Voltage [V]"]["coverage"] == pytest.approx(0.9, abs=0.03)
    outside = Residuals(*found[:4], np.full(4000, 3.0))
    assert scores(outside, factor, base)["Voltage [V]"]["coverage"] > 0.99


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (("surrogate.members=1",), ">= 2"),
        (("surrogate.hidden=[]",), "such as"),
        (("surrogate.cell=Mohtat2020",), "out=FOLDER"),
        (("seeds=3",), "leave seeds=1"),
        (("surrogate.hiden=[3]",), "hidden"),
    ],
)
def test_a_wrong_config_is_said_in_a_line(overrides: tuple[str, ...], said: str) -> None:
    with pytest.raises(VoltGymError, match=said) as error:
        fit.main(["surrogate=charging", *overrides])
    assert "\n" not in str(error.value)


@pytest.mark.slow
def test_the_command_fits_judges_and_writes_a_card(tmp_path: Path) -> None:
    small = ["surrogate.episodes=60", "surrogate.single=30", "surrogate.stretches=[[3,4]]", "surrogate.hidden=[8]"]
    fit.main(["surrogate=charging", *small, f"surrogate.sets={tmp_path / 'sets'}", f"out={tmp_path / 'twin'}"])
    assert "**missed**" in (tmp_path / "twin" / "MODEL_CARD.md").read_text()
    assert make_twin(fidelity=str(tmp_path / "twin")).card["fitted on"]["rows"]["episodes"] == 60
