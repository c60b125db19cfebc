"""The learned twin: it stands in the physics' place, agrees with it where it was fitted, and says where it was not."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from voltgym.envs.charging.protocol import parts as protocol_parts
from voltgym.envs.charging.scenario import NOMINAL, splits
from voltgym.envs.charging.twins import make_twin
from voltgym.envs.contracts import Twin
from voltgym.envs.errors import VoltGymError
from voltgym.envs.scenario import generator, stack
from voltgym.surrogates.base import Failure, State, take
from voltgym.surrogates.charging import LearnedTwin, shipped
from voltgym.surrogates.files import WeightsError


@pytest.fixture(scope="module")
def twin() -> Any:
    return make_twin(fidelity="learned")


def scenarios(n: int, split: str = "test", **more: float) -> State:
    draw = splits()[split]
    rows = [draw(generator("VoltGym/FastCharge-v0", split, k)) for k in range(n)]
    return stack([{**row, **more} for row in rows])


def rolled(twin: Any, start: State, rates: np.ndarray) -> tuple[list[State], np.ndarray]:
    """What is measured after each of (steps, n) rates, and the last failures."""
    state, measured, failure = twin.initial(start), [], np.zeros(0)
    for rate in rates:
        state, failure = twin.advance(state, rate)
        measured.append(twin.measure(state))
    return measured, failure


def test_it_is_a_twin_and_measures_what_the_physics_does(twin: Any) -> None:
    assert isinstance(twin, Twin)
    physics = make_twin()
    start = scenarios(3)
    learned, real = (one.measure(one.initial(start)) for one in (twin, physics))
    assert set(real) <= set(learned)
    for name in real:
        scale = 300 if "mol" in name else 1
        np.testing.assert_allclose(learned[name], real[name], atol=2e-3 * scale, err_msg=name)


def test_it_agrees_with_the_physics_on_scenarios_that_it_has_not_seen(twin: Any) -> None:
    rates = np.random.default_rng(5).uniform(0, 1.6, (25, 40))
    start = scenarios(40)
    learned, _ = rolled(twin, start, rates)
    real, _ = rolled(make_twin(), start, rates)
    for name, most in (("Voltage [V]", 0.01), ("Temperature [K]", 1.0), ("Anode potential [V]", 0.005)):
        error = np.array([a[name] - b[name] for a, b in zip(learned, real, strict=True)])
        assert np.sqrt((error**2).mean()) < most
    np.testing.assert_allclose(learned[-1]["SOC"], real[-1]["SOC"], atol=1e-6)
    np.testing.assert_allclose(learned[-1]["Counted SOC"], real[-1]["Counted SOC"], atol=1e-6)


def test_the_card_is_of_these_weights_and_says_that_the_targets_are_met(twin: Any) -> None:
    from voltgym.experiments.charging_card import AIMS, COVERED, TEST

    text = (shipped() / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert twin.digest in text
    assert twin.fingerprint["model"] == f"learned {twin.digest}"
    for name, aim in AIMS.items():
        assert twin.card["scores"][TEST][name]["RMSE"] <= aim
        assert COVERED[0] <= twin.card["scores"][TEST][name]["coverage"] <= COVERED[1]


def test_a_row_does_not_depend_on_its_company(twin: Any) -> None:
    rates = np.random.default_rng(0).uniform(0, 3, (6, 37))
    start = scenarios(37)
    together, _ = rolled(twin, start, rates)
    for row in (0, 5, 36):
        alone, _ = rolled(twin, take(start, np.array([row])), rates[:, [row]])
        for a, b in zip(together, alone, strict=True):
            for name, values in b.items():
                assert values[0] == a[name][row], name


def test_a_device_of_torch_says_the_same() -> None:
    rates = np.random.default_rng(0).uniform(0, 2, (10, 20))
    here, _ = rolled(make_twin(fidelity="learned"), scenarios(20), rates)
    there, _ = rolled(make_twin(fidelity="learned", device="cpu"), scenarios(20), rates)
    for name, values in there[-1].items():
        np.testing.assert_allclose(values, here[-1][name], rtol=2e-5, atol=2e-5, err_msg=name)


def test_what_is_saved_is_what_is_read(twin: Any, tmp_path: Path) -> None:
    twin.save(tmp_path)
    again = LearnedTwin.load(tmp_path)
    assert again.digest == twin.digest
    rates = np.full((3, 4), 1.3)
    for a, b in zip(rolled(twin, scenarios(4), rates)[0], rolled(again, scenarios(4), rates)[0], strict=True):
        for name in a:
            np.testing.assert_array_equal(a[name], b[name])


def test_damaged_weights_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="voltgym fit"):
        LearnedTwin.load(tmp_path / "nothing")
    shutil.copytree(shipped(), tmp_path / "copy")
    (tmp_path / "copy" / "weights.npz").write_bytes(b"half")
    with pytest.raises(WeightsError, match="damaged"):
        LearnedTwin.load(tmp_path / "copy")
    card = (shipped() / "card.json").read_text()
    shutil.copy(shipped() / "weights.npz", tmp_path / "copy" / "weights.npz")
    (tmp_path / "copy" / "card.json").write_text(card.replace('"x0": 0.02', '"x0": 0.03'))
    with pytest.raises(WeightsError, match="do not belong together"):
        LearnedTwin.load(tmp_path / "copy")


def test_outside_of_what_it_learned_from_it_says_so(twin: Any) -> None:
    nominal = {name: np.full(4, value) for name, value in NOMINAL.items()}
    ambient = np.array([25.0, 50.0, 60.0, -30.0]) + 273.15
    measured, _ = rolled(twin, nominal | {"Ambient temperature [K]": ambient}, np.full((5, 4), 1.0))
    assert measured[-1]["Domain"][0] >= 0
    assert (measured[-1]["Domain"][1:] < 0).all()
    for name in ("Voltage [V] std", "Temperature [K] std", "Anode potential [V] std"):
        inside, near, far, cold = measured[-1][name]
        assert 0 < inside < near < far
        assert cold > 2 * inside


def test_failures_are_of_a_row_and_it_comes_back_as_it_was(twin: Any) -> None:
    state = twin.initial(
        {name: np.full(3, value) for name, value in NOMINAL.items()} | {"Initial SOC": [0.1, 0.97, 0.1]}
    )
    rates = np.array([1.0, 3.0, np.nan])
    new, failure = state, np.zeros(3)
    for _ in range(8):
        new, failure = twin.advance(new, rates)
    assert failure.tolist() == [Failure.NONE, Failure.DOMAIN, Failure.ACTION]
    for name, values in new.items():
        np.testing.assert_array_equal(values[2], state[name][2])
    assert all(np.isfinite(values).all() for values in twin.measure(new).values())
    still, failure = twin.advance(state, np.full(3, 1.0), np.array([0.0, -1.0, np.nan]))
    assert failure.tolist() == [Failure.NONE, Failure.ACTION, Failure.ACTION]
    for name, values in still.items():
        np.testing.assert_array_equal(values, state[name])


def test_longer_times_are_steps_in_turn_and_shorter_ones_a_part_of_one(twin: Any) -> None:
    start = twin.initial({name: np.full(4, value) for name, value in NOMINAL.items()})
    rates = np.full(4, 1.5)
    new, failure = twin.advance(start, rates, np.array([60.0, 30.0, 15.0, 45.0]))
    assert not failure.any()
    one, _ = twin.advance(start, rates)
    two, _ = twin.advance(one, rates)
    for name, values in new.items():
        np.testing.assert_array_equal(values[0], two[name][0], err_msg=name)
        np.testing.assert_array_equal(values[1], one[name][1], err_msg=name)
    now, whole, real = twin.measure(new), twin.measure(one), make_twin()
    rest = real.initial({name: np.full(4, value) for name, value in NOMINAL.items()})
    true, _ = real.advance(rest, rates, new["Time [s]"])
    assert now["Time [s]"].tolist() == [60.0, 30.0, 15.0, 45.0]
    assert now["SOC"][2] < whole["SOC"][2]
    apart = np.abs(now["Voltage [V]"] - real.measure(true)["Voltage [V]"])
    assert (apart < np.array([0.005, 0.005, 0.05, 0.01])).all()  # a part of a step from rest is where it is worst


@pytest.mark.parametrize(
    ("kwargs", "said"),
    [
        ({"cell": "Mohtat2020"}, "is of LGM50"),
        ({"engine": "kernel"}, "engine='auto'"),
        ({"dt": 10.0}, "steps of 30 s"),
        ({"device": "gpux"}, "device of torch"),
        ({"sped": 3}, "setting of the learned twin"),
        ({"fidelity": "learnd"}, "Did you mean 'learned'"),
        ({"fidelity": "no/such/folder"}, "no such folder"),
    ],
)
def test_what_it_cannot_do_is_said_in_a_line(kwargs: dict[str, Any], said: str) -> None:
    with pytest.raises(VoltGymError, match=said) as error:
        make_twin(**{"fidelity": "learned", **kwargs})
    assert "\n" not in str(error.value)


def test_whole_protocols_take_as_long_as_on_the_physics_with_like_margins() -> None:
    rates = np.sort(np.random.default_rng(1).uniform(0.3, 1.5, (30, 5)), axis=1)[:, ::-1]
    measured, failed = {}, {}
    for fidelity in ("SPMe", "learned"):
        twin, _, _, scenario, _ = protocol_parts(fidelity=fidelity, split="test")
        start = stack([scenario(generator("VoltGym/ProtocolDesign-v0", "test", k)) for k in range(30)])
        state, failed[fidelity] = twin.advance(twin.initial(start), rates.copy())
        measured[fidelity] = twin.measure(state)
    good = (failed["SPMe"] == 0) & (failed["learned"] == 0)
    assert good.sum() >= 25
    apart = {name: np.abs(measured["learned"][name] - values)[good] for name, values in measured["SPMe"].items()}
    assert apart["Time to target [min]"].max() < 1e-3
    assert apart["Maximum voltage [V]"].mean() < 0.01
    assert apart["Maximum temperature [K]"].mean() < 1.0
    assert apart["Minimum anode potential [V]"].mean() < 0.01


def test_weights_of_ones_own_are_a_fidelity(twin: Any, tmp_path: Path) -> None:
    twin.save(tmp_path)
    mine = make_twin(fidelity=str(tmp_path))
    assert mine.digest == twin.digest
    assert mine.fidelity == str(tmp_path)


def test_an_evaluation_on_it_says_that_it_is_no_verdict() -> None:
    from voltgym.experiments.evaluate import _say_if_learned

    env = {"id": "VoltGym/FastCharge-v0", "kwargs": {"fidelity": "learned"}}
    with pytest.warns(UserWarning, match="what a learned twin promises, not the physics' verdict: evaluation=physics"):
        _say_if_learned(env, {"kwargs": {}})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _say_if_learned(env, {"kwargs": {"fidelity": "SPMe"}})
