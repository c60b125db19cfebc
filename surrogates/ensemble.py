"""An ensemble of small networks: fitted by torch, all members at once; predicting in numpy, without torch.

The spread of the members is what the model does not know (Lakshminarayanan et al. 2017, arXiv:1612.01474); it is too
small, and is calibrated before anybody relies on it (``calibration.py``).
"""

from __future__ import annotations

from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

import numpy as np
from scipy.sparse import csr_array

from voltgym.surrogates.files import read_arrays, write_arrays
from voltgym.surrogates.splits import Scaler


class Ensemble:
    """``members`` networks from (n, d) features to (n, m) values; NaN among the values is a missing one.

    Every member starts from other weights and learns from another bootstrap of the rows. Training stops where the error
    on the rows that were held out (a tenth, by ``groups``) was smallest.

    Args:
        hidden: sizes of the hidden layers.
        members: networks.
        epochs: at most.
        patience: epochs without improvement after which training stops.
        batch: rows of a step.
        rate: learning rate of Adam.
        decay: weight decay.
        dropout: share of the hidden units that are left out in training.
        seed: of everything random.
    """

    def __init__(
        self,
        hidden: tuple[int, ...] = (128, 64),
        *,
        members: int = 5,
        epochs: int = 200,
        patience: int = 20,
        batch: int = 128,
        rate: float = 2e-3,
        decay: float = 1e-4,
        dropout: float = 0.1,
        seed: int = 0,
    ) -> None:
        self.hidden, self.members, self.epochs, self.patience = tuple(hidden), members, epochs, patience
        self.batch, self.rate, self.decay, self.dropout, self.seed = batch, rate, decay, dropout, seed
        self.layers: list[tuple[np.ndarray, np.ndarray]] = []
        self.inputs = self.outputs = Scaler(np.zeros(1), np.ones(1))

    def fit(self, x: np.ndarray, y: np.ndarray, groups: np.ndarray | None = None) -> Self:
        """Learn from (n, d) features and (n, m) values."""
        import torch

        y = np.asarray(y, dtype=float).reshape(len(y), -1)
        self.inputs, self.outputs = Scaler.fit(x), Scaler.fit(y)
        rng = np.random.default_rng(self.seed)
        held = _held_out(len(x), groups, rng)
        xs = torch.tensor(np.clip(self.inputs(x), -10, 10), dtype=torch.float32)
        target = self.outputs(y)
        known = torch.tensor(np.isfinite(target), dtype=torch.float32)
        ys = torch.tensor(np.nan_to_num(target), dtype=torch.float32)
        generator = torch.Generator().manual_seed(self.seed)
        sizes = [x.shape[1], *self.hidden, y.shape[1]]
        weights = [_start(self.members, a, b, generator) for a, b in pairwise(sizes)]
        parameters = [p.requires_grad_() for pair in weights for p in pair]
        adam = torch.optim.AdamW(parameters, lr=self.rate, weight_decay=self.decay)
        learned = np.flatnonzero(~held)
        weight = torch.tensor(rng.poisson(1.0, (self.members, len(x))), dtype=torch.float32)  # a bootstrap of rows
        test = torch.tensor(np.flatnonzero(held))
        best, waited = np.inf, 0
        kept = [p.detach().clone() for p in parameters]
        for _ in range(self.epochs):
            order = rng.permutation(learned)
            for start in range(0, len(order), self.batch):
                rows = torch.tensor(order[start : start + self.batch])
                found = _forward(xs[rows].expand(self.members, -1, -1), weights, self.dropout, generator)
                use = known[rows] * weight[:, rows, None]
                loss = (use * (found - ys[rows]) ** 2).sum() / use.sum().clamp(min=1)
                adam.zero_grad()
                loss.backward()
                adam.step()
            with torch.no_grad():
                mean = _forward(xs[test].expand(self.members, -1, -1), weights, 0.0, generator).mean(dim=0)
                error = float((known[test] * (mean - ys[test]) ** 2).sum() / known[test].sum().clamp(min=1))
            if error < best - 1e-5:
                best, waited, kept = error, 0, [p.detach().clone() for p in parameters]
            elif (waited := waited + 1) >= self.patience:
                break
        self.__dict__.pop("_first", None)
        flat = [p.numpy().astype(np.float16).astype(np.float32) for p in kept]  # as they are kept on the disk
        self.layers = [(flat[i], flat[i + 1]) for i in range(0, len(flat), 2)]
        return self

    def predict(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(n, m) means and standard deviations over the members, of (n, d) features."""
        return self.rest(self.first(x))

    def rest(self, first: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(n, m) means and standard deviations of what :meth:`first` gives."""
        y = first
        for w, b in self.layers[1:]:
            y = np.maximum(y, 0) @ w + b
        y = y.astype(float) * self.outputs.scale + self.outputs.mean
        return y.mean(axis=0), y.std(axis=0)

    def first(self, x: np.ndarray) -> np.ndarray:
        """(members, n, h) the first layers before they are rectified: most of the work, unless it is done by sparsity.

        Most features of a molecule, counts of its fragments, are 0. What a row of zeros gives is known beforehand, and
        the features that are not 0 add their part. A row does not depend on the others.
        """
        weights, zero, empty = self._first
        apart = csr_array(self._scaled(x) - zero)
        y = apart @ weights + empty
        return np.ascontiguousarray(
            y.reshape(len(x), self.members, weights.shape[1] // self.members).transpose(1, 0, 2)
        )

    def _scaled(self, x: np.ndarray) -> np.ndarray:
        return np.clip(self.inputs(x), -10, 10).astype(np.float32)

    @cached_property
    def _first(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """All members' first layers side by side, a scaled row of zeros, and what they say of it."""
        weights, bias = self.layers[0]
        beside = np.ascontiguousarray(np.concatenate(list(weights), axis=1))
        zero = self._scaled(np.zeros((1, len(beside))))
        return beside, zero[0], (zero @ beside)[0] + bias.ravel()

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything that predicts, by name."""
        scalers = {"input mean": self.inputs.mean, "input scale": self.inputs.scale}
        scalers |= {"output mean": self.outputs.mean, "output scale": self.outputs.scale}
        weights = {
            f"{kind} {i}": a.astype(np.float16)  # lossless: they were rounded when they were fitted
            for i, pair in enumerate(self.layers)
            for kind, a in zip("wb", pair, strict=True)
        }
        return {name: np.asarray(a) for name, a in {**scalers, **weights}.items()}

    @classmethod
    def build(cls, arrays: dict[str, np.ndarray]) -> Self:
        """The model that :meth:`arrays` describes."""
        count = sum(name.startswith("w ") for name in arrays)
        layers = [tuple(arrays[f"{kind} {i}"].astype(np.float32) for kind in "wb") for i in range(count)]
        model = cls(tuple(w.shape[2] for w, _ in layers[:-1]), members=len(layers[0][0]))
        model.layers = [(w, b) for w, b in layers]
        model.inputs = Scaler(arrays["input mean"], arrays["input scale"])
        model.outputs = Scaler(arrays["output mean"], arrays["output scale"])
        return model

    def save(self, path: Path) -> None:
        """Write an npz file."""
        write_arrays(path, self.arrays())

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what :meth:`save` wrote."""
        return cls.build(read_arrays(path))


def _held_out(n: int, groups: np.ndarray | None, rng: np.random.Generator) -> np.ndarray:
    """(n,) bool, about a tenth, whole groups; never everything."""
    names = np.arange(n) if groups is None else np.unique(np.asarray(groups, dtype=str), return_inverse=True)[1]
    held = np.zeros(n, dtype=bool)
    for name in rng.permutation(np.unique(names)):
        if held.sum() >= 0.1 * n:
            break
        group = names == name
        if held.sum() + group.sum() <= 0.3 * n:
            held |= group
    return held


def _start(members: int, a: int, b: int, generator: Any) -> list[Any]:
    import torch

    return [torch.randn(members, a, b, generator=generator) * (2 / a) ** 0.5, torch.zeros(members, 1, b)]


def _forward(x: Any, weights: list[list[Any]], dropout: float, generator: Any) -> Any:
    import torch

    for i, (w, b) in enumerate(weights):
        if i:
            x = torch.relu(x)
            if dropout:
                x = x * (torch.rand(x.shape, generator=generator) > dropout) / (1 - dropout)
        x = torch.baddbmm(b, x, w)
    return x
