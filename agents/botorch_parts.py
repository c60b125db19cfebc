"""What the searches with BoTorch share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from voltgym.agents.points import Point, failed, main_value
from voltgym.agents.search import scale
from voltgym.envs.problem import DesignProblem


def squash(slack: np.ndarray) -> np.ndarray:
    """Slacks in scales, with slope 1 at zero: logarithmic where broken, so that far designs still tell which is
    worse, and below 2 where kept, since how well a limit is kept does not matter.
    """
    return np.where(slack < 0, -5 * np.log1p(np.maximum(-slack, 0) / 5), 2 * np.tanh(slack / 2))


def outcomes(
    problem: DesignProblem,
    points: Sequence[Point],
    margin: Callable[[str], float],
    *,
    log_value: bool = False,
    lost: float = 50.0,
) -> tuple[np.ndarray, np.ndarray]:
    """What is modelled: merits (n,), larger is better; slacks that vary less their margins (n, m), squashed.

    A design without a value is given the worst merit. The slacks of one that failed are from before the failure, and
    models that believe them are drawn to where everything fails: it is given the ``lost`` percentiles (0 the worst) of
    what the others violate. ``margin`` is how much of a slack must be left, by name; ``log_value`` takes the logarithm
    of the value.
    """
    sign = {"max": 1.0, "min": -1.0}[main_value(problem)[1]]
    value = np.array([np.nan if point.value is None else point.value for point in points])
    merit = sign * (np.log(value) if log_value else value)
    reached = np.isfinite(merit)
    worst = merit[reached].min() if reached.any() else 0.0  # nothing reached its goal yet: only the slacks guide
    merit = np.where(reached, merit, worst)
    least = {name: margin(name) / scale(name, problem) for name in points[0].slacks}
    spare = np.array([[point.slacks[name] - bound for name, bound in least.items()] for point in points])
    spare = np.where(reached[:, None], spare, np.minimum(spare, 0))  # kept, but the demanding part never came
    fell = np.array([failed(point) for point in points])
    if not fell.all():
        spare[fell] = np.minimum(spare[fell], np.percentile(np.minimum(spare[~fell], 0), lost, axis=0))
    spare = squash(spare)
    return merit, spare[:, np.ptp(spare, axis=0) > 1e-9]


def sobol(d: int, skip: int, n: int, seed: int) -> np.ndarray:
    """(n, d) points in the unit cube: those of a scrambled Sobol sequence after the first ``skip``."""
    import torch

    engine = torch.quasirandom.SobolEngine(d, scramble=True, seed=seed)
    return engine.draw(skip + n, dtype=torch.double)[skip:].numpy()


def first_outcome(samples: Any, X: Any = None) -> Any:
    """The modelled value among the outcomes."""
    return samples[..., 0]


def numerical_errors() -> tuple[type[Exception], ...]:
    """What a model that cannot be fitted or asked raises."""
    from botorch.exceptions.errors import BotorchError, ModelFittingError
    from linear_operator.utils.errors import NanError, NotPSDError

    return BotorchError, ModelFittingError, NanError, NotPSDError
