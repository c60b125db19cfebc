"""Tree-structured Parzen estimator over designs: the sampler of Optuna (Akiba et al. 2019, arXiv:1907.10902).

TPE is of Bergstra et al. 2011, "Algorithms for Hyper-Parameter Optimization", NeurIPS (from memory).
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from voltgym.agents.points import Point, main_value
from voltgym.agents.search import Propose, SearchAgent
from voltgym.envs.errors import whole_number
from voltgym.envs.problem import Design, DesignProblem


class TpeAgent(SearchAgent):
    """Optuna's TPE, one design after the other, with the slacks as its constraints.

    A design that does not reach its goal is a failed trial. What is evaluated, kept and handed in: see
    ``DesignSearch``.

    Args:
        design, split, episodes, margins, unit: of ``DesignSearch``.
        initial: designs at random before the first estimate.
        multivariate: estimate all numbers of a design together.
        default_budget: of ``unit``, where none is asked for.
    """

    def __init__(
        self,
        design: Design | None = None,
        *,
        initial: int = 10,
        multivariate: bool = True,
        default_budget: int = 200,
        **judged: Any,
    ) -> None:
        self.initial, self.multivariate = whole_number("initial", initial), bool(multivariate)
        about = {"class": "TpeAgent", "initial": self.initial, "multivariate": self.multivariate}
        super().__init__(design, about=about, at_once=1, default_budget=default_budget, **judged)

    def _proposer(self, seed: int) -> Propose:
        """What the points hold already is asked for and told again, in order: nothing is drawn otherwise."""
        study: Any = None
        trial: Any = None
        told = 0

        def propose(problem: DesignProblem, points: Sequence[Point], count: int, budget: int) -> np.ndarray:
            nonlocal study, trial, told
            low, high = problem.bounds
            study = study or self._study(problem, seed)
            trial = trial or _ask(study, low, high)
            while told < len(points):
                _tell(study, trial, points[told])
                told += 1
                trial = _ask(study, low, high)
            return np.array([[trial.params[_name(j)] for j in range(len(low))]])

        return propose

    def _study(self, problem: DesignProblem, seed: int) -> Any:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that constraints and multivariate are experimental
            sampler = optuna.samplers.TPESampler(
                seed=seed, n_startup_trials=self.initial, multivariate=self.multivariate, constraints_func=_violated
            )
        larger = main_value(problem)[1] == "max"
        return optuna.create_study(sampler=sampler, direction="maximize" if larger else "minimize")


_SLACKS = "slacks"


def _name(j: int) -> str:
    return f"x{j:02d}"


def _ask(study: Any, low: np.ndarray, high: np.ndarray) -> Any:
    from optuna.distributions import FloatDistribution

    return study.ask({_name(j): FloatDistribution(float(low[j]), float(high[j])) for j in range(len(low))})


def _tell(study: Any, trial: Any, point: Point) -> None:
    from optuna.trial import TrialState

    trial.set_user_attr(_SLACKS, list(point.slacks.values()))
    if point.value is None:
        study.tell(trial, state=TrialState.FAIL)
    else:
        study.tell(trial, point.value)


def _violated(trial: Any) -> list[float]:
    """Optuna's constraints: at most 0 is kept."""
    return [-float(slack) for slack in trial.user_attrs[_SLACKS]]
