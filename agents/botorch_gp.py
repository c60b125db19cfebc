"""A Gaussian process of BoTorch on the fingerprints of designs, and the improvement it expects of new ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import gpytorch
import numpy as np
import torch
from botorch.acquisition.analytic import _log_ei_helper  # what LogExpectedImprovement is made of; a test compares them
from botorch.exceptions.errors import BotorchError, ModelFittingError
from botorch.fit import fit_gpytorch_mll
from botorch.models import SingleTaskGP
from gpytorch.kernels import Kernel, ScaleKernel
from gpytorch.mlls import ExactMarginalLogLikelihood
from linear_operator.utils.errors import NanError, NotPSDError

FAILURES = (BotorchError, ModelFittingError, NanError, NotPSDError)
"""What a model that cannot be fitted or asked raises."""
FITTED_ON = 400
"""Designs that the hyper-parameters are fitted on: three numbers need no more."""
SAMPLES = 256
"""Joint samples of the posterior that a batch is chosen by."""
LARGEST = 10_000
"""Up to this many designs the equations are solved exactly (GPyTorch's own limit is lower)."""


class Tanimoto(Kernel):
    """``sum(min) / sum(max)`` of counts that are written as :class:`Levels`."""

    has_lengthscale = False

    def forward(self, x1: Any, x2: Any, diag: bool = False, **params: Any) -> Any:
        """(..., n, m), or (..., n) of the diagonal."""
        if diag:
            return torch.ones(x1.shape[:-1], dtype=x1.dtype)
        shared = (x1[..., :-1].float() @ x2[..., :-1].float().mT).to(x1.dtype)  # whole numbers: exact in float32
        union = x1[..., -1:] + x2[..., -1:].mT - shared
        return torch.where(union > 0, shared / union.clamp_min(1.0), 1.0)


class Levels:
    """Counts as zeros and ones: a column for each level that a count reaches, so that a product counts the minimum.

    Only levels that ``counts`` (n, f) reach get a column; no other matters to a kernel with them. The last column is
    the sum of all counts.
    """

    def __init__(self, counts: np.ndarray) -> None:
        highest = counts.max(axis=0)
        self.columns = np.repeat(np.arange(counts.shape[1]), highest)
        self.levels = np.concatenate([np.arange(1, most + 1) for most in highest]).astype(int)

    def __call__(self, counts: np.ndarray) -> Any:
        """(n, k + 1) float64 tensor of (n, f) counts."""
        reached = counts[:, self.columns] >= self.levels
        return torch.from_numpy(np.column_stack([reached, counts.sum(axis=1, dtype=float)]).astype(float))


class TanimotoGP:
    """A Gaussian process with a constant mean, noise, and a scaled Tanimoto kernel on fingerprint counts.

    Args:
        fingerprints: (n, f) counts of ``n`` designs, whole numbers >= 0.
    """

    def __init__(self, fingerprints: Callable[[Sequence[str]], np.ndarray]) -> None:
        self._fingerprints = fingerprints
        self._rows: dict[str, np.ndarray] = {}
        self._fitted: dict[str, Any] | None = None
        self._offset, self._scale = 0.0, 1.0

    def counts(self, designs: Sequence[str]) -> np.ndarray:
        """(n, f) counts, computed once a design."""
        new = [design for design in dict.fromkeys(designs) if design not in self._rows]
        if new:
            self._rows |= dict(zip(new, np.asarray(self._fingerprints(new)), strict=True))
        return np.stack([self._rows[design] for design in designs])

    def learn(self, designs: Sequence[str], values: np.ndarray, refit: bool = True) -> None:
        """Take ``values`` (n,) of ``designs``; fit the hyper-parameters on every k-th of them if ``refit``."""
        values = np.asarray(values, dtype=float)
        self._offset, self._scale = float(values.mean()), float(values.std()) or 1.0
        counts = self.counts(designs)
        self._levels = Levels(counts)
        x = self._levels(counts)
        y = torch.from_numpy((values - self._offset) / self._scale)[:, None]
        if refit or self._fitted is None:
            some = np.arange(0, len(values), max(1, -(-len(values) // FITTED_ON)))
            model = self._model(x[some], y[some])
            fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
            self._fitted = model.state_dict()
        self.model = self._model(x, y)
        self.model.load_state_dict(self._fitted)
        self.model.eval()

    @staticmethod
    def _model(x: Any, y: Any) -> Any:
        return SingleTaskGP(x, y, covar_module=ScaleKernel(Tanimoto()), outcome_transform=None)

    def predict(self, designs: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """(n,) means and standard deviations of ``designs``, in the unit of the values, without the noise."""
        posterior = self._posterior(designs)
        mean, std = posterior.mean[:, 0], posterior.variance[:, 0].clamp_min(1e-12).sqrt()
        return self._offset + self._scale * mean.numpy(), self._scale * std.numpy()

    def log_improvement(self, designs: Sequence[str], record: float) -> np.ndarray:
        """(n,) log of the improvement over ``record`` that is expected of ``designs``."""
        mean, std = self.predict(designs)
        u = torch.from_numpy((mean - record) / std)
        return _log_ei_helper(u).numpy() + np.log(std)

    def batch(self, designs: Sequence[str], record: float, count: int, rng: np.random.Generator) -> list[str]:
        """``count`` of ``designs``: one after the other, the one that adds most to the expected improvement of all.

        Where none adds anything, the next in the order they are given.
        """
        if len(designs) <= count:
            return list(designs)
        torch.manual_seed(int(rng.integers(2**31)))
        samples = self._posterior(designs).rsample(torch.Size([SAMPLES]))[..., 0].numpy()
        best = np.full(SAMPLES, (record - self._offset) / self._scale)
        chosen: list[int] = []
        for _ in range(count):
            gain = np.maximum(samples - best[:, None], 0.0).mean(axis=0)
            gain[chosen] = -1.0
            chosen.append(int(gain.argmax()))  # the first of equal ones
            best = np.maximum(best, samples[:, chosen[-1]])
        return [designs[i] for i in chosen]

    def _posterior(self, designs: Sequence[str]) -> Any:
        x = self._levels(self.counts(designs))
        with torch.no_grad(), gpytorch.settings.max_cholesky_size(LARGEST):
            return self.model.posterior(x)
