"""``FadeSurrogate``: the wear of ``fade.py``, learned; `voltgym fit surrogate=storage_fade out=FOLDER` fits it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from voltgym.surrogates.base import Prediction
from voltgym.surrogates.gp import GaussianProcess
from voltgym.surrogates.parts import blocks
from voltgym_storage.fade import NAMES, FadeFormula, split

FILE = "fade.npz"


class FadeSurrogate:
    """A Gaussian process on charge and C-rate."""

    names = NAMES

    def __init__(self, model: GaussianProcess | None = None) -> None:
        self.model = model

    def fit(self, designs: Sequence[Any] | np.ndarray, values: np.ndarray) -> Self:
        """Learn from (n, 2) designs and their (n, 1) values."""
        x, _, _ = split(designs)
        self.model = GaussianProcess().fit(np.zeros((len(x), 0), np.uint8), x, np.asarray(values)[:, 0])
        return self

    def predict(self, designs: Sequence[Any] | np.ndarray) -> Prediction:
        """(n, 1) percent an hour. In blocks of one size: matrix products round by the size of their batch."""
        assert self.model is not None, "fit or load it first"
        x, domain, failure = split(designs)
        mean, std = np.zeros((len(x), 1)), np.zeros((len(x), 1))
        for rows in blocks(len(x)):
            mean[rows], std[rows] = self.model.predict(np.zeros((len(rows), 0), np.uint8), x[rows])
        return Prediction(mean, std, domain, failure)

    def save(self, path: Path) -> None:
        """Write the weights into the folder ``path``."""
        assert self.model is not None, "fit it first"
        self.model.save(path / FILE)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what :meth:`save` wrote."""
        return cls(GaussianProcess.load(path / FILE))


def measure(seed: int, cells: int, noise: float) -> tuple[np.ndarray, np.ndarray]:
    """Where a laboratory's table would be read: (n, 2) designs, and their (n, 1) wear with an error of measurement."""
    rng = np.random.default_rng(seed)
    designs = rng.uniform(0, 1, (cells, 2))
    return designs, FadeFormula().predict(designs).mean * (1 + noise * rng.normal(size=(cells, 1)))


def run(seeds: int, out: Path | None, cells: int = 80, noise: float = 0.02) -> None:
    """What ``voltgym fit`` calls: learn, judge on cells that were left out, write weights and a model card."""
    out = out or Path("storage_fade")
    errors = []
    for seed in range(seeds):
        designs, values = measure(seed, cells, noise)
        new, truth = measure(seed + 1000, cells, 0.0)
        errors.append(np.abs(FadeSurrogate().fit(designs, values).predict(new).mean / truth - 1).mean())
    FadeSurrogate().fit(*measure(0, cells, noise)).save(out)
    said = f"mean relative error {np.mean(errors):.1%} on cells that were left out, {seeds} splits of {cells} cells"
    (out / "MODEL_CARD.md").write_text(f"# Wear of a home battery\n\n{said}. Within 0 to 1 of charge and C-rate.\n")
    print(f"{said}; written to {out}")
