"""Exact Gaussian processes: hyper-parameters by GPyTorch, predictions in numpy.

The kernel is a sum over blocks of the features: Tanimoto's on counts (Ralaivola et al. 2005, Neural Networks 18, 1093,
in its dot-product form ``<x, y> / (<x, x> + <y, y> - <x, y>)``, as Griffiths et al. 2023, arXiv:2212.04450, use it for
molecules), and a squared exponential with a length scale a column on numbers.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np

from voltgym.surrogates.files import read_arrays, write_arrays
from voltgym.surrogates.splits import Scaler
from voltgym.surrogates.tanimoto import Known, tanimoto


class GaussianProcess:
    """One value from counts and numbers, with the noise of the data.

    Args:
        seed: of the search for hyper-parameters.
        steps: of Adam on the marginal likelihood.
        rate: its learning rate.
        most: rows for the search for hyper-parameters; all are used to predict.
    """

    def __init__(self, *, seed: int = 0, steps: int = 80, rate: float = 0.1, most: int = 1000) -> None:
        self.seed, self.steps, self.rate, self.most = seed, steps, rate, most
        self._kept: dict[str, np.ndarray] = {}
        self._known = Known(np.zeros((0, 0), dtype=np.uint8))
        self._inputs = self._output = Scaler(np.zeros(1), np.ones(1))

    def fit(self, counts: np.ndarray, numbers: np.ndarray, y: np.ndarray) -> Self:
        """Learn from (n, f) counts, (n, d) numbers and (n,) values; one of the first two may have no columns."""
        self._inputs, self._output = Scaler.fit(numbers), Scaler.fit(np.asarray(y, float)[:, None])
        x = np.clip(self._inputs(numbers), -6, 6).astype(np.float32).astype(float)  # as it will be kept
        target = self._output(np.asarray(y, float)[:, None])[:, 0]
        similar = tanimoto(counts, counts).astype(float) if counts.shape[1] else np.zeros((len(x), len(x)))
        rows = np.random.default_rng(self.seed).permutation(len(x))[: self.most]
        found = _search(similar[np.ix_(rows, rows)], x[rows], target[rows], self.steps, self.rate)
        self._kept = {**found, "counts": counts.astype(np.uint8), "numbers": x.astype(np.float32)}
        self._known = Known(counts)
        k = self._kernel(similar, x, x) + found["noise"] * np.eye(len(x))
        lower = np.linalg.cholesky(k)
        inverse = np.linalg.solve(lower, np.eye(len(x)))
        self._kept["inverse"] = inverse.T @ inverse
        self._kept["alpha"] = np.linalg.solve(lower.T, np.linalg.solve(lower, target))
        return self

    def _kernel(self, similar: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        kept = self._kept
        out = kept["similar scale"] * similar
        if a.shape[1]:
            u, v = a / kept["lengths"], b / kept["lengths"]
            apart = (u * u).sum(axis=1)[:, None] + (v * v).sum(axis=1)[None] - 2 * u @ v.T
            out = out + kept["number scale"] * np.exp(-0.5 * np.maximum(apart, 0))
        return out

    def predict(self, counts: np.ndarray, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(n,) means and standard deviations of what would be measured, its noise included."""
        kept = self._kept
        x = np.clip(self._inputs(numbers), -6, 6)
        similar = self._known.similarity(counts) if counts.shape[1] else np.zeros((len(x), len(kept["alpha"])))
        k = self._kernel(similar, x, kept["numbers"].astype(float))
        mean = k @ kept["alpha"]
        own = kept["similar scale"] * bool(counts.shape[1]) + kept["number scale"] * bool(x.shape[1])
        variance = own + kept["noise"] - np.einsum("ij,ij->i", k @ kept["inverse"], k)
        std = np.sqrt(np.maximum(variance, kept["noise"]))  # it never knows better than the data are
        return mean * self._output.scale[0] + self._output.mean[0], std * self._output.scale[0]

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything that predicts, by name; the inverse is made again from the rest."""
        scalers = {"input mean": self._inputs.mean, "input scale": self._inputs.scale}
        scalers |= {"output mean": self._output.mean, "output scale": self._output.scale}
        kept = {name: a for name, a in self._kept.items() if name != "inverse"}
        return {name: np.asarray(a) for name, a in {**kept, **scalers}.items()}

    @classmethod
    def build(cls, arrays: dict[str, np.ndarray]) -> Self:
        """The model that :meth:`arrays` describes."""
        model = cls()
        names = ("counts", "numbers", "alpha", "noise", "similar scale", "number scale", "lengths")
        model._kept = {name: arrays[name] for name in names}
        model._inputs = Scaler(arrays["input mean"], arrays["input scale"])
        model._output = Scaler(arrays["output mean"], arrays["output scale"])
        counts, x = arrays["counts"], arrays["numbers"].astype(float)
        model._known = Known(counts)
        similar = tanimoto(counts, counts).astype(float) if counts.shape[1] else np.zeros((len(x), len(x)))
        k = model._kernel(similar, x, x) + arrays["noise"] * np.eye(len(x))
        model._kept["inverse"] = np.linalg.inv(k)
        return model

    def save(self, path: Path) -> None:
        """Write a safetensors file."""
        write_arrays(path, self.arrays())

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what :meth:`save` wrote."""
        return cls.build(read_arrays(path))


def _search(similar: np.ndarray, x: np.ndarray, y: np.ndarray, steps: int, rate: float) -> dict[str, np.ndarray]:
    """Scales, length scales and noise that make the data most likely, with mild priors that keep them in sight."""
    import torch
    from gpytorch.distributions import MultivariateNormal

    k0, xs, ys = (torch.tensor(a, dtype=torch.double) for a in (similar, x, y))
    raw = torch.zeros(3 + x.shape[1], dtype=torch.double)
    raw[2], raw[3:] = -2.0, 1.0  # the noise starts small and the lengths long
    raw.requires_grad_()
    adam = torch.optim.Adam([raw], lr=rate)

    def kernel(p: Any) -> Any:
        out = p[0] * k0 + (p[2] + 1e-4) * torch.eye(len(ys), dtype=torch.double)
        if xs.shape[1]:
            u = xs / p[3:]
            out = out + p[1] * torch.exp(-0.5 * torch.cdist(u, u) ** 2)
        return out

    for _ in range(steps):
        p = torch.exp(raw)
        adam.zero_grad()
        likelihood = MultivariateNormal(torch.zeros_like(ys), kernel(p)).log_prob(ys)
        prior = -0.5 * (raw[:2] ** 2).sum() - 0.5 * ((raw[3:] - 1.0) ** 2).sum() - 0.5 * (raw[2] + 2.5) ** 2
        (-(likelihood + prior) / len(ys)).backward()
        adam.step()
    last = torch.exp(raw).detach().numpy()
    one = np.asarray
    scales = {"similar scale": one(last[0]), "number scale": one(last[1]), "noise": one(last[2] + 1e-4)}
    return scales | {"lengths": last[3:].copy()}
