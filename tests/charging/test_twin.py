import pickle
import threading
import time
import warnings

import numpy as np
import pytest

from voltgym.envs.charging import integrator
from voltgym.envs.charging.kernel.compile import NoCompiler
from voltgym.envs.charging.twin import DEFAULTS, PyBaMMTwin
from voltgym.envs.errors import VoltGymError
from voltgym.surrogates.base import Failure, put, take

FIDELITIES = ["SPM", "SPMe", "DFN"]

MEASURED = {
    "Time [s]",
    "SOC",
    "Counted SOC",
    "Voltage [V]",
    "Maximum voltage [V]",
    "Temperature [K]",
    "Maximum temperature [K]",
    "Anode potential [V]",
    "Minimum anode potential [V]",
    "C-rate",
    "Current [A]",
    "Capacity [A.h]",
    "Negative surface stoichiometry",
    "Positive surface stoichiometry",
    "Negative average stoichiometry",
    "Electrolyte concentration in negative electrode [mol.m-3]",
    "Electrolyte concentration in positive electrode [mol.m-3]",
}


@pytest.fixture(scope="module", params=FIDELITIES)
def twin(request):
    return PyBaMMTwin(fidelity=request.param)


@pytest.fixture(scope="module")
def spme():
    return PyBaMMTwin()


def scenarios(n: int, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        "Ambient temperature [K]": rng.uniform(283.15, 308.15, n),
        "Initial SOC": rng.uniform(0.05, 0.3, n),
        "Initial SOC error": rng.uniform(-0.03, 0.03, n),
        "Negative exchange-current factor": rng.uniform(0.8, 1.2, n),
        "Negative diffusivity factor": rng.uniform(0.8, 1.2, n),
        "Cooling factor": rng.uniform(0.7, 1.3, n),
        "Capacity factor": rng.uniform(0.95, 1.05, n),
        "Contact resistance [Ohm]": rng.uniform(0.0, 0.005, n),
    }


def nominal(n: int = 1) -> dict[str, np.ndarray]:
    return {"Ambient temperature [K]": np.full(n, 298.15), "Initial SOC": np.full(n, 0.1)}


def equal(a: dict, b: dict) -> bool:
    return set(a) == set(b) and all(np.array_equal(a[name], b[name], equal_nan=True) for name in a)


def test_measures_what_is_promised(twin):
    given = scenarios(3) | {"Cell number": np.arange(3.0)}
    state = twin.initial(given)
    measured = twin.measure(state)
    assert set(measured) == MEASURED | set(given)
    assert all(values.shape == (3,) and values.dtype == float for values in measured.values())
    assert all(np.array_equal(measured[name], given[name]) for name in given)
    for extreme, now in [
        ("Maximum voltage [V]", "Voltage [V]"),
        ("Maximum temperature [K]", "Temperature [K]"),
        ("Minimum anode potential [V]", "Anode potential [V]"),
    ]:
        assert np.array_equal(measured[extreme], measured[now])
    assert np.array_equal(measured["Temperature [K]"], given["Ambient temperature [K]"])
    assert np.array_equal(measured["SOC"], given["Initial SOC"])


def test_what_a_scenario_leaves_out_is_nominal(spme):
    measured = spme.measure(spme.initial(nominal()))
    assert {name: measured[name][0] for name in DEFAULTS} == DEFAULTS


def test_a_scenario_without_the_ambient_temperature_is_explained(spme):
    with pytest.raises(VoltGymError, match=r"lacks 'Ambient temperature \[K\]'; it has \['Initial SOC'\]"):
        spme.initial({"Initial SOC": np.array([0.1])})


def test_charge_is_accounted_for(twin):
    """SOC by counted charge equals SOC by stoichiometry, and the counted SOC is off by what was asked."""
    given = scenarios(2)
    state = twin.initial(given)
    rates = np.array([[1.0, 0.7], [0.0, 1.2], [-0.4, 0.5]])
    for rate in rates:
        state, failure = twin.advance(state, rate)
        assert not failure.any()
    measured, cell = twin.measure(state), twin.cell
    charge = rates.sum(0) * cell.nominal_capacity * twin.dt / 3600
    np.testing.assert_allclose(measured["Capacity [A.h]"], cell.capacity * given["Capacity factor"])
    np.testing.assert_allclose(measured["SOC"], given["Initial SOC"] + charge / measured["Capacity [A.h]"], atol=1e-12)
    by_stoichiometry = (measured["Negative average stoichiometry"] - cell.x0) / (cell.x100 - cell.x0)
    np.testing.assert_allclose(measured["SOC"], by_stoichiometry, atol=1e-9)
    counted = given["Initial SOC"] + given["Initial SOC error"] + charge / cell.nominal_capacity
    np.testing.assert_allclose(measured["Counted SOC"], counted, atol=1e-12)
    np.testing.assert_allclose(measured["Current [A]"], -rates[-1] * cell.nominal_capacity)
    np.testing.assert_allclose(measured["Time [s]"], 3 * twin.dt)


