"""How alike counted fingerprints are, one against one or a few against very many."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array


def tanimoto(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(n, m) float32 of (n, f) and (m, f) counts: ``<x, y> / (<x, x> + <y, y> - <x, y>)``; rows of zeros are alike."""
    a, b = np.asarray(a, dtype=np.float32), np.asarray(b, dtype=np.float32)
    dot = a @ b.T
    total = (a * a).sum(axis=1)[:, None] + (b * b).sum(axis=1)[None] - dot
    return np.divide(dot, total, out=np.ones_like(total), where=total > 0)


def min_max(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(n, m) similarity of counts (n, f) and (m, f): the sum of the minima over the sum of the maxima.

    The min-max kernel (Ralaivola et al. 2005, Neural Networks 18, 1093-1110; from memory). A minimum of counts is the
    number of levels that both reach, so it is a few matrix products.
    """
    a, b = np.atleast_2d(a), np.atleast_2d(b)
    shared = np.zeros((len(a), len(b)), dtype=np.float32)
    for level in range(1, int(min(a.max(initial=0), b.max(initial=0))) + 1):
        places = np.flatnonzero((a >= level).any(axis=0) & (b >= level).any(axis=0))
        if not places.size:
            break
        one, other = (a[:, places] >= level).astype(np.float32), (b[:, places] >= level).astype(np.float32)
        shared += one @ other.T
    total = a.sum(axis=1, dtype=np.float32)[:, None] + b.sum(axis=1, dtype=np.float32)[None] - shared
    return np.divide(shared, total, out=np.ones_like(total), where=total > 0)


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
        counts = np.asarray(counts, dtype=np.float32)
        dot = csr_array(counts) @ self._places  # row by row, place by place
        own = np.einsum("ij,ij->i", counts, counts)  # whole numbers: exact in whatever order they are added
        total = own[:, None] + self._own - dot
        return np.divide(dot, total, out=np.ones_like(dot), where=total > 0)

    def nearest(self, counts: np.ndarray) -> np.ndarray:
        """(n,) the similarity of the most similar known molecule."""
        return self.similarity(counts).max(axis=1)
