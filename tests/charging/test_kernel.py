"""The compiled kernel: the same physics as PyBaMM's solver, whatever the batch, the threads and the failures."""

from __future__ import annotations

import multiprocessing
import pickle

import numpy as np
import pybamm
import pytest

from voltgym.envs.charging.cells import load_cell
from voltgym.envs.charging.kernel import support
from voltgym.envs.charging.kernel.lower import Unsupported, lower
from voltgym.envs.charging.kernel.rosenbrock import RODAS3, RODAS4, Tableau
from voltgym.envs.charging.kernel.run import ATOL, DONE, EVENT, OTOL, RTOL, Kernel
from voltgym.envs.charging.kernel.source import write_source
from voltgym.envs.charging.kernel.twin import KernelTwin
from voltgym.envs.charging.model import build_model
from voltgym.envs.charging.twin import PyBaMMTwin
from voltgym.surrogates.base import Failure, State, put, take

FIDELITIES = ["SPM", "SPMe"]


@pytest.fixture(scope="module", params=FIDELITIES)
def twin(request: pytest.FixtureRequest) -> KernelTwin:
    return KernelTwin("LGM50", request.param)


def run(twin: KernelTwin, state: State, rates: np.ndarray) -> State:
    for rate in rates:
        state, failure = twin.advance(state, rate)
        assert not failure.any()
    return state


def same(a: State, b: State) -> None:
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)


def test_starts_and_observes_as_the_model_does(twin: KernelTwin) -> None:
    state = twin.initial(support.scenarios(5))
    state, _ = twin.advance(state, np.linspace(-1, 1, 5))
    for y, u, outputs in zip(state["y"], state["u"], state["outputs"], strict=True):
        np.testing.assert_allclose(twin.built.observe(y, u).full().ravel(), outputs, rtol=1e-5, atol=1e-6)
    rest = twin.initial(support.scenarios(3))
    for y, u in zip(rest["y"], rest["u"], strict=True):
        np.testing.assert_allclose(twin.built.initial(u).full().ravel(), y, rtol=1e-14)


@pytest.mark.parametrize("fidelity", FIDELITIES)
def test_agrees_with_ida_over_random_charges(fidelity: str) -> None:
    worst, alive = support.errors("LGM50", fidelity, n=8, steps=20)
    assert alive == 8
    assert (worst <= [0.1, 10.0, 0.1]).all(), worst  # mV, mK, mV


def test_measures_what_the_pybamm_twin_measures(twin: KernelTwin) -> None:
    other = PyBaMMTwin("LGM50", twin.fidelity, compile=False)
    scenarios = support.scenarios(3) | {"Redraws": np.arange(3.0)}
    a, b = twin.initial(scenarios), other.initial(scenarios)
    for _ in range(2):
        ours, theirs = twin.measure(a), other.measure(b)
        assert ours.keys() == theirs.keys()
        for name, value in theirs.items():
            np.testing.assert_allclose(ours[name], value, rtol=1e-4, atol=2e-4, err_msg=name)
        (a, _), (b, _) = twin.advance(a, np.full(3, 0.8)), other.advance(b, np.full(3, 0.8))


def test_error_shrinks_with_the_tolerances() -> None:
    rates = support.currents(6, 8)
    voltage = []
    for factor in (100.0, 1.0, 1e-3):
        twin = KernelTwin("LGM50", "SPM", rtol=RTOL * factor, atol=ATOL * factor, otol=OTOL * factor)
        voltage.append(twin.measure(run(twin, twin.initial(support.scenarios(6)), rates))["Voltage [V]"])
    coarse, default = (np.abs(v - voltage[-1]).max() for v in voltage[:2])
    assert default < 5e-5
    assert default < coarse / 3


