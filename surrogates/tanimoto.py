"""How alike counted fingerprints are, one against one or a few against very many."""

from __future__ import annotations

import numpy as np


def tanimoto(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(n, m) float32 of (n, f) and (m, f) counts: ``<x, y> / (<x, x> + <y, y> - <x, y>)``; rows of zeros are alike."""
    a, b = np.asarray(a, dtype=np.float32), np.asarray(b, dtype=np.float32)
    dot = a @ b.T
    total = (a * a).sum(axis=1)[:, None] + (b * b).sum(axis=1)[None] - dot
    return np.divide(dot, total, out=np.ones_like(total), where=total > 0)


class Known:
    """Molecules that others are compared with, laid out for that: a fingerprint has some twenty places of a thousand.

    Args:
        counts: (m, f) of the known molecules.
    """

    def __init__(self, counts: np.ndarray) -> None:
        self._places = np.ascontiguousarray(np.asarray(counts, dtype=np.float32).T)
        self._own = (self._places**2).sum(axis=0)

    def similarity(self, counts: np.ndarray) -> np.ndarray:
        """(n, m) float32 of (n, f) counts, as :func:`tanimoto`; a row does not depend on the others."""
        out = np.empty((len(counts), len(self._own)), dtype=np.float32)
        for row, count in zip(out, counts, strict=True):
            places = np.flatnonzero(count)
            values = count[places].astype(np.float32)
            dot = values @ self._places[places]
            total = float(values @ values) + self._own - dot
            np.divide(dot, total, out=row, where=total > 0)
            row[total <= 0] = 1.0
        return out

    def nearest(self, counts: np.ndarray) -> np.ndarray:
        """(n,) the similarity of the most similar known molecule."""
        return self.similarity(counts).max(axis=1)
