"""`voltgym fit surrogate=soc|soh|rul`: mistakes in one line, small fits that write what they should, honest cards."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from voltgym.envs.errors import VoltGymError
from voltgym.experiments import fit, fit_rul, fit_soh, soc_card, states, states_scores
from voltgym.surrogates import rul, soc, soh


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["surrogate=soc", "seeds=2"], "seeds is 2; the SOC estimator is judged on sets of its own"),
        (["surrogate=soc", "surrogate.cell=Chen2020"], "the shipped estimator is of LGM50 and SPMe, not of Chen2020"),
        (["surrogate=soc", "surrogate.hidden=0"], "surrogate.hidden is 0; expected a whole number"),
        (["surrogate=soc", "surrogate.noise_mv=-1"], "surrogate.noise_mv is -1; expected millivolts"),
        (["surrogate=soh", "seeds=3"], "seeds is 3; the SOH estimator"),
        (["surrogate=soh", "surrogate.data=there"], "fitted on the shipped set; with data=FOLDER, add out=FOLDER"),
        (["surrogate=soh", "surrogate.hidden=64"], "surrogate.hidden is 64; expected a list, such as its default"),
        (["surrogate=soh", "surrogate.hidden=[]"], r"surrogate.hidden is \[\]; expected whole numbers"),
        (["surrogate=soh", "surrogate.data=there", "out=here"], "cannot be read .*voltgym data data=cycling out=there"),
        (["surrogate=rul", "seeds=3"], "seeds is 3; the RUL estimator"),
        (["surrogate=rul", "surrogate.offset_ma=-5"], "surrogate.offset_ma is -5; expected milliamperes"),
    ],
)
def test_mistakes_are_one_line(
    arguments: list[str], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(VoltGymError, match=says) as error:
        fit.main(arguments)
    assert "\n" not in str(error.value)
    assert not list(tmp_path.rglob("*.npz"))


def test_scores_are_what_they_are_called() -> None:
    truth = np.array([1.0, 2.0, np.nan, 4.0])
    found = states_scores.errors(truth + np.array([0.3, -0.3, 1.0, np.nan]), truth, np.full(4, 0.2))
    assert found["n"] == 2
    assert found["RMSE"] == pytest.approx(0.3)
    assert found["coverage"] == 1.0
    assert states_scores.mape(np.array([90.0, 220.0]), np.array([100.0, 200.0])) == pytest.approx(0.1)
    late = soc_card.score(
        *(np.zeros((2, 30)) for _ in range(2)), np.where(np.arange(30) < 20, 0.1, 0.0) + np.zeros((2, 1))
    )
    assert late["settled"] == 0.0 < late["RMSE"]


def test_cards_say_what_is_missed() -> None:
    about = soc.load_shipped().card
    card = soc_card.card(about, "d")
    assert ("wanted: met" in card) == (about["scores"]["test"]["learned"]["RMSE"] <= soc_card.AIM)
    worse = {
        **about,
        "scores": {k: {**v, "learned": {**v["learned"], "RMSE": 1.0}} for k, v in about["scores"].items()},
    }
    assert "wanted: **missed**" in soc_card.card(worse, "d")


def test_the_cards_that_are_shipped_are_of_the_weights_that_are() -> None:
    models = {soc: soc.load_shipped(), soh: soh.load_shipped(), rul: rul.load_shipped()}
    abouts = {soc: models[soc].card, soh: models[soh].known.card, rul: models[rul].known.card}
    for module, card in {soc: soc_card, soh: fit_soh, rul: fit_rul}.items():
        text = (module.shipped() / "MODEL_CARD.md").read_text(encoding="utf-8")
        assert text == card.card(abouts[module], models[module].digest)
        assert "Simulated" in text


@pytest.mark.slow
def test_a_small_soc_fit_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    small = ["surrogate=soc", "surrogate.cells=60", "surrogate.epochs=2", "surrogate.members=2", "surrogate.hidden=8"]
    fit.main([*small, "out=one"])
    kept = sorted(Path("runs/data").glob("fit-soc-*/member-*.npz"))
    assert len(kept) == 2
    times = [file.stat().st_mtime_ns for file in kept]
    fit.main([*small, "out=two"])
    assert [file.stat().st_mtime_ns for file in kept] == times
    assert soc.SocEstimator.load(Path("one")).digest == soc.SocEstimator.load(Path("two")).digest
    assert "| aged |" in Path("one/MODEL_CARD.md").read_text()


@pytest.mark.slow
def test_small_fits_of_soh_and_rul_write_estimators(tmp_path: Path) -> None:
    fit.main(
        ["surrogate=soh", "surrogate.copies=1", "surrogate.epochs=3", "surrogate.members=2", f"out={tmp_path / 'h'}"]
    )
    assert soh.SohEstimator.load(tmp_path / "h").known.card["scores"]["new cells"]["learned"]["RMSE"] < 0.2
    fit.main(["surrogate=rul", f"out={tmp_path / 'l'}"])
    assert (tmp_path / "l" / "MODEL_CARD.md").read_text().count("RUL is easy here") == 1
    assert rul.RulEstimator.load(tmp_path / "l").digest == rul.load_shipped().digest  # the fit is repeatable


@pytest.mark.slow
def test_the_page_shows_all_three(tmp_path: Path) -> None:
    states.main([f"out={tmp_path / 'states.html'}"])
    text = (tmp_path / "states.html").read_text(encoding="utf-8")
    assert text.count("<svg viewBox") == 9
    for word in ("State of charge", "State of health", "Remaining useful life", "not with an experiment"):
        assert word in text


def test_a_knee_is_told_from_a_line() -> None:
    from voltgym.experiments.cycling_table import Set

    at = np.arange(0, 401, 10)
    line = 5.0 - 0.004 * at
    knee = np.where(at < 240, 5.0 - 0.002 * at, 4.52 - 0.012 * (at - 240))
    checks = {
        "cell": np.repeat([0, 1], len(at)),
        "cycle": np.tile(at, 2),
        "Capacity [A.h]": np.concatenate([line, knee]),
    }
    bent = fit_rul.bends(Set(checks, {"cell": np.array([0, 1])}))
    assert bent[0] == pytest.approx(1.0)
    assert bent[1] > fit_rul.KNEE
    assert fit_soh.sensors_of({"noise_mv": 2, "offset_ma": 20}).volts == 0.002