def test_a_smaller_cell_at_the_same_current_is_a_full_sized_cell_at_a_higher_rate():
    """Capacity scales linearly: without heat, factor 0.8 at 0.8C and factor 1 at 1C have the same electrodes."""
    twin = PyBaMMTwin(fidelity="SPMe")
    state = twin.initial(nominal(2) | {"Capacity factor": np.array([1.0, 0.8]), "Cooling factor": np.full(2, 1e9)})
    for _ in range(5):
        state, _ = twin.advance(state, np.array([1.0, 0.8]))
    measured = twin.measure(state)
    for name in ("SOC", "Voltage [V]", "Anode potential [V]", "Negative surface stoichiometry"):
        assert measured[name][0] == pytest.approx(measured[name][1], abs=2e-6)


def test_contact_resistance_adds_its_drop_at_once(spme):
    given = nominal(2) | {"Contact resistance [Ohm]": np.array([0.0, 0.01])}
    state, _ = spme.advance(spme.initial(given), np.ones(2), np.full(2, 1e-3))
    voltage = spme.measure(state)["Voltage [V]"]
    assert voltage[1] - voltage[0] == pytest.approx(0.01 * spme.cell.nominal_capacity, abs=1e-5)


def test_extremes_include_the_start_of_the_step_and_outlast_a_step_down(spme):
    state = spme.initial(nominal() | {"Initial SOC": np.array([0.6])})
    for _ in range(8):
        state, _ = spme.advance(state, np.array([1.5]))
    warm = spme.measure(state)
    state, _ = spme.advance(state, np.array([-1.0]))
    after = spme.measure(state)
    assert after["Maximum voltage [V]"][0] > after["Voltage [V]"][0]  # falls during discharge: largest at the start
    assert after["Maximum voltage [V]"][0] < warm["Voltage [V]"][0]  # with the new current, not the old
    state, _ = spme.advance(state, np.array([1.5]))
    assert spme.measure(state)["Minimum anode potential [V]"][0] <= spme.measure(state)["Anode potential [V]"][0]


@pytest.mark.parametrize("fidelity", FIDELITIES)
@pytest.mark.parametrize("rate", [4.0, 50.0, -50.0])
def test_too_much_current_is_a_typed_failure(fidelity, rate):
    twin = PyBaMMTwin(fidelity=fidelity)
    state = twin.initial(nominal() | {"Ambient temperature [K]": np.array([275.15])})
    began = time.perf_counter()
    for _ in range(60):
        new, failure = twin.advance(state, np.array([rate]))
        if failure[0]:
            break
        state = new
    assert failure[0] in (Failure.DOMAIN, Failure.SOLVER, Failure.NONFINITE)
    assert equal(new, state)  # as it went in
    assert time.perf_counter() - began < 10
    again, failure = twin.advance(state, np.array([0.3]))
    assert failure[0] == Failure.NONE
    assert twin.measure(again)["SOC"][0] > twin.measure(state)["SOC"][0]


def test_a_failure_leaves_the_other_rows_as_they_were_bit_by_bit(twin):
    given = scenarios(4)
    state = twin.initial(given)
    rates = np.array([1.0, 50.0, 0.5, np.nan])
    new, failure = twin.advance(state, rates)
    assert failure.dtype == np.int8
    assert failure[1] in (Failure.DOMAIN, Failure.SOLVER, Failure.NONFINITE)
    assert (failure[0], failure[2], failure[3]) == (Failure.NONE, Failure.NONE, Failure.ACTION)
    alone, _ = twin.advance(take(state, np.array([0, 2])), rates[[0, 2]])
    assert equal(take(new, np.array([0, 2])), alone)
    assert equal(take(new, np.array([1, 3])), take(state, np.array([1, 3])))


