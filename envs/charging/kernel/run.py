"""A compiled kernel as arrays in, arrays out: thin ctypes around the generated library."""

from __future__ import annotations

import ctypes
import os
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

import numpy as np

from voltgym.envs.charging.kernel.compile import load
from voltgym.envs.charging.kernel.source import LANES, Source

DONE, EVENT, GAVE_UP, NONFINITE, UNUSABLE = 0, 1, 2, 3, 4
"""How a step of a cell can end (``status``): see the enumeration in ``integrate.c``."""

RTOL, ATOL, OTOL = 2e-4, 2e-6, 2e-5
"""Tolerances that keep a whole episode within 0.1 mV and 10 mK of the exact solution, for every cell in the table."""


class Advanced(NamedTuple):
    """What a batch of steps gave. n cells, NY states, NX watched outputs, NO outputs."""

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
    """Mirrors ``Job`` in ``integrate.c``. Pointers are kept as plain addresses, which are cheap to make."""

    _fields_ = [
        *[(name, ctypes.c_int64) for name in ("n", "next")],
        *[(name, ctypes.c_void_p) for name in ("y_in", "u", "dt", "h_in")],
        *[(name, ctypes.c_double) for name in ("rtol", "atol", "otol", "h_max")],
        ("max_tries", ctypes.c_int64),
        *[(name, ctypes.c_void_p) for name in ("y_out", "h_out", "out", "low", "high", "time")],
        *[(name, ctypes.c_void_p) for name in ("status", "event", "tries")],
    ]


class Kernel:
    """A compiled model. Stateless: several threads may call it at once, and it pickles.

    Args:
        source: what to compile.
        threads: how many threads share a batch. Results do not depend on it.

    Raises:
        NoCompiler: the source could not be compiled.
    """

    def __init__(self, source: Source, threads: int = 1) -> None:
        if threads < 1:
            raise ValueError(f"threads is {threads!r}; expected a whole number >= 1")
        self.source, self.threads = source, int(threads)
        self._workers: tuple[int, ThreadPoolExecutor] | None = None
        self.library, self.compiler = load(source.text)
        for name, arguments in _SIGNATURES.items():
            function = getattr(self.library, name)
            function.argtypes, function.restype = arguments, None
        # the parts of one block of results: y, h, outputs, low, high, time
        sizes = (source.n_states, 1, source.n_outputs, source.n_extremes, source.n_extremes, 1)
        self._starts = [0, *accumulate(sizes)]

    def __reduce__(self) -> Any:
        """A library does not travel: the other process finds it in the cache, or compiles."""
        return Kernel, (self.source, self.threads)

    @property
    def _pool(self) -> ThreadPoolExecutor:
        """Its helpers; a forked process inherits the object but not its threads, so it makes its own."""
        if self._workers is None or self._workers[0] != os.getpid():
            pool = ThreadPoolExecutor(self.threads - 1, thread_name_prefix="voltgym-kernel")
            self._workers = os.getpid(), pool
        return self._workers[1]

    def advance(
        self,
        y: np.ndarray,
        u: np.ndarray,
        dt: np.ndarray,
        h: np.ndarray,
        *,
        rtol: float = RTOL,
        atol: float = ATOL,
        otol: float = OTOL,
        h_max: float = 1e30,
        max_tries: int = 1000,
    ) -> Advanced:
        """Integrate n cells.

        Args:
            y: (n, NY) states.
            u: (n, NU) inputs, held.
            dt: (n,) [s] how long.
            h: (n,) [s] first internal steps to try; anything <= 0 for the default.
            rtol: relative error of the states in an internal step, root mean square.
            atol: absolute error of the states, which are scaled to order one.
            otol: error that an internal step may leave in any watched output, in its unit, to first order.
            h_max: [s] the longest internal step.
            max_tries: internal steps after which a cell is given up.
        """
        s, n = self.source, len(u)
        y, u = _matrix(y, (n, s.n_states), "y"), _matrix(u, (n, s.n_inputs), "u")
        dt, h = _matrix(dt, (n,), "dt"), _matrix(h, (n,), "h")
        # one block each for numbers and counters, cut into the results: cheaper than nine allocations
        starts = self._starts
        block, counters = np.empty(n * starts[-1]), np.empty((3, n), np.int32)
        base, counted = block.ctypes.data, counters.ctypes.data
        job = _Job(
            n,
            0,
            *(array.ctypes.data for array in (y, u, dt, h)),
            rtol,
            atol,
            otol,
            h_max,
            max_tries,
            *(base + 8 * n * start for start in starts[:-1]),
            *(counted + 4 * n * i for i in range(3)),
        )
        self._share(job, n)
        cut = [block[n * a : n * b] for a, b in pairwise(starts)]
        return Advanced(
            cut[0].reshape(n, -1),
            cut[1],
            cut[2].reshape(n, s.n_outputs),
            cut[3].reshape(n, s.n_extremes),
            cut[4].reshape(n, s.n_extremes),
            cut[5],
            *counters,
        )

    def _share(self, job: _Job, n: int) -> None:
        helpers = min(self.threads, -(-n // LANES)) - 1
        if helpers < 1:
            self.library.advance(ctypes.byref(job))
            return
        waiting = [self._pool.submit(self.library.advance, ctypes.byref(job)) for _ in range(helpers)]
        self.library.advance(ctypes.byref(job))
        for future in waiting:
            future.result()

    def observe(self, y: np.ndarray, u: np.ndarray) -> np.ndarray:
        """(n, NO) outputs of states ``y`` (n, NY) under inputs ``u`` (n, NU)."""
        n = len(u)
        y, u = _matrix(y, (n, self.source.n_states), "y"), _matrix(u, (n, self.source.n_inputs), "u")
        out = np.empty((n, self.source.n_outputs))
        self.library.observe(n, y.ctypes.data, u.ctypes.data, out.ctypes.data)
        return out

    def initial(self, u: np.ndarray) -> np.ndarray:
        """(n, NY) states of cells at rest for inputs ``u`` (n, NU)."""
        u = _matrix(u, (len(u), self.source.n_inputs), "u")
        y = np.empty((len(u), self.source.n_states))
        self.library.start(len(u), u.ctypes.data, y.ctypes.data)
        return y


_SIGNATURES = {
    "advance": [ctypes.c_void_p],
    "observe": [ctypes.c_int64, *[ctypes.c_void_p] * 3],
    "start": [ctypes.c_int64, *[ctypes.c_void_p] * 2],
}


def _matrix(array: np.ndarray, shape: tuple[int, ...], name: str) -> np.ndarray:
    array = np.ascontiguousarray(array, dtype=float)
    if array.shape != shape:
        raise ValueError(f"{name} has shape {array.shape}; the kernel expects {shape}")
    return array
