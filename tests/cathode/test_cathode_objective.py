"""The score of a cathode, its hard slacks, and the tables behind them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voltgym.envs.cathode import costs, stability
from voltgym.envs.cathode.cathode import Reasons
from voltgym.envs.cathode.objective import (
    COBALT,
    LIMITS,
    MEAN_SCORE,
    PEAK,
    PER_MASS,
    PRICE,
    RETENTION,
    RISK,
    SCORE,
    STRAIN,
    TERMS,
    CathodeObjective,
)
from voltgym.envs.cathode.space import CathodeSpace
from voltgym.envs.edits import DOMAIN
from voltgym.envs.errors import VoltGymError
from voltgym.surrogates.cathode_names import ENERGY, NAMES, VOLUME

SPACE = CathodeSpace()


def measured(**changes: float) -> dict[str, np.ndarray]:
    """One cathode near the middle of everything."""
    numbers = dict.fromkeys(NAMES, 600.0) | {f"{name} std": 20.0 for name in NAMES}
    numbers |= {COBALT: 0.2, PER_MASS: 13.0, RISK: 1400.0, PEAK: 260.0, RETENTION: 80.0, DOMAIN: 0.1}
    names = {"energy": ENERGY, "cobalt": COBALT, "price": PER_MASS, "risk": RISK, "peak": PEAK, "retention": RETENTION}
    numbers |= {names[name]: value for name, value in changes.items()}
    return {name: np.array([value]) for name, value in numbers.items()}


def score(objective: CathodeObjective, **changes: float) -> float:
    return float(objective.value(measured(**changes))[SCORE][0])


def test_better_is_better() -> None:
    objective = CathodeObjective()
    middle = score(objective)
    assert 0 < middle < 1
    assert score(objective, energy=700.0) > middle > score(objective, energy=550.0)
    assert score(objective, cobalt=0.1) > middle > score(objective, cobalt=0.3)
    assert score(objective, price=10.0) > middle > score(objective, price=16.0)
    assert score(objective, risk=1200.0) > middle > score(objective, risk=1800.0)
    assert score(objective, energy=400.0) == 0.0


def test_the_score_is_the_geometric_mean_by_hand() -> None:
    found = CathodeObjective(k=0.0).value(measured())
    cost = 13.0 / 600.0 * 1000
    marks = [(600 - 450) / 350, (40 - cost) / 30, (0.5 - 0.2) / 0.5, (2500 - 1400) / 1500]
    assert found[SCORE][0] == pytest.approx(np.prod(marks) ** 0.25)
    assert found[PRICE][0] == pytest.approx(cost)
    assert found[MEAN_SCORE][0] == found[SCORE][0]


def test_pessimism_is_against_the_goal() -> None:
    assert score(CathodeObjective(k=2.0)) < score(CathodeObjective(k=1.0)) < score(CathodeObjective(k=0.0))


def test_heat_and_life_are_hard() -> None:
    objective = CathodeObjective()
    slacks = objective.slacks(measured(peak=LIMITS[PEAK] - 1, retention=LIMITS[RETENTION] + 1))
    assert slacks[PEAK][0] == pytest.approx(-1)
    assert slacks[RETENTION][0] == pytest.approx(1)
    assert set(objective.scales) == set(slacks)
    before, after = measured(), measured(peak=LIMITS[PEAK] - 20)
    reward = objective.reward(before, after, np.array([False]), np.array([0]))
    assert reward[0] == pytest.approx(-objective.penalty)


def test_anything_can_have_a_limit_and_the_volume_a_term() -> None:
    objective = CathodeObjective(limits={ENERGY: 580.0, PRICE: 20.0, STRAIN: 605.0}, k=1.0)
    slacks = objective.slacks(measured())
    assert list(slacks) == [PEAK, RETENTION, ENERGY, PRICE, STRAIN, DOMAIN] == list(objective.scales)
    assert slacks[ENERGY][0] == pytest.approx(600 - 20 - 580)  # one standard deviation against it
    assert slacks[PRICE][0] == pytest.approx(20 - 13.0 / 580 * 1000)
    assert slacks[STRAIN][0] == pytest.approx(605 - 620)
    assert score(CathodeObjective(terms={STRAIN: [1000.0, 500.0]})) != score(CathodeObjective())
    less = measured()
    less[VOLUME] = -less[VOLUME]
    assert objective.slacks(less)[STRAIN][0] == slacks[STRAIN][0]  # either way


def test_reasons_say_which_way() -> None:
    objective = CathodeObjective(limits={PRICE: 20.0})
    found = Reasons(objective)(["LiCoO2@0.5"], measured(peak=200.0))
    assert found == ["Exothermic peak [C] is 200, at least 230; Cost [USD.kWh-1] is 22, at most 20"]


def test_the_trap_is_shut() -> None:
    """Without the slacks LiNiO2 at full cut-off would do; with them it does not."""
    peak, left = stability.exothermic_peak(["LiNiO2@0.7"])[0], stability.retention(["LiNiO2@0.7"])[0]
    assert peak < LIMITS[PEAK]
    assert left < LIMITS[RETENTION]
    for design in ("LiNi0.8Mn0.1Co0.1O2@0.7", "LiNi0.3Mn0.3Co0.4O2@0.6", "LiCoO2@0.5"):
        assert stability.exothermic_peak([design])[0] >= LIMITS[PEAK]
        assert stability.retention([design])[0] >= LIMITS[RETENTION]


def test_the_line_is_near_what_was_measured() -> None:
    x, left, peak = stability._points()
    slope, offset = stability._line()
    assert np.abs(offset + slope * x - peak).max() < 6
    assert slope < 0
    assert (np.diff(x) > 0).all()
    np.testing.assert_allclose(np.interp(x, x, left), [m.retention for m in stability.NOH])


def test_less_charge_is_never_hotter_nor_shorter_lived() -> None:
    for key in SPACE.designs:
        formula, _, cut_off = key.partition("@")
        if float(cut_off) > 0.3:
            less = f"{formula}@{float(cut_off) - 0.1:g}"
            assert stability.exothermic_peak([less])[0] >= stability.exothermic_peak([key])[0] - 1e-9
            assert stability.retention([less])[0] >= stability.retention([key])[0] - 1e-9


def test_supply_risk_is_pymatgens() -> None:
    from pymatgen.analysis.hhi import HHIModel
    from pymatgen.core import Composition

    for formula in ("LiNi0.5Mn0.3Co0.2O2", "LiCoO2", "LiNi0.8Co0.1Al0.1O2", "LiMn0.8Mg0.2O2", "LiNi0.8Ti0.2O2"):
        theirs = HHIModel().get_hhi_production(Composition(formula))
        assert costs.supply_risk([f"{formula}@0.5"])[0] == pytest.approx(theirs, rel=1e-3)


def test_cobalt_is_dear_and_manganese_cheap() -> None:
    cobalt, nickel, manganese = costs.price(["LiCoO2@0.5", "LiNiO2@0.5", "LiMnO2@0.5"])
    assert cobalt > nickel > manganese
    by_hand = (6.94 * 70.0 + 58.933 * 26.0) / (6.94 + 58.933 + 2 * 15.999)
    assert cobalt == pytest.approx(by_hand)


@given(st.sampled_from(SPACE.designs))
def test_every_design_has_finite_numbers(design: str) -> None:
    for of in (costs.price, costs.supply_risk, stability.exothermic_peak, stability.retention):
        assert np.isfinite(of([design])).all()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"terms": {"Cobalt": [1, 0]}}, "Did you mean 'Cobalt fraction'"),
        ({"terms": {COBALT: [1]}}, "expected two numbers"),
        ({"terms": {COBALT: [1, 1]}}, "two different finite numbers"),
        ({"limits": {"Peak": 3}}, "Known: .*Exothermic peak"),
        ({"limits": {PEAK: -1}}, "expected a number >= 0"),
        ({"k": -1}, "standard deviations >= 0"),
    ],
)
def test_mistakes_are_said(changes: dict, said: str) -> None:
    with pytest.raises(VoltGymError, match=said):
        CathodeObjective(**changes)


def test_terms_and_limits_can_be_changed() -> None:
    objective = CathodeObjective({COBALT: [0.2, 0.0]}, {PEAK: 300.0})
    assert objective.terms[COBALT] == (0.2, 0.0)
    assert objective.terms[ENERGY] == TERMS[ENERGY]
    assert score(objective) == 0.0
    assert objective.slacks(measured())[PEAK][0] == pytest.approx(-40)