def test_a_row_does_not_depend_on_the_batch(twin: KernelTwin) -> None:
    n, scenarios, rates = 61, support.scenarios(61), support.currents(61, 4)
    together = run(twin, twin.initial(scenarios), rates)
    for rows in (np.arange(5), np.array([17]), np.array([60, 3, 41, 8, 2, 33, 12, 5, 1, 0, 59])):
        alone = run(twin, twin.initial(take(scenarios, rows)), rates[:, rows])
        same(alone, take(together, rows))
    order = np.random.default_rng(0).permutation(n)
    same(run(twin, twin.initial(take(scenarios, order)), rates[:, order]), take(together, order))


def test_results_do_not_depend_on_threads(twin: KernelTwin) -> None:
    scenarios, rates = support.scenarios(200), support.currents(200, 3)
    several = KernelTwin("LGM50", twin.fidelity, threads=3)
    same(run(twin, twin.initial(scenarios), rates), run(several, several.initial(scenarios), rates))


def test_threads_work_in_a_forked_process() -> None:
    """A fork copies the object that holds the threads, not the threads: waiting for them would never end."""
    twin = KernelTwin("LGM50", "SPM", threads=2)
    scenarios, rates = support.scenarios(64), support.currents(64, 1)
    expected = run(twin, twin.initial(scenarios), rates)
    queue = multiprocessing.get_context("fork").Queue()

    def child() -> None:
        queue.put(run(twin, twin.initial(scenarios), rates)["y"])

    process = multiprocessing.get_context("fork").Process(target=child, daemon=True)
    process.start()
    np.testing.assert_array_equal(queue.get(timeout=60), expected["y"])
    process.join()


def test_one_bad_current_fails_alone(twin: KernelTwin) -> None:
    n = 1024 if twin.fidelity == "SPM" else 128
    state = twin.initial(support.scenarios(n))
    rate = support.currents(n, 1)[0]
    good, failure = twin.advance(state, rate)
    assert not failure.any()
    bad_rate = rate.copy()
    bad_rate[[5, 70, 71]] = [np.nan, np.inf, 400.0]  # the last one is finite, and far outside the model's domain
    bad, failure = twin.advance(state, bad_rate)
    assert failure.dtype == np.int8
    assert failure[5] == failure[70] == Failure.ACTION
    assert failure[71] in (Failure.DOMAIN, Failure.SOLVER, Failure.NONFINITE)
    others = np.setdiff1d(np.arange(n), [5, 70, 71])
    assert not failure[others].any()
    same(take(bad, others), take(good, others))
    same(take(bad, np.array([5, 70, 71])), take(state, np.array([5, 70, 71])))  # as they went in


def test_a_state_of_nan_fails_alone(twin: KernelTwin) -> None:
    state = twin.initial(support.scenarios(20))
    good, _ = twin.advance(state, np.ones(20))
    state["y"][3] = np.nan
    bad, failure = twin.advance(state, np.ones(20))
    assert failure[3] == Failure.NONFINITE
    assert failure.astype(bool).sum() == 1
    rest = np.delete(np.arange(20), 3)
    same(take(bad, rest), take(good, rest))


def test_leaving_the_domain_is_a_typed_failure(twin: KernelTwin) -> None:
    state = twin.initial(support.scenarios(4))
    seen = np.zeros(4, np.int8)
    for _ in range(60):
        state, failure = twin.advance(state, np.full(4, 6.0))
        seen = np.where(seen == 0, failure, seen)
    assert (seen == Failure.DOMAIN).all()
    assert all(np.isfinite(values).all() for values in twin.measure(state).values())


def test_durations_are_a_rows_own(twin: KernelTwin) -> None:
    scenarios, rate = support.scenarios(4), np.array([0.5, 1.0, 0.5, 1.0])
    seconds = np.array([0.0, 7.5, 30.0, -1.0])
    start = twin.initial(scenarios)
    moved, failure = twin.advance(start, rate, seconds)
    assert failure.tolist() == [Failure.NONE, Failure.NONE, Failure.NONE, Failure.ACTION]
    np.testing.assert_allclose(moved["Time [s]"], [0.0, 7.5, 30.0, 0.0])
    same(take(moved, np.array([0, 3])), take(start, np.array([0, 3])))
    by_default, _ = twin.advance(start, rate)
    same(take(moved, np.array([2])), take(by_default, np.array([2])))