def test_a_batch_equals_its_rows_bit_by_bit_and_can_be_taken_apart(twin):
    n = 3
    given, rates = scenarios(n), np.random.default_rng(1).uniform(0.2, 1.2, (4, n))
    batch = twin.initial(given)
    singles = [twin.initial({name: values[i : i + 1] for name, values in given.items()}) for i in range(n)]
    for k in range(4):
        batch, _ = twin.advance(batch, rates[k])
        singles = [twin.advance(state, rates[k, i : i + 1])[0] for i, state in enumerate(singles)]
        if k == 1:  # swap two rows and back: a state is its rows
            order = np.array([2, 0, 1])
            batch = put(batch, np.arange(n), take(put(batch, np.arange(n), take(batch, order)), np.argsort(order)))
    assert all(equal(take(batch, np.array([i])), state) for i, state in enumerate(singles))


def test_history_of_the_solver_does_not_matter(spme):
    state = spme.initial(nominal())
    first, _ = spme.advance(state, np.array([1.0]))
    spme.advance(spme.initial(scenarios(3, seed=5)), np.array([2.0, 50.0, 0.1]))
    again, _ = spme.advance(state, np.array([1.0]))
    assert equal(first, again)


def test_threads_and_pickling_change_nothing(spme):
    given, rates = scenarios(5), np.array([1.0, 0.5, 50.0, 1.2, 0.0])
    expected = spme.advance(spme.initial(given), rates)
    others = [PyBaMMTwin(threads=2), pickle.loads(pickle.dumps(spme))]
    for other in others:
        got = other.advance(other.initial(given), rates)
        assert equal(expected[0], got[0])
        assert np.array_equal(expected[1], got[1])


def test_one_twin_in_two_python_threads(spme):
    given = scenarios(2)
    expected, _ = spme.advance(spme.initial(given), np.ones(2))
    results = []

    def work():
        state = spme.initial(given)
        results.extend(spme.advance(state, np.ones(2))[0] for _ in range(10))

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 20
    assert all(equal(expected, result) for result in results)


def test_a_duration_a_row(spme):
    state = spme.initial(nominal(5))
    seconds = np.array([30.0, 12.5, 0.0, -1.0, 30.0])
    new, failure = spme.advance(state, np.ones(5), seconds)
    assert failure.tolist() == [0, 0, 0, Failure.ACTION, 0]
    assert new["Time [s]"].tolist() == [30.0, 12.5, 0.0, 0.0, 30.0]
    assert equal(take(new, np.array([0])), take(new, np.array([4])))
    assert equal(take(new, np.array([2, 3])), take(state, np.array([2, 3])))


def test_the_state_given_is_not_changed(spme):
    state = spme.initial(scenarios(2))
    before = {name: values.copy() for name, values in state.items()}
    spme.advance(state, np.ones(2))
    assert equal(state, before)


def test_reset_takes_under_a_millisecond(spme):
    given = nominal()
    times = []
    for _ in range(20):
        began = time.process_time()
        spme.initial(given)
        times.append(time.process_time() - began)
    assert np.median(times) < 1e-3


def test_without_a_compiler_there_is_one_warning_and_the_same_physics(spme, monkeypatch):
    def none(source):
        raise NoCompiler("no C compiler.")

    monkeypatch.setattr(integrator, "build", none)
    integrator._compiled.cache_clear()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        twins = [PyBaMMTwin(), PyBaMMTwin()]
        states = [twin.advance(twin.initial(nominal()), np.array([1.0]))[0] for twin in twins]
    integrator._compiled.cache_clear()
    assert [str(w.message).split(" Charging")[0] for w in caught] == ["no C compiler."]
    assert not twins[0].integrator.compiled
    compiled, _ = spme.advance(spme.initial(nominal()), np.array([1.0]))
    for state in states:
        np.testing.assert_allclose(state["outputs"], compiled["outputs"], rtol=1e-7)


def test_a_damaged_compiled_file_is_built_again(monkeypatch, tmp_path):
    monkeypatch.setenv("VOLTGYM_CACHE", str(tmp_path))
    integrator._compiled.cache_clear()
    twin = PyBaMMTwin(fidelity="SPM")
    good, _ = twin.advance(twin.initial(nominal()), np.array([1.0]))
    (library,) = tmp_path.rglob("*.so")
    integrator._compiled.cache_clear()
    library.unlink()  # not overwritten: the old one is still mapped into this process
    library.write_bytes(b"not a library")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = PyBaMMTwin(fidelity="SPM")
        state, _ = again.advance(again.initial(nominal()), np.array([1.0]))
    assert again.integrator.compiled
    assert equal(state, good)
    integrator._compiled.cache_clear()
