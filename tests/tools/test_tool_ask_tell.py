"""Ask/tell with Ax, BayBE, pymoo and Nevergrad over ``DesignProblem``, each with the voltage limit as a constraint."""

from __future__ import annotations

import logging

import charge_problem as charge
import numpy as np
import pytest

pytestmark = pytest.mark.tools
NAMES = ("x0", "x1", "x2")


def best_feasible(x: np.ndarray) -> np.ndarray:
    """The fastest of the designs that keep the limit; no call of the budget."""
    found = charge.problem().evaluate(x)
    minutes = np.where(charge.worst(found) >= 0, np.nan_to_num(found.values[charge.MINUTES], nan=60.0), np.inf)
    return x[minutes.argmin()]


def test_ax() -> None:
    api = pytest.importorskip("ax.api.client")
    from ax.api.configs import RangeParameterConfig

    logging.getLogger("ax").setLevel(logging.ERROR)
    problem = charge.problem()
    low, high = problem.bounds
    client = api.Client(random_seed=0)
    ranges = zip(NAMES, low, high, strict=True)
    client.configure_experiment(
        parameters=[
            RangeParameterConfig(name=n, parameter_type="float", bounds=(float(a), float(b))) for n, a, b in ranges
        ]
    )
    client.configure_optimization(objective="-minutes", outcome_constraints=["slack >= 0"])
    tried = []
    for _ in range(20):
        for index, parameters in client.get_next_trials(max_trials=1).items():
            tried.append([parameters[name] for name in NAMES])
            found = problem.evaluate([tried[-1]])
            minutes = float(np.nan_to_num(found.values[charge.MINUTES][0], nan=60.0))
            client.complete_trial(index, raw_data={"minutes": minutes, "slack": float(charge.worst(found)[0])})
    charge.check(best_feasible(np.array(tried)), problem.ledger.spent["evaluations"], 20)


def test_baybe() -> None:
    pytest.importorskip("baybe")
    import pandas as pd
    import torch
    from baybe import Campaign
    from baybe.parameters import NumericalContinuousParameter
    from baybe.searchspace import SearchSpace
    from baybe.targets import NumericalTarget

    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002  # what BayBE draws its first points from
    problem = charge.problem()
    low, high = problem.bounds
    space = [NumericalContinuousParameter(n, (a, b)) for n, a, b in zip(NAMES, low, high, strict=True)]
    target = NumericalTarget(name="loss", minimize=True)
    campaign = Campaign(SearchSpace.from_product(space), target.to_objective())
    tried = np.empty((0, 3))
    for _ in range(20):
        asked = campaign.recommend(batch_size=1)
        x = asked[list(NAMES)].to_numpy()
        tried = np.concatenate([tried, x])
        loss = np.minimum(charge.loss(problem.evaluate(x)), 80)
        campaign.add_measurements(pd.concat([asked, pd.DataFrame({"loss": loss}, index=asked.index)], axis=1))
    charge.check(best_feasible(tried), problem.ledger.spent["evaluations"], 20)


def test_pymoo() -> None:
    pytest.importorskip("pymoo")
    from pymoo.algorithms.soo.nonconvex.ga import GA
    from pymoo.core.problem import Problem
    from pymoo.core.termination import NoTermination
    from pymoo.problems.static import StaticProblem

    problem = charge.problem()
    low, high = problem.bounds
    space = Problem(n_var=3, n_obj=1, n_ieq_constr=1, xl=low, xu=high)
    algorithm = GA(pop_size=20)
    algorithm.setup(space, termination=NoTermination(), seed=0, verbose=False)
    for _ in range(15):
        asked = algorithm.ask()
        found = problem.evaluate(asked.get("X"))
        minutes = np.nan_to_num(found.values[charge.MINUTES], nan=60.0)
        static = StaticProblem(space, F=minutes[:, None], G=-charge.worst(found)[:, None])
        algorithm.evaluator.eval(static, asked)
        algorithm.tell(infills=asked)
    charge.check(algorithm.result().X, problem.ledger.spent["evaluations"], 300)


def test_nevergrad() -> None:
    ng = pytest.importorskip("nevergrad")
    problem = charge.problem()
    low, high = problem.bounds
    space = ng.p.Array(init=np.ones(3)).set_bounds(low, high)
    space.random_state.seed(0)
    optimizer = ng.optimizers.NGOpt(parametrization=space, budget=100)
    tried = []
    for _ in range(100):
        asked = optimizer.ask()
        tried.append(asked.value)
        optimizer.tell(asked, float(charge.loss(problem.evaluate([asked.value]))[0]))
    charge.check(best_feasible(np.array(tried)), problem.ledger.spent["evaluations"], 100)