def test_extremes_cover_the_step_and_its_start(twin: KernelTwin) -> None:
    n = 6
    state = run(twin, twin.initial(support.scenarios(n)), np.full((3, n), 1.2))
    after, _ = twin.advance(state, np.full(n, 0.2))
    highest, lowest, fine = np.full(n, -np.inf), np.full(n, np.inf), state
    for seconds in np.concatenate([[1e-6], np.full(60, 0.5)]):
        fine, _ = twin.advance(fine, np.full(n, 0.2), np.full(n, seconds))
        measured = twin.measure(fine)
        highest = np.maximum(highest, measured["Maximum voltage [V]"])
        lowest = np.minimum(lowest, measured["Minimum anode potential [V]"])
    measured = twin.measure(after)
    np.testing.assert_allclose(measured["Maximum voltage [V]"], highest, atol=2e-4)
    np.testing.assert_allclose(measured["Minimum anode potential [V]"], lowest, atol=2e-4)
    assert (measured["Maximum voltage [V]"] > measured["Voltage [V]"] - 1e-12).all()
    rest = twin.measure(twin.initial(support.scenarios(n)))
    np.testing.assert_array_equal(rest["Maximum voltage [V]"], rest["Voltage [V]"])


def test_rows_can_be_put_back(twin: KernelTwin) -> None:
    state = run(twin, twin.initial(support.scenarios(6)), np.ones((2, 6)))
    rows = np.array([1, 4])
    again = put(state, rows, twin.initial(take(support.scenarios(6), rows)))
    fresh = twin.initial(support.scenarios(6))
    same(take(again, rows), take(fresh, rows))
    same(run(twin, take(again, rows), np.ones((1, 2))), run(twin, take(fresh, rows), np.ones((1, 2))))


def test_pickles() -> None:
    twin = KernelTwin("LGM50", "SPM", dt=20.0, threads=2)
    copy = pickle.loads(pickle.dumps(twin))
    state, rate = twin.initial(support.scenarios(3)), np.full(3, 0.7)
    same(twin.advance(state, rate)[0], copy.advance(state, rate)[0])


def test_memory_is_flat() -> None:
    resource = pytest.importorskip("resource")
    twin = KernelTwin("LGM50", "SPM")
    state = twin.initial(support.scenarios(512))

    def work(times: int) -> int:
        for _ in range(times):
            twin.advance(state, np.full(512, 0.5))
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    before = work(50)
    assert work(150) - before < 4096  # KiB on Linux; the results of one leaked step alone are 300


def kernel_with_cut_off(volts: float) -> tuple[Kernel, KernelTwin]:
    built = build_model(load_cell("LGM50"), "SPM")
    voltage = built.model.get_processed_variable("Voltage [V]")
    groups = {
        "outputs": [voltage],
        "extremes": [voltage],
        "events": [volts - voltage],
        "initial": [built.model.concatenated_initial_conditions],
    }
    return Kernel(write_source(lower(built.model, groups, built.inputs))), KernelTwin("LGM50", "SPM")


def test_events_are_located_in_time() -> None:
    kernel, twin = kernel_with_cut_off(3.9)
    state = twin.initial(support.scenarios(12))
    u = state["u"].copy()
    u[:, 0] = -5.0 * np.linspace(0.3, 1.5, 12)
    done = kernel.advance(state["y"], u, np.full(12, 9000.0), np.zeros(12), otol=1e-6)
    assert (done.status == EVENT).all()
    assert (done.event == 0).all()
    np.testing.assert_allclose(done.outputs[:, 0], 3.9, atol=1e-9)
    np.testing.assert_allclose(done.high[:, 0], 3.9, atol=1e-9)
    there = kernel.advance(state["y"], u, done.time * (1 - 1e-4), np.zeros(12), otol=1e-6)  # just before: no event
    assert (there.status == DONE).all()
    np.testing.assert_allclose(there.outputs[:, 0], 3.9, atol=2e-3)
    u[:, 0] *= 1.5
    at_once = kernel.advance(done.y, u, np.full(12, 1.0), np.zeros(12))  # beyond the cut-off from the start
    assert (at_once.status == EVENT).all()
    np.testing.assert_array_equal(at_once.time, 0.0)


