"""What the searches with BoTorch share."""

from __future__ import annotations

from typing import Any

import numpy as np


def squash(slack: np.ndarray) -> np.ndarray:
    """Slacks in scales, with slope 1 at zero: logarithmic where broken, so that far designs still tell which is
    worse, and below 2 where kept, since how well a limit is kept does not matter.
    """
    return np.where(slack < 0, -5 * np.log1p(np.maximum(-slack, 0) / 5), 2 * np.tanh(slack / 2))


def first_outcome(samples: Any, X: Any = None) -> Any:
    """The modelled value among the outcomes."""
    return samples[..., 0]


def numerical_errors() -> tuple[type[Exception], ...]:
    """What a model that cannot be fitted or asked raises."""
    from botorch.exceptions.errors import BotorchError, ModelFittingError
    from linear_operator.utils.errors import NanError, NotPSDError

    return BotorchError, ModelFittingError, NanError, NotPSDError
