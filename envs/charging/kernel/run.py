"""A compiled kernel as arrays in, arrays out: thin ctypes around the generated library."""

from __future__ import annotations

import ctypes
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from .compile import load
from .source import Source

DONE, EVENT, GAVE_UP, NONFINITE, UNUSABLE = 0, 1, 2, 3, 4
"""How a step of a cell can end (``status``): see the enumeration in ``integrate.c``."""

_F, _I = ctypes.POINTER(ctypes.c_double), ctypes.POINTER(ctypes.c_int32)


class Advanced(NamedTuple):
    """What a batch of steps gave. n cells, NY states, NX watched expressions, NO outputs."""

    y: np.ndarray  # (n, NY)
    h: np.ndarray  # (n,) [s] a good first step size for the next call
    outputs: np.ndarray  # (n, NO), at the end
    low: np.ndarray  # (n, NX), the least over the step, its start (with the new inputs) included
    high: np.ndarray  # (n, NX)
    time: np.ndarray  # (n,) [s] that were integrated
    status: np.ndarray  # (n,) int32
    event: np.ndarray  # (n,) int32, the event that ended the step, -1 for none
    tries: np.ndarray  # (n,) int32, internal steps, rejected ones included


class _Job(ctypes.Structure):
    _fields_ = [  # noqa: RUF012  # ctypes reads this list; it mirrors `Job` in integrate.c
        ("n", ctypes.c_int64),
        ("next", ctypes.c_int64),
        *[(name, _F) for name in ("y_in", "u", "dt", "h_in")],
        *[(name, ctypes.c_double) for name in ("rtol", "atol", "otol", "h_max")],
        ("max_tries", ctypes.c_int64),
        *[(name, _F) for name in ("y_out", "h_out", "out", "low", "high", "time")],
        *[(name, _I) for name in ("status", "event", "tries")],
    ]


class Kernel:
    """A compiled model. Stateless: safe to call from several threads at once.

    Args:
        source: what to compile.
        threads: how many threads share a batch. Results do not depend on it.
    """

    def __init__(self, source: Source, threads: int = 1) -> None:
        self.source, self.threads = source, threads
        self.library, self.compiler = load(source.text)
        self.library.advance.argtypes = [ctypes.POINTER(_Job)]
        self.library.advance.restype = None
        self.library.observe.argtypes = [ctypes.c_int64, _F, _F, _F]
        self.library.observe.restype = None
        self.library.start.argtypes = [ctypes.c_int64, _F, _F]
        self.library.start.restype = None
        self._pool = ThreadPoolExecutor(threads - 1) if threads > 1 else None

    def __getstate__(self) -> dict:
        return {"source": self.source, "threads": self.threads}

    def __setstate__(self, state: dict) -> None:
        self.__init__(**state)  # type: ignore[misc]  # a library cannot be pickled, but found again

    def advance(
        self,
        y: np.ndarray,
        u: np.ndarray,
        dt: np.ndarray,
        h: np.ndarray,
        *,
        rtol: float,
        atol: float,
        otol: float = 5e-5,
        h_max: float = 1e30,
        max_tries: int = 1000,
    ) -> Advanced:
        """Integrate n cells from ``y`` (n, NY) over ``dt`` (n,) [s] with inputs ``u`` (n, NU) and first steps ``h`` (n,)."""
        s, n = self.source, len(y)
        y, u, dt, h = (np.ascontiguousarray(a, dtype=float) for a in (y, u, dt, h))
        _check(y, (n, s.n_states), "y")
        _check(u, (n, s.n_inputs), "u")
        _check(dt, (n,), "dt")
        _check(h, (n,), "h")
        out = Advanced(
            np.empty((n, s.n_states)),
            np.empty(n),
            np.empty((n, s.n_outputs)),
            np.empty((n, s.n_extremes)),
            np.empty((n, s.n_extremes)),
            np.empty(n),
            *(np.empty(n, np.int32) for _ in range(3)),
        )
        job = _Job(
            n,
            0,
            *map(_f, (y, u, dt, h)),
            rtol,
            atol,
            otol,
            h_max,
            max_tries,
            *map(_f, (out.y, out.h, out.outputs, out.low, out.high, out.time)),
            *map(_i, (out.status, out.event, out.tries)),
        )
        self._share(job, n)
        return out

    def _share(self, job: _Job, n: int) -> None:
        helpers = min(self.threads, -(-n // 8)) - 1
        if self._pool is None or helpers < 1:
            self.library.advance(job)
            return
        waiting = [self._pool.submit(self.library.advance, job) for _ in range(helpers)]
        self.library.advance(job)
        for future in waiting:
            future.result()

    def observe(self, y: np.ndarray, u: np.ndarray) -> np.ndarray:
        """(n, NO) outputs of states ``y`` (n, NY) under inputs ``u`` (n, NU)."""
        y, u = (np.ascontiguousarray(a, dtype=float) for a in (y, u))
        _check(y, (len(y), self.source.n_states), "y")
        _check(u, (len(y), self.source.n_inputs), "u")
        out = np.empty((len(y), self.source.n_outputs))
        self.library.observe(len(y), _f(y), _f(u), _f(out))
        return out

    def initial(self, u: np.ndarray) -> np.ndarray:
        """(n, NY) states of cells at rest for inputs ``u`` (n, NU)."""
        u = np.ascontiguousarray(u, dtype=float)
        _check(u, (len(u), self.source.n_inputs), "u")
        y = np.empty((len(u), self.source.n_states))
        self.library.start(len(u), _f(u), _f(y))
        return y


def _check(array: np.ndarray, shape: tuple[int, ...], name: str) -> None:
    if array.shape != shape:
        raise ValueError(f"{name} has shape {array.shape}, the kernel expects {shape}")


def _f(array: np.ndarray):
    return array.ctypes.data_as(_F)


def _i(array: np.ndarray):
    return array.ctypes.data_as(_I)
