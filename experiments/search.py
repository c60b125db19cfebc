"""Search in place of a sweep's every combination: hyper-parameters proposed by Optuna's TPE, some trials at a time.

Chosen with ``hydra/sweeper=tpe``. Written as Hydra writes sweeps, and intervals as well: ``interval(1e-5,1e-2)``,
``tag(log,interval(1e-5,1e-2))``, ``int(interval(1,10))``, ``range(1,10)``, ``choice(a,b)`` or ``a,b``.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from voltgym.envs.errors import UnknownName, VoltGymError, whole_number
from voltgym.experiments import sweep_plan

METRICS = ("return", "value")
SPLIT = "evaluation.split"


class TpeSearch:
    """Proposes trials from those that have ended: a function of these and the seed alone, so a search can go on.

    TPE with a liar for trials that have no result yet (Optuna's ``constant_liar``); one that failed counts as the
    worst.

    Args:
        trials: altogether.
        batch: proposed and run together.
        initial: at random before the first proposal.
        metric: ``return``, the mean over episodes, or ``value``, the mean of the main result over feasible episodes.
        seed: of the proposals.
        params: swept values, as of Hydra's sweeper.
    """

    def __init__(
        self,
        trials: int = 20,
        batch: int = 2,
        initial: int = 8,
        metric: str = "return",
        seed: int = 0,
        params: Mapping[str, Any] | None = None,
    ) -> None:
        self.trials = whole_number("hydra.sweeper.trials", trials)
        self.batch = whole_number("hydra.sweeper.batch", batch)
        self.initial = whole_number("hydra.sweeper.initial", initial)
        self.seed = whole_number("hydra.sweeper.seed", seed, least=0)
        if metric not in METRICS:
            raise UnknownName("hydra.sweeper.metric", metric, METRICS)
        self.metric, self.params = metric, dict(params or {})

    def next(self, overrides: Sequence[str], told: Sequence[tuple[Sequence[str], float | None]]) -> list[list[str]]:
        """Overrides of the next jobs; none when all trials are there.

        Args:
            overrides: of the command line, with what is searched over.
            told: each trial's overrides and its result, larger is better; None for one that failed.
        """
        found = sweep_plan.parsed(overrides, self.params)
        space = {key: distribution(one) for key, one in found.items() if one.is_sweep_override()}
        fixed = [f"{one.input_line}" for one in found.values() if not one.is_sweep_override()]
        self._check(space, fixed)
        count = min(self.batch, self.trials - len(told))
        if count <= 0:
            return []
        study = self._study(space, told)
        asked = [study.ask(space) for _ in range(count)]
        return [[f"{SPLIT}=validation", *fixed, *(f"{k}={text(v)}" for k, v in t.params.items())] for t in asked]

    def _check(self, space: Mapping[str, Any], fixed: Sequence[str]) -> None:
        if not space:
            raise VoltGymError(
                "a search needs something to search over, such as "
                "agent.hyperparameters.learning_rate=tag(log,interval(1e-4,1e-2))"
            )
        if "seed" in space:
            raise VoltGymError("a search over seed finds a lucky one; fix the seed, and sweep over seeds afterwards")
        if f"{SPLIT}=test" in fixed:
            raise VoltGymError(f"{SPLIT}=test: what is tuned on the test split says nothing on it; leave that out")

    def _study(self, space: Mapping[str, Any], told: Sequence[tuple[Sequence[str], float | None]]) -> Any:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        number = int(np.random.SeedSequence([self.seed, len(told)]).generate_state(1)[0])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that what is used is experimental
            sampler = optuna.samplers.TPESampler(
                seed=number, n_startup_trials=self.initial, multivariate=True, constant_liar=True
            )
        study = optuna.create_study(sampler=sampler, direction="maximize")
        known = [value for _, value in told if value is not None and math.isfinite(value)]
        worst = min(known, default=0.0)
        for overrides, value in told:
            settings = sweep_plan.parse(overrides)
            params = {key: _typed(settings[key].value(), space[key]) for key in space}
            kept = worst if value is None or not math.isfinite(value) else value
            study.add_trial(optuna.trial.create_trial(params=params, distributions=dict(space), value=kept))
        return study


def _typed(value: Any, kind: Any) -> Any:
    """A value as the distribution holds it."""
    from optuna.distributions import CategoricalDistribution, IntDistribution

    if isinstance(kind, CategoricalDistribution):
        return next(choice for choice in kind.choices if choice == text(value))
    return int(value) if isinstance(kind, IntDistribution) else float(value)


def text(value: Any) -> str:
    """A value as an override has it: numbers to four digits."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def distribution(override: Any) -> Any:
    """What Optuna draws from, of a swept override. Raises `VoltGymError` for a kind that it cannot."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    sweep = override.value()
    if override.is_interval_sweep():
        whole, log = isinstance(sweep.start, int) and isinstance(sweep.end, int), "log" in sweep.tags
        if not sweep.start < sweep.end or (log and sweep.start <= 0):
            raise VoltGymError(f"{override.input_line!r}: expected an interval from less to more, above 0 with a log")
        if whole and not log:
            return IntDistribution(int(sweep.start), int(sweep.end))
        return FloatDistribution(float(sweep.start), float(sweep.end), log=log)
    choices = sweep_plan.values(override)
    if not choices:
        raise VoltGymError(f"{override.input_line!r} has no values")
    return CategoricalDistribution(tuple(choices))
