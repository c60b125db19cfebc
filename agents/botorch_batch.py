"""Which of many candidates to try next, together: BoTorch's improvement on what a surrogate expects of all of them.

Noisy log expected improvement (Ament et al. 2023, arXiv:2310.20708) over joint samples of what is learned; what a
sample is worth, slacks and all, is the environment's own objective, which need not be differentiable, since the
candidates are listed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from botorch.acquisition.logei import qLogNoisyExpectedImprovement
from botorch.acquisition.objective import GenericMCObjective
from botorch.models.model import Model
from botorch.optim import optimize_acqf_discrete
from botorch.posteriors.gpytorch import GPyTorchPosterior
from botorch.sampling.normal import SobolQMCNormalSampler
from gpytorch.distributions import MultitaskMultivariateNormal, MultivariateNormal
from linear_operator.operators import to_linear_operator

from voltgym.surrogates.growing import Joint

JITTER = 1e-6
"""Of a variance: what keeps a covariance positive definite."""

Utility = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""(s, n, k) samples of what is learned and (n,) places of their designs -> (s, n) worths, more is better."""


class Listed(Model):
    """A surrogate of listed designs: ``X`` holds their places, (..., q, 1)."""

    def __init__(self, joints: Sequence[Joint]) -> None:
        super().__init__()
        self.mean = torch.from_numpy(np.stack([joint.mean for joint in joints]))
        self.covariance = torch.from_numpy(np.stack([joint.covariance for joint in joints]))

    @property
    def num_outputs(self) -> int:
        """How many properties are learned."""
        return len(self.mean)

    @property
    def batch_shape(self) -> torch.Size:
        """There is one model."""
        return torch.Size([])

    def posterior(
        self, X: Any, output_indices: Any = None, observation_noise: Any = False, posterior_transform: Any = None
    ) -> Any:
        """What is expected of the designs at ``X``; there is no noise, and all outputs are given."""
        at = X[..., 0].long()
        each = []
        for mean, covariance in zip(self.mean, self.covariance, strict=True):
            part = covariance[at[..., :, None], at[..., None, :]]
            size = JITTER * (covariance.diagonal().mean() + 1e-12)
            own = torch.eye(part.shape[-1], dtype=part.dtype)
            each.append(MultivariateNormal(mean[at], to_linear_operator(part + size * own)))
        joint = MultitaskMultivariateNormal.from_independent_mvns(each) if len(each) > 1 else each[0]
        return GPyTorchPosterior(joint)


def choose(
    joints: Sequence[Joint], utility: Utility, known: Sequence[int], free: Sequence[int], count: int, *, seed: int,
    samples: int = 64,
) -> list[int]:  # fmt: skip
    """``count`` of the places ``free``, one after the other, each knowing those before it.

    Args:
        joints: what is expected of all designs, one a property.
        utility: what samples are worth.
        known: the places of the designs that were judged.
        free: the places of those that may be chosen.
        count: how many.
        seed: of the samples.
        samples: how many.
    """
    if count <= 0 or len(free) <= count:
        return list(free)[: max(count, 0)]
    torch.manual_seed(seed)

    def worth(drawn: Any, X: Any = None) -> Any:
        at = X[..., 0].long()
        places = torch.broadcast_to(at, drawn.shape[:-1]).numpy().reshape(len(drawn), -1)
        flat = drawn.detach().numpy().reshape(len(drawn), -1, drawn.shape[-1])
        return torch.from_numpy(utility(flat, places[0])).reshape(drawn.shape[:-1])

    acquisition = qLogNoisyExpectedImprovement(
        Listed(joints),
        X_baseline=torch.tensor(known, dtype=torch.double)[:, None],
        sampler=SobolQMCNormalSampler(torch.Size([samples]), seed=seed),
        objective=GenericMCObjective(worth),
        prune_baseline=True,
        cache_root=False,
    )
    choices = torch.tensor(free, dtype=torch.double)[:, None]
    chosen, _ = optimize_acqf_discrete(acquisition, count, choices, unique=True, max_batch_size=512)
    return [int(place) for place in chosen[:, 0]]
