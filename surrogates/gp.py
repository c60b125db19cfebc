"""Exact Gaussian processes: hyper-parameters by GPyTorch, predictions in numpy.

The kernel is a sum over blocks of the features: Tanimoto's on counts (Ralaivola et al. 2005, Neural Networks 18, 1093,
in its dot-product form ``<x, y> / (<x, x> + <y, y> - <x, y>)``, as Griffiths et al. 2023, arXiv:2212.04450, use it for
molecules), and a squared exponential with a length scale a column on numbers. Several values share one kernel: what
makes rows alike is then learned from all of them, and a prediction costs hardly more than that of one.

Means are exact. Spreads, which would cost the square of the number of rows, are those of the projected process
(``gp_spread.py``).
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np

from voltgym.surrogates.files import read_arrays, write_arrays
from voltgym.surrogates.gp_spread import explained, projection
from voltgym.surrogates.splits import Scaler
from voltgym.surrogates.tanimoto import Known, tanimoto

NOISY, QUIET = (-2.0, -2.5, 1.0), (-5.0, -6.0, 2.0)
"""Of the logarithm of the noise: where a search for it begins, and the mean and the spread of what is expected."""


class GaussianProcess:
    """Values from counts and numbers, with the noise of the data.

    Args:
        seed: of the choice of rows for the search for hyper-parameters.
        steps: of Adam on the marginal likelihood.
        rate: its learning rate.
        most: rows for the search for hyper-parameters; all are used to predict.
        rank: rows that spreads are projected on, at most.
        quiet: the data are of a computation that has hardly any noise; the search begins there.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        steps: int = 80,
        rate: float = 0.1,
        most: int = 1000,
        rank: int = 256,
        quiet: bool = False,
    ) -> None:
        self.seed, self.steps, self.rate, self.most, self.rank = seed, steps, rate, most, rank
        self.quiet = quiet
        self._kept: dict[str, np.ndarray] = {}
        self._inputs = self._outputs = Scaler(np.zeros(1), np.ones(1))

    @property
    def counts(self) -> np.ndarray:
        """(n, f) uint8 of the rows that were learned from."""
        return self._kept["counts"]

    def fit(self, counts: np.ndarray, numbers: np.ndarray, y: np.ndarray) -> Self:
        """Learn from (n, f) counts, (n, d) numbers and (n, m) values; one of the first two may have no columns."""
        y = np.asarray(y, dtype=float).reshape(len(numbers), -1)
        self._inputs, self._outputs = Scaler.fit(numbers), Scaler.fit(y)
        x, target = self._scaled(numbers), self._outputs(y)
        similar = tanimoto(counts, counts) if counts.shape[1] else np.zeros((len(x), len(x)), np.float32)
        rows = np.random.default_rng(self.seed).permutation(len(x))[: self.most]
        noise = QUIET if self.quiet else NOISY
        found = _search(similar[np.ix_(rows, rows)], x[rows], target[rows], self.steps, self.rate, noise)
        self._kept = {**found, "counts": counts.astype(np.uint8), "numbers": x}
        self._prepare()
        k = self._kernel(similar, x).astype(float)
        self._kept["alpha"] = np.linalg.solve(k + found["noise"] * np.eye(len(x)), target)
        self._kept |= projection(k, float(found["noise"]), self.rank)
        return self

    def _scaled(self, numbers: np.ndarray) -> np.ndarray:
        return np.clip(self._inputs(numbers), -6, 6).astype(np.float32)

    def _prepare(self) -> Self:
        """What is made of the rest whenever a model is fitted or read: not worth keeping on the disk."""
        self._lengths = self._kept["lengths"].astype(np.float32)
        self._points = self._kept["numbers"] / self._lengths
        self._norms = (self._points * self._points).sum(axis=1)
        return self

    @cached_property
    def _known(self) -> Known:
        return Known(self.counts)

    def _kernel(self, similar: np.ndarray, x: np.ndarray) -> np.ndarray:
        """(n, rows learned from) float32."""
        out = np.float32(self._kept["similar scale"]) * similar
        if x.shape[1]:
            u = x / self._lengths
            apart = (u * u).sum(axis=1)[:, None] + self._norms - 2 * u @ self._points.T
            out = out + np.float32(self._kept["number scale"]) * np.exp(-0.5 * np.maximum(apart, 0))
        return out

    def predict(
        self, counts: np.ndarray, numbers: np.ndarray, similar: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """(n, m) means and standard deviations of what would be measured, its noise included.

        Whoever has the Tanimoto similarities (n, rows learned from) already may hand them in as ``similar``.
        """
        kept, x = self._kept, self._scaled(numbers)
        if similar is None and counts.shape[1]:
            similar = self._known.similarity(counts)
        elif similar is None:
            similar = np.zeros((len(x), len(kept["alpha"])), np.float32)
        k = self._kernel(similar, x)
        mean = k.astype(float) @ kept["alpha"]
        own = kept["similar scale"] * bool(counts.shape[1]) + kept["number scale"] * bool(x.shape[1])
        left = own + kept["noise"] - explained(k, kept)
        std = np.sqrt(np.maximum(left, kept["noise"]))  # never surer than the data are
        return mean * self._outputs.scale + self._outputs.mean, std[:, None] * self._outputs.scale

    def joint(self, counts: np.ndarray, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(n, m) means and (m, n, n) covariances, exact, of what lies under the noise: for whoever chooses a batch."""
        x, kept = self._scaled(numbers), self._kept
        mine = self._matrix(self.counts, kept["numbers"], self.counts, kept["numbers"])
        across = self._matrix(counts, x, self.counts, kept["numbers"])
        own = self._matrix(counts, x, counts, x)
        lower = np.linalg.cholesky(mine + float(kept["noise"]) * np.eye(len(mine)))
        told = np.linalg.solve(lower, across.T)
        covariance = own - told.T @ told
        mean = (across @ kept["alpha"]) * self._outputs.scale + self._outputs.mean
        return mean, covariance * np.square(self._outputs.scale)[:, None, None]

    def left_out(self) -> tuple[np.ndarray, np.ndarray]:
        """(n, m) errors and standard deviations of every row as the others predict it, lengths and noise kept.

        From the inverse of the kernel matrix (Rasmussen and Williams 2006, Gaussian Processes for Machine Learning,
        equations 5.10 to 5.12; from memory).
        """
        kept = self._kept
        mine = self._matrix(self.counts, kept["numbers"], self.counts, kept["numbers"])
        precision = np.diag(np.linalg.inv(mine + float(kept["noise"]) * np.eye(len(mine))))
        error = -kept["alpha"] / precision[:, None] * self._outputs.scale
        return error, np.sqrt(1 / precision)[:, None] * self._outputs.scale

    def _matrix(self, counts: np.ndarray, x: np.ndarray, other: np.ndarray, y: np.ndarray) -> np.ndarray:
        """(n, m) of the kernel between rows, in double precision."""
        out = np.zeros((len(x), len(y)))
        if self.counts.shape[1]:
            out += float(self._kept["similar scale"]) * tanimoto(counts, other)
        if y.shape[1]:
            u, v = (a.astype(float) / self._kept["lengths"] for a in (x, y))
            apart = (u * u).sum(axis=1)[:, None] + (v * v).sum(axis=1) - 2 * u @ v.T
            out += float(self._kept["number scale"]) * np.exp(-0.5 * np.maximum(apart, 0))
        return out

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything that predicts, by name."""
        scalers = {"input mean": self._inputs.mean, "input scale": self._inputs.scale}
        scalers |= {"output mean": self._outputs.mean, "output scale": self._outputs.scale}
        return {name: np.asarray(a) for name, a in {**self._kept, **scalers}.items()}

    @classmethod
    def build(cls, arrays: dict[str, np.ndarray]) -> Self:
        """The model that :meth:`arrays` describes."""
        model = cls()
        names = ("counts", "numbers", "alpha", "noise", "similar scale", "number scale", "lengths", "pivots", "factor")
        model._kept = {name: arrays[name] for name in names}
        model._inputs = Scaler(arrays["input mean"], arrays["input scale"])
        model._outputs = Scaler(arrays["output mean"], arrays["output scale"])
        return model._prepare()

    def save(self, path: Path) -> None:
        """Write an npz file."""
        write_arrays(path, self.arrays())

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what :meth:`save` wrote."""
        return cls.build(read_arrays(path))


def _search(
    similar: np.ndarray, x: np.ndarray, y: np.ndarray, steps: int, rate: float, noise: tuple[float, float, float]
) -> dict[str, np.ndarray]:
    """Scales, length scales and noise that make the data most likely, with mild priors that keep them in sight."""
    import torch
    from gpytorch.distributions import MultivariateNormal

    k0, xs, ys = (torch.tensor(np.asarray(a, dtype=float)) for a in (similar, x, y))
    raw = torch.zeros(3 + x.shape[1], dtype=torch.double)
    raw[2], raw[3:] = noise[0], 1.0  # the noise starts small and the lengths long
    raw.requires_grad_()
    adam = torch.optim.Adam([raw], lr=rate)

    def kernel(p: Any) -> Any:
        out = p[0] * k0 + (p[2] + 1e-4) * torch.eye(len(ys), dtype=torch.double)
        if xs.shape[1]:
            u = xs / p[3:]
            out = out + p[1] * torch.exp(-0.5 * torch.cdist(u, u) ** 2)
        return out

    for _ in range(steps):
        adam.zero_grad()
        likelihood = MultivariateNormal(torch.zeros_like(ys.T), kernel(torch.exp(raw))).log_prob(ys.T).mean()
        prior = -0.5 * (raw[:2] ** 2).sum() - 0.5 * ((raw[3:] - 1.0) ** 2).sum()
        prior = prior - 0.5 * ((raw[2] - noise[1]) / noise[2]) ** 2
        (-(likelihood + prior) / len(ys)).backward()
        adam.step()
    last = torch.exp(raw).detach().numpy()
    one = np.asarray
    scales = {"similar scale": one(last[0]), "number scale": one(last[1]), "noise": one(last[2] + 1e-4)}
    return scales | {"lengths": last[3:].copy()}
