"""Exact Gaussian processes: hyper-parameters by GPyTorch, predictions in numpy.

The kernel is a sum over blocks of the features: Tanimoto's on counts (Ralaivola et al. 2005, Neural Networks 18, 1093,
in its dot-product form ``<x, y> / (<x, x> + <y, y> - <x, y>)``, as Griffiths et al. 2023, arXiv:2212.04450, use it for
molecules), and a squared exponential with a length scale a column on numbers. Several values share one kernel: what
makes molecules alike is then learned from all of them, and a prediction costs hardly more than that of one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np

from voltgym.surrogates.files import read_arrays, write_arrays
from voltgym.surrogates.splits import Scaler
from voltgym.surrogates.tanimoto import Known, tanimoto


class GaussianProcess:
    """Values from counts and numbers, with the noise of the data.

    Args:
        seed: of the choice of rows for the search for hyper-parameters.
        steps: of Adam on the marginal likelihood.
        rate: its learning rate.
        most: rows for the search for hyper-parameters; all are used to predict.
    """

    def __init__(self, *, seed: int = 0, steps: int = 80, rate: float = 0.1, most: int = 1000) -> None:
        self.seed, self.steps, self.rate, self.most = seed, steps, rate, most
        self._kept: dict[str, np.ndarray] = {}
        self._inputs = self._outputs = Scaler(np.zeros(1), np.ones(1))

    def fit(self, counts: np.ndarray, numbers: np.ndarray, y: np.ndarray) -> Self:
        """Learn from (n, f) counts, (n, d) numbers and (n, m) values; one of the first two may have no columns."""
        y = np.asarray(y, dtype=float).reshape(len(numbers), -1)
        self._inputs, self._outputs = Scaler.fit(numbers), Scaler.fit(y)
        x, target = self._scaled(numbers), self._outputs(y)
        similar = tanimoto(counts, counts) if counts.shape[1] else np.zeros((len(x), len(x)), np.float32)
        rows = np.random.default_rng(self.seed).permutation(len(x))[: self.most]
        found = _search(similar[np.ix_(rows, rows)], x[rows], target[rows], self.steps, self.rate)
        self._kept = {**found, "counts": counts.astype(np.uint8), "numbers": x}
        k = self._kernel(similar, x, x).astype(float) + found["noise"] * np.eye(len(x))
        self._kept["alpha"] = np.linalg.solve(k, target)
        return self._prepare(k)

    def _scaled(self, numbers: np.ndarray) -> np.ndarray:
        return np.clip(self._inputs(numbers), -6, 6).astype(np.float32)

    def _prepare(self, k: np.ndarray) -> Self:
        """What is made of the rest whenever a model is fitted or read: not worth keeping on the disk."""
        self._known = Known(self._kept["counts"])
        self._inverse = np.linalg.inv(k).astype(np.float32)
        return self

    def _kernel(self, similar: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """(n, m) float32."""
        kept = self._kept
        out = np.float32(kept["similar scale"]) * similar
        if a.shape[1]:
            lengths = kept["lengths"].astype(np.float32)
            u, v = a / lengths, b / lengths
            apart = (u * u).sum(axis=1)[:, None] + (v * v).sum(axis=1)[None] - 2 * u @ v.T
            out = out + np.float32(kept["number scale"]) * np.exp(-0.5 * np.maximum(apart, 0))
        return out

    def predict(self, counts: np.ndarray, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(n, m) means and standard deviations of what would be measured, its noise included."""
        kept, x = self._kept, self._scaled(numbers)
        similar = self._known.similarity(counts) if counts.shape[1] else np.zeros((len(x), len(kept["alpha"])))
        k = self._kernel(similar, x, kept["numbers"])
        mean = k.astype(float) @ kept["alpha"]
        own = kept["similar scale"] * bool(counts.shape[1]) + kept["number scale"] * bool(x.shape[1])
        known = np.einsum("ij,ij->i", k @ self._inverse, k)
        std = np.sqrt(np.maximum(own + kept["noise"] - known, kept["noise"]))  # never surer than the data are
        return mean * self._outputs.scale + self._outputs.mean, std[:, None] * self._outputs.scale

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything that predicts, by name."""
        scalers = {"input mean": self._inputs.mean, "input scale": self._inputs.scale}
        scalers |= {"output mean": self._outputs.mean, "output scale": self._outputs.scale}
        return {name: np.asarray(a) for name, a in {**self._kept, **scalers}.items()}

    @classmethod
    def build(cls, arrays: dict[str, np.ndarray]) -> Self:
        """The model that :meth:`arrays` describes."""
        model = cls()
        names = ("counts", "numbers", "alpha", "noise", "similar scale", "number scale", "lengths")
        model._kept = {name: arrays[name] for name in names}
        model._inputs = Scaler(arrays["input mean"], arrays["input scale"])
        model._outputs = Scaler(arrays["output mean"], arrays["output scale"])
        counts, x = arrays["counts"], arrays["numbers"]
        similar = tanimoto(counts, counts) if counts.shape[1] else np.zeros((len(x), len(x)), np.float32)
        return model._prepare(model._kernel(similar, x, x).astype(float) + arrays["noise"] * np.eye(len(x)))

    def save(self, path: Path) -> None:
        """Write an npz file."""
        write_arrays(path, self.arrays())

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what :meth:`save` wrote."""
        return cls.build(read_arrays(path))


def _search(similar: np.ndarray, x: np.ndarray, y: np.ndarray, steps: int, rate: float) -> dict[str, np.ndarray]:
    """Scales, length scales and noise that make the data most likely, with mild priors that keep them in sight."""
    import torch
    from gpytorch.distributions import MultivariateNormal

    k0, xs, ys = (torch.tensor(np.asarray(a, dtype=float)) for a in (similar, x, y))
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
        adam.zero_grad()
        likelihood = MultivariateNormal(torch.zeros_like(ys.T), kernel(torch.exp(raw))).log_prob(ys.T).mean()
        prior = -0.5 * (raw[:2] ** 2).sum() - 0.5 * ((raw[3:] - 1.0) ** 2).sum() - 0.5 * (raw[2] + 2.5) ** 2
        (-(likelihood + prior) / len(ys)).backward()
        adam.step()
    last = torch.exp(raw).detach().numpy()
    one = np.asarray
    scales = {"similar scale": one(last[0]), "number scale": one(last[1]), "noise": one(last[2] + 1e-4)}
    return scales | {"lengths": last[3:].copy()}
