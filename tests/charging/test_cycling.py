"""Cells that are cycled: what PyBaMM's own simulation gives, limits that are kept, rows that do not meet."""

from __future__ import annotations

import numpy as np
import pybamm
import pytest

from voltgym.envs.charging import cycling_model as model
from voltgym.envs.charging.cycling import CHECK_RATE, Protocol, check_up, cycle, hold, hold_voltage
from voltgym.envs.charging.cycling_cells import Cells, Curve
from voltgym.envs.charging.scaling import scaled

FACTORS = {
    "SEI factor": 50.0,
    "Negative LAM factor": 50.0,
    "Positive LAM factor": 20.0,
    "Plating factor": 20.0,
    "Cracking factor": 2.0,
    "Contact resistance [Ohm]": 0.002,
    "Ambient temperature [K]": 298.15,
    "Initial SOC": 0.3,
}
GRID = np.round(np.arange(3.0, 4.11, 0.1), 2)


def cells(n: int, **more: np.ndarray) -> Cells:
    return Cells({**{name: np.full(n, value) for name, value in FACTORS.items()}, **more}, n)


def protocol(n: int, **more: float) -> Protocol:
    usual = {"first": 0.5, "switch": 0.0, "charge": 1.0, "discharge": 1.0, "depth": 0.9} | more
    return Protocol(*(np.full(n, usual[name]) for name in Protocol._fields))


def by_pybamm(cycles: int) -> dict[str, float]:
    """The same cycles by PyBaMM's own simulation of an experiment."""
    p, about = model.cell().parameters(), model.cell()
    changed = {
        parameter: scaled(p[parameter], FACTORS[name]) for name, parameter in model.FACTORS.items() if name in FACTORS
    }
    changed |= {model.CONTACT: 0.002, "Ambient temperature [K]": 298.15, "Initial temperature [K]": 298.15}
    for side, (empty, full) in {"negative": (about.x0, about.x100), "positive": (about.y0, about.y100)}.items():
        most = p[f"Maximum concentration in {side} electrode [mol.m-3]"]
        changed[f"Initial concentration in {side} electrode [mol.m-3]"] = most * (empty + 0.3 * (full - empty))
    p.update(changed, check_already_exists=False)
    one = (
        pybamm.step.c_rate(-1, termination="4.2 V"),
        pybamm.step.voltage(4.2, termination="C/20"),
        pybamm.step.rest("10 minutes"),
        pybamm.step.c_rate(1, duration=0.9 * 3600, termination="2.5 V"),
        pybamm.step.rest("10 minutes"),
    )
    simulation = pybamm.Simulation(
        pybamm.lithium_ion.SPM({**model.OPTIONS, **model.CHANGED}),
        parameter_values=p,
        experiment=pybamm.Experiment([one] * cycles),
        solver=pybamm.IDAKLUSolver(rtol=1e-6, atol=1e-8),
    )
    solution = simulation.solve(calc_esoh=False)
    return {name: float(solution[of].entries[-1]) for name, of in model.OUTPUTS.items()}


def test_it_ages_as_pybamm_says() -> None:
    ours = cells(1)
    for _ in range(2):
        cycle(ours, protocol(1))
    theirs = by_pybamm(2)
    assert theirs["Loss of lithium inventory [%]"] > 0.05
    for name, most in {"Voltage [V]": 2e-3, "Temperature [K]": 0.05, "Discharge capacity [A.h]": 6e-3}.items():
        assert ours[name][0] == pytest.approx(theirs[name], abs=most), name
    for name in model.OUTPUTS:
        if "oss of" in name or "Capacity in" in name:
            assert ours[name][0] == pytest.approx(theirs[name], rel=0.03), name


def test_a_cell_that_ages_faster_loses_more_and_rows_do_not_meet() -> None:
    sei = np.array([1.0, 300.0, 50.0])
    together = cells(3, **{"SEI factor": sei})
    alone = cells(1, **{"SEI factor": sei[2:]})
    for one, n in ((together, 3), (alone, 1)):
        cycle(one, protocol(n))
        cycle(one, protocol(n))
    assert (np.argsort(together["Loss of lithium inventory [%]"]) == [0, 2, 1]).all()
    np.testing.assert_array_equal(together.out[2], alone.out[0])
    np.testing.assert_array_equal(together.time[2], alone.time[0])


def test_holds_end_at_the_limits() -> None:
    one = cells(2)
    hold(one, np.array([1.0, 0.3]), np.full(2, 10.0))
    np.testing.assert_allclose(one["Voltage [V]"], one.high, atol=1e-3)
    before = one["Discharge capacity [A.h]"].copy()
    hold_voltage(one, np.array([1.0, 0.3]))
    assert (one["Discharge capacity [A.h]"] < before).all()
    assert (one["Voltage [V]"] < one.high + 0.01).all()
    hold(one, np.full(2, -1.0), np.array([1.0, 10.0]))
    assert one["Voltage [V]"][1] == pytest.approx(one.low, abs=2e-3)
    assert one["Discharge capacity [A.h]"][0] - before[0] < 1.0  # it was told to give 1 A.h, after the taper's charge
    after = one.time.copy()
    hold(one, np.full(2, 1.0), np.zeros(2))
    np.testing.assert_array_equal(one.time, after)


def test_a_check_up_tells_the_capacity_and_its_curve() -> None:
    one = cells(2, **{"Capacity factor": np.array([1.0, 1.03])})
    found = check_up(one, GRID)
    assert found.capacity[1] / found.capacity[0] == pytest.approx(1.03, abs=0.005)
    assert 4.8 < found.capacity[0] < model.cell().capacity
    assert np.isfinite(found.curve).all()
    assert (np.diff(found.curve, axis=1) < 0).all()  # the lower the voltage, the more charge has come
    assert (found.curve.max(axis=1) < found.capacity).all()
    assert pytest.approx(1 / 3) == CHECK_RATE


def test_a_curve_is_of_the_last_stage_and_starts_at_zero() -> None:
    one, grid = cells(1), np.array([2.0, 3.9, 4.0, 4.1])
    curve = Curve(1, grid)
    cycle(one, protocol(1, first=0.2, switch=0.1), curve)
    assert np.isnan(curve.charge[0, 0])  # the voltage was above from the start on
    assert (np.diff(curve.charge[0, 1:]) > 0).all()
    assert 0 < curve.charge[0, 1] < 3.0


def test_what_fails_stops_alone() -> None:
    one = cells(2)
    one.y[0] = np.nan
    cycle(one, protocol(2))
    assert one.failed.tolist() == [True, False]
    assert one.stopped.tolist() == [True, False]
    assert np.isfinite(one.out[1]).all()