def test_wrong_shapes_are_named(twin: KernelTwin) -> None:
    with pytest.raises(ValueError, match=r"y has shape \(2, 3\); the kernel expects"):
        twin.kernel.advance(np.zeros((2, 3)), np.zeros((2, 8)), np.ones(2), np.ones(2))
    with pytest.raises(ValueError, match="threads is 0"):
        KernelTwin("LGM50", "SPM", threads=0)


class Toy:
    """A discretised model with one state."""

    len_rhs = len_rhs_and_alg = 1
    len_alg = 0

    def __init__(self, rhs: pybamm.Symbol) -> None:
        self.concatenated_rhs = rhs


Y = pybamm.StateVector(slice(0, 1))


class Pair(Toy):
    """Two states, nonlinear."""

    len_rhs = len_rhs_and_alg = 2


@pytest.mark.parametrize(("method", "order"), [(RODAS3, 3), (RODAS4, 4)])
def test_integrators_have_their_order(method: Tableau, order: int) -> None:
    a, b = pybamm.StateVector(slice(0, 1)), pybamm.StateVector(slice(1, 2))
    rate = pybamm.InputParameter("rate")
    rhs = pybamm.numpy_concatenation(-rate * a * a * b, pybamm.exp(-a) - b * a)
    groups = {"outputs": [a], "extremes": [a], "events": [], "initial": [pybamm.Vector([1.0, 0.5])]}
    kernel = Kernel(write_source(lower(Pair(rhs), groups, ["rate"]), method, hold=False))
    u = np.ones((1, 1))

    def end(h: float) -> np.ndarray:  # nothing is refused, so every step is h
        done = kernel.advance(kernel.initial(u), u, np.ones(1), np.full(1, h), rtol=1e9, otol=1e9, h_max=h)
        assert done.tries[0] == round(1 / h)
        return done.y[0]

    exact = end(1 / 256)
    errors = [np.abs(end(h) - exact).max() for h in (1 / 4, 1 / 8, 1 / 16)]
    assert np.log2(errors[1] / errors[2]) == pytest.approx(order, abs=0.35)
    assert errors[0] > errors[1] > errors[2]


@pytest.mark.parametrize(
    ("rhs", "said"),
    [
        (-Y * pybamm.t, "time explicitly"),
        (Y * pybamm.InputParameter("Something else"), "'Something else' not found among the kernel's inputs"),
        (
            pybamm.Interpolant((np.arange(4.0), np.arange(5.0)), np.outer(np.arange(4.0), np.arange(5.0)), [Y, 2 * Y]),
            "2 dimensions",
        ),
    ],
)
def test_what_does_not_convert_says_so(rhs: pybamm.Symbol, said: str) -> None:
    with pytest.raises(Unsupported, match=said):
        lower(Toy(rhs), {}, ["Current function [A]"])


def test_the_shipped_table_of_what_converts_is_within_bounds() -> None:
    rows = support.read()
    assert {row.cell for row in rows} >= {"LGM50", "Chen2020", "OKane2022", "Ai2020", "Ecker2015", "Mohtat2020"}
    for row in rows:
        assert row.kernel == "yes"
        assert row.voltage_error_mV <= 0.1
        assert row.temperature_error_mK <= 10.0
        assert row.anode_error_mV <= 0.1


@pytest.mark.slow
@pytest.mark.parametrize("row", support.read(), ids=lambda row: f"{row.cell}-{row.model}")
def test_table_is_measured(row: support.Support) -> None:
    if "ageing" in row.model:
        again = support.measure_ageing(row.model.split()[0])
    else:
        again = support.measure(row.cell, row.model)
    assert again[:5] == row[:5]
    assert (np.array(again[5:]) <= [0.1, 10.0, 0.1]).all()
