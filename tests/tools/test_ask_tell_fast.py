"""Ask/tell with what voltgym installs anyway, CMA and Optuna, over ``DesignProblem``."""

from __future__ import annotations

import charge_problem as charge
import cma
import numpy as np
import optuna
import pytest


def test_the_goal_is_between_the_best_constant_current_and_the_optimum() -> None:
    assert charge.optimum() == pytest.approx(20.4, abs=0.1)
    assert charge.best_constant() == pytest.approx(45.2, abs=0.1)


def test_the_best_constant_current_is_not_good_enough() -> None:
    with pytest.raises(AssertionError):
        charge.check(np.full(3, 0.93), 1, 60)


def test_cma() -> None:
    problem = charge.problem()
    low, high = problem.bounds
    search = cma.CMAEvolutionStrategy(
        np.ones(3), 0.5, {"bounds": [list(low), list(high)], "seed": 1, "verbose": -9, "popsize": 10}
    )
    best: list[tuple[float, tuple[float, ...]]] = []
    while problem.ledger.spent["evaluations"] < 150:
        x = np.array(search.ask())
        found = problem.evaluate(x)
        search.tell(list(x), list(charge.loss(found)))
        feasible = charge.worst(found) >= 0
        best += [(value, tuple(row)) for value, row in zip(charge.loss(found)[feasible], x[feasible], strict=True)]
    charge.check(np.array(min(best)[1]), problem.ledger.spent["evaluations"], 150)


@pytest.mark.parametrize(
    ("sampler", "budget", "goal"),
    [
        pytest.param(optuna.samplers.TPESampler(seed=0), 60, 45.0, id="TPE"),
        pytest.param(optuna.samplers.GPSampler(seed=0), 25, charge.GOAL, id="GP", marks=pytest.mark.tools),
        pytest.param(
            optuna.samplers.NSGAIISampler(seed=0, population_size=20),
            400,
            charge.GOAL,
            id="NSGA-II",
            marks=pytest.mark.tools,
        ),
    ],
)
def test_optuna_with_a_constraint(sampler: optuna.samplers.BaseSampler, budget: int, goal: float) -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    problem = charge.problem()
    low, high = problem.bounds
    ranges = {f"x{i}": optuna.distributions.FloatDistribution(low[i], high[i]) for i in range(3)}
    study = optuna.create_study(sampler=sampler)
    for _ in range(budget):
        trial = study.ask(ranges)
        found = problem.evaluate([[trial.params[name] for name in ranges]])
        trial.set_constraint("voltage", float(-charge.worst(found)[0]))  # <= 0 is feasible there
        study.tell(trial, float(np.nan_to_num(found.values[charge.MINUTES][0], nan=60.0)))
    best = study.best_trial.params  # of the feasible ones
    charge.check(np.array([best[name] for name in ranges]), problem.ledger.spent["evaluations"], budget, goal)
