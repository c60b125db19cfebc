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
from voltgym.experiments import swept

METRICS = ("return", "value")
SPLIT = "evaluation.split"
KEPT_BACK = ("test", "private")
"""Splits that nothing is tuned on."""
TRIES = 50
"""Proposals for each new trial, where those before were there already."""


class TpeSearch:
    """Proposes trials from those that have ended: a function of these and the seed alone, so a search can go on.

    TPE with a liar for trials that have no result yet (Optuna's ``constant_liar``); one that failed counts as the
    worst.

    Args:
        trials: altogether.
        batch: proposed and run together.
        initial: at random before the first proposal; None for half of the trials, at most 8.
        metric: ``return``, the mean over episodes, or ``value``, the mean of the main result over feasible episodes.
        seed: of the proposals.
        params: swept values, as of Hydra's sweeper.
    """

    def __init__(
        self,
        trials: int = 20,
        batch: int = 2,
        initial: int | None = None,
        metric: str = "return",
        seed: int = 0,
        params: Mapping[str, Any] | None = None,
    ) -> None:
        self.trials = whole_number("hydra.sweeper.trials", trials)
        self.batch = whole_number("hydra.sweeper.batch", batch)
        at_random = min(8, -(-self.trials // 2)) if initial is None else initial
        self.initial = whole_number("hydra.sweeper.initial", at_random)
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
        found = swept.parsed(overrides, self.params)
        space = {key: distribution(one) for key, one in found.items() if one.is_sweep_override()}
        self._check(space, found)
        fixed = [str(one.input_line) for one in found.values() if not one.is_sweep_override()]
        if SPLIT not in {key.lstrip("+") for key in found}:
            fixed = [f"{SPLIT}=validation", *fixed]
        count = min(self.batch, self.trials - len(told))
        if count <= 0:
            return []
        study = self._study(space, told)
        seen, new = {tuple(overrides) for overrides, _ in told}, list[list[str]]()
        for _ in range(count * TRIES):
            trial = study.ask(space)
            asked = [*fixed, *(f"{key}={text(value, space[key])}" for key, value in trial.params.items())]
            if tuple(asked) not in seen and len(new) < count:
                seen.add(tuple(asked))
                new.append(asked)
        return new

    def _check(self, space: Mapping[str, Any], found: Mapping[str, Any]) -> None:
        if not space:
            raise VoltGymError(
                "a search needs something to search over, such as "
                "agent.hyperparameters.learning_rate=tag(log,interval(1e-4,1e-2))"
            )
        if "seed" in {key.lstrip("+") for key in space}:
            raise VoltGymError("a search over seed finds a lucky one; fix the seed, and sweep over seeds afterwards")
        splits = [one for key, one in found.items() if key.lstrip("+") == SPLIT]
        wrong = [split for one in splits for split in swept.values(one) if split.strip("'\"") in KEPT_BACK]
        if wrong:
            raise VoltGymError(
                f"{SPLIT}={wrong[0]}: what is tuned on the {wrong[0]} split says nothing on it; leave that out"
            )

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
            settings = swept.by_key(overrides)
            params = {key: _typed(settings[key], space[key]) for key in space}
            kept = worst if value is None or not math.isfinite(value) else value
            study.add_trial(optuna.trial.create_trial(params=params, distributions=dict(space), value=kept))
        return study


def _typed(override: Any, kind: Any) -> Any:
    """The value of an override as the distribution holds it."""
    from optuna.distributions import CategoricalDistribution, IntDistribution

    if isinstance(kind, CategoricalDistribution):
        return swept.values(override)[0]
    return int(override.value()) if isinstance(kind, IntDistribution) else float(override.value())


def text(value: Any, kind: Any) -> str:
    """A value as an override has it: a number of an interval to four digits of what varies, and within it."""
    from optuna.distributions import FloatDistribution

    if not isinstance(kind, FloatDistribution):
        return str(value)
    digits = 4 if kind.log else 4 + max(0, math.floor(math.log10(max(-kind.low, kind.high) / (kind.high - kind.low))))
    rounded = f"{value:.{digits}g}"
    return rounded if kind.low <= float(rounded) <= kind.high else repr(value)


def distribution(override: Any) -> Any:
    """What Optuna draws from, of a swept override. Raises `VoltGymError` for a kind that it cannot."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    sweep = override.value()
    if override.is_interval_sweep():
        whole, log = isinstance(sweep.start, int) and isinstance(sweep.end, int), "log" in sweep.tags
        if unknown := set(sweep.tags) - {"log"}:
            raise UnknownName("tag", min(unknown), ["log"])
        if not sweep.start < sweep.end or not math.isfinite(sweep.end - sweep.start) or (log and sweep.start <= 0):
            raise VoltGymError(f"{override.input_line!r}: expected an interval from less to more, above 0 with a log")
        if whole:
            return IntDistribution(int(sweep.start), int(sweep.end), log=log)
        return FloatDistribution(float(sweep.start), float(sweep.end), log=log)
    return CategoricalDistribution(tuple(swept.values(override)))
